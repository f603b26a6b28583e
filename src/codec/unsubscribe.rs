//! UNSUBSCRIBE and UNSUBACK (3.10, 3.11).

use super::frame::{Frame, Limits, reason_string_property};
use super::primitives::Reader;
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId};
use super::{DecodeError, PacketType, ProtocolVersion, ReasonCode};

/// A client wants no more of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// What the UNSUBACK answers to; never 0.
    pub packet_id: u16,
    /// At least one [MQTT-3.10.3-2], in the client's order, as they came.
    pub filters: Vec<String>,
}

pub(super) fn decode(version: ProtocolVersion, body: &[u8]) -> Result<Unsubscribe, DecodeError> {
    let mut reader = Reader::new(body);
    let mut unsubscribe = Unsubscribe {
        packet_id: reader.packet_id()?,
        filters: Vec::new(),
    };
    if version == ProtocolVersion::V5 {
        let mut properties = Properties::read(&mut reader)?;
        while let Some(id) = properties.next_id()? {
            match id {
                PropertyId::UserProperty => properties.skip_user_property()?,
                _ => return Err(NOT_IN_THIS_PACKET),
            }
        }
    }
    while !reader.is_empty() {
        unsubscribe.filters.push(reader.owned_string()?);
    }
    if unsubscribe.filters.is_empty() {
        return Err(DecodeError::protocol(
            "an UNSUBSCRIBE has no topic filter [MQTT-3.10.3-2]",
        ));
    }
    Ok(unsubscribe)
}

/// Appends the answer to an UNSUBSCRIBE: one code for each filter, in order [MQTT-3.11.3-1]; before 5.0 the packet id
/// alone. Answers `false`, with nothing written, if the packet is larger than the client takes.
pub fn unsuback(
    out: &mut Vec<u8>,
    limits: impl Into<Limits>,
    packet_id: u16,
    codes: &[ReasonCode],
    reason_string: Option<&str>,
) -> bool {
    let limits = limits.into();
    let mut tail = Vec::new();
    if limits.version == ProtocolVersion::V5 {
        tail.extend(codes.iter().map(|code| code.0));
    }
    Frame {
        first: PacketType::Unsuback.first_byte(),
        head: &packet_id.to_be_bytes(),
        droppable: &[&reason_string_property(limits, reason_string)],
        tail: &tail,
        ..Frame::default()
    }
    .put(out, limits)
}
