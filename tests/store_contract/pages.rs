//! An inbox is read in pages.

use dunlin::store::durable::InboxSeq;

use crate::fixture::Fixture;
use crate::made::{
    NOW, append, append_sent, append_this, delivery, expiring, instance, later, session, session_of,
};

pub async fn an_inbox_is_read_page_by_page(f: &mut Fixture) {
    let a = session("a");
    f.append_all(&session("other"), 100..110).await;
    let seqs = f.append_all(&a, 0..30).await;
    let mut after = InboxSeq(0);
    for (page_number, more) in [(0, true), (1, true), (2, false)] {
        let page = f.store().read(&a, after, 10, NOW).await.unwrap();
        let places: Vec<_> = page.deliveries.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(places, seqs[10 * page_number..10 * page_number + 10]);
        assert_eq!(page.more, more, "page {page_number}");
        after = page.upto;
    }
    let page = f.store().read(&a, seqs[13], 3, NOW).await.unwrap();
    let numbers: Vec<_> = page.deliveries.iter().map(|(_, d)| d.message.id.0).collect();
    assert_eq!(numbers, [14, 15, 16], "from any place on");
    for max in [1, 7, 29, 31] {
        assert_eq!(f.read_by(&a, max, NOW).await.len(), 30);
    }
}

pub async fn an_empty_inbox_is_one_empty_page(f: &mut Fixture) {
    let a = session("a");
    let page = f.store().read(&a, InboxSeq(0), 10, NOW).await.unwrap();
    assert_eq!(
        (page.deliveries.len(), page.upto, page.more),
        (0, InboxSeq(0), false)
    );
    let last = f.append_all(&a, 0..3).await[2];
    let page = f.store().read(&a, last, 10, NOW).await.unwrap();
    assert_eq!((page.deliveries.len(), page.upto, page.more), (0, last, false));
    for nobody in [session("nobody"), session_of(&instance("nowhere"), "a")] {
        let page = f.store().read(&nobody, last, 10, NOW).await.unwrap();
        assert_eq!((page.deliveries.len(), page.upto, page.more), (0, last, false));
    }
}

pub async fn a_page_looks_past_what_it_does_not_show(f: &mut Fixture) {
    let a = session("a");
    let batch = vec![
        append_sent(&a, 0, 1),
        append(&a, 1),
        append_this(&a, delivery(expiring(2, later(1000)))),
        append_sent(&a, 3, 2),
        append(&a, 4),
        append_this(&a, delivery(expiring(5, later(1000)))),
    ];
    let seqs = f.commit(batch).await.seqs;
    let now = later(1000);
    let page = f.store().read(&a, InboxSeq(0), 1, now).await.unwrap();
    assert_eq!(page.deliveries[0].0, seqs[1]);
    assert!(seqs[1] <= page.upto && page.upto < seqs[4]);
    assert!(page.more);
    let page = f.store().read(&a, page.upto, 10, now).await.unwrap();
    assert_eq!(page.deliveries[0].0, seqs[4]);
    assert_eq!(page.deliveries.len(), 1);
    assert!(!page.more);
    assert!(seqs[5] <= page.upto, "it has looked at what has expired");
}

pub async fn what_comes_meanwhile_is_behind_the_page(f: &mut Fixture) {
    let a = session("a");
    f.append_all(&a, 0..5).await;
    let page = f.store().read(&a, InboxSeq(0), 10, NOW).await.unwrap();
    assert!(!page.more);
    f.append_all(&a, 5..8).await;
    let page = f.store().read(&a, page.upto, 10, NOW).await.unwrap();
    let numbers: Vec<_> = page.deliveries.iter().map(|(_, d)| d.message.id.0).collect();
    assert_eq!(numbers, [5, 6, 7]);
}
