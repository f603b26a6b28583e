//! What holds for any packet and any bytes.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::read;
use crate::codec::*;

fn any_version() -> impl Strategy<Value = ProtocolVersion> {
    prop_oneof![
        Just(ProtocolVersion::V31),
        Just(ProtocolVersion::V311),
        Just(ProtocolVersion::V5)
    ]
}

fn any_qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ]
}

/// Any text that MQTT takes.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>().prop_filter("not null", |c| *c != '\0'), 0..40).prop_map(String::from_iter)
}

fn name() -> impl Strategy<Value = String> {
    text().prop_map(|text| format!("t{}", text.replace(['+', '#'], "/")))
}

fn forward() -> impl Strategy<Value = Vec<u8>> {
    let parts = (
        option::of(any::<bool>()),
        option::of(text()),
        option::of(name()),
        option::of(vec(any::<u8>(), 0..20)),
    );
    (parts, vec((text(), text()), 0..3)).prop_map(|((is_text, kind, response, correlation), users)| {
        let mut builder = ForwardBuilder::new();
        builder
            .payload_is_text(is_text)
            .content_type(kind.as_deref())
            .unwrap();
        builder
            .response_topic(response.as_deref())
            .unwrap()
            .correlation_data(correlation.as_deref())
            .unwrap();
        for (name, value) in users {
            builder.user_property(&name, &value).unwrap();
        }
        builder.finish()
    })
}

/// Bytes that look like a packet: random ones seldom get past the header.
fn likely_packet() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![3 => 0u8..8, 2 => 0u8..0x30, 1 => any::<u8>()];
    let first = prop_oneof![
        Just(0x30u8),
        Just(0x32),
        Just(0x40),
        Just(0x62),
        Just(0x82),
        Just(0xA2),
        Just(0xE0),
        Just(0xF0),
        any::<u8>()
    ];
    (first, vec(small, 0..60)).prop_map(|(first, body)| [&[first, body.len() as u8][..], &body].concat())
}

/// Everything that can be done with bytes from a stranger.
fn read_all_ways(bytes: &[u8]) {
    if let Ok(Some(header)) = peek(bytes) {
        let rest = &bytes[usize::from(header.header_len)..];
        let body = &rest[..rest.len().min(header.remaining as usize)];
        let _ = decode_connect(header, body);
        for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
            let _ = decode(version, header, body);
        }
    }
    let _ = ForwardProperties::new(bytes).count();
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text);
}

type Writer<'a> = &'a dyn Fn(&mut Vec<u8>) -> bool;

proptest! {
    #[test]
    fn a_publish_that_is_written_is_read_back(
        version in any_version(), topic in name(), qos in any_qos(), (dup, retain) in any::<(bool, bool)>(),
        id in 1u16.., expiry in option::of(any::<u32>()), alias in option::of(1u16..), forward in forward(),
        payload in vec(any::<u8>(), 0..300),
    ) {
        let acknowledged = qos > QoS::AtMostOnce;
        let parts = PublishParts {
            topic: &topic, qos, dup: dup && acknowledged, retain,
            packet_id: if acknowledged { id } else { 0 },
            properties: OutboundProperties {
                message_expiry: expiry, topic_alias: alias, subscription_ids: &[], forward: &forward,
            },
            payload: &payload,
        };
        let mut wire = Vec::new();
        let id_at = publish(&mut wire, version, &parts);
        prop_assert_eq!(wire.len(), publish_len(version, &parts));
        prop_assert_eq!(id_at != 0, acknowledged);
        if acknowledged {
            prop_assert_eq!(&wire[id_at..id_at + 2], &id.to_be_bytes()[..]);
        }
        let Ok(Packet::Publish(read)) = read(version, &wire) else { panic!("a PUBLISH") };
        prop_assert_eq!(read.topic, &topic);
        prop_assert_eq!((read.qos, read.dup, read.retain), (qos, parts.dup, retain));
        prop_assert_eq!(read.packet_id, parts.packet_id);
        prop_assert_eq!(read.payload, &payload);
        if version == ProtocolVersion::V5 {
            prop_assert_eq!(read.properties.message_expiry, expiry);
            prop_assert_eq!(read.properties.topic_alias, alias);
            prop_assert_eq!(&*read.properties.forward, &forward);
        } else {
            prop_assert_eq!(read.properties, PublishProperties::default());
        }
    }

    #[test]
    fn a_connect_that_is_written_is_read_back(
        version in any_version(), client_id in text(), clean in any::<bool>(), keep_alive in any::<u16>(),
        username in option::of(text()), password in vec(any::<u8>(), 0..20),
        will in option::of((name(), vec(any::<u8>(), 0..20), any_qos(), any::<bool>())), forward in forward(),
    ) {
        let v5 = version == ProtocolVersion::V5;
        let mut body = Vec::new();
        put_text(&mut body, if version == ProtocolVersion::V31 { b"MQIsdp" } else { b"MQTT" });
        let level = match version { ProtocolVersion::V31 => 3, ProtocolVersion::V311 => 4, ProtocolVersion::V5 => 5 };
        let mut flags = u8::from(clean) << 1;
        if username.is_some() { flags |= 0xC0; }
        if let Some((_, _, qos, retain)) = &will { flags |= 4 | (*qos as u8) << 3 | u8::from(*retain) << 5; }
        body.extend([level, flags]);
        body.extend(keep_alive.to_be_bytes());
        if v5 { body.push(0); }
        put_text(&mut body, client_id.as_bytes());
        if let Some((topic, payload, _, _)) = &will {
            if v5 {
                // As a Variable Byte Integer of two bytes, where it needs two.
                if forward.len() >= 0x80 { body.push((forward.len() & 0x7F) as u8 | 0x80); }
                body.push(if forward.len() >= 0x80 { (forward.len() >> 7) as u8 } else { forward.len() as u8 });
                body.extend(&forward);
            }
            put_text(&mut body, topic.as_bytes());
            put_text(&mut body, payload);
        }
        if let Some(username) = &username {
            put_text(&mut body, username.as_bytes());
            put_text(&mut body, &password);
        }
        let header = FixedHeader { packet_type: PacketType::Connect, flags: 0, remaining: body.len() as u32, header_len: 2 };
        let connect = decode_connect(header, &body).unwrap();
        prop_assert_eq!(connect.version, version);
        prop_assert_eq!(connect.client_id, client_id);
        prop_assert_eq!((connect.clean_start, connect.keep_alive), (clean, keep_alive));
        prop_assert_eq!(connect.password.as_deref(), username.as_ref().map(|_| password.as_slice()));
        prop_assert_eq!(connect.username, username);
        prop_assert_eq!(connect.will.is_some(), will.is_some());
        if let (Some(read), Some((topic, payload, qos, retain))) = (connect.will, will) {
            prop_assert_eq!((read.topic, read.payload.to_vec(), read.qos, read.retain), (topic, payload, qos, retain));
            prop_assert_eq!(&*read.forward, if v5 { &forward[..] } else { &[] });
        }
    }

    #[test]
    fn an_acknowledgement_that_is_written_is_read_back(
        version in any_version(), id in 1u16.., why in option::of(text()),
        kind in prop_oneof![Just(PacketType::Puback), Just(PacketType::Pubrec), Just(PacketType::Pubrel), Just(PacketType::Pubcomp)],
        failed in any::<bool>(),
    ) {
        let release = matches!(kind, PacketType::Pubrel | PacketType::Pubcomp);
        let failure = if release { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND } else { ReasonCode::QUOTA_EXCEEDED };
        let reason = if failed { failure } else { ReasonCode::SUCCESS };
        let mut wire = Vec::new();
        prop_assert!(ack(&mut wire, version, kind, id, reason, why.as_deref()));
        let (Packet::Puback(read) | Packet::Pubrec(read) | Packet::Pubrel(read) | Packet::Pubcomp(read))
            = read(version, &wire).unwrap() else { panic!("an acknowledgement") };
        let v5 = version == ProtocolVersion::V5;
        prop_assert_eq!(read.packet_id, id);
        prop_assert_eq!(read.reason, if v5 { reason } else { ReasonCode::SUCCESS });
        prop_assert_eq!(read.reason_string, why.filter(|_| v5));
    }

    #[test]
    fn nothing_that_is_written_exceeds_the_clients_maximum(
        size in 0u32..120, reason in any::<u8>(), why in option::of(text()), user in vec((text(), text()), 0..2),
        codes in vec(any::<u8>().prop_map(ReasonCode), 1..4),
    ) {
        let limits = Limits { maximum_packet_size: size, ..Limits::from(ProtocolVersion::V5) };
        let why = why.as_deref();
        let reason = ReasonCode(reason);
        let connack_properties = ConnackProperties { reason_string: why, user_properties: &user, ..Default::default() };
        let disconnect_properties = DisconnectProperties { reason_string: why, server_reference: Some("elsewhere") };
        let writers: [Writer<'_>; 6] = [
            &|out| connack(out, limits, true, reason, &connack_properties),
            &|out| ack(out, limits, PacketType::Puback, 1, reason, why),
            &|out| suback(out, limits, 1, &codes, why),
            &|out| unsuback(out, limits, 1, &codes, why),
            &|out| disconnect(out, limits, reason, &disconnect_properties),
            &|out| auth(out, limits, reason, "method", None, why),
        ];
        for write in writers {
            let mut out = Vec::new();
            let done = write(&mut out);
            prop_assert!(out.len() <= size as usize);
            prop_assert_eq!(done, !out.is_empty());
            if done {
                prop_assert_eq!(peek(&out).unwrap().unwrap().packet_len(), out.len());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_all_ways(&bytes);
    }

    #[test]
    fn no_likely_packet_makes_it_panic(bytes in likely_packet()) {
        read_all_ways(&bytes);
    }

    #[test]
    fn a_topic_is_taken_if_and_only_if_it_is_a_topic_name(text in "[a-c/+#\u{0}\u{FEFF}]{0,12}") {
        let mut wire = vec![0x30, (2 + text.len()) as u8];
        put_text(&mut wire, text.as_bytes());
        let taken = read(ProtocolVersion::V311, &wire).is_ok();
        prop_assert_eq!(taken, crate::topic::check_name(&text).is_ok());
    }
}
