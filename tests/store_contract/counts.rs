//! What is there is counted.

use dunlin::store::durable::{Counts, Health, InboxLimits, InboxSeq};

use crate::fixture::Fixture;
use crate::made::{
    END, LIMITS, NOW, acknowledge, append, append_sent, instance, later, released, retain_on, session,
    session_of,
};

pub async fn messages_are_counted_by_instance_and_in_all(f: &mut Fixture) {
    let (i, j) = (instance("i"), instance("j"));
    f.limit(&j, LIMITS);
    f.append_all(&session("a"), 0..3).await;
    f.append_all(&session("b"), 0..4).await;
    f.append_all(&session_of(&j, "a"), 0..5).await;
    f.commit(vec![retain_on(&j, "x", 1)]).await;
    for _ in 0..2 {
        assert_eq!((f.stored(&i), f.stored(&j)), (7, 5));
        assert_eq!(f.store().offline_count(), 12);
        assert_eq!(f.store().counts(&j, NOW).retained, 1);
        assert_eq!(f.store().counts(&instance("nowhere"), NOW), Counts::default());
        f.reopen().await;
        f.limit(&j, LIMITS);
    }
    f.commit(vec![acknowledge(&session("a"), InboxSeq(0), END)]).await;
    assert_eq!((f.stored(&i), f.store().offline_count()), (4, 9));
}

/// Seconds are precise enough.
pub async fn a_message_is_offline_after_a_while(f: &mut Fixture) {
    let i = instance("i");
    let limits = InboxLimits {
        visible_after_ms: 10_000,
        ..LIMITS
    };
    f.limit(&i, limits);
    for (n, at) in [0, 300, 999, 5000, 5001].into_iter().enumerate() {
        let session = session(&format!("{}", n % 2));
        f.commit_at(vec![append(&session, n as u128)], later(at)).await;
    }
    let offline = |f: &Fixture, ms| f.store().counts(&i, later(ms)).offline;
    assert_eq!((offline(f, 5001), offline(f, 8999)), (0, 0));
    // Three are old enough by 10,999, two more by 15,001.
    assert_eq!((offline(f, 11_999), offline(f, 13_999)), (3, 3));
    assert_eq!(offline(f, 16_001), 5);
    f.commit_at(vec![append(&session("c"), 5)], later(20_000)).await;
    assert_eq!(f.store().counts(&i, later(20_000)).stored, 6);
    f.reopen_with(limits).await;
    // Limits have no future that tells when they hold, but what comes behind them has.
    assert_eq!(f.numbers_at(&session("c"), later(20_000)).await, [5]);
    assert_eq!(
        (offline(f, 20_000), offline(f, 28_999), offline(f, 31_000)),
        (5, 5, 6)
    );
    // None of them is when it has just come.
    f.commit_at(vec![append(&session("c"), 9)], later(100_000)).await;
    let counts = f.store().counts(&i, later(100_000));
    assert_eq!((counts.offline, counts.stored), (6, 7));
    f.limit(&i, LIMITS);
    f.commit_at(vec![append(&session("c"), 9)], later(200_000)).await;
    let counts = f.store().counts(&i, later(200_000));
    assert_eq!(
        (counts.offline, counts.stored),
        (8, 8),
        "at once if there is no while"
    );
}

pub async fn what_is_gone_is_not_offline(f: &mut Fixture) {
    let (i, a) = (instance("i"), session("a"));
    let limits = InboxLimits {
        visible_after_ms: 10_000,
        age_ms: 60_000,
        messages_per_instance: 8,
    };
    f.limit(&i, limits);
    let batch = (0..8).map(|n| match n {
        0..4 => append(&a, n),
        _ => append_sent(&a, n, 100 + n as u16),
    });
    let seqs = f.commit(batch.collect()).await.seqs;
    let counts = |ms| {
        let counts = f.store().counts(&i, later(ms));
        (counts.offline, counts.stored)
    };
    assert_eq!((counts(0), counts(20_000)), ((0, 8), (8, 8)));
    f.commit(vec![released(&a, seqs[7])]).await;
    assert_eq!((counts(0), counts(20_000)), ((0, 7), (7, 7)));
    f.commit(vec![acknowledge(&a, seqs[2], seqs[2])]).await;
    assert_eq!((counts(0), counts(20_000)), ((0, 6), (6, 6)));
    f.commit_at((10..14).map(|n| append(&a, n)).collect(), later(20_000))
        .await;
    assert_eq!(
        (counts(20_000), counts(40_000)),
        ((4, 8), (8, 8)),
        "two made room"
    );
    let new = f.read(&a, later(20_000)).await.pop().unwrap().0;
    f.commit(vec![acknowledge(&a, new, new)]).await;
    assert_eq!((counts(20_000), counts(40_000)), ((4, 7), (7, 7)));
    f.tidy(&i, later(60_000)).await;
    assert_eq!(counts(60_000), (3, 3));
    f.discard(&a).await;
    assert_eq!(counts(60_000), (0, 0));
}

pub async fn a_store_at_rest_is_well(f: &mut Fixture) {
    f.append_all(&session("a"), 0..100).await;
    f.store().sync().await.unwrap();
    assert_eq!(f.store().health(), Health::default());
    f.reopen().await;
    assert_eq!(f.numbers(&session("a")).await.len(), 100);
    assert_eq!(f.store().health(), Health::default());
}
