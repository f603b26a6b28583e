//! PUBACK, PUBREC, PUBREL and PUBCOMP from the client.

use super::inflight::AckError;
use super::{Close, Finished, PendingAck, Pubrec, Session};
use crate::codec::{Ack, PacketType, ProtocolVersion, ReasonCode};

impl Session {
    /// PUBACK: a QoS 1 message has arrived, or was refused; either way it is not sent again [MQTT-4.4.0-2].
    /// Answers with what is over by that.
    ///
    /// # Errors
    /// It acknowledges a QoS 2 message.
    #[inline]
    pub fn on_puback(&mut self, ack: &Ack) -> Result<Finished, Close> {
        match self.inflight.puback(ack.packet_id, !ack.reason.is_error()) {
            Ok(finished) => {
                self.catch_up();
                Ok(finished)
            }
            // One that we no longer know may come late after a resumed session; it does no harm.
            Err(AckError::UnknownId) => Ok(Finished::default()),
            Err(AckError::WrongKind) => Err(wrong_kind()),
        }
    }

    /// A client that has acknowledged everything is not slow any more.
    #[inline]
    fn catch_up(&mut self) {
        if self.slow && self.inflight.is_empty() && self.queue.is_empty() {
            self.slow = false;
        }
    }

    /// PUBREC: the first half of QoS 2. Answers with what else is to be done; PUBREL is in the outbox where it may go at once.
    ///
    /// # Errors
    /// It acknowledges a QoS 1 message.
    pub fn on_pubrec(&mut self, ack: &Ack) -> Result<Pubrec, Close> {
        let refused = ack.reason.is_error();
        match self.inflight.pubrec(ack.packet_id, refused) {
            Ok(asked) => {
                if matches!(asked, Pubrec::Pubrel) {
                    self.send_pubrel(ack.packet_id);
                }
                return Ok(asked);
            }
            Err(AckError::UnknownId) if refused => {}
            Err(AckError::UnknownId) => {
                // [MQTT-3.6.2.1]: tells the client that this id means nothing here, so that it can let go.
                let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                self.acknowledge(PacketType::Pubrel, ack.packet_id, reason);
            }
            Err(AckError::WrongKind) => return Err(wrong_kind()),
        }
        Ok(Pubrec::Waits)
    }

    /// The store knows that PUBREC has come for this id: PUBREL goes.
    pub fn released(&mut self, packet_id: u16) {
        if self.inflight.release(packet_id) {
            self.send_pubrel(packet_id);
        }
    }

    /// PUBREL: the client will not send this message again; its id is free [MQTT-4.3.3-11]. Answers with whether it was known,
    /// which the store is to forget before [`Self::completed`] tells the client.
    ///
    /// # Errors
    /// PUBREC has not gone yet.
    pub fn on_pubrel(&mut self, ack: &Ack) -> Result<bool, Close> {
        let early = |pending: &PendingAck| {
            pending.packet_type == PacketType::Pubrec && pending.packet_id == ack.packet_id
        };
        if self.pending_acks.iter().any(early) {
            let what = "PUBREL for a message whose PUBREC has not been sent";
            return Err(Close::new(ReasonCode::PROTOCOL_ERROR, what));
        }
        Ok(self.received.contains(&ack.packet_id))
    }

    /// PUBCOMP for a packet id that was `known`, or was not.
    pub fn completed(&mut self, packet_id: u16, known: bool) {
        self.received.remove(&packet_id);
        let reason = if known || self.version != ProtocolVersion::V5 {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.acknowledge(PacketType::Pubcomp, packet_id, reason);
    }

    /// PUBCOMP: a QoS 2 message has arrived, exactly once. Answers with what is over by that.
    ///
    /// # Errors
    /// It comes before PUBREC.
    pub fn on_pubcomp(&mut self, ack: &Ack) -> Result<Finished, Close> {
        match self.inflight.pubcomp(ack.packet_id) {
            Ok(finished) => {
                self.catch_up();
                Ok(finished)
            }
            Err(AckError::UnknownId) => Ok(Finished::default()),
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
