//! PUBACK, PUBREC, PUBREL and PUBCOMP (3.4 to 3.7): four packets of one shape, in both directions.

use super::frame::{Frame, Limits, reason_string_property};
use super::primitives::Reader;
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId};
use super::{DecodeError, PacketType, ProtocolVersion, ReasonCode};

/// An acknowledgement from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which message it is about; never 0.
    pub packet_id: u16,
    /// How it went; always Success before 5.0.
    pub reason: ReasonCode,
    /// The client's explanation, for logs.
    pub reason_string: Option<String>,
}

/// Reads the body of an acknowledgement.
#[inline]
pub(super) fn decode(version: ProtocolVersion, kind: PacketType, body: &[u8]) -> Result<Ack, DecodeError> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    let ack = Ack {
        packet_id,
        reason: ReasonCode::SUCCESS,
        reason_string: None,
    };
    if reader.is_empty() {
        // Of 5.0, too: the reason may be left out if it is Success and there are no properties (3.4.2.1).
        return Ok(ack);
    }
    if version != ProtocolVersion::V5 {
        reader.finish()?;
    }
    decode_reason(ack, kind, reader)
}

fn decode_reason(mut ack: Ack, kind: PacketType, mut reader: Reader<'_>) -> Result<Ack, DecodeError> {
    ack.reason = ReasonCode(reader.u8()?);
    if !is_allowed(kind, ack.reason) {
        return Err(DecodeError::protocol(
            "an acknowledgement has a reason code that it may not have",
        ));
    }
    if reader.is_empty() {
        return Ok(ack);
    }
    let mut properties = Properties::read(&mut reader)?;
    while let Some(id) = properties.next_id()? {
        match id {
            PropertyId::ReasonString => ack.reason_string = Some(properties.value.owned_string()?),
            PropertyId::UserProperty => properties.skip_user_property()?,
            _ => return Err(NOT_IN_THIS_PACKET),
        }
    }
    reader.finish()?;
    Ok(ack)
}

/// The reason codes of 3.4.2.1 to 3.7.2.1. "No matching subscribers" is the server's to send, but from a client it means
/// nothing worse than Success.
fn is_allowed(kind: PacketType, reason: ReasonCode) -> bool {
    match kind {
        PacketType::Puback | PacketType::Pubrec => matches!(
            reason,
            ReasonCode::SUCCESS
                | ReasonCode::NO_MATCHING_SUBSCRIBERS
                | ReasonCode::UNSPECIFIED_ERROR
                | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
                | ReasonCode::NOT_AUTHORIZED
                | ReasonCode::TOPIC_NAME_INVALID
                | ReasonCode::PACKET_IDENTIFIER_IN_USE
                | ReasonCode::QUOTA_EXCEEDED
                | ReasonCode::PAYLOAD_FORMAT_INVALID
        ),
        _ => matches!(
            reason,
            ReasonCode::SUCCESS | ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        ),
    }
}

/// Appends an acknowledgement of this type. In 5.0 a Success without explanation takes the short form of four bytes. The
/// explanation is left out if the client did not ask for any, or has no room for it [MQTT-3.4.2-2]. Answers `false`, with
/// nothing written, if not even the packet without it is within the limits [MQTT-3.1.2-24].
#[inline]
pub fn ack(
    out: &mut Vec<u8>,
    limits: impl Into<Limits>,
    packet_type: PacketType,
    packet_id: u16,
    reason: ReasonCode,
    reason_string: Option<&str>,
) -> bool {
    let limits = limits.into();
    let [high, low] = packet_id.to_be_bytes();
    let short = limits.version != ProtocolVersion::V5
        || (reason == ReasonCode::SUCCESS && (reason_string.is_none() || !limits.problem_information));
    if short && limits.maximum_packet_size >= 4 {
        out.extend_from_slice(&[packet_type.first_byte(), 2, high, low]);
        return true;
    }
    long_ack(out, limits, packet_type, [high, low, reason.0], reason_string)
}

fn long_ack(
    out: &mut Vec<u8>,
    limits: Limits,
    packet_type: PacketType,
    head: [u8; 3],
    reason_string: Option<&str>,
) -> bool {
    let reason_string = reason_string_property(limits, reason_string);
    Frame {
        first: packet_type.first_byte(),
        head: &head,
        droppable: &[&reason_string],
        // A Property Length of 0 may be left out here (3.4.2.2.1).
        bare_without_properties: true,
        ..Frame::default()
    }
    .put(out, limits)
}
