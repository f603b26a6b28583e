//! A record comes back as it was, whatever is in it.

use bytes::Bytes;
use dunlin::codec::QoS;
use dunlin::message::SubscriptionOptions;
use dunlin::store::durable::{Revision, SessionRecord, StoredWill};
use dunlin::topic::TopicFilter;

use crate::fixture::Fixture;
use crate::made::{LIMITS, NOW, append, instance, later, retain_on, session, session_of};

/// A record that has something of everything, and so many subscriptions.
pub fn record(subscriptions: u32) -> SessionRecord {
    let subscription = |n: u32| {
        let filter = match n % 5 {
            0 => format!("site/{n}/+/#"),
            1 => format!("$share/group {n}/site/{n}/#"),
            2 => format!("größe/{n}/🦆"),
            3 => format!("/{n}/"),
            _ => format!("$SYS/{n}"),
        };
        let options = SubscriptionOptions {
            qos: [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n as usize % 3],
            no_local: n.is_multiple_of(2),
            retain_as_published: n.is_multiple_of(7),
            subscription_id: (!n.is_multiple_of(4)).then_some(n * 1000 + 1),
        };
        (TopicFilter::parse(&filter).unwrap(), options)
    };
    SessionRecord {
        expiry_seconds: Some(u32::MAX - 1),
        left_at: Some(later(17)),
        subscriptions: (0..subscriptions).map(subscription).collect(),
        next_packet_id: 65_535,
        will: Some(StoredWill {
            topic: "wills/ü/🦆".to_owned(),
            payload: Bytes::from(vec![0xFF; 70_000]),
            forward: Bytes::from_static(b"\x01\x01\x26\x00\x01k\x00\x01v"),
            qos: QoS::ExactlyOnce,
            retain: true,
            delay: u32::MAX,
            message_expiry: Some(60),
            due: Some(later(60_000)),
        }),
        client: Bytes::from_static(b"\x00who\xFF it was"),
    }
}

pub async fn a_full_record_comes_back(f: &mut Fixture) {
    let bare_will = StoredWill {
        topic: "w".to_owned(),
        payload: Bytes::new(),
        forward: Bytes::new(),
        qos: QoS::AtMostOnce,
        retain: false,
        delay: 0,
        message_expiry: None,
        due: None,
    };
    let records = [
        record(1000),
        record(0),
        SessionRecord::default(),
        SessionRecord {
            expiry_seconds: Some(0),
            left_at: None,
            will: Some(bare_will),
            ..record(1)
        },
        SessionRecord {
            expiry_seconds: None,
            will: None,
            client: Bytes::new(),
            ..record(3)
        },
        SessionRecord {
            client: Bytes::from(vec![7; 100_000]),
            ..SessionRecord::default()
        },
    ];
    for (n, record) in records.iter().enumerate() {
        let session = session(&n.to_string());
        f.save(&session, record.clone(), Revision(0)).await.unwrap();
    }
    for _ in 0..2 {
        for (n, record) in records.iter().enumerate() {
            let stored = f.load(&session(&n.to_string())).await.unwrap();
            assert_eq!(stored.record, *record);
        }
        f.reopen().await;
    }
}

/// Names are the client's own words: whatever a store keeps them in, they are not mixed up.
pub async fn names_may_be_anything(f: &mut Fixture) {
    let long = "long".repeat(250);
    let names = [
        "größe 🦆",
        "a",
        "A",
        "a/b",
        "a.b",
        "a b",
        "*",
        ">",
        "#",
        "+",
        "..",
        ".",
        "/",
        "\\",
        "a\u{1}b",
        "a\tb\n",
        "ａ",
        "e\u{301}",
        "é",
        "%61",
        "$SYS",
        &long,
    ];
    let instances = ["i", "ü", "i/a", "mqtt-cn-demo", "i.a"].map(instance);
    let mut number = 0;
    let all = || {
        instances
            .iter()
            .flat_map(|i| names.iter().map(move |name| (i, session_of(i, name))))
    };
    for i in &instances {
        f.limit(i, LIMITS);
    }
    for (i, session) in all() {
        f.open_session(&session).await;
        f.commit(vec![append(&session, number), retain_on(i, "t", number)])
            .await;
        number += 1;
    }
    for _ in 0..2 {
        for ((_, session), number) in all().zip(0..) {
            assert_eq!(f.numbers(&session).await, [number], "{session}");
            assert!(f.load(&session).await.is_some(), "{session}");
        }
        for (i, n) in instances.iter().zip(1..) {
            let retained = f.retained(i, "t", NOW).await;
            assert_eq!(retained[0].id.0, n * names.len() as u128 - 1);
            assert_eq!(f.stored(i), names.len());
        }
        let mut expected: Vec<_> = all().map(|(_, session)| session).collect();
        let mut sessions = f.store().sessions().await.unwrap();
        sessions.sort();
        expected.sort();
        assert_eq!(sessions, expected);
        f.reopen().await;
        for i in &instances {
            f.limit(i, LIMITS);
        }
    }
}
