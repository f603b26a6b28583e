//! Packets of 3.1 and 3.1.1 clients: any bytes, and a PUBLISH that is read is written back alike.
#![no_main]

use dunlin::codec::{OutboundProperties, Packet, ProtocolVersion, PublishParts, decode, peek, publish};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some(header)) = peek(data) else { return };
    let Some(body) = data.get(usize::from(header.header_len)..header.packet_len()) else {
        return;
    };
    for version in [ProtocolVersion::V31, ProtocolVersion::V311] {
        let Ok(packet) = decode(version, header, body) else {
            continue;
        };
        let Packet::Publish(read) = packet else { continue };
        assert!(dunlin::topic::check_name(read.topic).is_ok());
        let parts = PublishParts {
            topic: read.topic,
            qos: read.qos,
            dup: read.dup,
            retain: read.retain,
            packet_id: read.packet_id,
            properties: OutboundProperties::default(),
            payload: read.payload,
        };
        let mut wire = Vec::new();
        publish(&mut wire, version, &parts);
        assert_eq!(Some(&*wire), data.get(..header.packet_len()));
    }
});
