//! PUBACK, PUBREC, PUBREL and PUBCOMP from the client.

use super::inflight::AckError;
use super::{Close, Session};
use crate::codec::{Ack, PacketType, ProtocolVersion, ReasonCode};
use crate::message::Delivery;

impl Session {
    /// PUBACK: a QoS 1 message has arrived, or was refused; either way it is not sent again [MQTT-4.4.0-2].
    /// Answers with the message if it has arrived and was kept.
    ///
    /// # Errors
    /// It acknowledges a QoS 2 message.
    #[inline]
    pub fn on_puback(&mut self, ack: &Ack) -> Result<Option<Box<Delivery>>, Close> {
        match self.inflight.puback(ack.packet_id) {
            Ok(delivered) => Ok(delivered.filter(|_| !ack.reason.is_error())),
            // One that we no longer know may come late after a resumed session; it does no harm.
            Err(AckError::UnknownId) => Ok(None),
            Err(AckError::WrongKind) => Err(wrong_kind()),
        }
    }

    /// PUBREC: the first half of QoS 2.
    ///
    /// # Errors
    /// It acknowledges a QoS 1 message.
    pub fn on_pubrec(&mut self, ack: &Ack) -> Result<(), Close> {
        let refused = ack.reason.is_error();
        match self.inflight.pubrec(ack.packet_id, refused) {
            Ok(()) if refused => {}
            Ok(()) => self.send_pubrel(ack.packet_id),
            Err(AckError::UnknownId) if refused => {}
            Err(AckError::UnknownId) => {
                // [MQTT-3.6.2.1]: tells the client that this id means nothing here, so that it can let go.
                let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                self.acknowledge(PacketType::Pubrel, ack.packet_id, reason);
            }
            Err(AckError::WrongKind) => return Err(wrong_kind()),
        }
        Ok(())
    }

    /// PUBREL: the client will not send this message again; its id is free [MQTT-4.3.3-11].
    pub fn on_pubrel(&mut self, ack: &Ack) {
        let known = self.received.remove(&ack.packet_id);
        let reason = if known || self.version != ProtocolVersion::V5 {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.acknowledge(PacketType::Pubcomp, ack.packet_id, reason);
    }

    /// PUBCOMP: a QoS 2 message has arrived, exactly once. Answers with it, if it was kept.
    ///
    /// # Errors
    /// It comes before PUBREC.
    pub fn on_pubcomp(&mut self, ack: &Ack) -> Result<Option<Box<Delivery>>, Close> {
        match self.inflight.pubcomp(ack.packet_id) {
            Ok(delivered) => Ok(delivered),
            Err(AckError::UnknownId) => Ok(None),
            Err(AckError::WrongKind) => Err(wrong_kind()),
        }
    }

    pub(super) fn send_pubrel(&mut self, packet_id: u16) {
        self.acknowledge(PacketType::Pubrel, packet_id, ReasonCode::SUCCESS);
    }
}

fn wrong_kind() -> Close {
    Close::new(
        ReasonCode::PROTOCOL_ERROR,
        "an acknowledgement of another kind than the message with this packet id awaits",
    )
}
