//! A store to be tested, and short ways to ask it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::QoS;
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Message, MessageId, Origin};
use crate::store::durable::{
    Change, Committed, InboxLimits, InboxSeq, Page, SessionRecord, Store, StoreError,
};
use crate::store::embedded::EmbeddedStore;
use crate::time::Millis;
use crate::topic::TopicName;

pub(super) const NOW: Millis = Millis(1_700_000_000_000);

pub(super) const LIMITS: InboxLimits = InboxLimits {
    messages_per_instance: 1_000_000,
    age_ms: 1 << 40,
    visible_after_ms: 0,
};

/// What the future comes to.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

pub(super) fn instance() -> InstanceId {
    InstanceId::new("instance")
}

pub(super) fn session(client: &str) -> SessionKey {
    SessionKey {
        instance: instance(),
        client_id: client.into(),
    }
}

pub(super) fn message(id: u128, payload: &[u8]) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(id),
        topic: TopicName::new("some/topic").unwrap(),
        payload: Bytes::copy_from_slice(payload),
        forward: Bytes::new(),
        qos: QoS::AtLeastOnce,
        retain: false,
        expires_at: None,
        origin: Origin::Client,
    })
}

pub(super) fn append(client: &str, message: &Arc<Message>) -> Change {
    Change::Append {
        session: session(client),
        delivery: Delivery {
            message: Arc::clone(message),
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_ids: Box::default(),
        },
        sent: None,
    }
}

pub(super) fn acknowledge(client: &str, from: u64, up_to: u64) -> Change {
    Change::Acknowledge {
        session: session(client),
        from: InboxSeq(from),
        up_to: InboxSeq(up_to),
    }
}

pub(super) fn commit(store: &EmbeddedStore, batch: Vec<Change>) -> Committed {
    wait(store.commit(batch, NOW)).unwrap()
}

pub(super) fn read(store: &EmbeddedStore, client: &str, after: u64, max: usize) -> Page {
    wait(store.read(&session(client), InboxSeq(after), max, NOW)).unwrap()
}

/// The payloads that wait for a client.
pub(super) fn payloads(store: &EmbeddedStore, client: &str) -> Vec<Bytes> {
    let mut payloads = Vec::new();
    let mut after = 0;
    loop {
        let page = read(store, client, after, 100);
        let deliveries = page.deliveries.into_iter();
        payloads.extend(deliveries.map(|(_, delivery)| delivery.message.payload.clone()));
        after = page.upto.0;
        if !page.more {
            return payloads;
        }
    }
}

pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

pub(super) fn record(packet_id: u16) -> SessionRecord {
    SessionRecord {
        next_packet_id: packet_id,
        ..SessionRecord::default()
    }
}
