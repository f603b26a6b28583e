//! What a small PUBLISH costs: `cargo test --release codec_cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::bare;
use crate::codec::*;

const ROUNDS: u32 = 5_000_000;

/// The best of five, in nanoseconds a round: what disturbs only makes slower.
fn cost(name: &str, mut round: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            round();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    }
    println!("{name:<44} {best:6.1} ns");
}

#[test]
#[ignore = "a measurement"]
fn codec_cost() {
    let topic = "device/0042/telemetry";
    let forward = ForwardBuilder::new()
        .content_type(Some("text/plain"))
        .unwrap()
        .finish();
    let mut with_properties = bare(topic, &[0x55; 64]);
    with_properties.qos = QoS::AtLeastOnce;
    with_properties.packet_id = 7;
    with_properties.properties.message_expiry = Some(60);
    with_properties.properties.forward = &forward;
    let mut qos1 = with_properties;
    qos1.properties = OutboundProperties::default();
    let cases = [
        (
            "3.1.1 QoS 0, 64 B payload",
            ProtocolVersion::V311,
            bare(topic, &[0x55; 64]),
        ),
        ("3.1.1 QoS 1, 64 B payload", ProtocolVersion::V311, qos1),
        (
            "5.0 QoS 0, no properties",
            ProtocolVersion::V5,
            bare(topic, &[0x55; 64]),
        ),
        (
            "5.0 QoS 1, expiry and content type",
            ProtocolVersion::V5,
            with_properties,
        ),
    ];
    for (name, version, parts) in cases {
        let mut wire = Vec::new();
        publish(&mut wire, version, &parts);
        cost(&format!("decode {name}"), || {
            let bytes = black_box(wire.as_slice());
            let header = peek(bytes).unwrap().unwrap();
            let body = &bytes[usize::from(header.header_len)..header.packet_len()];
            let packet = decode(version, header, body).unwrap();
            assert!(matches!(black_box(&packet), Packet::Publish(_)));
        });
        let mut out = Vec::with_capacity(4096);
        cost(&format!("encode {name}"), || {
            out.clear();
            black_box(publish(&mut out, version, black_box(&parts)));
            black_box(out.as_slice());
        });
    }
    let mut out = Vec::with_capacity(64);
    cost("encode 3.1.1 PUBACK", || {
        out.clear();
        ack(
            &mut out,
            ProtocolVersion::V311,
            PacketType::Puback,
            black_box(7),
            ReasonCode::SUCCESS,
            None,
        );
        black_box(out.as_slice());
    });
    let puback = [0x40, 2, 0, 7];
    cost("decode PUBACK", || {
        let bytes = black_box(&puback[..]);
        let header = peek(bytes).unwrap().unwrap();
        black_box(decode(ProtocolVersion::V311, header, &bytes[2..]).unwrap());
    });
    println!("size of Packet: {} bytes", size_of::<Packet<'_>>());
}
