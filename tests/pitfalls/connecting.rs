//! Points 11, 23, 24 and 25: CONNECT in every version, and what may stand around it.

use crate::support::*;
use crate::{broker, v5, v311};

/// A CONNECT of this protocol name and version in the form of 3.1.1.
fn connect_of(name: &str, version: u8) -> Vec<u8> {
    let rest = [&[version, 2, 0, 0][..], &text(unique("p11"))].concat();
    frame(0x10, &[text(name), rest].concat())
}

/// Sends a CONNECT and returns the broker's last words.
#[track_caller]
fn answer(bytes: &[u8], version: u8) -> Option<Packet> {
    let mut client = Client::open(broker(), version);
    client.send(bytes);
    client.expect_refusal()
}

// [MQTT-3.1.2-2], 3.1.1 [MQTT-3.1.2-2]: 0x84 in the form of 5.0 to who asks for more than we know.
#[test]
fn p11_unknown_versions_get_0x84_or_0x01() {
    for version in [6, 7, 127] {
        let connack = answer(&connect_of("MQTT", version), V5).expect("a CONNACK");
        assert_eq!(connack.code(), 0x84, "{connack:02x?}");
    }
    for (name, version) in [("MQTT", 0), ("MQTT", 1), ("MQTT", 2), ("MQTT", 3)] {
        let connack = answer(&connect_of(name, version), V311).expect("a CONNACK");
        assert_eq!(
            connack.bytes,
            [0x20, 2, 0, 1],
            "{name} {version}: {:02x?}",
            connack.bytes
        );
    }
}

// [MQTT-3.1.2-1] another protocol name.
#[test]
fn p11_unknown_protocol_names_are_not_let_in() {
    for name in ["", "MQT", "mqtt", "MQTTX", "HTTP", "MQIsdP"] {
        answer(&connect_of(name, 4), V311);
    }
    answer(&connect_of("MQIsdp", 4), V311);
}

// 3.1.1 has no DISCONNECT from the server.
#[test]
fn p11_a_311_client_never_gets_a_disconnect_packet() {
    for bytes in ["D0 00", "30 03 00 01 23", "82 02 00 01", "36 00", "C1 00"] {
        let mut client = v311();
        client.send_hex(bytes);
        client.expect_close();
    }
    let id = unique("p11");
    let mut old = Connect::v311(&id).to(broker());
    let _new = Connect::v311(&id).to(broker());
    old.expect_close();
}

// [MQTT-3.2.2-6] and 3.1.1 [MQTT-3.2.2-4]: an error and Session Present exclude each other.
#[test]
fn p11_connack_with_an_error_has_session_present_0() {
    let id = unique("p11");
    Connect::v5(&id).expiry(60).to(broker()).disconnect();
    let (mut client, connack) = Connect::v5(&id).resume().receive_maximum(0).answer(broker());
    assert_eq!((connack.code(), connack.session_present), (0x82, false));
    client.expect_close();
    // The session is untouched.
    assert!(Connect::v5(&id).resume().to(broker()).connack.session_present);
}

fn v31(id: impl AsRef<[u8]>) -> Connect {
    Connect::new(V31, id)
}

// MQTT 3.1, 3.1 "Client Identifier": 1 to 23 characters; an empty one is Connection Refused 2.
#[test]
fn p23_an_empty_id_of_31_gets_connack_2() {
    for connect in [v31(""), v31("").resume()] {
        let (mut client, connack) = connect.answer(broker());
        assert_eq!(connack.bytes, [0x20, 2, 0, 2]);
        client.expect_close();
    }
}

#[test]
fn p23_ids_of_31_up_to_23_characters_are_taken() {
    let id = format!("{:x<23}", unique("p23"));
    v31(&id).to(broker()).disconnect();
    v31(unique("p23")).to(broker()).disconnect();
}

// 3.1 has no Session Present.
#[test]
fn p23_connack_of_31_has_no_session_present() {
    let id = unique("p23");
    v31(&id).resume().to(broker()).disconnect();
    let client = v31(&id).resume().to(broker());
    assert_eq!(client.connack.bytes, [0x20, 2, 0, 0]);
    client.disconnect();
    v31(&id).to(broker()).disconnect();
}

// 3.1 has no SUBACK 0x80; a filter that cannot be is an error.
#[test]
fn p23_suback_of_31_has_no_0x80() {
    let mut client = v31(unique("p23")).to(broker());
    client.send(&subscribe(V31, 1, &[("a/#/b", 1)], &[]));
    let suback = client.receive_or_close();
    assert!(suback.is_none_or(|suback| !suback.codes.contains(&0x80)));
}

#[test]
fn p23_a_31_client_publishes_and_receives() {
    let (mut client, topic) = (v31(unique("p23")).to(broker()), unique("p23"));
    assert_eq!(client.subscribe(&topic, 2).codes, [2]);
    v5().publish(publish(&topic, "from 5").property(prop_text(CONTENT_TYPE, "t")));
    client.expect_message("from 5");
    client.publish(publish("p23/nobody", "x").qos(1, 5));
    assert_eq!(client.expect(PUBACK).bytes, [0x40, 2, 0, 5]);
    client.ping();
}

// 3.1.1 [MQTT-3.1.3-8]
#[test]
fn p24_empty_id_with_clean_session_0_gets_connack_2() {
    let (mut client, connack) = Connect::v311("").resume().answer(broker());
    assert_eq!(connack.bytes, [0x20, 2, 0, 2]);
    client.expect_close();
}

// 3.1.1 [MQTT-3.1.3-6], -7; 5.0 [MQTT-3.2.2-16] says which id it gave.
#[test]
fn p24_empty_ids_are_given_one_each() {
    let mut old = [Connect::v311("").to(broker()), Connect::v311("").to(broker())];
    old.iter_mut().for_each(Client::ping);
    for connect in [Connect::v5(""), Connect::v5("").resume()] {
        let (mut first, mut second) = (connect.to(broker()), connect.to(broker()));
        let ids =
            [&first, &second].map(|client| client.connack.property(ASSIGNED_CLIENT_ID).unwrap().to_vec());
        assert!(!ids[0].is_empty() && ids[0] != ids[1]);
        first.ping();
        second.ping();
    }
    let connack = v5().connack;
    assert_eq!(connack.property(ASSIGNED_CLIENT_ID), None);
}

// 3.1.1 [MQTT-3.1.2-22]; 5.0 allows it (1.1 "What is new").
#[test]
fn p24_a_password_without_a_user_name() {
    let (id, password) = (unique("p24"), "secret");
    assert_eq!(answer(&Connect::v311(&id).password(password).bytes(), V311), None);
    Connect::v5(&id).password(password).to(broker()).ping();
}

// Ids of the length and kind that clients have.
#[test]
fn p24_ids_with_blanks_and_of_any_length() {
    let tail = unique("");
    for id in [
        format!("a b {tail}"),
        format!("{tail}{}", "x".repeat(64)),
        format!("é/+#$ {tail}"),
        "y".repeat(3000),
    ] {
        for version in [V311, V5] {
            Connect::new(version, &id).to(broker()).disconnect();
        }
    }
}

// 3.1.4: packets right behind CONNECT, in the same segment, are served.
#[test]
fn p25_packets_pipelined_behind_connect_are_served() {
    for version in [V31, V311, V5] {
        let (mut client, topic) = (Client::open(broker(), version), unique("p25"));
        let mut bytes = Connect::new(version, unique("p25")).bytes();
        bytes.extend(subscribe(version, 1, &[(&topic, 1)], &[]));
        bytes.extend(publish(&topic, "early").bytes(version));
        bytes.extend(pingreq());
        client.send(&bytes);
        assert_eq!(client.expect(CONNACK).code(), 0);
        client.expect_ack(SUBACK, 1, 1);
        let mut rest = [client.receive(), client.receive()].map(|packet| packet.kind);
        rest.sort_unstable();
        assert_eq!(rest, [PUBLISH, PINGRESP]);
    }
}

// CONNECT, a message and DISCONNECT in one segment: the message counts.
#[test]
fn p25_connect_publish_disconnect_in_one_segment() {
    let (mut subscriber, topic) = (v5(), unique("p25"));
    subscriber.subscribe(&topic, 1);
    let mut client = Client::open(broker(), V311);
    let publish = publish(&topic, "brief").qos(1, 1).bytes(V311);
    client.send(&[Connect::v311(unique("p25")).bytes(), publish, vec![0xE0, 0]].concat());
    subscriber.expect_message("brief");
    client.expect(CONNACK);
}

#[test]
fn p25_connect_byte_by_byte() {
    for version in [V311, V5] {
        let mut client = Client::open(broker(), version);
        let mut bytes = Connect::new(version, unique("p25"))
            .will(Will::new("w", "x"))
            .username("u")
            .bytes();
        bytes.extend(pingreq());
        for byte in bytes {
            client.send(&[byte]);
            sleep(2);
        }
        assert_eq!(client.expect(CONNACK).code(), 0);
        client.expect(PINGRESP);
    }
}

// [MQTT-3.1.0-2]
#[test]
fn p25_a_second_connect_ends_the_connection() {
    for version in [V311, V5] {
        let connect = Connect::new(version, unique("p25"));
        let mut client = connect.to(broker());
        client.send(&connect.bytes());
        client.expect_error(0x82);
        // In one segment with the first.
        let mut client = Client::open(broker(), version);
        client.send(&[connect.bytes(), connect.bytes()].concat());
        assert_eq!(client.expect(CONNACK).code(), 0);
        client.expect_error(0x82);
    }
}

// [MQTT-3.1.0-1] anything else first: closed, and not a word.
#[test]
fn p25_anything_first_that_is_not_connect_closes_without_an_answer() {
    for packet in [
        hex("C0 00"),
        hex("E0 00"),
        hex("F0 00"),
        hex("20 02 00 00"),
        publish("p25", "x").bytes(V311),
        subscribe(V5, 1, &[("p25", 0)], &[]),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        hex("16 03 01 00 05 01 00 00 01 00"),
        hex("00 00"),
        hex("FF FF FF FF FF"),
    ] {
        let mut client = Client::open(broker(), V5);
        client.send(&packet);
        client.expect_close();
    }
}
