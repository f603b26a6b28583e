//! What the server writes, byte by byte.

use super::{bare, read};
use crate::codec::*;

const V31: ProtocolVersion = ProtocolVersion::V31;
const V311: ProtocolVersion = ProtocolVersion::V311;
const V5: ProtocolVersion = ProtocolVersion::V5;

fn written(write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<Vec<u8>> {
    let mut out = vec![0xEE];
    let done = write(&mut out);
    assert_eq!(out.remove(0), 0xEE, "what was there stays");
    assert_eq!(done, !out.is_empty(), "nothing is written if not all is");
    done.then_some(out)
}

fn limited(maximum_packet_size: u32) -> Limits {
    Limits {
        maximum_packet_size,
        ..Limits::from(V5)
    }
}

fn refuse(version: ProtocolVersion, reason: ReasonCode) -> Vec<u8> {
    written(|out| connack(out, version, true, reason, &ConnackProperties::default())).unwrap()
}

#[test]
fn connack_says_session_present_in_311_and_5_but_not_in_31() {
    let accept = |version| refuse(version, ReasonCode::SUCCESS);
    assert_eq!(accept(V31), [0x20, 2, 0, 0]);
    assert_eq!(accept(V311), [0x20, 2, 1, 0]);
    assert_eq!(accept(V5), [0x20, 3, 1, 0, 0]);
}

#[test]
fn connack_with_an_error_has_no_session_present_mqtt_3_2_2_6() {
    assert_eq!(refuse(V311, ReasonCode::NOT_AUTHORIZED), [0x20, 2, 0, 5]);
    assert_eq!(refuse(V5, ReasonCode::NOT_AUTHORIZED), [0x20, 3, 0, 0x87, 0]);
}

#[test]
fn reasons_become_return_codes_before_5() {
    let expected = [
        (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode::SERVER_UNAVAILABLE, 3),
        (ReasonCode::SERVER_BUSY, 3),
        (ReasonCode::QUOTA_EXCEEDED, 3),
        (ReasonCode::BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode::NOT_AUTHORIZED, 5),
        (ReasonCode::BANNED, 5),
    ];
    for (reason, code) in expected {
        assert_eq!(refuse(V311, reason), [0x20, 2, 0, code], "{reason}");
        assert_eq!(refuse(V31, reason), [0x20, 2, 0, code], "{reason}");
    }
}

#[test]
fn connack_writes_every_property_under_its_own_identifier() {
    let user = [("a".to_owned(), "b".to_owned())];
    let properties = ConnackProperties {
        session_expiry: Some(1),
        receive_maximum: Some(2),
        maximum_qos: Some(QoS::AtLeastOnce),
        retain_available: Some(false),
        maximum_packet_size: Some(3),
        assigned_client_id: Some("i"),
        topic_alias_maximum: Some(4),
        reason_string: Some("r"),
        user_properties: &user,
        wildcard_subscription_available: Some(true),
        subscription_identifiers_available: Some(true),
        shared_subscription_available: Some(false),
        server_keep_alive: Some(5),
        response_information: Some("p"),
        server_reference: Some("s"),
        authentication_method: Some("m"),
        authentication_data: Some(b"d"),
    };
    let expected = [
        &[0x20, 69, 0, 0, 66][..],
        &[
            0x11, 0, 0, 0, 1, 0x27, 0, 0, 0, 3, 0x21, 0, 2, 0x22, 0, 4, 0x13, 0, 5,
        ],
        &[0x24, 1, 0x25, 0, 0x28, 1, 0x29, 1, 0x2A, 0],
        &[
            0x12, 0, 1, b'i', 0x1A, 0, 1, b'p', 0x1C, 0, 1, b's', 0x15, 0, 1, b'm', 0x16, 0, 1, b'd',
        ],
        &[0x1F, 0, 1, b'r', 0x26, 0, 1, b'a', 0, 1, b'b'],
    ]
    .concat();
    let full = written(|out| connack(out, V5, false, ReasonCode::SUCCESS, &properties)).unwrap();
    assert_eq!(full.len() - 2, usize::from(full[1]));
    assert_eq!(full[2..], [&[0, 0, full[1] - 3][..], &expected[5..]].concat());
    // [MQTT-3.2.2-20], [MQTT-3.2.2-19]: first the user properties go, then the reason string, then all of it.
    let len = full.len() as u32;
    let fit = |size| written(|out| connack(out, limited(size), false, ReasonCode::SUCCESS, &properties));
    assert_eq!(fit(len).unwrap().len() as u32, len);
    assert_eq!(fit(len - 1).unwrap().len() as u32, len - 7);
    assert_eq!(fit(len - 8).unwrap().len() as u32, len - 11);
    assert_eq!(fit(len - 12), None);
}

#[test]
fn maximum_qos_2_is_said_by_saying_nothing() {
    let properties = ConnackProperties {
        maximum_qos: Some(QoS::ExactlyOnce),
        ..Default::default()
    };
    let out = written(|out| connack(out, V5, false, ReasonCode::SUCCESS, &properties)).unwrap();
    assert_eq!(out, [0x20, 3, 0, 0, 0]);
}

#[test]
fn suback_has_one_code_for_each_filter_in_order_mqtt_3_8_4_6() {
    let codes = [
        ReasonCode::GRANTED_QOS_2,
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::SUCCESS,
    ];
    let out = |version| written(|out| suback(out, version, 10, &codes, None)).unwrap();
    assert_eq!(out(V5), [0x90, 6, 0, 10, 0, 2, 0x87, 0]);
    assert_eq!(out(V311), [0x90, 5, 0, 10, 2, 0x80, 0]);
    assert_eq!(
        out(V31),
        [0x90, 5, 0, 10, 2, 0, 0],
        "3.1 has no code for a failure"
    );
}

#[test]
fn unsuback_has_codes_in_5_only() {
    let codes = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
    let out = |version| written(|out| unsuback(out, version, 10, &codes, Some("w"))).unwrap();
    assert_eq!(out(V5), [0xB0, 9, 0, 10, 4, 0x1F, 0, 1, b'w', 0, 0x11]);
    assert_eq!(out(V311), [0xB0, 2, 0, 10]);
}

#[test]
fn acknowledgements_are_as_short_as_they_can_be() {
    let out =
        |version, kind, reason, why| written(|out| ack(out, version, kind, 0x102, reason, why)).unwrap();
    let success = ReasonCode::SUCCESS;
    assert_eq!(out(V311, PacketType::Puback, success, None), [0x40, 2, 1, 2]);
    assert_eq!(out(V5, PacketType::Pubrec, success, None), [0x50, 2, 1, 2]);
    assert_eq!(
        out(V5, PacketType::Pubrel, success, None),
        [0x62, 2, 1, 2],
        "the flags of PUBREL are 0010"
    );
    let not_found = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    assert_eq!(
        out(V5, PacketType::Pubcomp, not_found, None),
        [0x70, 3, 1, 2, 0x92]
    );
    assert_eq!(
        out(V311, PacketType::Pubcomp, not_found, Some("x")),
        [0x70, 2, 1, 2]
    );
    let explained = [0x40, 8, 1, 2, 0x87, 4, 0x1F, 0, 1, b'x'];
    assert_eq!(
        out(V5, PacketType::Puback, ReasonCode::NOT_AUTHORIZED, Some("x")),
        explained
    );
}

#[test]
fn an_explanation_is_left_out_where_the_client_has_no_room_or_no_wish() {
    let out = |limits: Limits| {
        written(|out| {
            ack(
                out,
                limits,
                PacketType::Puback,
                1,
                ReasonCode::NOT_AUTHORIZED,
                Some("why"),
            )
        })
    };
    assert_eq!(out(limited(12)).unwrap().len(), 12);
    assert_eq!(out(limited(11)).unwrap(), [0x40, 3, 0, 1, 0x87], "[MQTT-3.4.2-2]");
    assert_eq!(out(limited(4)), None, "[MQTT-3.1.2-24]");
    let silent = Limits {
        problem_information: false,
        ..Limits::from(V5)
    };
    assert_eq!(out(silent).unwrap(), [0x40, 3, 0, 1, 0x87], "[MQTT-3.1.2-29]");
    for text in ["\0", &"x".repeat(65_536)] {
        let out = written(|out| {
            ack(
                out,
                V5,
                PacketType::Puback,
                1,
                ReasonCode::NOT_AUTHORIZED,
                Some(text),
            )
        });
        assert_eq!(
            out.unwrap(),
            [0x40, 3, 0, 1, 0x87],
            "what is no MQTT string is not sent"
        );
    }
}

#[test]
fn only_5_gets_a_disconnect() {
    let none = DisconnectProperties::default();
    let out = |version| written(|out| disconnect(out, version, ReasonCode::SESSION_TAKEN_OVER, &none));
    assert_eq!(out(V31), None);
    assert_eq!(out(V311), None);
    assert_eq!(out(V5).unwrap(), [0xE0, 1, 0x8E]);
    let moved = DisconnectProperties {
        reason_string: Some("r"),
        server_reference: Some("s"),
    };
    let out = written(|out| disconnect(out, V5, ReasonCode::SERVER_MOVED, &moved)).unwrap();
    assert_eq!(out, [0xE0, 10, 0x9D, 8, 0x1C, 0, 1, b's', 0x1F, 0, 1, b'r']);
}

#[test]
fn auth_carries_its_method_and_data() {
    let out = |version| {
        written(|out| {
            auth(
                out,
                version,
                ReasonCode::CONTINUE_AUTHENTICATION,
                "m",
                Some(b"d"),
                Some("r"),
            )
        })
    };
    let expected = [
        0xF0, 14, 0x18, 12, 0x15, 0, 1, b'm', 0x16, 0, 1, b'd', 0x1F, 0, 1, b'r',
    ];
    assert_eq!(out(V5).unwrap(), expected);
    assert_eq!(out(V311), None);
}

#[test]
fn pingresp_is_two_bytes() {
    let mut out = Vec::new();
    pingresp(&mut out);
    assert_eq!(out, [0xD0, 0]);
}

#[test]
fn a_publish_for_5_has_all_properties_and_one_for_311_has_none() {
    let mut parts = bare("a/b", b"xy");
    parts.qos = QoS::AtLeastOnce;
    parts.retain = true;
    parts.packet_id = 0x0A0B;
    parts.properties = OutboundProperties {
        message_expiry: Some(9),
        topic_alias: Some(3),
        subscription_ids: &[1, 200],
        forward: &[0x01, 1],
    };
    let mut out = vec![0xEE];
    assert_eq!(publish(&mut out, V311, &parts), 7, "the place of the packet id");
    assert_eq!(
        out,
        [0xEE, 0x33, 9, 0, 3, b'a', b'/', b'b', 0x0A, 0x0B, b'x', b'y']
    );
    let mut out = Vec::new();
    assert_eq!(publish(&mut out, V5, &parts), 7);
    let expected = [
        &[0x33, 25, 0, 3, b'a', b'/', b'b', 0x0A, 0x0B, 15][..],
        &[0x02, 0, 0, 0, 9, 0x23, 0, 3, 0x0B, 1, 0x0B, 0xC8, 0x01, 0x01, 1],
        b"xy",
    ]
    .concat();
    assert_eq!(out, expected);
    assert_eq!(publish_len(V5, &parts), out.len());
    let mut head = Vec::new();
    publish_head(&mut head, V5, &parts);
    assert_eq!(
        [&head[..], b"xy"].concat(),
        out,
        "head and payload are the packet"
    );
}

#[test]
fn an_encoded_publish_is_shared_by_patching_flags_and_id() {
    let mut parts = bare("t", &[7; 200]);
    parts.qos = QoS::AtLeastOnce;
    parts.packet_id = 1;
    let mut first = Vec::new();
    let id_at = publish(&mut first, V311, &parts);
    let mut copy = first.clone();
    copy[0] = publish_flags(QoS::ExactlyOnce, true, true);
    copy[id_at..id_at + 2].copy_from_slice(&900u16.to_be_bytes());
    let mut again = Vec::new();
    publish(
        &mut again,
        V311,
        &PublishParts {
            qos: QoS::ExactlyOnce,
            dup: true,
            retain: true,
            packet_id: 900,
            ..parts
        },
    );
    assert_eq!(copy, again);
}

#[test]
fn a_publish_larger_than_mqtt_can_say_is_not_written() {
    let payload = vec![0; MAX_PACKET_LEN];
    let parts = bare("t", &payload);
    let mut out = Vec::new();
    assert_eq!(publish(&mut out, V311, &parts), 0);
    assert_eq!(publish_head(&mut out, V311, &parts), 0);
    assert!(out.is_empty());
    assert!(publish_len(V311, &parts) > MAX_PACKET_LEN);
    let largest = bare("t", &payload[..268_435_455 - 3]);
    assert_eq!(publish_len(V311, &largest), MAX_PACKET_LEN);
    publish_head(&mut out, V311, &largest);
    assert_eq!(out, [0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b't']);
}

#[test]
fn forwarded_properties_are_borrowed_unless_others_lie_between() {
    use std::borrow::Cow;
    let properties = |bytes: &[u8]| {
        [
            &[0x30, 4 + bytes.len() as u8, 0, 1, b't', bytes.len() as u8][..],
            bytes,
        ]
        .concat()
    };
    let user = [0x26, 0, 1, b'a', 0, 1, b'b'];
    let expiry = [0x02, 0, 0, 0, 9];
    for (list, borrowed) in [
        ([&user[..], &user, &expiry].concat(), true),
        ([&expiry[..], &user, &user].concat(), true),
        ([&user[..], &expiry, &user].concat(), false),
    ] {
        let packet = properties(&list);
        let Ok(Packet::Publish(publish)) = read(V5, &packet) else {
            panic!("a PUBLISH")
        };
        assert_eq!(*publish.properties.forward, [&user[..], &user].concat());
        assert_eq!(matches!(publish.properties.forward, Cow::Borrowed(_)), borrowed);
    }
}

#[test]
fn a_forward_builder_changes_what_it_is_told_and_refuses_what_cannot_be_sent() {
    let mut builder = ForwardBuilder::new();
    builder
        .payload_is_text(Some(true))
        .correlation_data(Some(b"c"))
        .unwrap();
    builder
        .content_type(Some("t"))
        .unwrap()
        .response_topic(Some("r/1"))
        .unwrap();
    builder
        .user_property("k", "1")
        .unwrap()
        .user_property("k", "2")
        .unwrap();
    let wire = builder.finish();
    let expected = [
        ForwardProperty::PayloadFormat(1),
        ForwardProperty::ContentType("t"),
        ForwardProperty::ResponseTopic("r/1"),
        ForwardProperty::CorrelationData(b"c"),
        ForwardProperty::UserProperty("k", "1"),
        ForwardProperty::UserProperty("k", "2"),
    ];
    assert!(ForwardProperties::new(&wire).eq(expected));
    assert_eq!(ForwardBuilder::from_wire(&wire).finish(), wire);
    builder.clear_user_properties().content_type(None).unwrap();
    assert_eq!(ForwardProperties::new(&builder.finish()).count(), 3);
    assert_eq!(
        builder.response_topic(Some("a/+")).unwrap_err(),
        ForwardError::ResponseTopic
    );
    assert_eq!(
        builder.response_topic(Some("")).unwrap_err(),
        ForwardError::ResponseTopic
    );
    assert_eq!(
        builder.user_property("\0", "").unwrap_err(),
        ForwardError::NullCharacter
    );
    assert_eq!(
        builder.content_type(Some(&"x".repeat(65_536))).unwrap_err(),
        ForwardError::TooLong
    );
}

#[test]
fn no_secret_is_ever_printed() {
    let packet =
        b"\x10\x23\x00\x04MQTT\x05\xC2\x00\x00\x0C\x15\x00\x02kb\x16\x00\x04hush\x00\x00\x00\x01u\x00\x06secret";
    let mut packet = packet.to_vec();
    packet[1] = packet.len() as u8 - 2;
    let header = peek(&packet).unwrap().unwrap();
    let connect = decode_connect(header, &packet[2..]).unwrap();
    let printed = format!("{connect:?}");
    assert!(printed.contains("(hidden)"), "{printed}");
    assert!(
        !printed.contains("secret") && !printed.contains("hush"),
        "{printed}"
    );
}

#[test]
fn helper_facts_about_client_ids() {
    let mut packet = b"\x10\x0C\x00\x04MQTT\x04\x02\x00\x00\x00\x00".to_vec();
    let read = |packet: &[u8]| decode_connect(peek(packet).unwrap().unwrap(), &packet[2..]).unwrap();
    assert!(!read(&packet).must_bring_client_id());
    assert!(!read(&packet).client_id_fits_v31());
    packet[9] = 0;
    assert!(read(&packet).must_bring_client_id(), "[MQTT-3.1.3-8]");
    packet.truncate(13);
    packet.extend([23]);
    packet.extend([b'x'; 23]);
    packet[1] = packet.len() as u8 - 2;
    assert!(read(&packet).client_id_fits_v31());
}

#[test]
fn an_error_reads_as_a_sentence() {
    let error = peek(&[0x36]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "0x81 Malformed packet: a PUBLISH has QoS 3 [MQTT-3.3.1-4]"
    );
}
