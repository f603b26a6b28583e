//! Messages come before the record of their session does.

use dunlin::store::durable::SessionRecord;

use crate::fixture::Fixture;
use crate::made::{append, append_sent, owed, received, released, session};

pub async fn an_inbox_stands_without_a_record(f: &mut Fixture) {
    let a = session("a");
    f.append_all(&a, 1..4).await;
    for _ in 0..2 {
        assert_eq!(f.numbers(&a).await, [1, 2, 3]);
        assert!(f.load(&a).await.is_none());
        assert!(f.store().sessions().await.unwrap().is_empty());
        assert_eq!(f.stored(&a.instance), 3);
        f.reopen().await;
    }
    f.discard(&a).await;
    assert!(f.numbers(&a).await.is_empty());
}

pub async fn what_came_before_the_record_is_loaded_with_it(f: &mut Fixture) {
    let a = session("a");
    let batch = vec![
        append_sent(&a, 1, 1),
        append_sent(&a, 2, 2),
        append(&a, 3),
        received(&a, 7),
    ];
    let seqs = f.commit(batch).await.seqs;
    f.commit(vec![released(&a, seqs[0])]).await;
    f.reopen().await;
    assert!(f.load(&a).await.is_none());
    f.open_session(&a).await;
    for _ in 0..2 {
        let stored = f.load(&a).await.unwrap();
        assert_eq!(stored.record, SessionRecord::default());
        assert_eq!(
            owed(&stored.unacknowledged),
            [(1, seqs[0], None), (2, seqs[1], Some(2))]
        );
        assert_eq!(stored.received, [7]);
        assert!(stored.waiting);
        assert_eq!(f.numbers(&a).await, [3]);
        f.reopen().await;
    }
}
