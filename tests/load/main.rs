//! At load nothing is lost, doubled or out of order: pairs, many to one, one to many, and a subscriber that comes and
//! goes, each at every QoS, on a broker of two shards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod flow;

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::thread;

use flow::{Publisher, Subscriber};
use support::{Broker, unique};

/// The broker that all tests share, one after the other: they are about load, not about each other.
fn alone() -> (&'static Broker, impl Drop) {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    static ONE: Mutex<()> = Mutex::new(());
    let one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    (BROKER.get_or_init(|| Broker::start(&["server.shards=2"])), one)
}

/// Each of `publishers` publishes `count` messages to each topic in turn; each of `subscribers` subscribes to all.
fn load(publishers: usize, subscribers: usize, count: usize, qos: u8) {
    let (broker, _one) = alone();
    let base = unique("load/");
    let filter = format!("{base}/#");
    let ready: Vec<Subscriber<'_>> = (0..subscribers)
        .map(|n| Subscriber::new(broker, &format!("{base}-s{n}"), &filter, qos))
        .collect();
    let came: Vec<_> = thread::scope(|scope| {
        let receiving: Vec<_> = ready
            .into_iter()
            .map(|subscriber| scope.spawn(move || subscriber.receive(publishers * count)))
            .collect();
        for n in 0..publishers {
            let topic = format!("{base}/{n}");
            scope.spawn(move || Publisher::new(broker, &topic).publish(&topic, qos, count));
        }
        receiving
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for messages in came {
        in_order(&messages, publishers, count);
    }
}

/// Of each topic exactly 0, 1, 2 ... count - 1.
#[track_caller]
fn in_order(messages: &[(String, usize)], topics: usize, count: usize) {
    let mut next = HashMap::<&str, usize>::new();
    for (topic, number) in messages {
        let wanted = next.entry(topic).or_default();
        assert_eq!(number, wanted, "{topic}: message {number} where {wanted} is due");
        *wanted += 1;
    }
    assert!(
        next.len() == topics && next.values().all(|n| *n == count),
        "{next:?}"
    );
}

#[test]
fn pair() {
    for qos in [0, 1, 2] {
        load(1, 1, 20_000, qos);
    }
}

#[test]
fn fan_in() {
    for qos in [0, 1, 2] {
        load(10, 1, 2_000, qos);
    }
}

#[test]
fn fan_out() {
    for qos in [0, 1, 2] {
        load(1, 50, 500, qos);
    }
}

#[test]
fn many_to_many() {
    for qos in [0, 1, 2] {
        load(8, 8, 500, qos);
    }
}

// [MQTT-4.4.0-1], [MQTT-4.6.0-6]: QoS 2 exactly once however often the connection is lost; QoS 1 again, but never one
// for the first time out of order.
#[test]
fn a_subscriber_that_comes_and_goes() {
    let (broker, _one) = alone();
    for qos in [1, 2] {
        let (id, topic) = (unique("comes"), unique("load/comes"));
        let subscriber = Subscriber::persistent(broker, &id, &topic, qos);
        let count = 5_000;
        let (came, losses) = thread::scope(|scope| {
            let receiving = scope.spawn(|| subscriber.receive_with_losses(count));
            Publisher::new(broker, &topic).publish(&topic, qos, count);
            receiving.join().unwrap()
        });
        assert!(losses > 10, "only {losses} connections were lost");
        in_order(&came, 1, count);
    }
}

/// What the tests above look at, with something wrong in it.
mod self_tests {
    use super::in_order;

    fn messages(numbers: &[usize]) -> Vec<(String, usize)> {
        numbers.iter().map(|n| ("t".to_owned(), *n)).collect()
    }

    #[test]
    fn what_is_right_passes() {
        in_order(&messages(&[0, 1, 2]), 1, 3);
    }

    #[test]
    #[should_panic(expected = "message 2 where 1 is due")]
    fn a_lost_message_is_noticed() {
        in_order(&messages(&[0, 2, 3]), 1, 4);
    }

    #[test]
    #[should_panic(expected = "message 1 where 2 is due")]
    fn a_doubled_message_is_noticed() {
        in_order(&messages(&[0, 1, 1]), 1, 2);
    }

    #[test]
    #[should_panic(expected = "\"t\": 2")]
    fn a_missing_end_is_noticed() {
        in_order(&messages(&[0, 1]), 1, 3);
    }
}
