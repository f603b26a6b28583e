//! A session that is discarded is gone.

use dunlin::instance::SessionKey;
use dunlin::store::durable::{InboxSeq, Revision, SessionRecord, StoreError};

use crate::fixture::Fixture;
use crate::made::{append, append_sent, instance, owed, received, released, session, session_of};

/// A session with some of everything: 5 messages, of which 4 count.
async fn full(f: &Fixture, session: &SessionKey) -> Vec<InboxSeq> {
    f.open_session(session).await;
    let batch = vec![
        append_sent(session, 0, 1),
        append_sent(session, 1, 2),
        append(session, 2),
        append(session, 3),
        append(session, 4),
        received(session, 9),
    ];
    let seqs = f.commit(batch).await.seqs;
    f.commit(vec![released(session, seqs[1])]).await;
    seqs
}

pub async fn nothing_is_left_of_the_session(f: &mut Fixture) {
    let a = session("a");
    full(f, &a).await;
    assert_eq!(f.stored(&a.instance), 4);
    f.discard(&a).await;
    for _ in 0..2 {
        assert!(f.load(&a).await.is_none());
        assert!(f.numbers(&a).await.is_empty());
        assert_eq!(f.stored(&a.instance), 0);
        assert_eq!(f.store().offline_count(), 0);
        assert!(f.store().sessions().await.unwrap().is_empty());
        f.reopen().await;
    }
    f.discard(&a).await;
    f.discard(&session_of(&instance("elsewhere"), "a")).await;
}

pub async fn others_keep_all(f: &mut Fixture) {
    let elsewhere = instance("elsewhere");
    f.limit(&elsewhere, crate::made::LIMITS);
    let (a, b, other) = (session("a"), session("b"), session_of(&elsewhere, "a"));
    full(f, &a).await;
    let of_b = full(f, &b).await;
    let of_other = full(f, &other).await;
    f.discard(&a).await;
    for (session, seqs) in [(&b, of_b), (&other, of_other)] {
        let stored = f.load(session).await.unwrap();
        assert_eq!(
            owed(&stored.unacknowledged),
            [(1, seqs[0], Some(0)), (2, seqs[1], None)]
        );
        assert_eq!(stored.received, [9]);
        assert_eq!(f.numbers(session).await, [2, 3, 4]);
        assert_eq!(f.stored(&session.instance), 4);
    }
}

pub async fn the_next_session_of_that_name_begins_anew(f: &mut Fixture) {
    let a = session("a");
    full(f, &a).await;
    f.discard(&a).await;
    f.open_session(&a).await;
    for _ in 0..2 {
        let stored = f.load(&a).await.unwrap();
        assert_eq!(stored.record, SessionRecord::default());
        assert!(stored.unacknowledged.is_empty() && stored.received.is_empty() && !stored.waiting);
        f.reopen().await;
    }
    f.append(&a, 10).await;
    f.reopen().await;
    assert_eq!(f.numbers(&a).await, [10]);
}

/// Whoever holds a place from before must not meet another message with it.
pub async fn places_are_not_given_again(f: &mut Fixture) {
    let a = session("a");
    let last = *full(f, &a).await.last().unwrap();
    f.discard(&a).await;
    let next = f.append(&a, 10).await;
    assert!(last < next);
    f.store().forget_instance(&a.instance).await.unwrap();
    f.limit(&a.instance, crate::made::LIMITS);
    assert!(next < f.append(&a, 11).await);
}

/// Somebody has saved the record since, though there was none in between.
pub async fn a_revision_from_before_is_stale(f: &mut Fixture) {
    let a = session("a");
    let before = f.open_session(&a).await;
    f.discard(&a).await;
    let record = SessionRecord::default;
    assert_eq!(f.save(&a, record(), before).await, Err(StoreError::Stale));
    let after = f.save(&a, record(), Revision(0)).await.unwrap();
    assert_eq!(f.save(&a, record(), before).await, Err(StoreError::Stale));
    f.save(&a, record(), after).await.unwrap();
}
