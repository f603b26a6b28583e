//! SUBSCRIBE and SUBACK (3.8, 3.9).

use super::frame::{Frame, Limits, reason_string_property};
use super::primitives::Reader;
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId};
use super::{DecodeError, PacketType, ProtocolVersion, QoS, ReasonCode};

/// A client wants messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// What the SUBACK answers to; never 0.
    pub packet_id: u16,
    /// What every message of these subscriptions is to carry; never 0.
    pub subscription_id: Option<u32>,
    /// At least one [MQTT-3.8.3-2], in the client's order.
    pub filters: Vec<SubscribeFilter>,
}

/// One of the filters, and how its messages are to come (3.8.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// As it came, any text: whether it is a topic filter is answered for each of them, not by ending the connection.
    pub filter: String,
    /// The highest Quality of Service to send with.
    pub qos: QoS,
    /// Not what the client itself published.
    pub no_local: bool,
    /// The RETAIN flag as it was published, rather than 0.
    pub retain_as_published: bool,
    /// Retained messages: 0 send them, 1 only for a new subscription, 2 not. Always 0 before 5.0.
    pub retain_handling: u8,
}

pub(super) fn decode(version: ProtocolVersion, body: &[u8]) -> Result<Subscribe, DecodeError> {
    let mut reader = Reader::new(body);
    let mut subscribe = Subscribe {
        packet_id: reader.packet_id()?,
        subscription_id: None,
        filters: Vec::new(),
    };
    if version == ProtocolVersion::V5 {
        subscribe.subscription_id = subscription_id(Properties::read(&mut reader)?)?;
    }
    while !reader.is_empty() {
        let filter = reader.owned_string()?;
        subscribe.filters.push(options(version, filter, reader.u8()?)?);
    }
    if subscribe.filters.is_empty() {
        return Err(DecodeError::protocol(
            "a SUBSCRIBE has no topic filter [MQTT-3.8.3-2]",
        ));
    }
    Ok(subscribe)
}

fn subscription_id(mut properties: Properties<'_>) -> Result<Option<u32>, DecodeError> {
    let mut subscription_id = None;
    while let Some(id) = properties.next_id()? {
        match id {
            PropertyId::SubscriptionIdentifier => match properties.value.variable()? {
                0 => {
                    return Err(DecodeError::protocol(
                        "the Subscription Identifier is 0 (3.8.2.1.2)",
                    ));
                }
                id => subscription_id = Some(id),
            },
            PropertyId::UserProperty => properties.skip_user_property()?,
            _ => return Err(NOT_IN_THIS_PACKET),
        }
    }
    Ok(subscription_id)
}

fn options(version: ProtocolVersion, filter: String, byte: u8) -> Result<SubscribeFilter, DecodeError> {
    let reserved = if version == ProtocolVersion::V5 {
        0b1100_0000
    } else {
        0b1111_1100
    };
    if byte & reserved != 0 {
        return Err(DecodeError::malformed(
            "reserved bits of the Subscription Options are set [MQTT-3.8.3-5]",
        ));
    }
    let Some(qos) = QoS::from_bits(byte & 0b11) else {
        return Err(DecodeError::malformed("a SUBSCRIBE asks for QoS 3 (3.8.3.1)"));
    };
    let retain_handling = (byte >> 4) & 0b11;
    if retain_handling == 3 {
        return Err(DecodeError::protocol("the Retain Handling is 3 (3.8.3.1)"));
    }
    Ok(SubscribeFilter {
        filter,
        qos,
        no_local: byte & 0b0100 != 0,
        retain_as_published: byte & 0b1000 != 0,
        retain_handling,
    })
}

/// Appends the answer to a SUBSCRIBE: one code for each filter, in order [MQTT-3.8.4-6]. 3.1.1 has one code for every
/// failure, 0x80; 3.1 has none at all, so a refused subscription looks like one that was granted QoS 0. Answers `false`,
/// with nothing written, if the packet is larger than the client takes.
pub fn suback(
    out: &mut Vec<u8>,
    limits: impl Into<Limits>,
    packet_id: u16,
    codes: &[ReasonCode],
    reason_string: Option<&str>,
) -> bool {
    let limits = limits.into();
    let on_the_wire = |code: &ReasonCode| match limits.version {
        ProtocolVersion::V5 => code.0,
        ProtocolVersion::V311 if code.is_error() => ReasonCode::UNSPECIFIED_ERROR.0,
        ProtocolVersion::V31 if code.is_error() => 0,
        ProtocolVersion::V311 | ProtocolVersion::V31 => code.0,
    };
    let tail: Vec<u8> = codes.iter().map(on_the_wire).collect();
    Frame {
        first: PacketType::Suback.first_byte(),
        head: &packet_id.to_be_bytes(),
        droppable: &[&reason_string_property(limits, reason_string)],
        tail: &tail,
        ..Frame::default()
    }
    .put(out, limits)
}
