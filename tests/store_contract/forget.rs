//! An instance that is forgotten is gone, whole.

use dunlin::instance::InstanceId;
use dunlin::store::durable::{Counts, Revision};

use crate::fixture::Fixture;
use crate::made::{
    LIMITS, NOW, append, append_sent, instance, later, received, released, retain_on, session_of,
};

/// Two sessions, six messages of which five count, and two that are retained.
async fn fill(f: &Fixture, i: &InstanceId) {
    f.limit(i, LIMITS);
    let (a, b) = (session_of(i, "a"), session_of(i, "b"));
    f.save(&a, crate::whole::record(10), Revision(0)).await.unwrap();
    f.open_session(&b).await;
    let batch = vec![
        append_sent(&a, 0, 1),
        append(&a, 1),
        append(&a, 2),
        append_sent(&b, 3, 1),
        append(&b, 4),
        append(&session_of(i, "no record"), 5),
        received(&a, 9),
        retain_on(i, "x", 1),
        retain_on(i, "y", 2),
    ];
    let seqs = f.commit(batch).await.seqs;
    f.commit(vec![released(&a, seqs[0])]).await;
}

const FULL: Counts = Counts {
    retained: 2,
    offline: 5,
    stored: 5,
};

pub async fn nothing_is_left_of_the_instance(f: &mut Fixture) {
    let i = instance("i");
    fill(f, &i).await;
    assert_eq!(f.store().counts(&i, later(1000)), FULL);
    f.store().forget_instance(&i).await.unwrap();
    for _ in 0..2 {
        assert_eq!(f.store().counts(&i, later(1000)), Counts::default());
        assert_eq!((f.store().retained_count(), f.store().offline_count()), (0, 0));
        assert!(f.retained(&i, "#", NOW).await.is_empty());
        assert!(f.store().sessions().await.unwrap().is_empty());
        for client in ["a", "b", "no record"] {
            let session = session_of(&i, client);
            assert!(f.load(&session).await.is_none());
            assert!(f.numbers(&session).await.is_empty());
        }
        f.reopen().await;
    }
    f.store().forget_instance(&i).await.unwrap();
    f.store().forget_instance(&instance("never was")).await.unwrap();
}

pub async fn other_instances_keep_all(f: &mut Fixture) {
    let (i, j, ij) = (instance("i"), instance("j"), instance("i/j"));
    for instance in [&i, &j, &ij] {
        fill(f, instance).await;
    }
    f.store().forget_instance(&i).await.unwrap();
    for _ in 0..2 {
        for other in [&j, &ij] {
            f.limit(other, LIMITS);
            assert_eq!(f.store().counts(other, later(1000)), FULL);
            let stored = f.load(&session_of(other, "a")).await.unwrap();
            assert_eq!(stored.record, crate::whole::record(10));
            assert_eq!((stored.unacknowledged.len(), stored.received.len()), (1, 1));
            assert_eq!(f.numbers(&session_of(other, "a")).await, [1, 2]);
            assert_eq!(f.retained(other, "#", NOW).await.len(), 2);
        }
        assert_eq!(f.store().sessions().await.unwrap().len(), 4);
        assert_eq!((f.store().retained_count(), f.store().offline_count()), (4, 10));
        f.reopen().await;
    }
}

pub async fn it_can_begin_anew(f: &mut Fixture) {
    let i = instance("i");
    for _ in 0..3 {
        fill(f, &i).await;
        f.reopen().await;
        assert_eq!(f.store().counts(&i, later(1000)), FULL);
        assert_eq!(f.numbers(&session_of(&i, "a")).await, [1, 2]);
        f.store().forget_instance(&i).await.unwrap();
    }
}

/// One that has limits and nothing else may be among them or not.
pub async fn instances_are_listed_until_they_are_forgotten(f: &mut Fixture) {
    let [recorded, alone, kept, inbound] = ["a record", "an inbox", "retained", "inbound"].map(instance);
    f.open_session(&session_of(&recorded, "a")).await;
    f.limit(&alone, LIMITS);
    let batch = vec![
        append(&session_of(&alone, "a"), 1),
        retain_on(&kept, "x", 2),
        received(&session_of(&inbound, "a"), 3),
    ];
    f.commit(batch).await;
    let mut left = vec![recorded, alone, kept, inbound];
    while !left.is_empty() {
        for _ in 0..2 {
            let mut listed = f.store().instances().await.unwrap();
            listed.retain(|listed| *listed != instance("i"));
            listed.sort();
            left.sort();
            assert_eq!(listed, left, "each once");
            f.reopen().await;
        }
        f.store().forget_instance(&left.remove(0)).await.unwrap();
    }
}
