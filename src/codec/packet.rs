//! What comes from a client after its CONNECT.

use super::header::RESERVED_FLAGS;
use super::{
    Ack, Auth, DecodeError, Disconnect, FixedHeader, PacketType, ProtocolVersion, Publish, Subscribe,
    Unsubscribe, ack, auth, decode_publish, disconnect, subscribe, unsubscribe,
};

/// A packet from a client. Only PUBLISH, the one that comes by the million, borrows from what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A second CONNECT; not read any further, since it ends the connection [MQTT-3.1.0-2].
    Connect,
    /// A message.
    Publish(Publish<'a>),
    /// A QoS 1 message has arrived.
    Puback(Ack),
    /// A QoS 2 message has arrived.
    Pubrec(Ack),
    /// A QoS 2 message is released.
    Pubrel(Ack),
    /// A QoS 2 message is done with.
    Pubcomp(Ack),
    /// A client wants messages.
    Subscribe(Subscribe),
    /// A client wants no more of them.
    Unsubscribe(Unsubscribe),
    /// A client is alive.
    Pingreq,
    /// A client goes.
    Disconnect(Disconnect),
    /// A step of enhanced authentication.
    Auth(Auth),
}

/// Reads a packet whose header [`super::peek`] gave; `body` holds the `remaining` bytes behind that header.
///
/// # Errors
/// Anything that MQTT forbids a client to send, with the reason to end the connection with.
#[inline]
pub fn decode<'a>(
    version: ProtocolVersion,
    header: FixedHeader,
    body: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    match header.packet_type {
        PacketType::Publish => decode_publish(version, header, body).map(Packet::Publish),
        PacketType::Puback => ack::decode(version, header.packet_type, body).map(Packet::Puback),
        _ => decode_rarer(version, header, body),
    }
}

fn decode_rarer<'a>(
    version: ProtocolVersion,
    header: FixedHeader,
    body: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    let kind = header.packet_type;
    // What `peek` let pass for 3.1 clients, which may mark what they send again.
    let marked_dup = kind != PacketType::Publish && header.flags & 0b1000 != 0;
    if marked_dup && version != ProtocolVersion::V31 {
        return Err(RESERVED_FLAGS);
    }
    match kind {
        PacketType::Connect => Ok(Packet::Connect),
        PacketType::Publish => decode_publish(version, header, body).map(Packet::Publish),
        PacketType::Puback => ack::decode(version, kind, body).map(Packet::Puback),
        PacketType::Pubrec => ack::decode(version, kind, body).map(Packet::Pubrec),
        PacketType::Pubrel => ack::decode(version, kind, body).map(Packet::Pubrel),
        PacketType::Pubcomp => ack::decode(version, kind, body).map(Packet::Pubcomp),
        PacketType::Subscribe => subscribe::decode(version, body).map(Packet::Subscribe),
        PacketType::Unsubscribe => unsubscribe::decode(version, body).map(Packet::Unsubscribe),
        PacketType::Pingreq if body.is_empty() => Ok(Packet::Pingreq),
        PacketType::Pingreq => Err(DecodeError::malformed("a PINGREQ has a body (3.12)")),
        PacketType::Disconnect => disconnect::decode(version, body).map(Packet::Disconnect),
        PacketType::Auth => auth::decode(version, body).map(Packet::Auth),
        PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => Err(
            DecodeError::protocol("a client sends a packet that only a server may send (2.1.2)"),
        ),
    }
}
