//! Point 27: DISCONNECT first, close second; and 5.0 clients are told why.

use crate::support::*;
use crate::{Client, broker, v5};

// 4.13.2: the code of the table for each mistake.
#[test]
fn p27_the_code_says_what_was_wrong() {
    let alias = |n| publish("p27", "x").property(prop_u16(TOPIC_ALIAS, n)).bytes(V5);
    let mistakes: [(&str, Vec<u8>, u8); 9] = [
        ("reserved flags", hex("C1 00"), 0x81),
        ("QoS 3", publish("p27", "x").qos(3, 1).bytes(V5), 0x81),
        ("a length of five bytes", hex("30 FF FF FF FF 01"), 0x81),
        ("a server's packet", hex("D0 00"), 0x82),
        ("a second CONNECT", Connect::v5("p27").bytes(), 0x82),
        ("AUTH without a method", auth(0x19, &[]), 0x82),
        ("a Topic Alias of 0", alias(0), 0x94),
        (
            "an unknown Topic Alias",
            publish("", "x").property(prop_u16(TOPIC_ALIAS, 1)).bytes(V5),
            0x82,
        ),
        (
            "No Local on a shared subscription",
            subscribe(V5, 1, &[("$share/g/t", NO_LOCAL)], &[]),
            0x82,
        ),
    ];
    for (what, bytes, code) in mistakes {
        let mut client = v5();
        client.send(&bytes);
        let disconnect = client.receive();
        assert_eq!(
            (disconnect.kind, disconnect.code()),
            (DISCONNECT, code),
            "{what}: {disconnect:02x?}"
        );
        client.expect_close();
    }
}

// The DISCONNECT must arrive even when the client was still sending: a reset would throw it away.
#[test]
fn p27_the_disconnect_arrives_while_the_client_is_still_sending() {
    for _ in 0..10 {
        let mut client = v5();
        client.send(&[hex("D0 00"), publish("p27", vec![0; 300_000]).bytes(V5)].concat());
        client.expect_disconnect(0x82);
    }
}

// What came before the mistake is served and answered.
#[test]
fn p27_what_came_before_the_mistake_is_answered() {
    let (mut client, mut subscriber, topic) = (v5(), v5(), unique("p27"));
    subscriber.subscribe(&topic, 0);
    client.send(&[publish(&topic, "m").qos(1, 1).bytes(V5), pingreq(), hex("D0 00")].concat());
    client.expect_ack(PUBACK, 1, 0);
    client.expect(PINGRESP);
    client.expect_disconnect(0x82);
    subscriber.expect_message("m");
}

// What came behind the mistake is not served [MQTT-4.13.1-1].
#[test]
fn p27_what_came_behind_the_mistake_is_not_served() {
    let (mut client, mut subscriber, topic) = (v5(), v5(), unique("p27"));
    subscriber.subscribe(&topic, 0);
    client.send(&[hex("D0 00"), publish(&topic, "m").bytes(V5)].concat());
    client.expect_disconnect(0x82);
    subscriber.expect_nothing(100);
}

// [MQTT-3.14.4-1], -2: nothing behind the client's own DISCONNECT, and the server closes.
#[test]
fn p27_nothing_is_served_behind_the_clients_disconnect() {
    for version in [V311, V5] {
        let (mut subscriber, topic) = (v5(), unique("p27"));
        subscriber.subscribe(&topic, 0);
        let mut client = Connect::new(version, unique("p27")).to(broker());
        client.send(&[vec![0xE0, 0], publish(&topic, "m").bytes(version), pingreq()].concat());
        client.expect_close();
        subscriber.expect_nothing(100);
    }
}

// A short DISCONNECT: code 0 may be left out, and then so may the property length (3.14.2.1, 3.14.2.2.1).
#[test]
fn p27_every_form_of_a_right_disconnect() {
    for bytes in ["E0 00", "E0 01 00", "E0 02 00 00", "E0 01 04"] {
        let mut client = v5();
        client.send_hex(bytes);
        client.expect_close();
    }
}

// Refused at CONNECT: CONNACK with the code, then the close.
#[test]
fn p27_connack_first_close_second() {
    let (mut client, connack) = Connect::v5(unique("p27")).receive_maximum(0).answer(broker());
    assert_eq!(connack.code(), 0x82);
    client.expect_close();
}

// An end of the broker: 5.0 clients are told 0x8B, the others see the close, and Wills are not lost for sessions.
#[test]
fn p27_shutting_down_is_told() {
    let broker = Broker::start(&[]);
    let (mut five, mut four) = (Connect::v5("five").to(&broker), Connect::v311("four").to(&broker));
    if broker.is_ours() {
        let stopping = std::thread::spawn(move || broker.stop());
        five.expect_disconnect(0x8B);
        four.expect_close();
        stopping.join().unwrap();
    }
}

// Request Problem Information 0: no Reason String and no User Property but in CONNACK, DISCONNECT and PUBLISH [MQTT-3.1.2-29].
#[test]
fn p27_no_reason_strings_for_who_does_not_want_them() {
    let connect = Connect::v5(unique("p27")).property(prop_byte(REQUEST_PROBLEM_INFORMATION, 0));
    let mut client: Client = connect.to(broker());
    let suback = client.subscribe("a/#/b", 0);
    assert!(
        suback.codes == [0x8F] && suback.properties.is_empty(),
        "{suback:02x?}"
    );
    client.publish(publish("p27/nobody", "x").qos(1, 1));
    assert!(client.expect(PUBACK).properties.is_empty());
    client.send(&ack(PUBREL, 9));
    assert!(client.expect(PUBCOMP).properties.is_empty());
}
