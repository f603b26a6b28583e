//! A session at rest and back.

use super::{Inflight, Negotiated, Session, Subscriptions};
use crate::codec::{ProtocolVersion, QoS};
use crate::message::Delivery;
use crate::store::{InboxSeq, SessionRecord};
use crate::time::Millis;

impl Session {
    /// What of a session stays when its connection ends: all of its Session State (4.1), nothing of the connection.
    /// QoS 0 that was waiting is not part of it.
    #[must_use]
    pub fn to_record(&self, left_at: Millis) -> SessionRecord {
        let waiting = self.retained.iter().chain(&self.queue);
        SessionRecord {
            expiry_seconds: self.expiry,
            left_at,
            subscriptions: self.subscriptions.iter().cloned().collect(),
            unacknowledged: self.inflight.unacknowledged().collect(),
            next_packet_id: self.inflight.next_id(),
            received: self.received.iter().copied().collect(),
            queue: waiting
                .filter(|d| d.qos > QoS::AtMostOnce)
                .cloned()
                .collect::<Vec<Delivery>>(),
            cursor: InboxSeq(0),
        }
    }

    /// The session of a record, on a new connection. Whether the inbox holds more, the shard asks the store.
    #[must_use]
    pub fn resume(
        record: SessionRecord,
        version: ProtocolVersion,
        link: Negotiated,
        expiry: Option<u32>,
    ) -> Self {
        let mut session = Self::new(version, link, expiry);
        session.subscriptions = record.subscriptions.into_iter().collect::<Subscriptions>();
        session.inflight = Inflight::restore(record.unacknowledged, record.next_packet_id);
        session.received = record.received.into_iter().collect();
        session.queue = record.queue.into();
        session.spilled = true;
        session
    }
}
