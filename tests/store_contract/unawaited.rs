//! What a thread did is seen by what it does next, though the future of the first was not awaited.

use dunlin::store::durable::{InboxSeq, Revision, SessionRecord, StoreError};
use dunlin::topic::TopicFilter;

use crate::fixture::Fixture;
use crate::made::{END, NOW, acknowledge, append, instance, retain_nothing, retain_on, session};

fn record(next_packet_id: u16) -> SessionRecord {
    SessionRecord {
        next_packet_id,
        ..SessionRecord::default()
    }
}

pub async fn a_read_sees_what_was_committed_before(f: &mut Fixture) {
    let a = session("a");
    for number in 1..50 {
        let committed = f.store().commit(vec![append(&a, number)], NOW);
        let page = f.store().read(&a, InboxSeq(0), 100, NOW).await.unwrap();
        assert_eq!(page.deliveries.len() as u128, number);
        let place = page.deliveries.last().unwrap().0;
        assert_eq!(committed.await.unwrap().seqs, [place]);
    }
}

pub async fn a_load_sees_what_was_saved_before(f: &mut Fixture) {
    let a = session("a");
    let saved = f.store().save(&a, record(7), Revision(0));
    let received = f.store().commit(vec![crate::made::received(&a, 9)], NOW);
    let stored = f.load(&a).await.unwrap();
    assert_eq!(stored.record, record(7));
    assert_eq!(stored.received, [9]);
    assert_eq!(saved.await.unwrap(), stored.revision);
    received.await.unwrap();
    let sessions = f.store().discard(&a);
    assert!(f.store().sessions().await.unwrap().is_empty());
    sessions.await.unwrap();
}

pub async fn a_save_sees_what_was_saved_before(f: &mut Fixture) {
    let a = session("a");
    let first = f.store().save(&a, record(1), Revision(0));
    let second = f.store().save(&a, record(2), Revision(0));
    // The later is asked first.
    assert_eq!(second.await, Err(StoreError::Stale));
    first.await.unwrap();
    assert_eq!(f.load(&a).await.unwrap().record, record(1));
}

pub async fn what_was_discarded_before_is_not_seen(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    f.append_all(&a, 1..10).await;
    let discarded = f.store().discard(&a);
    let after = f.store().commit(vec![append(&a, 99)], NOW);
    assert_eq!(f.numbers(&a).await, [99]);
    assert!(f.load(&a).await.is_none());
    discarded.await.unwrap();
    after.await.unwrap();

    let i = instance("i");
    let forgotten = f.store().forget_instance(&i);
    assert!(f.numbers(&a).await.is_empty());
    forgotten.await.unwrap();
}

pub async fn an_acknowledge_meets_what_was_appended_before(f: &mut Fixture) {
    let a = session("a");
    let futures = [
        f.store().commit(vec![append(&a, 1)], NOW),
        f.store().commit(vec![acknowledge(&a, InboxSeq(0), END)], NOW),
        f.store().commit(vec![append(&a, 2)], NOW),
    ];
    assert_eq!(f.numbers(&a).await, [2]);
    for future in futures.into_iter().rev() {
        future.await.unwrap();
    }
    assert_eq!(f.numbers(&a).await, [2]);
}

pub async fn retained_messages_are_seen_at_once(f: &mut Fixture) {
    let (i, all) = (instance("i"), TopicFilter::parse("#").unwrap());
    let set = f.store().commit(vec![retain_on(&i, "x", 1)], NOW);
    assert_eq!(f.store().retained(&i, &all, NOW).await.unwrap().len(), 1);
    let deleted = f.store().commit(vec![retain_nothing(&i, "x")], NOW);
    assert!(f.store().retained(&i, &all, NOW).await.unwrap().is_empty());
    set.await.unwrap();
    deleted.await.unwrap();
}
