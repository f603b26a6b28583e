//! PUBLISH (3.3), the packet that everything is about: read in place, written in one go.

use std::borrow::Cow;

use super::forward::{ForwardProperty, ForwardSpan};
use super::primitives::{Reader, VARIABLE_MAX, put_variable, variable_len};
use super::properties::{Properties, PropertyId, put_u16, put_u32};
use super::scan::has_null_or_wildcard;
use super::{DecodeError, FixedHeader, PacketType, ProtocolVersion, QoS, ReasonCode};

/// A PUBLISH from a client; it borrows from the bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// It may have been sent before.
    pub dup: bool,
    /// The Quality of Service.
    pub qos: QoS,
    /// To be kept for later subscribers.
    pub retain: bool,
    /// A valid topic name; empty in 5.0 if only the alias is given.
    pub topic: &'a str,
    /// 0 for QoS 0, never 0 otherwise.
    pub packet_id: u16,
    /// 5.0 only; all empty otherwise.
    pub properties: PublishProperties<'a>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

/// The properties of a PUBLISH (3.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishProperties<'a> {
    /// 1 if the payload is said to be UTF-8 text, 0 if it may be anything.
    pub payload_format: Option<u8>,
    /// Seconds after which the message is worthless.
    pub message_expiry: Option<u32>,
    /// Stands for the topic; never 0 [MQTT-3.3.2-8]. Whether it is below the maximum is for the session to say.
    pub topic_alias: Option<u16>,
    /// Where a response is to be published; a valid topic name.
    pub response_topic: Option<&'a str>,
    /// What tells the requester which request a response belongs to.
    pub correlation_data: Option<&'a [u8]>,
    /// What the payload is.
    pub content_type: Option<&'a str>,
    /// What subscribers get unaltered, in wire form; see [`super::ForwardProperties`].
    pub forward: Cow<'a, [u8]>,
}

impl<'a> PublishProperties<'a> {
    fn read(mut properties: Properties<'a>) -> Result<Self, DecodeError> {
        let all = properties.value.rest();
        let mut read = Self::default();
        let mut forward = ForwardSpan::new(all);
        loop {
            let from = all.len() - properties.value.len();
            let Some(id) = properties.next_id()? else { break };
            match id {
                PropertyId::MessageExpiryInterval => read.message_expiry = Some(properties.value.u32()?),
                PropertyId::TopicAlias => match properties.value.u16()? {
                    0 => {
                        let what = "the Topic Alias is 0 [MQTT-3.3.2-8]";
                        return Err(DecodeError::new(ReasonCode::TOPIC_ALIAS_INVALID, what));
                    }
                    alias => read.topic_alias = Some(alias),
                },
                PropertyId::SubscriptionIdentifier => {
                    return Err(DecodeError::protocol(
                        "a client sends a Subscription Identifier in PUBLISH [MQTT-3.3.4-6]",
                    ));
                }
                id => {
                    match ForwardProperty::read(id, &mut properties.value)? {
                        ForwardProperty::PayloadFormat(format) => read.payload_format = Some(format),
                        ForwardProperty::ContentType(text) => read.content_type = Some(text),
                        ForwardProperty::ResponseTopic(topic) => read.response_topic = Some(topic),
                        ForwardProperty::CorrelationData(data) => read.correlation_data = Some(data),
                        ForwardProperty::UserProperty(..) => {}
                    }
                    forward.add(from, all.len() - properties.value.len());
                }
            }
        }
        read.forward = forward.finish();
        Ok(read)
    }
}

/// Reads the body of a PUBLISH whose header [`super::peek`] gave.
///
/// # Errors
/// Anything that MQTT forbids in a PUBLISH from a client.
#[inline]
pub fn decode_publish<'a>(
    version: ProtocolVersion,
    header: FixedHeader,
    body: &'a [u8],
) -> Result<Publish<'a>, DecodeError> {
    let mut reader = Reader::new(body);
    let topic = topic_name(&mut reader)?;
    let Some(qos) = QoS::from_bits((header.flags >> 1) & 0b11) else {
        return Err(DecodeError::malformed("a PUBLISH has QoS 3 [MQTT-3.3.1-4]"));
    };
    let packet_id = if qos == QoS::AtMostOnce {
        0
    } else {
        reader.packet_id()?
    };
    let mut properties = PublishProperties::default();
    if version == ProtocolVersion::V5 {
        let given = Properties::read(&mut reader)?;
        if !given.value.is_empty() {
            properties = PublishProperties::read(given)?;
        }
    }
    if topic.is_empty() && properties.topic_alias.is_none() {
        return Err(no_topic(version));
    }
    Ok(Publish {
        dup: header.flags & 0b1000 != 0,
        qos,
        retain: header.flags & 0b0001 != 0,
        topic,
        packet_id,
        properties,
        payload: reader.rest(),
    })
}

/// A topic name without wildcards [MQTT-3.3.2-2]; it may be empty.
#[inline]
pub(super) fn topic_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let topic = reader.utf8()?;
    if has_null_or_wildcard(topic.as_bytes()) {
        return Err(bad_topic(topic));
    }
    Ok(topic)
}

#[cold]
fn bad_topic(topic: &str) -> DecodeError {
    if topic.contains('\0') {
        DecodeError::malformed("a topic name holds the null character [MQTT-4.7.3-2]")
    } else {
        let what = "a topic name holds a wildcard character [MQTT-3.3.2-2]";
        DecodeError::new(ReasonCode::TOPIC_NAME_INVALID, what)
    }
}

#[cold]
fn no_topic(version: ProtocolVersion) -> DecodeError {
    if version == ProtocolVersion::V5 {
        DecodeError::protocol("a PUBLISH has neither a topic name nor a Topic Alias (3.3.2.1)")
    } else {
        DecodeError::new(
            ReasonCode::TOPIC_NAME_INVALID,
            "the topic name is empty [MQTT-4.7.3-1]",
        )
    }
}

/// A PUBLISH to a client.
#[derive(Clone, Copy, Debug)]
pub struct PublishParts<'a> {
    /// The topic name; empty if the client knows the alias. At most 65,535 bytes.
    pub topic: &'a str,
    /// The Quality of Service.
    pub qos: QoS,
    /// It may have been sent before.
    pub dup: bool,
    /// The RETAIN flag.
    pub retain: bool,
    /// 0 for QoS 0.
    pub packet_id: u16,
    /// What a 5.0 client gets along; left out for all others.
    pub properties: OutboundProperties<'a>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

/// The properties of a PUBLISH to a client.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutboundProperties<'a> {
    /// Seconds that are left of its life.
    pub message_expiry: Option<u32>,
    /// Stands for the topic from now on.
    pub topic_alias: Option<u16>,
    /// The subscriptions that the message is sent for, each 1 to 268,435,455.
    pub subscription_ids: &'a [u32],
    /// Properties of the publisher, in wire form.
    pub forward: &'a [u8],
}

impl OutboundProperties<'_> {
    #[inline]
    fn len(&self) -> usize {
        let expiry = if self.message_expiry.is_some() { 5 } else { 0 };
        let alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let ids: usize = self
            .subscription_ids
            .iter()
            .map(|id| 1 + variable_len(*id as usize))
            .sum();
        expiry + alias + ids + self.forward.len()
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        if let Some(seconds) = self.message_expiry {
            put_u32(out, PropertyId::MessageExpiryInterval, seconds);
        }
        if let Some(alias) = self.topic_alias {
            put_u16(out, PropertyId::TopicAlias, alias);
        }
        for id in self.subscription_ids {
            out.push(PropertyId::SubscriptionIdentifier as u8);
            put_variable(out, *id as usize);
        }
        out.extend_from_slice(self.forward);
    }
}

/// The lengths that have to be known before the first byte is written.
#[derive(Clone, Copy)]
struct Lengths {
    properties: usize,
    remaining: usize,
}

impl Lengths {
    #[inline]
    fn of(version: ProtocolVersion, parts: &PublishParts<'_>) -> Self {
        let id = if parts.qos == QoS::AtMostOnce { 0 } else { 2 };
        let mut remaining = 2 + parts.topic.len() + id + parts.payload.len();
        let mut properties = 0;
        if version == ProtocolVersion::V5 {
            properties = parts.properties.len();
            remaining += variable_len(properties) + properties;
        }
        Self {
            properties,
            remaining,
        }
    }
}

/// Bytes of the whole packet, payload included; to compare with the client's Maximum Packet Size [MQTT-3.1.2-24] and
/// with [`super::MAX_PACKET_LEN`], which properties can exceed if the payload alone comes close to it.
#[inline]
#[must_use]
pub fn publish_len(version: ProtocolVersion, parts: &PublishParts<'_>) -> usize {
    let remaining = Lengths::of(version, parts).remaining;
    let length_len = if remaining > VARIABLE_MAX {
        5
    } else {
        variable_len(remaining)
    };
    1 + length_len + remaining
}

/// Appends a PUBLISH. Answers with the place of the packet id, counted from the packet's first byte, and 0 for QoS 0: who
/// sends the same message to many copies the bytes and changes only [`publish_flags`] and the two bytes of the id.
///
/// A packet larger than MQTT can say ([`super::MAX_PACKET_LEN`]) is not written.
#[inline]
pub fn publish(out: &mut Vec<u8>, version: ProtocolVersion, parts: &PublishParts<'_>) -> usize {
    let lengths = Lengths::of(version, parts);
    if lengths.remaining > VARIABLE_MAX {
        return 0;
    }
    out.reserve(lengths.remaining + 5);
    let id_at = put_head(out, version, parts, lengths);
    out.extend_from_slice(parts.payload);
    id_at
}

/// Appends all of a PUBLISH but its payload, which the caller sends behind it. Answers like [`publish`].
#[inline]
pub fn publish_head(out: &mut Vec<u8>, version: ProtocolVersion, parts: &PublishParts<'_>) -> usize {
    let lengths = Lengths::of(version, parts);
    if lengths.remaining > VARIABLE_MAX {
        return 0;
    }
    out.reserve(lengths.remaining + 5 - parts.payload.len());
    put_head(out, version, parts, lengths)
}

/// The first byte of a PUBLISH with these flags.
#[inline]
#[must_use]
pub const fn publish_flags(qos: QoS, dup: bool, retain: bool) -> u8 {
    PacketType::Publish.first_byte() | ((dup as u8) << 3) | ((qos as u8) << 1) | retain as u8
}

#[inline]
fn put_head(
    out: &mut Vec<u8>,
    version: ProtocolVersion,
    parts: &PublishParts<'_>,
    lengths: Lengths,
) -> usize {
    let start = out.len();
    let first = publish_flags(parts.qos, parts.dup, parts.retain);
    let [high, low] = (parts.topic.len() as u16).to_be_bytes();
    if lengths.remaining < 0x80 {
        out.extend_from_slice(&[first, lengths.remaining as u8, high, low]);
    } else {
        out.push(first);
        put_variable(out, lengths.remaining);
        out.extend_from_slice(&[high, low]);
    }
    out.extend_from_slice(parts.topic.as_bytes());
    let mut id_at = 0;
    if parts.qos > QoS::AtMostOnce {
        id_at = out.len() - start;
        out.extend_from_slice(&parts.packet_id.to_be_bytes());
    }
    if version == ProtocolVersion::V5 {
        put_variable(out, lengths.properties);
        if lengths.properties > 0 {
            parts.properties.put(out);
        }
    }
    id_at
}
