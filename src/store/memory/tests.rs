//! What the contract's suite (`tests/store_contract`) cannot see from outside: memory.

use super::super::durable::{Change, InboxLimits, InboxSeq, Store};
use super::MemoryStore;
use super::instance::Instance;
use crate::codec::QoS;
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, MessageId, Origin, Publication};
use crate::time::Millis;
use crate::topic::TopicName;

const LIMITS: InboxLimits = InboxLimits {
    messages_per_instance: 100_000,
    age_ms: 1000,
    visible_after_ms: 0,
};

fn delivery() -> Delivery {
    let topic = TopicName::new("t").unwrap();
    let publication = Publication::new(MessageId(1), &topic, b"x", QoS::AtLeastOnce, Origin::Client);
    Delivery {
        message: publication.share(),
        qos: QoS::AtLeastOnce,
        retain: false,
        subscription_ids: Box::default(),
    }
}

#[test]
fn the_order_does_not_grow_with_messages_that_are_gone() {
    let mut instance = Instance::default();
    instance.limit(LIMITS);
    let (stuck, busy) = ("stuck".into(), "busy".into());
    // The first stays, so nothing behind it leaves the order by the front.
    instance.append(&stuck, delivery(), None, Millis(0), || 1);
    for seq in 2..20_000 {
        instance.append(&busy, delivery(), Some(1), Millis(0), || seq);
        if seq % 2 == 0 {
            instance.released("busy", InboxSeq(seq));
        }
        instance.acknowledge("busy", InboxSeq(seq), InboxSeq(seq));
    }
    assert_eq!(instance.len(), 1);
    assert!(instance.order_len() < 2048, "{}", instance.order_len());
}

#[test]
fn a_session_of_which_nothing_is_left_takes_no_room() {
    let mut instance = Instance::default();
    instance.limit(LIMITS);
    for seq in 1..=4000 {
        let client = format!("client {seq}").into();
        instance.append(&client, delivery(), None, Millis(0), || seq);
        instance.received(&client, 7);
        instance.forgotten(&client, 7);
        if seq <= 2000 {
            instance.acknowledge(&client, InboxSeq(0), InboxSeq(seq));
        }
    }
    assert_eq!(instance.session_count(), 2000);
    assert_eq!(instance.tidy(Millis(1000)), 2000);
    assert_eq!((instance.session_count(), instance.len()), (0, 0));
}

#[test]
fn a_body_goes_with_the_last_that_needs_it() {
    let store = MemoryStore::default();
    let session = SessionKey {
        instance: InstanceId::new("i"),
        client_id: "c".into(),
    };
    store.limit_inboxes(&session.instance, LIMITS);
    let delivery = delivery();
    let body = std::sync::Arc::downgrade(&delivery.message);
    let append = Change::Append {
        session: session.clone(),
        delivery,
        sent: Some(1),
    };
    drop(store.commit(vec![append], Millis(0)));
    assert!(body.upgrade().is_some());
    let seq = InboxSeq(1);
    drop(store.commit(vec![Change::Released { session, seq }], Millis(0)));
    assert!(body.upgrade().is_none());
}
