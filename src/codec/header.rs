//! The fixed header (2.1): packet type, flags, Remaining Length.

use super::{DecodeError, QoS};

/// The kinds of packets, with the number that the first byte's upper half holds (2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Client asks to connect.
    Connect = 1,
    /// Server answers CONNECT.
    Connack = 2,
    /// A message.
    Publish = 3,
    /// Answer to a QoS 1 PUBLISH.
    Puback = 4,
    /// First answer to a QoS 2 PUBLISH.
    Pubrec = 5,
    /// Answer to PUBREC: the packet id may be let go.
    Pubrel = 6,
    /// Answer to PUBREL: the packet id is free.
    Pubcomp = 7,
    /// Client subscribes.
    Subscribe = 8,
    /// Server answers SUBSCRIBE.
    Suback = 9,
    /// Client unsubscribes.
    Unsubscribe = 10,
    /// Server answers UNSUBSCRIBE.
    Unsuback = 11,
    /// Client shows that it is alive.
    Pingreq = 12,
    /// Server answers PINGREQ.
    Pingresp = 13,
    /// The connection ends on purpose.
    Disconnect = 14,
    /// Enhanced authentication, 5.0 only.
    Auth = 15,
}

impl PacketType {
    #[inline]
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The first byte of a packet of this type that has the flags MQTT prescribes; PUBLISH adds its own.
    #[inline]
    pub(super) const fn first_byte(self) -> u8 {
        let flags = match self {
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        };
        ((self as u8) << 4) | flags
    }
}

/// The first two to five bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// Which packet.
    pub packet_type: PacketType,
    /// The first byte's lower four bits: DUP, QoS, RETAIN of a PUBLISH.
    pub flags: u8,
    /// Bytes that follow the fixed header, at most 268,435,455.
    pub remaining: u32,
    /// Bytes of the fixed header itself, 2 to 5.
    pub header_len: u8,
}

impl FixedHeader {
    /// Bytes of the whole packet.
    #[inline]
    #[must_use]
    pub const fn packet_len(&self) -> usize {
        self.header_len as usize + self.remaining as usize
    }
}

/// Reads the fixed header at the start of `buf`; `None` if more bytes are needed to know it. The body need not be there
/// yet: what cannot become a packet is refused, and what is too large can be, before any of it is stored.
///
/// Flags are checked for every packet type [MQTT-2.1.3-1], but one bit: a 3.1 client may set DUP on a PUBREL, SUBSCRIBE or
/// UNSUBSCRIBE that it sends again. [`super::decode`], which knows the version, refuses it to all others.
///
/// # Errors
/// No such packet type, flags that MQTT reserves, a PUBLISH of QoS 3 or with DUP at QoS 0, or a length that is not
/// a Variable Byte Integer in its shortest form [MQTT-1.5.5-1].
#[inline]
pub fn peek(buf: &[u8]) -> Result<Option<FixedHeader>, DecodeError> {
    let Some((first, rest)) = buf.split_first() else {
        return Ok(None);
    };
    let flags = first & 0x0F;
    let Some(packet_type) = PacketType::from_bits(first >> 4) else {
        return Err(DecodeError::malformed("packet type 0 is reserved"));
    };
    match packet_type {
        PacketType::Publish => check_publish_flags(flags)?,
        PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe if flags & 0b0111 == 0b0010 => {}
        PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => return Err(RESERVED_FLAGS),
        _ if flags == 0 => {}
        _ => return Err(RESERVED_FLAGS),
    }
    match rest.first() {
        None => Ok(None),
        Some(&length) if length < 0x80 => Ok(Some(FixedHeader {
            packet_type,
            flags,
            remaining: u32::from(length),
            header_len: 2,
        })),
        Some(_) => Ok(long_remaining(rest)?.map(|(remaining, length_len)| FixedHeader {
            packet_type,
            flags,
            remaining,
            header_len: 1 + length_len,
        })),
    }
}

pub(super) const RESERVED_FLAGS: DecodeError =
    DecodeError::malformed("the fixed header's reserved flags are not as MQTT prescribes [MQTT-2.1.3-1]");

#[inline]
fn check_publish_flags(flags: u8) -> Result<(), DecodeError> {
    match QoS::from_bits((flags >> 1) & 0b11) {
        None => Err(DecodeError::malformed("a PUBLISH has QoS 3 [MQTT-3.3.1-4]")),
        Some(QoS::AtMostOnce) if flags & 0b1000 != 0 => Err(DecodeError::malformed(
            "a PUBLISH of QoS 0 has the DUP flag [MQTT-3.3.1-2]",
        )),
        Some(_) => Ok(()),
    }
}

/// A Remaining Length of two bytes or more, and how many.
fn long_remaining(bytes: &[u8]) -> Result<Option<(u32, u8)>, DecodeError> {
    let mut value = 0;
    for (place, byte) in (0u8..4).zip(bytes) {
        value |= u32::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            if *byte == 0 && place > 0 {
                return Err(DecodeError::malformed(
                    "the Remaining Length is not encoded in as few bytes as possible [MQTT-1.5.5-1]",
                ));
            }
            return Ok(Some((value, place + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(DecodeError::malformed(
            "the Remaining Length has more than four bytes",
        ));
    }
    Ok(None)
}
