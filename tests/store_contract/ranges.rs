//! Messages are acknowledged by ranges.

use dunlin::store::durable::InboxSeq;

use crate::fixture::Fixture;
use crate::made::{END, acknowledge, append, append_sent, instance, owed, released, session, session_of};

pub async fn from_the_front(f: &mut Fixture) {
    let a = session("a");
    let seqs = f.append_all(&a, 0..10).await;
    f.commit(vec![acknowledge(&a, InboxSeq(0), seqs[2])]).await;
    assert_eq!(f.numbers(&a).await, (3..10).collect::<Vec<_>>());
    f.commit(vec![acknowledge(&a, seqs[3], seqs[3])]).await;
    assert_eq!(f.numbers(&a).await, (4..10).collect::<Vec<_>>());
    assert_eq!(f.stored(&a.instance), 6);
    f.commit(vec![acknowledge(&a, seqs[4], END)]).await;
    assert!(f.numbers(&a).await.is_empty());
    assert_eq!(f.stored(&a.instance), 0);
    f.append(&a, 10).await;
    assert_eq!(f.numbers(&a).await, [10]);
}

pub async fn from_the_middle(f: &mut Fixture) {
    let a = session("a");
    let seqs = f.append_all(&a, 0..10).await;
    f.commit(vec![acknowledge(&a, seqs[3], seqs[6])]).await;
    assert_eq!(f.numbers(&a).await, [0, 1, 2, 7, 8, 9]);
    f.commit(vec![acknowledge(&a, seqs[2], seqs[7])]).await;
    assert_eq!(f.numbers(&a).await, [0, 1, 8, 9], "over the gap");
    f.commit(vec![acknowledge(&a, seqs[9], seqs[9])]).await;
    assert_eq!(f.numbers(&a).await, [0, 1, 8], "at the end");
    assert_eq!(f.stored(&a.instance), 3);
}

pub async fn one_by_one_in_any_order(f: &mut Fixture) {
    let a = session("a");
    let seqs = f.append_all(&a, 0..100).await;
    for n in 0..100 {
        let seq = seqs[(n * 37) % 100];
        f.commit(vec![acknowledge(&a, seq, seq)]).await;
        let left = f.read(&a, crate::made::NOW).await;
        assert_eq!(left.len(), 99 - n);
        assert!(left.iter().all(|(place, _)| *place != seq));
    }
}

pub async fn those_that_are_not_there_are_no_error(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    f.commit(vec![acknowledge(&a, InboxSeq(0), END)]).await;
    let of_a = f.append_all(&a, 0..3).await;
    let of_b = f.append_all(&b, 10..13).await;
    let elsewhere = session_of(&instance("elsewhere"), "a");
    let batch = vec![
        acknowledge(&a, of_a[1], of_a[1]),
        acknowledge(&a, of_a[1], of_a[1]),
        acknowledge(&elsewhere, InboxSeq(0), END),
        acknowledge(&b, of_b[2], END),
    ];
    f.commit(batch).await;
    assert_eq!(f.numbers(&a).await, [0, 2]);
    assert_eq!(f.numbers(&b).await, [10, 11]);
    assert_eq!(f.stored(&a.instance), 4);
}

pub async fn of_all_states(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let batch = vec![
        append_sent(&a, 0, 1),
        append_sent(&a, 1, 2),
        append(&a, 2),
        append_sent(&a, 3, 3),
        append_sent(&a, 4, 4),
        append(&a, 5),
    ];
    let seqs = f.commit(batch).await.seqs;
    f.commit(vec![released(&a, seqs[1]), released(&a, seqs[4])]).await;
    f.commit(vec![acknowledge(&a, seqs[1], seqs[3])]).await;
    let stored = f.load(&a).await.unwrap();
    let left = [(1, seqs[0], Some(0)), (4, seqs[4], None)];
    assert_eq!(owed(&stored.unacknowledged), left);
    assert_eq!(f.numbers(&a).await, [5]);
    assert_eq!(f.stored(&a.instance), 2);
    f.commit(vec![acknowledge(&a, InboxSeq(0), END)]).await;
    let stored = f.load(&a).await.unwrap();
    assert!(stored.unacknowledged.is_empty() && !stored.waiting);
}
