//! Point 7: Authentication Method, Authentication Data and AUTH.

use std::sync::OnceLock;

use crate::support::*;
use crate::{broker, v5, v311};

fn method(name: &str) -> Vec<u8> {
    prop_text(AUTHENTICATION_METHOD, name)
}

fn data(data: &str) -> Vec<u8> {
    prop_text(AUTHENTICATION_DATA, data)
}

/// AUTH of the method COUNT.
fn count(code: u8, answer: &str) -> Vec<u8> {
    auth(code, &[method("COUNT"), data(answer)].concat())
}

/// A broker whose policy knows the method COUNT; see auth_exchange.lua.
fn counting() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pitfalls/auth_exchange.lua");
        Broker::with_policy("auth_exchange", script.as_ref(), &[])
    })
}

/// A connection on which CONNECT with this data was sent.
fn begin(client_id: &str, first: &str) -> Client {
    let mut client = Client::open(counting(), V5);
    client.send(
        &Connect::v5(client_id)
            .property(method("COUNT"))
            .property(data(first))
            .bytes(),
    );
    client
}

/// The next packet, an AUTH 0x18 with this data.
#[track_caller]
fn challenged(client: &mut Client, wanted: &str) {
    let challenge = client.expect(AUTH);
    assert_eq!(challenge.code(), 0x18);
    assert_eq!(
        challenge.property(AUTHENTICATION_METHOD),
        Some(b"COUNT".as_slice()),
        "[MQTT-4.12.0-5]"
    );
    assert_eq!(challenge.property(AUTHENTICATION_DATA), Some(wanted.as_bytes()));
}

/// A client that has passed the whole exchange.
fn passed() -> Client {
    let mut client = begin(&unique("p07"), "0");
    challenged(&mut client, "1");
    client.send(&count(0x18, "2"));
    challenged(&mut client, "3");
    client.send(&count(0x18, "4"));
    let connack = client.expect(CONNACK);
    assert_eq!(connack.code(), 0);
    client.connack = connack;
    client
}

// 3.1.2.11.10: data without a method is a Protocol Error.
#[test]
fn p07_authentication_data_without_a_method() {
    let (mut client, connack) = Connect::v5(unique("p07")).property(data("x")).answer(broker());
    assert_eq!(connack.code(), 0x82);
    client.expect_close();
}

// [MQTT-4.12.0-7]
#[test]
fn p07_auth_without_an_agreed_method() {
    for packet in [
        vec![0xF0, 0],
        auth(0x19, &method("m")),
        auth(0x18, &method("m")),
        auth(0x19, &[]),
    ] {
        let mut client = v5();
        client.send(&packet);
        client.expect_disconnect(0x82);
    }
}

// [MQTT-4.12.0-1] and 4.12: a method that the server does not support.
#[test]
fn p07_unknown_method_gets_connack_0x8c() {
    for broker in [broker(), counting()] {
        for connect in [Connect::v5(unique("p07")).property(method("NO-SUCH")), {
            Connect::v5(unique("p07"))
                .property(method("NO-SUCH"))
                .property(data("x"))
                .username("u")
                .password("p")
        }] {
            let (mut client, connack) = connect.answer(broker);
            assert_eq!(connack.code(), 0x8C, "{connack:02x?}");
            assert!(!connack.session_present);
            client.expect_close();
        }
    }
}

// [MQTT-4.12.0-2], [MQTT-4.12.0-3], [MQTT-4.12.0-5]
#[test]
fn p07_an_exchange_of_two_rounds_lets_the_client_in() {
    let mut client = passed();
    let connack = client.connack.clone();
    assert_eq!(
        connack.property(AUTHENTICATION_METHOD),
        Some(b"COUNT".as_slice()),
        "[MQTT-4.12.0-5] {connack:02x?}"
    );
    assert_eq!(connack.property(AUTHENTICATION_DATA), Some(b"welcome".as_slice()));
    client.ping();
}

// [MQTT-4.12.0-4]
#[test]
fn p07_a_failed_exchange_ends_in_connack_with_the_code() {
    let mut client = begin(&unique("p07"), "0");
    challenged(&mut client, "1");
    client.send(&count(0x18, "17"));
    assert_eq!(client.expect(CONNACK).code(), 0x87);
    client.expect_close();
    let mut client = begin(&unique("p07"), "9");
    assert_eq!(client.expect(CONNACK).code(), 0x87);
    client.expect_close();
}

// [MQTT-4.12.0-5] the method of every AUTH is the one of CONNECT.
#[test]
fn p07_another_method_in_the_middle_of_the_exchange() {
    let mut client = begin(&unique("p07"), "0");
    challenged(&mut client, "1");
    client.send(&auth(0x18, &[method("OTHER"), data("2")].concat()));
    client.expect_refusal();
}

// [MQTT-3.1.2-30] until CONNACK only AUTH and DISCONNECT.
#[test]
fn p07_other_packets_in_the_middle_of_the_exchange() {
    for packet in [
        publish("p07", "x").bytes(V5),
        pingreq(),
        subscribe(V5, 1, &[("p07", 0)], &[]),
    ] {
        let mut client = begin(&unique("p07"), "0");
        challenged(&mut client, "1");
        client.send(&packet);
        client.expect_refusal();
    }
}

// [MQTT-3.15.2-1] the codes of AUTH; 3.15.2.2.2 the method may not be missing.
#[test]
fn p07_auth_with_wrong_codes_in_the_exchange() {
    for packet in [count(0x99, "2"), count(0x00, "2"), auth(0x18, &data("2"))] {
        let mut client = begin(&unique("p07"), "0");
        challenged(&mut client, "1");
        client.send(&packet);
        client.expect_refusal();
    }
}

// 4.12.1 re-authentication [MQTT-4.12.1-1], and the client goes on meanwhile.
#[test]
fn p07_reauthentication() {
    let mut client = passed();
    client.send(&count(0x19, "0"));
    challenged(&mut client, "1");
    client.ping();
    client.send(&count(0x18, "2"));
    challenged(&mut client, "3");
    client.send(&count(0x18, "4"));
    let done = client.expect(AUTH);
    assert_eq!(done.code(), 0);
    assert_eq!(done.property(AUTHENTICATION_METHOD), Some(b"COUNT".as_slice()));
    client.ping();
}

// [MQTT-4.12.1-2] a failed one ends the connection.
#[test]
fn p07_failed_reauthentication() {
    let mut client = passed();
    client.send(&count(0x19, "0"));
    challenged(&mut client, "1");
    client.send(&count(0x18, "3"));
    client.expect_disconnect(0x87);
}

// [MQTT-4.12.1-1] with the same method; 0x18 answers a challenge, and there was none.
#[test]
fn p07_reauthentication_with_another_method_or_out_of_turn() {
    let mut client = passed();
    client.send(&auth(0x19, &method("OTHER")));
    client.expect_disconnect(0x82);
    let mut client = passed();
    client.send(&count(0x18, "2"));
    client.expect_disconnect(0x82);
}

// 3.1.1 has no AUTH.
#[test]
fn p07_auth_from_a_311_client() {
    let mut client = v311();
    client.send(&[0xF0, 0]);
    client.expect_close();
}
