//! What went in comes out: every byte and every property.

use std::sync::Arc;

use bytes::Bytes;
use dunlin::codec::QoS;
use dunlin::message::{Delivery, Message, MessageId, Origin};
use dunlin::store::durable::Unacknowledged;

use crate::fixture::Fixture;
use crate::made::{NOW, append_this, delivery, expiring, later, message, parts, sent, session, topic};

fn noise(length: usize) -> Bytes {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

const RECEIVERS: usize = 10_000;
const BODY: usize = 16 * 1024;

pub async fn many_share_one(f: &mut Fixture) {
    let body = Arc::new(Message {
        payload: noise(BODY),
        ..message(1)
    });
    let before = f.size();
    let change = |receiver| {
        let delivery = Delivery {
            message: Arc::clone(&body),
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_ids: Box::default(),
        };
        append_this(&session(&format!("receiver {receiver}")), delivery)
    };
    // Over several batches.
    for first in (0..RECEIVERS).step_by(2500) {
        let batch = (first..first + 2500).map(change).collect();
        let committed = f.commit(batch).await;
        assert_eq!(committed.seqs.len(), 2500);
    }
    if let (Some(before), Some(after)) = (before, f.size()) {
        let unshared = (RECEIVERS * BODY) as u64;
        assert!(after - before < unshared / 4, "{} bytes", after - before);
    }
    f.reopen().await;
    for receiver in 0..RECEIVERS {
        let read = f.read(&session(&format!("receiver {receiver}")), NOW).await;
        assert_eq!(read.len(), 1, "receiver {receiver}");
        assert_eq!(read[0].1.message.payload, body.payload);
    }
}

pub async fn large_and_empty_ones_come_back(f: &mut Fixture) {
    let a = session("a");
    let sizes = [256 * 1024, 0, 1, 65_535, 65_536, 256 * 1024 + 1, 0];
    for size in sizes {
        let message = Message {
            payload: noise(size),
            ..message(size as u128)
        };
        f.commit(vec![append_this(&a, delivery(message))]).await;
    }
    for _ in 0..2 {
        let read = f.read_by(&a, 2, NOW).await;
        assert_eq!(read.len(), sizes.len());
        for ((_, delivery), size) in read.iter().zip(sizes) {
            assert!(delivery.message.payload == noise(size), "{size} bytes");
        }
        f.reopen().await;
    }
}

pub async fn every_property_comes_back(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    f.open_session(&b).await;
    let long = format!("a/{}/ü", "x".repeat(60_000));
    let mut messages = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for origin in [Origin::Client, Origin::Will, Origin::Broker, Origin::Script] {
            for retain in [false, true] {
                let number = messages.len() as u128;
                messages.push(Message {
                    id: MessageId(u128::MAX - number),
                    topic: topic("$SYS/ä//🦆/"),
                    payload: noise(20),
                    forward: Bytes::from_static(b"\x26\x00\x01k\x00\x01v\x03\x00\x00"),
                    qos,
                    retain,
                    expires_at: retain.then_some(later(1000 + qos as u64)),
                    origin,
                });
            }
        }
    }
    messages.push(Message {
        topic: topic(&long),
        forward: noise(70_000),
        ..expiring(0, dunlin::time::Millis(u64::MAX))
    });
    messages.push(Message {
        id: MessageId(0),
        ..message(0)
    });
    let expected: Vec<_> = messages.iter().map(parts).collect();
    let batch: Vec<_> = messages.into_iter().map(delivery).collect();
    f.commit(
        batch
            .iter()
            .cloned()
            .map(|delivery| append_this(&a, delivery))
            .collect(),
    )
    .await;
    let seqs = f
        .commit(
            batch
                .into_iter()
                .map(|delivery| append_this(&b, delivery))
                .collect(),
        )
        .await
        .seqs;
    let in_flight = seqs
        .iter()
        .zip(1..)
        .map(|(seq, packet_id)| sent(&b, *seq, packet_id));
    f.commit(in_flight.collect()).await;
    for _ in 0..2 {
        let read = f.read(&a, NOW).await;
        let read: Vec<_> = read
            .iter()
            .map(|(_, delivery)| parts(&delivery.message))
            .collect();
        assert!(read == expected);
        let loaded = f.load(&b).await.unwrap().unacknowledged;
        let loaded: Vec<_> = loaded
            .iter()
            .map(|(.., what)| match what {
                Unacknowledged::Publish(delivery) => parts(&delivery.message),
                Unacknowledged::Pubrel => panic!("it was not released"),
            })
            .collect();
        assert!(loaded == expected);
        f.reopen().await;
    }
}

pub async fn a_delivery_keeps_what_is_its_own(f: &mut Fixture) {
    let body = Arc::new(message(1));
    let own = |qos, retain, ids: &[u32]| Delivery {
        message: Arc::clone(&body),
        qos,
        retain,
        subscription_ids: ids.into(),
    };
    let deliveries = [
        own(QoS::AtMostOnce, true, &[]),
        own(QoS::AtLeastOnce, false, &[1]),
        own(QoS::ExactlyOnce, true, &[268_435_455, 1, 128, 127]),
        own(QoS::AtLeastOnce, true, &(1..=300).collect::<Vec<u32>>()),
    ];
    let sessions = ["a", "b", "c", "d"].map(session);
    let to_each = sessions.iter().zip(&deliveries);
    let batch = to_each.map(|(session, delivery)| append_this(session, delivery.clone()));
    f.commit(batch.collect()).await;
    for _ in 0..2 {
        for (session, delivery) in sessions.iter().zip(&deliveries) {
            let read = f.read(session, NOW).await;
            let (_, read) = &read[0];
            assert_eq!(read.qos, delivery.qos);
            assert_eq!(read.retain, delivery.retain);
            assert_eq!(read.subscription_ids, delivery.subscription_ids);
            assert_eq!(parts(&read.message), parts(&body));
        }
        f.reopen().await;
    }
}
