//! A session at rest and back.

use super::{Inflight, Negotiated, Session, Subscriptions};
use crate::codec::{ProtocolVersion, QoS};
use crate::message::Delivery;
use crate::store::{InboxSeq, SessionRecord, Unacknowledged};
use crate::time::Millis;
use crate::topic::TopicFilter;

impl Session {
    /// In the product a QoS 2 subscription ends with its connection, and nothing of QoS 2 is kept: answers with the filters
    /// that are no longer subscribed to.
    pub fn end_qos2(&mut self) -> Vec<TopicFilter> {
        let kept = |delivery: &Delivery| delivery.qos < QoS::ExactlyOnce;
        self.queue.retain(kept);
        self.retained.retain(kept);
        let unacknowledged = self.inflight.unacknowledged().filter(|(_, state)| match state {
            Unacknowledged::Publish(delivery) => kept(delivery),
            Unacknowledged::Pubrel => false,
        });
        self.inflight = Inflight::restore(unacknowledged.collect(), self.inflight.next_id());
        let ended = |(_, options): &&(TopicFilter, _)| {
            let options: &crate::message::SubscriptionOptions = options;
            options.qos == QoS::ExactlyOnce
        };
        let ended: Vec<TopicFilter> = self
            .subscriptions
            .iter()
            .filter(ended)
            .map(|(filter, _)| filter.clone())
            .collect();
        for filter in &ended {
            self.subscriptions.remove(filter);
        }
        ended
    }

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
