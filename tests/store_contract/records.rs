//! A record belongs to who saved it last.

use std::sync::Arc;

use dunlin::store::durable::{Revision, SessionRecord, StoreError};
use futures_util::future::join_all;

use crate::fixture::{Fixture, on_another_thread};
use crate::made::{append, instance, session, session_of};

fn record(next_packet_id: u16) -> SessionRecord {
    SessionRecord {
        next_packet_id,
        ..SessionRecord::default()
    }
}

pub async fn there_is_none_at_first(f: &mut Fixture) {
    let a = session("a");
    assert!(f.load(&a).await.is_none());
    assert_eq!(f.save(&a, record(1), Revision(1)).await, Err(StoreError::Stale));
    assert!(f.load(&a).await.is_none());
    assert!(f.store().sessions().await.unwrap().is_empty());
}

pub async fn each_save_has_its_revision(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    let mut revision = Revision(0);
    let mut all = vec![revision];
    for n in 1..10 {
        revision = f.save(&a, record(n), revision).await.unwrap();
        assert!(!all.contains(&revision));
        all.push(revision);
        let stored = f.load(&a).await.unwrap();
        assert_eq!((stored.record, stored.revision), (record(n), revision));
    }
    f.open_session(&b).await;
    assert_eq!(
        f.load(&a).await.unwrap().revision,
        revision,
        "another's is another's"
    );
    f.commit(vec![append(&a, 1)]).await;
    assert_eq!(
        f.load(&a).await.unwrap().revision,
        revision,
        "a message changes no record"
    );
}

pub async fn who_comes_late_is_told(f: &mut Fixture) {
    let a = session("a");
    let first = f.save(&a, record(1), Revision(0)).await.unwrap();
    assert_eq!(f.save(&a, record(2), Revision(0)).await, Err(StoreError::Stale));
    let second = f.save(&a, record(3), first).await.unwrap();
    assert_eq!(f.save(&a, record(4), first).await, Err(StoreError::Stale));
    let stored = f.load(&a).await.unwrap();
    assert_eq!((stored.record, stored.revision), (record(3), second));
    f.reopen().await;
    assert_eq!(
        f.load(&a).await.unwrap().record,
        record(3),
        "what was refused left nothing"
    );
}

pub async fn of_many_one_wins(f: &mut Fixture) {
    let a = session("a");
    let mut revision = f.open_session(&a).await;
    for round in 0..10 {
        let tasks = (0..8).map(|n| {
            let (store, a) = (Arc::clone(f.store()), a.clone());
            on_another_thread(async move { store.save(&a, record(10 * round + n), revision).await })
        });
        let results: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let won: Vec<_> = (0..8).filter(|n| results[usize::from(*n)].is_ok()).collect();
        assert_eq!(won.len(), 1);
        let lost = results.iter().filter(|result| **result == Err(StoreError::Stale));
        assert_eq!(lost.count(), 7);
        let stored = f.load(&a).await.unwrap();
        assert_eq!(stored.record, record(10 * round + won[0]));
        revision = stored.revision;
    }
}

pub async fn a_record_is_replaced_as_a_whole(f: &mut Fixture) {
    let a = session("a");
    let revision = f.save(&a, crate::whole::record(50), Revision(0)).await.unwrap();
    f.save(&a, record(1), revision).await.unwrap();
    assert_eq!(f.load(&a).await.unwrap().record, record(1));
    f.reopen().await;
    assert_eq!(f.load(&a).await.unwrap().record, record(1));
}

pub async fn sessions_are_listed(f: &mut Fixture) {
    let mut expected = Vec::new();
    for name in ["i", "j", "without limits"] {
        for client in 0..20 {
            let session = session_of(&instance(name), &format!("client {client}"));
            f.open_session(&session).await;
            expected.push(session);
        }
    }
    f.append(&session("no record"), 1).await;
    f.discard(&expected.remove(7)).await;
    for _ in 0..2 {
        let mut sessions = f.store().sessions().await.unwrap();
        sessions.sort();
        expected.sort();
        assert_eq!(sessions, expected);
        f.reopen().await;
    }
}
