//! MQTT 5 properties (2.2.2): the walk that all packets share. Which property may be where, each packet says itself.

use super::DecodeError;
use super::primitives::{Reader, put_binary};

/// Property identifiers (2.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum PropertyId {
    PayloadFormatIndicator = 0x01,
    MessageExpiryInterval = 0x02,
    ContentType = 0x03,
    ResponseTopic = 0x08,
    CorrelationData = 0x09,
    SubscriptionIdentifier = 0x0B,
    SessionExpiryInterval = 0x11,
    AssignedClientIdentifier = 0x12,
    ServerKeepAlive = 0x13,
    AuthenticationMethod = 0x15,
    AuthenticationData = 0x16,
    RequestProblemInformation = 0x17,
    WillDelayInterval = 0x18,
    RequestResponseInformation = 0x19,
    ResponseInformation = 0x1A,
    ServerReference = 0x1C,
    ReasonString = 0x1F,
    ReceiveMaximum = 0x21,
    TopicAliasMaximum = 0x22,
    TopicAlias = 0x23,
    MaximumQoS = 0x24,
    RetainAvailable = 0x25,
    UserProperty = 0x26,
    MaximumPacketSize = 0x27,
    WildcardSubscriptionAvailable = 0x28,
    SubscriptionIdentifierAvailable = 0x29,
    SharedSubscriptionAvailable = 0x2A,
}

impl PropertyId {
    #[inline]
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::PayloadFormatIndicator,
            0x02 => Self::MessageExpiryInterval,
            0x03 => Self::ContentType,
            0x08 => Self::ResponseTopic,
            0x09 => Self::CorrelationData,
            0x0B => Self::SubscriptionIdentifier,
            0x11 => Self::SessionExpiryInterval,
            0x12 => Self::AssignedClientIdentifier,
            0x13 => Self::ServerKeepAlive,
            0x15 => Self::AuthenticationMethod,
            0x16 => Self::AuthenticationData,
            0x17 => Self::RequestProblemInformation,
            0x18 => Self::WillDelayInterval,
            0x19 => Self::RequestResponseInformation,
            0x1A => Self::ResponseInformation,
            0x1C => Self::ServerReference,
            0x1F => Self::ReasonString,
            0x21 => Self::ReceiveMaximum,
            0x22 => Self::TopicAliasMaximum,
            0x23 => Self::TopicAlias,
            0x24 => Self::MaximumQoS,
            0x25 => Self::RetainAvailable,
            0x26 => Self::UserProperty,
            0x27 => Self::MaximumPacketSize,
            0x28 => Self::WildcardSubscriptionAvailable,
            0x29 => Self::SubscriptionIdentifierAvailable,
            0x2A => Self::SharedSubscriptionAvailable,
            _ => return None,
        })
    }
}

/// A property that MQTT does not have in this packet.
pub(super) const NOT_IN_THIS_PACKET: DecodeError =
    DecodeError::malformed("a property does not belong to this packet");

/// The properties of one packet. [`Self::next_id`] tells which comes next, `value` reads what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties<'a> {
    /// Stands at the value of the property that `next_id` named.
    pub(super) value: Reader<'a>,
    /// The identifiers met so far, a bit each.
    seen: u64,
}

impl<'a> Properties<'a> {
    /// The Property Length and as many bytes, taken from `reader`.
    #[inline]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let len = reader.variable()?;
        if len as usize > reader.len() {
            return Err(DecodeError::malformed(
                "the Property Length goes past the end of the packet",
            ));
        }
        Ok(Self::raw(reader.bytes(len as usize)?))
    }

    /// Properties without a length before them.
    #[inline]
    pub(super) const fn raw(bytes: &'a [u8]) -> Self {
        Self {
            value: Reader::new(bytes),
            seen: 0,
        }
    }

    /// The next property, if there is one. All but User Property may come only once (2.2.2.2).
    #[inline]
    pub(super) fn next_id(&mut self) -> Result<Option<PropertyId>, DecodeError> {
        if self.value.is_empty() {
            return Ok(None);
        }
        // An identifier is a Variable Byte Integer (2.2.2.2), but none that exists takes two bytes.
        let Some(id) = PropertyId::from_byte(self.value.u8()?) else {
            return Err(DecodeError::malformed(
                "there is no property with this identifier",
            ));
        };
        let bit = 1 << id as u8;
        if self.seen & bit != 0 && id != PropertyId::UserProperty {
            return Err(DecodeError::protocol("a property comes twice"));
        }
        self.seen |= bit;
        Ok(Some(id))
    }

    /// A byte that stands for no or yes.
    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.value.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::protocol(
                "a property that is 0 or 1 has another value",
            )),
        }
    }

    /// A User Property that nobody here wants to know; it must be well-formed all the same.
    pub(super) fn skip_user_property(&mut self) -> Result<(), DecodeError> {
        self.value.string()?;
        self.value.string()?;
        Ok(())
    }
}

/// Appends one property of a single byte.
#[inline]
pub(super) fn put_u8(out: &mut Vec<u8>, id: PropertyId, value: u8) {
    out.extend_from_slice(&[id as u8, value]);
}

/// Appends one property of two bytes.
#[inline]
pub(super) fn put_u16(out: &mut Vec<u8>, id: PropertyId, value: u16) {
    let [high, low] = value.to_be_bytes();
    out.extend_from_slice(&[id as u8, high, low]);
}

/// Appends one property of four bytes.
#[inline]
pub(super) fn put_u32(out: &mut Vec<u8>, id: PropertyId, value: u32) {
    let [a, b, c, d] = value.to_be_bytes();
    out.extend_from_slice(&[id as u8, a, b, c, d]);
}

/// Appends one property that is a string or binary data.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, id: PropertyId, value: &[u8]) {
    out.push(id as u8);
    put_binary(out, value);
}

/// Appends a User Property.
#[inline]
pub(super) fn put_user_property(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(PropertyId::UserProperty as u8);
    put_binary(out, name.as_bytes());
    put_binary(out, value.as_bytes());
}
