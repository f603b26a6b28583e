//! The inboxes of an instance hold so many messages and not one more; the oldest makes room.

use std::sync::Arc;

use dunlin::store::durable::InboxSeq;
use futures_util::future::join_all;

use crate::fixture::{Fixture, on_another_thread};
use crate::made::{
    END, NOW, acknowledge, append, append_sent, evicted, instance, owed, released, sent, session, session_of,
};

pub async fn the_oldest_of_the_instance_makes_room(f: &mut Fixture) {
    let (a, b, c, i) = (session("a"), session("b"), session("c"), instance("i"));
    f.cap(&i, 4);
    for (session, number) in [(&a, 1), (&b, 2), (&a, 3), (&c, 4)] {
        let committed = f.commit(vec![append(session, number)]).await;
        assert_eq!(evicted(&committed, &i), 0);
    }
    assert_eq!(f.stored(&i), 4);
    let committed = f.commit(vec![append(&b, 5)]).await;
    assert_eq!((evicted(&committed, &i), f.stored(&i)), (1, 4));
    assert_eq!(f.numbers(&a).await, [3]);
    assert_eq!(f.numbers(&b).await, [2, 5]);
    let committed = f.commit(vec![append(&b, 6), append(&c, 7)]).await;
    assert_eq!((evicted(&committed, &i), f.stored(&i)), (2, 4));
    assert!(f.numbers(&a).await.is_empty());
    assert_eq!(f.numbers(&b).await, [5, 6]);
    assert_eq!(f.numbers(&c).await, [4, 7]);
}

pub async fn what_is_acknowledged_makes_room_itself(f: &mut Fixture) {
    let (a, b, i) = (session("a"), session("b"), instance("i"));
    f.cap(&i, 6);
    let mut seqs = Vec::new();
    for number in 0..6 {
        seqs.push(f.append(if number % 2 == 0 { &a } else { &b }, number).await);
    }
    // From the middle of a, and the front of b.
    f.commit(vec![
        acknowledge(&a, seqs[2], seqs[2]),
        acknowledge(&b, seqs[1], seqs[1]),
    ])
    .await;
    let committed = f.commit(vec![append(&a, 6), append(&b, 7)]).await;
    assert_eq!(evicted(&committed, &i), 0);
    let committed = f.commit(vec![append(&a, 8), append(&a, 9)]).await;
    assert_eq!(evicted(&committed, &i), 2);
    assert_eq!(f.numbers(&a).await, [4, 6, 8, 9]);
    assert_eq!(f.numbers(&b).await, [5, 7]);
}

pub async fn what_is_sent_counts_and_can_go(f: &mut Fixture) {
    let (a, i) = (session("a"), instance("i"));
    f.open_session(&a).await;
    f.cap(&i, 3);
    let seqs = f
        .commit(vec![append_sent(&a, 0, 1), append(&a, 1), append(&a, 2)])
        .await
        .seqs;
    f.commit(vec![sent(&a, seqs[1], 2)]).await;
    let committed = f.commit(vec![append(&a, 3)]).await;
    assert_eq!((evicted(&committed, &i), f.stored(&i)), (1, 3));
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(2, seqs[1], Some(1))]);
    // What comes for the one that went is no error.
    f.commit(vec![released(&a, seqs[0]), acknowledge(&a, seqs[0], seqs[0])])
        .await;
    assert_eq!(f.numbers(&a).await, [2, 3]);
}

pub async fn what_is_released_does_not_count_and_stays(f: &mut Fixture) {
    let (a, b, i) = (session("a"), session("b"), instance("i"));
    f.open_session(&a).await;
    f.cap(&i, 2);
    let seqs = f.commit(vec![append_sent(&a, 0, 1), append(&a, 1)]).await.seqs;
    f.commit(vec![released(&a, seqs[0])]).await;
    assert_eq!(f.stored(&i), 1);
    let committed = f.commit(vec![append(&b, 2)]).await;
    assert_eq!(evicted(&committed, &i), 0, "there was room");
    let committed = f.commit(vec![append(&b, 3), append(&b, 4)]).await;
    assert_eq!(evicted(&committed, &i), 2);
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(1, seqs[0], None)]);
    assert!(!stored.waiting);
    f.commit(vec![acknowledge(&a, seqs[0], seqs[0])]).await;
    assert_eq!(f.stored(&i), 2, "it did not count, so it makes no room either");
    assert_eq!(f.numbers(&b).await, [3, 4]);
}

pub async fn instances_do_not_make_room_for_each_other(f: &mut Fixture) {
    let (i, j) = (instance("i"), instance("j"));
    let (a, b) = (session_of(&i, "same"), session_of(&j, "same"));
    f.cap(&i, 2);
    f.cap(&j, 3);
    for number in 0..10 {
        let committed = f.commit(vec![append(&a, number), append(&b, number)]).await;
        assert_eq!(evicted(&committed, &i), usize::from(number >= 2));
        assert_eq!(evicted(&committed, &j), usize::from(number >= 3));
    }
    assert_eq!(f.numbers(&a).await, [8, 9]);
    assert_eq!(f.numbers(&b).await, [7, 8, 9]);
    assert_eq!((f.stored(&i), f.stored(&j)), (2, 3));
}

pub async fn a_batch_may_be_larger(f: &mut Fixture) {
    let (a, i) = (session("a"), instance("i"));
    f.cap(&i, 3);
    let committed = f.commit((0..10).map(|number| append(&a, number)).collect()).await;
    assert_eq!(evicted(&committed, &i), 7);
    assert!(committed.seqs.is_sorted_by(|one, next| one < next));
    assert_eq!(f.numbers(&a).await, [7, 8, 9]);
    assert_eq!(f.stored(&i), 3);
}

pub async fn zero_takes_nothing(f: &mut Fixture) {
    let (a, i) = (session("a"), instance("i"));
    f.cap(&i, 0);
    let committed = f.commit(vec![append(&a, 1), append_sent(&a, 2, 1)]).await;
    assert_eq!(committed.seqs, [InboxSeq(0), InboxSeq(0)]);
    assert!(f.numbers(&a).await.is_empty());
    assert_eq!(f.stored(&i), 0);
}

pub async fn without_limits_nothing_is_taken(f: &mut Fixture) {
    let elsewhere = instance("elsewhere");
    let (a, here) = (session_of(&elsewhere, "a"), session("a"));
    let committed = f.commit(vec![append(&a, 1), append(&here, 2)]).await;
    assert_eq!(committed.seqs[0], InboxSeq(0));
    assert_ne!(committed.seqs[1], InboxSeq(0));
    assert!(f.numbers(&a).await.is_empty());
    assert_eq!(f.stored(&elsewhere), 0);
    f.cap(&elsewhere, 1);
    f.append(&a, 3).await;
    assert_eq!(f.numbers(&a).await, [3]);
}

pub async fn a_lower_one_holds_from_the_next_message_on(f: &mut Fixture) {
    let (a, b, i) = (session("a"), session("b"), instance("i"));
    f.append_all(&a, 0..10).await;
    f.append_all(&b, 10..20).await;
    f.cap(&i, 5);
    f.append(&a, 20).await;
    assert_eq!(f.stored(&i), 5);
    assert_eq!(f.numbers(&a).await, [20]);
    assert_eq!(f.numbers(&b).await, [16, 17, 18, 19]);
    f.cap(&i, 7);
    f.append_all(&a, 21..23).await;
    assert_eq!(f.stored(&i), 7);
    assert_eq!(f.numbers(&a).await, [20, 21, 22]);
    assert_eq!(f.numbers(&b).await, [16, 17, 18, 19]);
}

pub async fn it_is_exact_under_many_threads(f: &mut Fixture) {
    let i = instance("i");
    f.cap(&i, 50);
    let tasks = (0..4).map(|client| {
        let store = Arc::clone(f.store());
        on_another_thread(async move {
            let (session, i) = (session(&format!("{client}")), instance("i"));
            let mut gone = 0;
            for round in 0..25 {
                let batch = (0..4).map(|n| append(&session, 4 * round + n)).collect();
                gone += evicted(&store.commit(batch, NOW).await.unwrap(), &i);
                assert!(store.counts(&i, NOW).stored <= 50);
            }
            gone
        })
    });
    let gone: usize = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
    assert_eq!((gone, f.stored(&i)), (350, 50));
    let mut left = 0;
    for client in 0..4 {
        let session = session(&format!("{client}"));
        let numbers = f.numbers(&session).await;
        let first = 100 - numbers.len() as u128;
        assert_eq!(numbers, (first..100).collect::<Vec<_>>(), "the oldest went");
        left += numbers.len();
        f.commit(vec![acknowledge(&session, InboxSeq(0), END)]).await;
    }
    assert_eq!((left, f.stored(&i)), (50, 0));
}
