//! A message that has expired is not delivered [MQTT-3.3.2-5].

use crate::fixture::Fixture;
use crate::made::{NOW, append, append_this, delivery, expiring, later, owed, sent, session};

pub async fn a_message_expires_while_it_is_stored(f: &mut Fixture) {
    let a = session("a");
    f.commit(vec![append_this(&a, delivery(expiring(1, later(1000))))])
        .await;
    let read = f.read(&a, later(999)).await;
    assert_eq!(read[0].1.message.expires_at, Some(later(1000)));
    assert!(f.read(&a, later(1000)).await.is_empty());
    f.commit(vec![append_this(&a, delivery(expiring(2, NOW)))]).await;
    assert!(f.read(&a, later(1000)).await.is_empty(), "it came too late");
}

pub async fn one_that_expired_behind_others_is_passed_over(f: &mut Fixture) {
    let a = session("a");
    let mut batch = Vec::new();
    for number in 0..30 {
        batch.push(match number % 3 {
            0 => append(&a, number),
            1 => append_this(&a, delivery(expiring(number, later(1000)))),
            _ => append_this(&a, delivery(expiring(number, later(2000)))),
        });
    }
    f.commit(batch).await;
    // Time does not go back: what has expired may be gone for good.
    for (ms, left) in [(0, [0, 1, 2].as_slice()), (1000, &[0, 2]), (2000, &[0])] {
        let expected: Vec<_> = (0..30).filter(|number| left.contains(&(number % 3))).collect();
        for max in [1, 4, 100] {
            let read = f.read_by(&a, max, later(ms)).await;
            let numbers: Vec<_> = read.iter().map(|(_, delivery)| delivery.message.id.0).collect();
            assert_eq!(numbers, expected, "after {ms} ms, by {max}");
        }
    }
}

/// Its delivery began in time.
pub async fn what_was_sent_before_is_owed_still(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let batch = vec![append_this(&a, delivery(expiring(1, later(1000))))];
    let seq = f.commit(batch).await.seqs[0];
    f.commit(vec![sent(&a, seq, 1)]).await;
    let stored = f.load_at(&a, later(5000)).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(1, seq, Some(1))]);
}
