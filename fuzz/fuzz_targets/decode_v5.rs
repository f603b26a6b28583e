//! Packets of 5.0 clients: any bytes, and a PUBLISH that is read means the same when it is written and read again.
#![no_main]

use dunlin::codec::{
    ForwardBuilder, ForwardProperties, OutboundProperties, Packet, ProtocolVersion, PublishParts, decode,
    peek, publish, publish_len,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some(header)) = peek(data) else { return };
    let Some(body) = data.get(usize::from(header.header_len)..header.packet_len()) else {
        return;
    };
    let Ok(Packet::Publish(read)) = decode(ProtocolVersion::V5, header, body) else {
        return;
    };
    assert!(read.topic.is_empty() || dunlin::topic::check_name(read.topic).is_ok());
    let rebuilt = ForwardBuilder::from_wire(&read.properties.forward).finish();
    assert_eq!(rebuilt.len(), read.properties.forward.len());
    let count = ForwardProperties::new(&rebuilt).count();
    assert_eq!(count, ForwardProperties::new(&read.properties.forward).count());
    let parts = PublishParts {
        topic: read.topic,
        qos: read.qos,
        dup: read.dup,
        retain: read.retain,
        packet_id: read.packet_id,
        properties: OutboundProperties {
            message_expiry: read.properties.message_expiry,
            topic_alias: read.properties.topic_alias,
            subscription_ids: &[],
            forward: &read.properties.forward,
        },
        payload: read.payload,
    };
    let mut wire = Vec::new();
    publish(&mut wire, ProtocolVersion::V5, &parts);
    assert_eq!(wire.len(), publish_len(ProtocolVersion::V5, &parts));
    assert_eq!(wire.len(), header.packet_len());
    let again = peek(&wire).unwrap().unwrap();
    let body = &wire[usize::from(again.header_len)..];
    assert_eq!(
        decode(ProtocolVersion::V5, again, body),
        Ok(Packet::Publish(read))
    );
});
