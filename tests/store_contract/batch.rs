//! A batch is one step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dunlin::store::durable::InboxSeq;

use crate::fixture::{Fixture, on_another_thread};
use crate::made::{END, NOW, acknowledge, append, instance, retain_nothing, retain_on, session};

pub async fn changes_of_a_batch_happen_in_their_order(f: &mut Fixture) {
    let (a, i) = (session("a"), instance("i"));
    let batch = vec![
        append(&a, 1),
        retain_on(&i, "x", 1),
        acknowledge(&a, InboxSeq(0), END),
        append(&a, 2),
        retain_nothing(&i, "x"),
        append(&a, 3),
        retain_on(&i, "y", 2),
    ];
    let seqs = f.commit(batch).await.seqs;
    assert_eq!(seqs.len(), 3, "one place for each that came, in their order");
    assert!(seqs.is_sorted_by(|one, next| one < next));
    assert_eq!(f.numbers(&a).await, [2, 3]);
    let retained = f.retained(&i, "#", NOW).await;
    assert_eq!(retained.iter().map(|m| m.id.0).collect::<Vec<_>>(), [2]);
    assert!(f.commit(Vec::new()).await.seqs.is_empty());
}

pub async fn nobody_sees_half_of_a_batch(f: &mut Fixture) {
    let a = session("a");
    f.append_all(&a, 0..10).await;
    let seen = Arc::new(AtomicUsize::new(0));
    let reader = on_another_thread({
        let (store, a, seen) = (Arc::clone(f.store()), a.clone(), Arc::clone(&seen));
        async move {
            while seen.fetch_add(1, Ordering::Relaxed) < 500 {
                let page = store.read(&a, InboxSeq(0), 100, NOW).await.unwrap();
                let numbers: Vec<u128> = page.deliveries.iter().map(|(_, d)| d.message.id.0).collect();
                let first = numbers.first().copied().unwrap_or(1);
                assert_eq!(first % 10, 0, "{numbers:?}");
                assert_eq!(numbers, (first..first + 10).collect::<Vec<_>>());
            }
        }
    });
    let mut round = 0;
    while !reader.is_finished() {
        round += 1;
        let mut batch = vec![acknowledge(&a, InboxSeq(0), END)];
        batch.extend((0..10).map(|n| append(&a, 10 * round + n)));
        f.commit(batch).await;
    }
    reader.await.unwrap();
    assert!(seen.load(Ordering::Relaxed) > 500 && round > 0);
}

pub async fn one_that_was_not_awaited_is_whole_or_absent_after_a_restart(f: &mut Fixture) {
    let (a, b, i) = (session("a"), session("b"), instance("i"));
    for number in 0..50 {
        let batch = vec![
            append(&a, number),
            append(&b, number),
            retain_on(&i, &format!("{number:03}"), number),
        ];
        drop(f.store().commit(batch, NOW));
    }
    f.reopen().await;
    let (of_a, of_b) = (f.numbers(&a).await, f.numbers(&b).await);
    let retained = f.retained(&i, "#", NOW).await;
    assert_eq!(of_a, of_b);
    assert_eq!(of_a, retained.iter().map(|m| m.id.0).collect::<Vec<_>>());
    assert_eq!(
        of_a,
        (0..50).take(of_a.len()).collect::<Vec<_>>(),
        "none is left out"
    );
}
