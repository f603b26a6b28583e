//! Messages of a session come out in the order in which they went in.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::fixture::{Fixture, on_another_thread};
use crate::made::{NOW, append, session};

pub async fn messages_come_in_the_order_of_their_batches(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    let mut places = Vec::new();
    for round in 0..20 {
        let batch = vec![
            append(&a, 3 * round),
            append(&b, round),
            append(&a, 3 * round + 1),
            append(&a, 3 * round + 2),
        ];
        let seqs = f.commit(batch).await.seqs;
        assert_eq!(seqs.len(), 4);
        places.extend([seqs[0], seqs[2], seqs[3]]);
    }
    assert_eq!(f.numbers(&a).await, (0..60).collect::<Vec<_>>());
    assert_eq!(f.numbers(&b).await, (0..20).collect::<Vec<_>>());
    let read: Vec<_> = f.read(&a, NOW).await.into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(read, places, "they stand where it was said");
    assert!(places.is_sorted_by(|one, next| one < next));
}

pub async fn each_session_keeps_its_order_under_many_threads(f: &mut Fixture) {
    let tasks = (0..8).map(|client| {
        let store = Arc::clone(f.store());
        on_another_thread(async move {
            let session = session(&format!("client {client}"));
            for round in 0..20 {
                // Three at a time, none of them awaited before the next.
                let batches = (0..3).map(|n| store.commit(vec![append(&session, 3 * round + n)], NOW));
                for committed in join_all(batches).await {
                    committed.unwrap();
                }
            }
        })
    });
    for done in join_all(tasks).await {
        done.unwrap();
    }
    for client in 0..8 {
        let numbers = f.numbers(&session(&format!("client {client}"))).await;
        assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    }
}

pub async fn a_session_keeps_the_order_of_each_of_its_writers(f: &mut Fixture) {
    let tasks = (0..4).map(|writer| {
        let store = Arc::clone(f.store());
        on_another_thread(async move {
            let mut places = Vec::new();
            for n in 0..50 {
                let batch = vec![append(&session("a"), 1000 * writer + n)];
                places.push(store.commit(batch, NOW).await.unwrap().seqs[0]);
            }
            places
        })
    });
    let mut places = Vec::new();
    for of_one in join_all(tasks).await {
        let of_one = of_one.unwrap();
        assert!(of_one.is_sorted_by(|one, next| one < next));
        places.extend(of_one);
    }
    places.sort();
    let read = f.read(&session("a"), NOW).await;
    assert_eq!(read.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), places);
    for writer in 0..4 {
        let numbers = read.iter().map(|(_, delivery)| delivery.message.id.0);
        let of_it: Vec<_> = numbers.filter(|number| number / 1000 == writer).collect();
        assert_eq!(of_it, (1000 * writer..1000 * writer + 50).collect::<Vec<_>>());
    }
}
