//! A message is kept for so long.

use dunlin::instance::InstanceId;
use dunlin::store::durable::{InboxLimits, InboxSeq};

use crate::fixture::Fixture;
use crate::made::{
    LIMITS, NOW, acknowledge, append, append_sent, evicted, instance, later, owed, released, session,
    session_of,
};

/// Ten seconds.
const AGE: u64 = 10_000;

/// The instance `i`, in which messages live for `AGE`.
fn aging(f: &Fixture) -> InstanceId {
    let limits = InboxLimits {
        age_ms: AGE,
        ..LIMITS
    };
    f.limit(&instance("i"), limits);
    instance("i")
}

pub async fn a_message_that_is_too_old_is_not_read(f: &mut Fixture) {
    aging(f);
    let a = session("a");
    f.open_session(&a).await;
    f.commit_at(vec![append(&a, 1)], NOW).await;
    f.commit_at(vec![append(&a, 2)], later(5000)).await;
    assert_eq!(f.numbers_at(&a, later(AGE - 1)).await, [1, 2]);
    assert_eq!(f.numbers_at(&a, later(AGE)).await, [2]);
    assert!(f.load_at(&a, later(AGE + 4999)).await.unwrap().waiting);
    assert!(f.numbers_at(&a, later(AGE + 5000)).await.is_empty());
    assert!(!f.load_at(&a, later(AGE + 5000)).await.unwrap().waiting);
}

pub async fn what_is_too_old_goes_and_is_counted_once(f: &mut Fixture) {
    let i = aging(f);
    let (a, b) = (session("a"), session("b"));
    f.commit_at((0..5).map(|n| append(&a, n)).collect(), NOW).await;
    f.commit_at(vec![append(&a, 5)], later(1000)).await;
    // With the next message, or when the store is tidied.
    let committed = f.commit_at(vec![append(&b, 6)], later(AGE)).await;
    let gone = evicted(&committed, &i) + f.tidy(&i, later(AGE)).await;
    assert_eq!((gone, f.stored(&i)), (5, 2));
    assert_eq!(f.tidy(&i, later(AGE)).await, 0);
    assert_eq!(f.numbers_at(&a, later(AGE)).await, [5]);
    assert_eq!(f.numbers_at(&b, later(AGE)).await, [6]);
}

pub async fn a_sent_one_grows_old(f: &mut Fixture) {
    let i = aging(f);
    let a = session("a");
    f.open_session(&a).await;
    let seqs = f.commit(vec![append_sent(&a, 1, 1)]).await.seqs;
    let stored = f.load_at(&a, later(AGE - 1)).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(1, seqs[0], Some(1))]);
    let stored = f.load_at(&a, later(AGE)).await.unwrap();
    assert!(stored.unacknowledged.is_empty());
    assert_eq!(f.tidy(&i, later(AGE)).await, 1);
}

pub async fn a_released_one_does_not(f: &mut Fixture) {
    let i = aging(f);
    let a = session("a");
    f.open_session(&a).await;
    let seqs = f.commit(vec![append_sent(&a, 1, 1)]).await.seqs;
    f.commit(vec![released(&a, seqs[0])]).await;
    assert_eq!(f.tidy(&i, later(5 * AGE)).await, 0);
    let committed = f.commit_at(vec![append(&a, 2)], later(5 * AGE)).await;
    assert_eq!(evicted(&committed, &i), 0);
    let stored = f.load_at(&a, later(5 * AGE)).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(1, seqs[0], None)]);
}

pub async fn tidying_takes_what_is_too_old_and_nothing_else(f: &mut Fixture) {
    let (i, j) = (aging(f), instance("j"));
    f.limit(&j, LIMITS);
    let (a, b, other) = (session("a"), session("b"), session_of(&j, "a"));
    f.open_session(&a).await;
    let first = f
        .commit_at(vec![append(&a, 1), append(&b, 2), append(&other, 3)], NOW)
        .await
        .seqs[0];
    f.commit_at(vec![append(&b, 4), append(&a, 5)], later(1)).await;
    assert!(f.store().tidy(later(AGE - 1)).await.unwrap().is_empty());
    let gone = f.store().tidy(later(AGE)).await.unwrap();
    assert_eq!(gone, [(i.clone(), 2)]);
    assert_eq!((f.stored(&i), f.stored(&j)), (2, 1));
    assert_eq!(f.numbers_at(&b, later(AGE)).await, [4]);
    assert_eq!(f.numbers_at(&other, later(AGE)).await, [3]);
    f.commit(vec![acknowledge(&a, InboxSeq(0), first)]).await;
    assert_eq!(f.stored(&i), 2, "what is gone cannot go again");
    assert_eq!(f.tidy(&i, later(AGE + 1)).await, 2);
    assert!(
        f.load(&a).await.is_some(),
        "a session does not go with its messages"
    );
    assert_eq!(f.store().offline_count(), 1);
}
