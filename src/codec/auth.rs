//! AUTH (3.15): a step of enhanced authentication. 5.0 only.

use std::fmt;

use bytes::Bytes;

use super::connect::Hidden;
use super::frame::{Frame, Limits, reason_string_property};
use super::primitives::Reader;
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId, put_bytes};
use super::{DecodeError, PacketType, ProtocolVersion, ReasonCode};

/// A step that the client takes.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// Continue authentication (0x18) or Re-authenticate (0x19).
    pub reason: ReasonCode,
    /// The kind of authentication; whether it is the one of the CONNECT is for the session to say.
    pub method: String,
    /// What the kind wants.
    pub data: Option<Bytes>,
    /// The client's explanation, for logs.
    pub reason_string: Option<String>,
}

// By hand, so that no log ever holds a secret.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("reason", &self.reason)
            .field("method", &self.method)
            .field("data", &self.data.as_ref().map(|_| Hidden))
            .field("reason_string", &self.reason_string)
            .finish()
    }
}

pub(super) fn decode(version: ProtocolVersion, body: &[u8]) -> Result<Auth, DecodeError> {
    if version != ProtocolVersion::V5 {
        return Err(DecodeError::malformed(
            "packet type 15 is reserved before MQTT 5.0",
        ));
    }
    if body.is_empty() {
        // The short form is Success, and that is the server's word (3.15.2.1).
        return Err(NOT_THE_CLIENTS_CODE);
    }
    let mut reader = Reader::new(body);
    let reason = ReasonCode(reader.u8()?);
    if !matches!(
        reason,
        ReasonCode::CONTINUE_AUTHENTICATION | ReasonCode::RE_AUTHENTICATE
    ) {
        return Err(NOT_THE_CLIENTS_CODE);
    }
    let (mut method, mut data, mut reason_string) = (None, None, None);
    let mut properties = Properties::read(&mut reader)?;
    while let Some(id) = properties.next_id()? {
        match id {
            PropertyId::AuthenticationMethod => method = Some(properties.value.owned_string()?),
            PropertyId::AuthenticationData => data = Some(properties.value.owned_binary()?),
            PropertyId::ReasonString => reason_string = Some(properties.value.owned_string()?),
            PropertyId::UserProperty => properties.skip_user_property()?,
            _ => return Err(NOT_IN_THIS_PACKET),
        }
    }
    reader.finish()?;
    let Some(method) = method else {
        return Err(DecodeError::protocol(
            "an AUTH has no Authentication Method (3.15.2.2.2)",
        ));
    };
    Ok(Auth {
        reason,
        method,
        data,
        reason_string,
    })
}

const NOT_THE_CLIENTS_CODE: DecodeError =
    DecodeError::protocol("an AUTH has a reason code that a client may not send [MQTT-3.15.2-1]");

/// Appends a step that the server takes. Only 5.0 knows it: for all others nothing is written, and the answer is `false`,
/// as it is if the packet is larger than the client takes.
pub fn auth(
    out: &mut Vec<u8>,
    limits: impl Into<Limits>,
    reason: ReasonCode,
    method: &str,
    data: Option<&[u8]>,
    reason_string: Option<&str>,
) -> bool {
    let limits = limits.into();
    if limits.version != ProtocolVersion::V5 {
        return false;
    }
    let mut needed = Vec::new();
    put_bytes(&mut needed, PropertyId::AuthenticationMethod, method.as_bytes());
    if let Some(data) = data {
        put_bytes(&mut needed, PropertyId::AuthenticationData, data);
    }
    Frame {
        first: PacketType::Auth.first_byte(),
        head: &[reason.0],
        properties: &needed,
        droppable: &[&reason_string_property(limits, reason_string)],
        ..Frame::default()
    }
    .put(out, limits)
}
