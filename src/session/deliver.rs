//! Messages to the client: into the window, into a queue, or back to the shard for the store.

use bytes::Bytes;

use super::wire::{Head, Wires};
use super::{SHARE_FROM, Session, Settings};
use crate::codec::{self, ProtocolVersion, QoS};
use crate::message::{Delivery, Publication};
use crate::store::Unacknowledged;
use crate::time::Millis;

/// How a message is to reach one receiver: what its subscriptions asked for, merged.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    /// The lower of the publication's and the subscription's Quality of Service.
    pub qos: QoS,
    /// The RETAIN flag to go out with.
    pub retain: bool,
    /// Identifiers of all subscriptions that matched [MQTT-3.3.4-3].
    pub subscription_ids: &'a [u32],
}

/// What became of a message for one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the outbox.
    Sent,
    /// It waits in the session's memory.
    Queued,
    /// It did not fit; the store's inbox is to keep it.
    Store,
    /// It is gone, and this is why.
    Dropped(DropReason),
    /// The client does not keep up and its session cannot wait: end the connection with 0x97.
    Overflow,
}

/// Why a message was not delivered, as the metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Its time was over [MQTT-3.3.2-5].
    Expired,
    /// Larger than the client's Maximum Packet Size [MQTT-3.1.2-24].
    TooLarge,
    /// QoS 0, and the client does not keep up.
    QueueFull,
}

impl Session {
    /// Takes one message for this client. `shared` tells that others get it too, so its encoded form is worth keeping.
    #[inline]
    pub fn deliver(
        &mut self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        wires: &mut Wires,
        now: Millis,
        settings: &Settings,
    ) -> Outcome {
        let room = self.outbox.len() < settings.outbox_bytes;
        if receiver.qos == QoS::AtMostOnce {
            if room && self.queue_qos0.is_empty() {
                return self.send(publication, receiver, wires, now);
            }
            self.queue_qos0.push_back(to_delivery(publication, receiver));
            if self.queue_qos0.len() > settings.queue_messages {
                self.queue_qos0.pop_front();
                return Outcome::Dropped(DropReason::QueueFull);
            }
            return Outcome::Queued;
        }
        // In the product nothing of QoS 2 waits for anybody beyond the connection.
        let storable = self.is_persistent() && (receiver.qos < QoS::ExactlyOnce || settings.qos2_offline);
        // It may overtake what is stored: MQTT orders messages of one QoS alone [MQTT-4.6.0-5].
        if self.spilled && storable {
            return Outcome::Store;
        }
        if room && self.queue.is_empty() && self.inflight.has_room(self.link.receive_maximum) {
            return self.send(publication, receiver, wires, now);
        }
        if self.queue.len() >= settings.queue_messages {
            if storable {
                self.spilled = true;
                return Outcome::Store;
            }
            return Outcome::Overflow;
        }
        self.queue.push_back(to_delivery(publication, receiver));
        Outcome::Queued
    }

    /// Takes a retained message that a new subscription brings.
    pub fn deliver_retained(&mut self, delivery: Delivery) {
        self.retained.push_back(delivery);
    }

    /// Puts messages of the inbox behind those that wait; the shard asks for them when [`Self::wants_inbox`].
    pub fn take_from_inbox(&mut self, deliveries: impl Iterator<Item = Delivery>, more: bool) {
        self.queue.extend(deliveries);
        self.spilled = more;
    }

    /// Nothing older than the inbox waits in memory any more, and the window could take something.
    #[must_use]
    pub fn wants_inbox(&self) -> bool {
        self.spilled && self.queue.is_empty() && self.inflight.has_room(self.link.receive_maximum)
    }

    /// Does anything wait that [`Self::pump`] might move?
    #[inline]
    #[must_use]
    pub fn has_queued(&self) -> bool {
        !(self.queue.is_empty() && self.queue_qos0.is_empty() && self.retained.is_empty())
            || self.inflight.has_unsent()
    }

    /// Moves what waits into the outbox, as far as window and outbox let; counts what had to be dropped.
    pub fn pump(
        &mut self,
        wires: &mut Wires,
        now: Millis,
        settings: &Settings,
        mut dropped: impl FnMut(DropReason),
    ) {
        if self.inflight.has_unsent() {
            self.resend(wires, now);
        }
        while self.outbox.len() < settings.outbox_bytes {
            let window = self.inflight.has_room(self.link.receive_maximum);
            // Retained messages first: a subscriber wants the last known state before the next change of it.
            let delivery = if self
                .retained
                .front()
                .is_some_and(|d| window || d.qos == QoS::AtMostOnce)
            {
                self.retained.pop_front()
            } else if window && !self.queue.is_empty() {
                self.queue.pop_front()
            } else {
                self.queue_qos0.pop_front()
            };
            let Some(delivery) = delivery else { return };
            if let Outcome::Dropped(reason) = self.send_queued(&delivery, wires, now) {
                dropped(reason);
            }
        }
    }

    fn send_queued(&mut self, delivery: &Delivery, wires: &mut Wires, now: Millis) -> Outcome {
        let publication = Publication::of(&delivery.message);
        let receiver = Receiver {
            qos: delivery.qos,
            retain: delivery.retain,
            subscription_ids: &delivery.subscription_ids,
        };
        wires.reset();
        self.send(&publication, receiver, wires, now)
    }

    /// Encodes into the outbox; QoS 1 and 2 enter the window.
    fn send(
        &mut self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        wires: &mut Wires,
        now: Millis,
    ) -> Outcome {
        // [MQTT-3.3.2-6]: what is left of its life, not what it began with.
        let Ok(message_expiry) = publication.remaining_expiry(now) else {
            return Outcome::Dropped(DropReason::Expired);
        };
        let mut head = Head {
            qos: receiver.qos,
            dup: false,
            retain: receiver.retain,
            packet_id: 0,
        };
        // A policy can make a message that no packet holds; what came in a packet may not fit with an identifier more.
        let huge = publication.payload.len() + publication.forward.len() > codec::SURELY_FITS;
        if (huge || self.link.maximum_packet_size < u32::MAX)
            && !self.fits(publication, receiver, head, message_expiry)
        {
            return Outcome::Dropped(DropReason::TooLarge);
        }
        if receiver.qos > QoS::AtMostOnce {
            // A session that ends with its connection never sends anything twice: nothing to keep.
            let keep = self.is_persistent() || self.keep_sent;
            let kept = keep.then(|| Box::new(to_delivery(publication, receiver)));
            head.packet_id = self.inflight.send(receiver.qos, kept);
        }
        self.encode(
            publication,
            receiver.subscription_ids,
            head,
            message_expiry,
            wires,
        );
        Outcome::Sent
    }

    /// Sends again what was unacknowledged when the last connection ended, as much of it as the client takes at a time:
    /// same ids, same order, DUP [MQTT-4.4.0-1].
    pub fn resend(&mut self, wires: &mut Wires, now: Millis) {
        while let Some((packet_id, state)) = self.inflight.resend(self.link.receive_maximum) {
            match state {
                Unacknowledged::Pubrel => self.send_pubrel(packet_id),
                Unacknowledged::Publish(delivery) => self.resend_publish(packet_id, &delivery, wires, now),
            }
        }
    }

    fn resend_publish(&mut self, packet_id: u16, delivery: &Delivery, wires: &mut Wires, now: Millis) {
        let publication = Publication::of(&delivery.message);
        let receiver = Receiver {
            qos: delivery.qos,
            retain: delivery.retain,
            subscription_ids: &delivery.subscription_ids,
        };
        // A message whose delivery has begun is delivered, however old it is by now.
        let expiry = publication.remaining_expiry(now).unwrap_or(Some(1));
        let head = Head {
            qos: delivery.qos,
            dup: true,
            retain: delivery.retain,
            packet_id,
        };
        if self.fits(&publication, receiver, head, expiry) {
            wires.reset();
            self.encode(&publication, receiver.subscription_ids, head, expiry, wires);
        } else {
            // [MQTT-3.1.2-25]: as if it had been delivered.
            self.inflight.give_up(packet_id);
        }
    }

    fn fits(
        &self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        head: Head,
        message_expiry: Option<u32>,
    ) -> bool {
        // Counted with an alias if the client takes them: three bytes too many at most, never one too few.
        let alias = (self.link.topic_alias_maximum > 0).then_some((1, true));
        let parts = head.parts(publication, message_expiry, receiver.subscription_ids, alias);
        let most = codec::MAX_PACKET_LEN.min(self.link.maximum_packet_size as usize);
        codec::publish_len(self.version, &parts) <= most
    }

    #[inline]
    fn encode(
        &mut self,
        publication: &Publication<'_>,
        subscription_ids: &[u32],
        head: Head,
        message_expiry: Option<u32>,
        wires: &mut Wires,
    ) {
        if let Some(sent) = self.sent.get_mut(head.qos as usize) {
            *sent += 1;
        }
        let own_properties = self.version == ProtocolVersion::V5
            && (!subscription_ids.is_empty() || self.link.topic_alias_maximum > 0);
        if publication.payload.len() >= SHARE_FROM {
            let alias = self.alias(publication);
            let parts = head.parts(publication, message_expiry, subscription_ids, alias);
            codec::publish_head(self.outbox.buffer(), self.version, &parts);
            let payload: Bytes = publication.share().payload.clone();
            self.outbox.push_shared(payload);
        } else if own_properties {
            let alias = self.alias(publication);
            let parts = head.parts(publication, message_expiry, subscription_ids, alias);
            codec::publish(self.outbox.buffer(), self.version, &parts);
        } else {
            wires.append(
                self.outbox.buffer(),
                self.version,
                publication,
                head,
                message_expiry,
            );
        }
    }

    /// The alias to send for this topic, and whether the client must be told the topic with it. The first topics get one,
    /// until the client's maximum [MQTT-3.1.2-26].
    fn alias(&mut self, publication: &Publication<'_>) -> Option<(u16, bool)> {
        if self.version != ProtocolVersion::V5 || self.link.topic_alias_maximum == 0 {
            return None;
        }
        if let Some(alias) = self.outbound_aliases.get(publication.topic) {
            return Some((*alias, false));
        }
        let next = u16::try_from(self.outbound_aliases.len() + 1).ok()?;
        if next > self.link.topic_alias_maximum {
            return None;
        }
        self.outbound_aliases.insert(publication.topic.clone(), next);
        Some((next, true))
    }
}

/// The owned form of a message for one receiver.
#[must_use]
pub fn to_delivery(publication: &Publication<'_>, receiver: Receiver<'_>) -> Delivery {
    Delivery {
        message: publication.share(),
        qos: receiver.qos,
        retain: receiver.retain,
        subscription_ids: receiver.subscription_ids.into(),
    }
}
