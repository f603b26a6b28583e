//! The Will in a CONNECT (3.1.2.5, 3.1.3.2 to 3.1.3.4).

use std::fmt;

use bytes::Bytes;

use super::forward::{ForwardProperty, ForwardSpan};
use super::primitives::Reader;
use super::properties::{Properties, PropertyId};
use super::publish::topic_name;
use super::{DecodeError, ProtocolVersion, QoS, ReasonCode};

/// The message that is published in the client's name if its connection ends without a DISCONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Will {
    /// A valid topic name.
    pub topic: String,
    /// The application's bytes.
    pub payload: Bytes,
    /// The Quality of Service to publish with.
    pub qos: QoS,
    /// The RETAIN flag to publish with.
    pub retain: bool,
    /// Seconds between the end of the connection and the publishing.
    pub delay: u32,
    /// Seconds after publishing when the message is worthless.
    pub message_expiry: Option<u32>,
    /// What subscribers get unaltered, in wire form; see [`super::ForwardProperties`].
    pub forward: Bytes,
}

// By hand: a payload may be long, and is nobody's business.
impl fmt::Debug for Will {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload_len", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("delay", &self.delay)
            .field("message_expiry", &self.message_expiry)
            .finish_non_exhaustive()
    }
}

impl Will {
    /// Will Properties, Will Topic and Will Payload.
    pub(super) fn read(
        version: ProtocolVersion,
        qos: QoS,
        retain: bool,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        let mut will = Self {
            topic: String::new(),
            payload: Bytes::new(),
            qos,
            retain,
            delay: 0,
            message_expiry: None,
            forward: Bytes::new(),
        };
        if version == ProtocolVersion::V5 {
            will.read_properties(Properties::read(reader)?)?;
        }
        topic_name(reader)?.clone_into(&mut will.topic);
        if will.topic.is_empty() {
            let what = "the Will Topic is empty [MQTT-4.7.3-1]";
            return Err(DecodeError::new(ReasonCode::TOPIC_NAME_INVALID, what));
        }
        will.payload = reader.owned_binary()?;
        Ok(will)
    }

    fn read_properties(&mut self, mut properties: Properties<'_>) -> Result<(), DecodeError> {
        let all = properties.value.rest();
        let mut forward = ForwardSpan::new(all);
        loop {
            let from = all.len() - properties.value.len();
            let Some(id) = properties.next_id()? else { break };
            match id {
                PropertyId::WillDelayInterval => self.delay = properties.value.u32()?,
                PropertyId::MessageExpiryInterval => self.message_expiry = Some(properties.value.u32()?),
                id => {
                    ForwardProperty::read(id, &mut properties.value)?;
                    forward.add(from, all.len() - properties.value.len());
                }
            }
        }
        self.forward = Bytes::copy_from_slice(&forward.finish());
        Ok(())
    }
}
