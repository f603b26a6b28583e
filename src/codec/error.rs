//! What can be wrong with bytes that came in.

use std::fmt;

use super::{ProtocolVersion, ReasonCode};

/// Bytes that are not the packet they claim to be; the connection cannot go on after this [MQTT-4.13.1-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What a 5.0 client is told in DISCONNECT or CONNACK: 0x81 if the bytes cannot be read, 0x82 if they can but break
    /// a rule, or a more exact code where MQTT has one.
    pub reason: ReasonCode,
    /// What is wrong, for people: the rule that was broken.
    pub what: &'static str,
}

impl DecodeError {
    /// The bytes cannot be read: 0x81.
    #[cold]
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self {
            reason: ReasonCode::MALFORMED_PACKET,
            what,
        }
    }

    /// The bytes can be read, but MQTT does not allow them: 0x82.
    #[cold]
    pub(super) const fn protocol(what: &'static str) -> Self {
        Self {
            reason: ReasonCode::PROTOCOL_ERROR,
            what,
        }
    }

    /// With a more exact code.
    #[cold]
    pub(super) const fn new(reason: ReasonCode, what: &'static str) -> Self {
        Self { reason, what }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.what)
    }
}

impl std::error::Error for DecodeError {}

/// A CONNECT that cannot be served, and which answer goes before the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Close without a word: not MQTT at all, or a broken packet of a 3.x client, which has no code for it.
    Close(DecodeError),
    /// A broken packet of a 5.0 client: CONNACK with the reason, then close.
    Refuse(DecodeError),
    /// A version that nobody here speaks. The answer has the form that the client may understand: 3.1.1 with return code
    /// 0x01 for what is older than 5.0, else 5.0 with 0x84 [MQTT-3.1.2-2].
    UnsupportedVersion(ProtocolVersion),
}

impl ConnectError {
    /// The CONNACK to send before the close, for [`super::connack`]; `None` for a bare close.
    #[must_use]
    pub const fn answer(&self) -> Option<(ProtocolVersion, ReasonCode)> {
        match self {
            Self::Close(_) => None,
            Self::Refuse(error) => Some((ProtocolVersion::V5, error.reason)),
            Self::UnsupportedVersion(form) => Some((*form, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION)),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close(error) | Self::Refuse(error) => error.fmt(f),
            Self::UnsupportedVersion(_) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}
