//! Points 3, 4 and 5: flags, packets and lengths that must not be.

use crate::support::*;
use crate::{broker, v5, v311};

/// A right packet of each type that a client may send once it is connected.
fn right_packets(version: u8) -> Vec<Vec<u8>> {
    let topic = unique("p03");
    let mut packets = vec![
        ack(PUBACK, 1),
        ack(PUBREC, 1),
        ack(PUBREL, 1),
        ack(PUBCOMP, 1),
        subscribe(version, 1, &[(&topic, 0)], &[]),
        unsubscribe(version, 1, &[&topic]),
        pingreq(),
        vec![0xE0, 0],
    ];
    if version == V5 {
        packets.push(auth(0x19, &prop_text(AUTHENTICATION_METHOD, "m")));
    }
    packets
}

/// Connects, sends `bytes` and wants this end.
#[track_caller]
fn ends(version: u8, bytes: &[u8], code: u8) {
    let mut client = if version == V5 { v5() } else { v311() };
    client.send(bytes);
    client.expect_error(code);
}

// [MQTT-2.1.3-1]
#[test]
fn p03_reserved_flag_bits_end_the_connection_on_every_packet_type_of_5() {
    for packet in right_packets(V5) {
        for bit in [1, 2, 4, 8] {
            let mut wrong = packet.clone();
            wrong[0] ^= bit;
            ends(V5, &wrong, 0x81);
        }
    }
}

// 3.1.1 [MQTT-2.2.2-2]
#[test]
fn p03_reserved_flag_bits_end_the_connection_on_every_packet_type_of_311() {
    for packet in right_packets(V311) {
        for bit in [1, 2, 4, 8] {
            let mut wrong = packet.clone();
            wrong[0] ^= bit;
            ends(V311, &wrong, 0x81);
        }
    }
}

// [MQTT-3.8.1-1], [MQTT-3.10.1-1], [MQTT-3.6.1-1]: these three need 0010, so 0000 is wrong, too.
#[test]
fn p03_subscribe_unsubscribe_and_pubrel_need_0010() {
    for version in [V5, V311] {
        for mut packet in [
            subscribe(version, 1, &[("x", 0)], &[]),
            unsubscribe(version, 1, &["x"]),
            ack(PUBREL, 1),
        ] {
            packet[0] &= 0xF0;
            ends(version, &packet, 0x81);
        }
    }
}

// [MQTT-2.1.3-1] CONNECT: nobody is connected yet, so what comes is a CONNACK with an error, or nothing.
#[test]
fn p03_reserved_flag_bits_of_connect() {
    for version in [V31, V311, V5] {
        for bit in [1, 2, 4, 8] {
            let mut connect = Connect::new(version, unique("p03")).bytes();
            connect[0] |= bit;
            refused(version, &connect);
        }
    }
}

// [MQTT-3.1.2-3] the reserved bit of the Connect Flags; [MQTT-3.1.2-11/-12/-13] Will flags without a Will.
#[test]
fn p03_reserved_and_contradicting_connect_flags() {
    for version in [V311, V5] {
        for flags in [0x03, 0x0A, 0x12, 0x22, 0x1E] {
            let mut connect = Connect::new(version, unique("p03")).bytes();
            connect[9] = flags;
            refused(version, &connect);
        }
    }
}

/// Sends these first bytes and is not let in.
#[track_caller]
fn refused(version: u8, bytes: &[u8]) {
    let mut client = Client::open(broker(), version);
    client.send(bytes);
    client.expect_refusal();
}

// [MQTT-3.3.1-4]
#[test]
fn p03_publish_with_qos_3() {
    for version in [V5, V311] {
        for flags in [0x06, 0x07, 0x0E] {
            let mut packet = publish("p03", "x").qos(1, 1).bytes(version);
            packet[0] = 0x30 | flags;
            ends(version, &packet, 0x81);
        }
    }
}

// [MQTT-3.3.1-2] DUP must be 0 when QoS is 0.
#[test]
fn p03_publish_with_dup_and_qos_0() {
    let mut client = v5();
    client.publish(publish("p03", "x").dup());
    client.expect_disconnect_of(&[0x81, 0x82]);
    let mut client = v311();
    client.publish(publish("p03", "x").dup());
    client.expect_close();
}

// [MQTT-3.8.3-5] reserved bits of the Subscription Options, 3.8.3.1: QoS 3, Retain Handling 3.
#[test]
fn p03_reserved_subscription_options() {
    for options in [0x40, 0x80] {
        ends(V5, &subscribe(V5, 1, &[("p03", options)], &[]), 0x81);
    }
    for options in [0x03, 0x30] {
        let mut client = v5();
        client.send(&subscribe(V5, 1, &[("p03", options)], &[]));
        client.expect_disconnect_of(&[0x81, 0x82]);
    }
    for options in [0x03, 0x04, 0x08, 0x10, 0x80] {
        ends(V311, &subscribe(V311, 1, &[("p03", options)], &[]), 0x81);
    }
}

// [MQTT-4.13.1-1] packets that only a server sends.
#[test]
fn p04_server_only_packets_from_a_client_end_the_connection() {
    for packet in [
        "20 03 00 00 00",
        "90 04 00 01 00 00",
        "B0 04 00 01 00 00",
        "D0 00",
    ] {
        ends(V5, &hex(packet), 0x82);
    }
    for packet in ["20 02 00 00", "90 03 00 01 00", "B0 02 00 01", "D0 00"] {
        ends(V311, &hex(packet), 0x82);
    }
}

// Packet type 0 is reserved; 15 is in 3.1.1.
#[test]
fn p04_reserved_packet_types() {
    ends(V5, &hex("00 00"), 0x81);
    ends(V311, &hex("00 00"), 0x81);
    ends(V311, &hex("F0 00"), 0x81);
}

// [MQTT-1.5.5-1] the fewest bytes must be used.
#[test]
fn p05_remaining_length_in_more_bytes_than_needed() {
    for packet in ["C0 80 00", "C0 80 80 00", "C0 80 80 80 00", "E0 81 00 00"] {
        ends(V5, &hex(packet), 0x81);
    }
}

#[test]
fn p05_property_length_in_more_bytes_than_needed() {
    ends(V5, &hex("30 05 00 01 61 80 00"), 0x81);
    ends(V5, &hex("82 08 00 01 80 00 00 01 61 00"), 0x81);
    // Subscription Identifier 5 in two bytes.
    ends(V5, &subscribe(V5, 1, &[("p05", 0)], &hex("0B 85 00")), 0x81);
}

// 1.5.5: a variable byte integer has at most four bytes.
#[test]
fn p05_lengths_of_five_bytes() {
    for packet in ["C0 80 80 80 80 01", "30 FF FF FF FF 7F", "30 FF FF FF FF"] {
        ends(V5, &hex(packet), 0x81);
        ends(V311, &hex(packet), 0x81);
    }
    ends(V5, &hex("30 08 00 01 61 80 80 80 80 01"), 0x81);
}

#[test]
fn p05_lengths_that_reach_past_the_end_of_the_packet() {
    // Topic, property length, the length of a text in a property, a property cut off, SUBSCRIBE's filter.
    for packet in [
        "30 04 00 05 61 62",
        "30 05 00 01 61 05 01",
        "30 09 00 01 61 05 03 00 09 61 62",
        "30 06 00 01 61 02 02 00",
        "82 06 00 01 00 00 05 61",
        "32 03 00 01 61",
    ] {
        ends(V5, &hex(packet), 0x81);
    }
    for packet in [
        "30 04 00 05 61 62",
        "82 05 00 01 00 05 61",
        "32 03 00 01 61",
        "40 01 00",
        "A2 05 00 01 00 09 61",
    ] {
        ends(V311, &hex(packet), 0x81);
    }
}

#[test]
fn p05_bytes_behind_the_end() {
    for packet in ["C0 01 00", "40 05 00 01 00 00 00", "E0 03 00 00 00"] {
        ends(V5, &hex(packet), 0x81);
    }
    for packet in ["C0 01 00", "40 03 00 01 00", "E0 01 00", "62 03 00 01 00"] {
        ends(V311, &hex(packet), 0x81);
    }
}

// 2.2.2.2: an identifier that is not valid for the packet's type is a Malformed Packet.
#[test]
fn p05_properties_that_are_not_of_this_packet() {
    for property in [
        prop_u32(SESSION_EXPIRY, 1),
        prop_u16(RECEIVE_MAXIMUM, 1),
        prop_text(REASON_STRING, "x"),
        prop_u32(WILL_DELAY, 1),
        prop_byte(MAXIMUM_QOS, 1),
    ] {
        ends(V5, &publish("p05", "x").property(property).bytes(V5), 0x81);
    }
    ends(
        V5,
        &subscribe(V5, 1, &[("p05", 0)], &prop_u16(TOPIC_ALIAS, 1)),
        0x81,
    );
    ends(V5, &disconnect(0, &prop_byte(PAYLOAD_FORMAT, 1)), 0x81);
    // Identifiers that no packet has.
    ends(V5, &publish("p05", "x").property(vec![0x00, 0]).bytes(V5), 0x81);
    ends(V5, &publish("p05", "x").property(vec![0x7F, 0]).bytes(V5), 0x81);
}

// 2.2.2.2 and each property: twice is a Protocol Error.
#[test]
fn p05_duplicate_properties_are_protocol_errors() {
    for property in [
        prop_byte(PAYLOAD_FORMAT, 0),
        prop_u32(MESSAGE_EXPIRY, 9),
        prop_text(CONTENT_TYPE, "t"),
        prop_text(RESPONSE_TOPIC, "r"),
        prop_text(CORRELATION_DATA, "c"),
    ] {
        ends(
            V5,
            &publish("p05", "x")
                .property(property.clone())
                .property(property)
                .bytes(V5),
            0x82,
        );
    }
    let twice = [
        prop_varint(SUBSCRIPTION_IDENTIFIER, 1),
        prop_varint(SUBSCRIPTION_IDENTIFIER, 2),
    ]
    .concat();
    ends(V5, &subscribe(V5, 1, &[("p05", 0)], &twice), 0x82);
    let twice = [prop_text(REASON_STRING, "a"), prop_text(REASON_STRING, "b")].concat();
    ends(V5, &disconnect(0, &twice), 0x82);
}

#[test]
fn p05_duplicate_and_foreign_properties_of_connect_are_refused() {
    for property in [
        prop_u32(SESSION_EXPIRY, 1),
        prop_u16(RECEIVE_MAXIMUM, 9),
        prop_u32(MAXIMUM_PACKET_SIZE, 999),
    ] {
        let connect = Connect::v5(unique("p05"))
            .property(property.clone())
            .property(property);
        refused_with(&connect, 0x82);
    }
    refused_with(
        &Connect::v5(unique("p05")).property(prop_u16(TOPIC_ALIAS, 1)),
        0x81,
    );
    // 3.1.2.11.3 ff.: Receive Maximum 0, Maximum Packet Size 0, Request Problem Information 2.
    refused_with(&Connect::v5(unique("p05")).receive_maximum(0), 0x82);
    refused_with(
        &Connect::v5(unique("p05")).property(prop_u32(MAXIMUM_PACKET_SIZE, 0)),
        0x82,
    );
    refused_with(
        &Connect::v5(unique("p05")).property(prop_byte(REQUEST_PROBLEM_INFORMATION, 2)),
        0x82,
    );
}

#[track_caller]
fn refused_with(connect: &Connect, code: u8) {
    let (mut client, connack) = connect.answer(broker());
    assert_eq!(connack.code(), code, "{connack:02x?}");
    client.expect_close();
}

// User Property may be given as often as one likes, [MQTT-3.3.2-17] in this order.
#[test]
fn p05_user_properties_repeat_and_keep_their_order() {
    let (mut client, topic) = (v5(), unique("p05"));
    client.subscribe(&topic, 0);
    let pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("b", "0")];
    let message = pairs.iter().fold(publish(&topic, "m"), |m, (key, value)| {
        m.property(user_property(key, value))
    });
    client.publish(message);
    let message = client.expect_message("m");
    let wanted: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (USER_PROPERTY, [text(key), text(value)].concat()))
        .collect();
    assert_eq!(message.properties, wanted);
}

// [MQTT-2.2.1-3], -4: no packet identifier is 0.
#[test]
fn p05_packet_identifier_zero() {
    for version in [V5, V311] {
        let topic = unique("p05");
        let packets = [
            publish(&topic, "x").qos(1, 0).bytes(version),
            publish(&topic, "x").qos(2, 0).bytes(version),
            subscribe(version, 0, &[(&topic, 0)], &[]),
            unsubscribe(version, 0, &[&topic]),
        ];
        for packet in packets {
            let mut client = if version == V5 { v5() } else { v311() };
            client.send(&packet);
            client.expect_end(&[0x81, 0x82]);
        }
    }
}
