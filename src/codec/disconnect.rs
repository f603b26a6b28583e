//! DISCONNECT (3.14): the connection ends on purpose.

use super::frame::{Frame, Limits, reason_string_always};
use super::primitives::Reader;
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId, put_bytes};
use super::{DecodeError, PacketType, ProtocolVersion, ReasonCode};

/// A client says goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Why; Success deletes the Will, all others have it published. Always Success before 5.0.
    pub reason: ReasonCode,
    /// Seconds that the session lives on, if other than agreed.
    pub session_expiry: Option<u32>,
    /// The client's explanation, for logs.
    pub reason_string: Option<String>,
}

pub(super) fn decode(version: ProtocolVersion, body: &[u8]) -> Result<Disconnect, DecodeError> {
    let mut reader = Reader::new(body);
    let mut read = Disconnect {
        reason: ReasonCode::SUCCESS,
        session_expiry: None,
        reason_string: None,
    };
    if version != ProtocolVersion::V5 {
        reader.finish()?;
    }
    if reader.is_empty() {
        return Ok(read);
    }
    read.reason = ReasonCode(reader.u8()?);
    if !is_allowed(read.reason) {
        return Err(DecodeError::protocol(
            "a DISCONNECT has a reason code that a client may not send (3.14.2.1)",
        ));
    }
    if reader.is_empty() {
        return Ok(read);
    }
    let mut properties = Properties::read(&mut reader)?;
    while let Some(id) = properties.next_id()? {
        match id {
            PropertyId::SessionExpiryInterval => read.session_expiry = Some(properties.value.u32()?),
            PropertyId::ReasonString => read.reason_string = Some(properties.value.owned_string()?),
            PropertyId::UserProperty => properties.skip_user_property()?,
            PropertyId::ServerReference => {
                return Err(DecodeError::protocol(
                    "a client sends a Server Reference (3.14.2.2.5)",
                ));
            }
            _ => return Err(NOT_IN_THIS_PACKET),
        }
    }
    reader.finish()?;
    Ok(read)
}

/// The codes of table 3-10 that are the client's to send.
fn is_allowed(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::SUCCESS
            | ReasonCode::DISCONNECT_WITH_WILL_MESSAGE
            | ReasonCode::UNSPECIFIED_ERROR
            | ReasonCode::MALFORMED_PACKET
            | ReasonCode::PROTOCOL_ERROR
            | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
            | ReasonCode::TOPIC_NAME_INVALID
            | ReasonCode::RECEIVE_MAXIMUM_EXCEEDED
            | ReasonCode::TOPIC_ALIAS_INVALID
            | ReasonCode::PACKET_TOO_LARGE
            | ReasonCode::MESSAGE_RATE_TOO_HIGH
            | ReasonCode::QUOTA_EXCEEDED
            | ReasonCode::ADMINISTRATIVE_ACTION
            | ReasonCode::PAYLOAD_FORMAT_INVALID
    )
}

/// What goes along with a DISCONNECT to a client (3.14.2.2); never a Session Expiry Interval [MQTT-3.14.2-2].
#[derive(Clone, Copy, Debug, Default)]
pub struct DisconnectProperties<'a> {
    /// Why, for people; left out if there is no room [MQTT-3.14.2-3].
    pub reason_string: Option<&'a str>,
    /// Another server to use.
    pub server_reference: Option<&'a str>,
}

/// Appends a goodbye to a client. Only 5.0 knows one: for all others nothing is written, and the answer is `false`, as it
/// is if the packet is larger than the client takes.
pub fn disconnect(
    out: &mut Vec<u8>,
    limits: impl Into<Limits>,
    reason: ReasonCode,
    properties: &DisconnectProperties<'_>,
) -> bool {
    let limits = limits.into();
    if limits.version != ProtocolVersion::V5 {
        return false;
    }
    let mut needed = Vec::new();
    if let Some(server) = properties.server_reference {
        put_bytes(&mut needed, PropertyId::ServerReference, server.as_bytes());
    }
    Frame {
        first: PacketType::Disconnect.first_byte(),
        head: &[reason.0],
        properties: &needed,
        droppable: &[&reason_string_always(properties.reason_string)],
        bare_without_properties: true,
        ..Frame::default()
    }
    .put(out, limits)
}
