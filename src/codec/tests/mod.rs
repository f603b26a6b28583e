//! Tests of the codec as a whole: named bytes, what is written, and what holds for any bytes at all.

mod bench;
mod describe;
mod encode;
mod roundtrip;
mod vectors;

use super::*;

/// Reads one whole packet.
fn read(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let header = peek(bytes)?.expect("a whole header");
    assert_eq!(header.packet_len(), bytes.len(), "the Remaining Length is right");
    decode(version, header, &bytes[usize::from(header.header_len)..])
}

/// A PUBLISH without anything.
fn bare<'a>(topic: &'a str, payload: &'a [u8]) -> PublishParts<'a> {
    PublishParts {
        topic,
        qos: QoS::AtMostOnce,
        dup: false,
        retain: false,
        packet_id: 0,
        properties: OutboundProperties::default(),
        payload,
    }
}
