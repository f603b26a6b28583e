//! Retained messages [MQTT-3.3.1-5].

use bytes::Bytes;
use dunlin::codec::QoS;
use dunlin::instance::InstanceId;
use dunlin::message::{Message, MessageId, Origin};
use dunlin::time::Millis;

use crate::fixture::Fixture;
use crate::made::{
    NOW, append, instance, later, message, parts, retain, retain_nothing, retain_on, session, topic,
};

async fn topics(f: &Fixture, instance: &InstanceId, filter: &str, now: Millis) -> Vec<String> {
    let found = f.retained(instance, filter, now).await;
    found.iter().map(|message| message.topic.to_string()).collect()
}

pub async fn a_message_is_set_replaced_and_deleted(f: &mut Fixture) {
    let i = instance("i");
    f.commit(vec![retain_on(&i, "x", 1), append(&session("a"), 9)])
        .await;
    assert_eq!(f.retained(&i, "x", NOW).await[0].id.0, 1);
    f.commit(vec![retain_on(&i, "x", 2)]).await;
    for _ in 0..2 {
        let found = f.retained(&i, "#", NOW).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id.0, 2);
        assert_eq!(f.store().retained_in(&i), 1);
        f.reopen().await;
    }
    f.commit(vec![retain_nothing(&i, "x"), retain_nothing(&i, "never was")])
        .await;
    for _ in 0..2 {
        assert!(f.retained(&i, "#", NOW).await.is_empty());
        assert_eq!(f.store().retained_in(&i), 0);
        f.reopen().await;
    }
    f.commit(vec![retain_nothing(&i, "x"), retain_on(&i, "x", 3)])
        .await;
    f.reopen().await;
    assert_eq!(f.retained(&i, "x", NOW).await[0].id.0, 3);
}

pub async fn filters_find_theirs(f: &mut Fixture) {
    let i = instance("i");
    let names = ["a", "a/b", "a/b/c", "a/c", "b", "/a", "a/", "$SYS/a", "ä/b", "ab"];
    let batch = names.iter().zip(0..).map(|(name, n)| retain_on(&i, name, n));
    f.commit(batch.collect()).await;
    for _ in 0..2 {
        for (filter, expected) in [
            ("a", &["a"][..]),
            ("c", &[]),
            ("#", &["/a", "a", "a/", "a/b", "a/b/c", "a/c", "ab", "b", "ä/b"]),
            ("a/#", &["a", "a/", "a/b", "a/b/c", "a/c"]),
            ("+", &["a", "ab", "b"]),
            ("+/b", &["a/b", "ä/b"]),
            ("a/+", &["a/", "a/b", "a/c"]),
            ("a/+/c", &["a/b/c"]),
            ("/+", &["/a"]),
            ("$SYS/#", &["$SYS/a"]),
            ("$SYS/a", &["$SYS/a"]),
            ("+/a", &["/a"]),
        ] {
            assert_eq!(topics(f, &i, filter, NOW).await, expected, "{filter}");
        }
        f.reopen().await;
    }
}

pub async fn they_expire(f: &mut Fixture) {
    let i = instance("i");
    let until = |text, ms| {
        let message = Message {
            topic: topic(text),
            expires_at: Some(later(ms)),
            ..message(1)
        };
        retain(&i, message)
    };
    f.commit(vec![until("a", 1000), until("b", 2000), retain_on(&i, "c", 2)])
        .await;
    // Time does not go back: what has expired may be gone for good.
    for (ms, left) in [(999, &["a", "b", "c"][..]), (1000, &["b", "c"]), (2000, &["c"])] {
        for _ in 0..2 {
            assert_eq!(topics(f, &i, "#", later(ms)).await, left);
            assert_eq!(topics(f, &i, "+", later(ms)).await, left);
            assert_eq!(topics(f, &i, "a", later(ms)).await.is_empty(), ms >= 1000);
            f.reopen().await;
        }
    }
    f.commit_at(vec![until("a", 9000)], later(5000)).await;
    assert_eq!(topics(f, &i, "#", later(5000)).await, ["a", "c"]);
}

pub async fn instances_have_their_own(f: &mut Fixture) {
    // No limits are needed: those are for inboxes.
    let (i, j) = (instance("i"), instance("without limits"));
    f.commit(vec![
        retain_on(&i, "x", 1),
        retain_on(&j, "x", 2),
        retain_on(&j, "y", 3),
    ])
    .await;
    f.commit(vec![retain_nothing(&i, "y")]).await;
    for _ in 0..2 {
        assert_eq!(f.retained(&i, "x", NOW).await[0].id.0, 1);
        assert_eq!(f.retained(&j, "x", NOW).await[0].id.0, 2);
        assert_eq!(topics(f, &i, "#", NOW).await, ["x"]);
        assert_eq!(topics(f, &j, "#", NOW).await, ["x", "y"]);
        assert!(topics(f, &instance("nowhere"), "#", NOW).await.is_empty());
        f.reopen().await;
    }
}

pub async fn they_are_counted(f: &mut Fixture) {
    let (i, j) = (instance("i"), instance("j"));
    let counts = |f: &Fixture| {
        let store = f.store();
        assert_eq!(store.counts(&i, NOW).retained, store.retained_in(&i));
        (
            store.retained_in(&i),
            store.retained_in(&j),
            store.retained_count(),
        )
    };
    assert_eq!(counts(f), (0, 0, 0));
    f.commit((0..100).map(|n| retain_on(&i, &n.to_string(), n)).collect())
        .await;
    f.commit((0..50).map(|n| retain_on(&j, &n.to_string(), n)).collect())
        .await;
    assert_eq!(counts(f), (100, 50, 150));
    f.commit((0..60).map(|n| retain_nothing(&i, &n.to_string())).collect())
        .await;
    f.commit((0..60).map(|n| retain_on(&j, &n.to_string(), n)).collect())
        .await;
    assert_eq!(counts(f), (40, 60, 100));
    f.reopen().await;
    assert_eq!(counts(f), (40, 60, 100));
    assert_eq!(f.store().offline_count(), 0);
}

pub async fn they_come_back_as_they_were(f: &mut Fixture) {
    let i = instance("i");
    let whole = Message {
        id: MessageId(u128::MAX),
        topic: topic("größe/🦆"),
        payload: Bytes::from(vec![0xA5; 256 * 1024]),
        forward: Bytes::from_static(b"\x26\x00\x01k\x00\x01v"),
        qos: QoS::ExactlyOnce,
        retain: true,
        expires_at: Some(later(1_000_000)),
        origin: Origin::Will,
    };
    let expected = parts(&whole);
    f.commit(vec![retain(&i, whole)]).await;
    f.commit(vec![retain(
        &i,
        Message {
            payload: Bytes::new(),
            ..message(5)
        },
    )])
    .await;
    for _ in 0..2 {
        assert!(parts(&f.retained(&i, "größe/+", NOW).await[0]) == expected);
        assert!(f.retained(&i, "t", NOW).await[0].payload.is_empty());
        f.reopen().await;
    }
}
