//! PUBLISH from the client, before anybody else sees it: quota, packet id, duplicates, alias.

use super::{Close, PendingAck, Session, Settings};
use crate::codec::{self, PacketType, ProtocolVersion, Publish, QoS, ReasonCode};
use crate::topic::TopicName;

/// What a PUBLISH turns out to be.
#[derive(Debug)]
pub enum Inbound<'p> {
    /// A message to route, under the topic it names.
    Named(&'p str),
    /// A message to route, under the topic that its alias stands for.
    Aliased(TopicName),
    /// A QoS 2 message that was taken already; its PUBREC goes again [MQTT-4.3.3-10].
    Duplicate,
}

impl Inbound<'_> {
    /// The topic to route under; `None` for a duplicate.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Named(topic) => Some(topic),
            Self::Aliased(topic) => Some(topic),
            Self::Duplicate => None,
        }
    }
}

impl Session {
    /// Checks a PUBLISH against what was agreed and finds its topic.
    ///
    /// # Errors
    /// The client broke what was agreed; the connection has to end.
    #[inline]
    pub fn accept_publish<'p>(
        &mut self,
        publish: &Publish<'p>,
        settings: &Settings,
    ) -> Result<Inbound<'p>, Close> {
        if publish.qos > settings.maximum_qos {
            // [MQTT-3.2.2-11]
            return Err(Close::new(
                ReasonCode::QOS_NOT_SUPPORTED,
                "the QoS is above the Maximum QoS",
            ));
        }
        if publish.retain && !settings.retain_available {
            // [MQTT-3.2.2-14]
            return Err(Close::new(
                ReasonCode::RETAIN_NOT_SUPPORTED,
                "retained messages are not available",
            ));
        }
        let topic = match publish.properties.topic_alias {
            Some(alias) => self.resolve_alias(alias, publish.topic, settings)?,
            None => Inbound::Named(publish.topic),
        };
        if publish.qos == QoS::ExactlyOnce && self.received.contains(&publish.packet_id) {
            // One that has not settled yet is answered when it has.
            let pending = |ack: &PendingAck| {
                ack.packet_type == PacketType::Pubrec && ack.packet_id == publish.packet_id
            };
            if !self.pending_acks.iter().any(pending) {
                self.acknowledge(PacketType::Pubrec, publish.packet_id, ReasonCode::SUCCESS);
            }
            return Ok(Inbound::Duplicate);
        }
        if publish.qos > QoS::AtMostOnce
            && self.version == ProtocolVersion::V5
            && self.unacknowledged_inbound() >= usize::from(self.link.inbound_receive_maximum)
        {
            // [MQTT-3.3.4-8] of the client; the server says so with 0x93.
            return Err(Close::new(
                ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                "more unacknowledged PUBLISH packets than the Receive Maximum allows",
            ));
        }
        Ok(topic)
    }

    /// What counts against the Receive Maximum that the client was told: QoS 1 without PUBACK, QoS 2 without PUBCOMP.
    fn unacknowledged_inbound(&self) -> usize {
        let pubacks = |ack: &&PendingAck| ack.packet_type == PacketType::Puback;
        self.received.len() + self.pending_acks.iter().filter(pubacks).count()
    }

    fn resolve_alias<'p>(
        &mut self,
        alias: u16,
        topic: &'p str,
        settings: &Settings,
    ) -> Result<Inbound<'p>, Close> {
        // [MQTT-3.3.2-8], [MQTT-3.3.2-9]
        if alias == 0 || alias > settings.topic_alias_maximum {
            let what = "the Topic Alias is 0 or above the Topic Alias Maximum";
            return Err(Close::new(ReasonCode::TOPIC_ALIAS_INVALID, what));
        }
        let place = usize::from(alias) - 1;
        if topic.is_empty() {
            return match self.inbound_aliases.get(place) {
                Some(Some(known)) => Ok(Inbound::Aliased(known.clone())),
                _ => {
                    let what = "the Topic Alias has no topic yet";
                    Err(Close::new(ReasonCode::PROTOCOL_ERROR, what))
                }
            };
        }
        let name = TopicName::new(topic)
            .map_err(|_| Close::new(ReasonCode::TOPIC_NAME_INVALID, "the topic name is not valid"))?;
        if self.inbound_aliases.len() <= place {
            self.inbound_aliases.resize(place + 1, None);
        }
        if let Some(slot) = self.inbound_aliases.get_mut(place) {
            *slot = Some(name);
        }
        Ok(Inbound::Named(topic))
    }

    /// Answers a PUBLISH that was routed or refused. With `settled` false the answer waits for [`Self::settle`].
    #[inline]
    pub fn answer_publish(&mut self, qos: QoS, packet_id: u16, reason: ReasonCode, settled: bool) {
        let packet_type = match qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => PacketType::Puback,
            QoS::ExactlyOnce => {
                if !reason.is_error() {
                    self.received.insert(packet_id);
                }
                PacketType::Pubrec
            }
        };
        if settled && self.pending_acks.is_empty() {
            self.acknowledge(packet_type, packet_id, reason);
        } else {
            // PUBACK and PUBREC go in the order of their PUBLISH [MQTT-4.6.0-2], [MQTT-4.6.0-3].
            self.pending_acks.push_back(PendingAck {
                packet_type,
                packet_id,
                reason: settled.then_some(reason),
            });
        }
    }

    /// The message of `packet_id` has settled: its acknowledgement may go, and those that waited behind it.
    pub fn settle(&mut self, packet_id: u16, reason: ReasonCode) {
        let waiting = |ack: &&mut PendingAck| ack.packet_id == packet_id && ack.reason.is_none();
        if let Some(ack) = self.pending_acks.iter_mut().find(waiting) {
            ack.reason = Some(reason);
        }
        while let Some(PendingAck {
            packet_type,
            packet_id,
            reason: Some(reason),
        }) = self.pending_acks.front()
        {
            let (packet_type, packet_id, reason) = (*packet_type, *packet_id, *reason);
            self.pending_acks.pop_front();
            self.acknowledge(packet_type, packet_id, reason);
        }
    }

    /// As many acknowledgements are owed as a 5.0 client would be allowed to wait for.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pending_acks.len() >= usize::from(self.link.inbound_receive_maximum.max(1))
    }

    /// The client waits for acknowledgements.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.pending_acks.is_empty()
    }

    /// A QoS 2 message was not taken after all: when it is sent again, it is new.
    pub fn forget_received(&mut self, packet_id: u16) {
        self.received.remove(&packet_id);
    }

    /// Puts an acknowledgement into the outbox.
    pub(super) fn acknowledge(&mut self, packet_type: PacketType, packet_id: u16, reason: ReasonCode) {
        // It always fits: four or six bytes, and a client that takes less could not even be told its SUBACK.
        let limits = self.link.limits(self.version);
        codec::ack(self.outbox.buffer(), limits, packet_type, packet_id, reason, None);
    }
}
