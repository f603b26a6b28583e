//! Point 22: SUBACK and UNSUBACK.

use crate::support::*;
use crate::{Client, broker, publish_acknowledged, v5, v311};

// [MQTT-3.8.4-6], 3.1.1 [MQTT-3.8.4-5]: one code per filter, in order.
#[test]
fn p22_suback_has_one_code_per_filter_in_order() {
    let base = unique("p22");
    let names: Vec<String> = (0..9).map(|n| format!("{base}/{n}")).collect();
    let filters: Vec<(&str, u8)> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (name.as_str(), (n * 2 % 3) as u8))
        .collect();
    for version in [V31, V311, V5] {
        let mut client = Connect::new(version, unique("p22")).to(broker());
        client.send(&subscribe(version, 77, &filters, &[]));
        let suback = client.expect(SUBACK);
        assert_eq!((suback.id, suback.codes), (77, vec![0, 2, 1, 0, 2, 1, 0, 2, 1]));
    }
}

// A wrong filter among right ones: its own code, and the others count.
#[test]
fn p22_a_wrong_filter_gets_its_own_code() {
    for (version, refused) in [(V5, 0x8F), (V311, 0x80)] {
        let topic = unique("p22");
        let mut client = Connect::new(version, unique("p22")).to(broker());
        client.send(&subscribe(
            version,
            1,
            &[("a/#/b", 1), (&topic, 1), ("a+", 0), ("#a", 2)],
            &[],
        ));
        let suback = client.expect(SUBACK);
        assert_eq!(suback.codes, [refused, 1, refused, refused]);
        publish_acknowledged(&mut v5(), publish(&topic, "m"));
        client.expect_message("m");
    }
}

// [MQTT-4.7.3-1] an empty filter, [MQTT-4.7.1-1], -2
#[test]
fn p22_filters_that_cannot_be() {
    for filter in ["", "a/b#", "a/#/", "#/", "a+/b", "+a", "a/+b/c", "++", "##"] {
        let mut client = v5();
        client.send(&subscribe(V5, 1, &[(filter, 0)], &[]));
        match client.receive() {
            packet if packet.kind == SUBACK => assert_eq!(packet.codes, [0x8F], "{filter:?}"),
            packet => assert_eq!(packet.kind, DISCONNECT, "{filter:?}: {packet:02x?}"),
        }
    }
}

// The same filter twice in one packet: two codes, and the last one counts.
#[test]
fn p22_the_same_filter_twice() {
    let (mut client, topic) = (v5(), unique("p22"));
    client.send(&subscribe(V5, 1, &[(&topic, 2), (&topic, 0)], &[]));
    assert_eq!(client.expect(SUBACK).codes, [2, 0]);
    publish_acknowledged(&mut v5(), publish(&topic, "m"));
    assert_eq!(client.expect_message("m").qos(), 0);
    client.expect_nothing(50);
}

// [MQTT-3.10.4-4], -5: answered in any case; 0x11 in 5.0, no payload in 3.1.1.
#[test]
fn p22_unsubscribe_of_nothing_is_answered() {
    let mut client = v5();
    client.send(&unsubscribe(V5, 5, &["p22/never"]));
    client.expect_ack(UNSUBACK, 5, 0x11);
    let mut client = v311();
    client.send(&unsubscribe(V311, 5, &["p22/never", "p22/nor"]));
    assert_eq!(client.expect(UNSUBACK).bytes, [0xB0, 2, 0, 5]);
}

// [MQTT-3.11.3-1]
#[test]
fn p22_unsuback_has_one_code_per_filter_in_order() {
    let (mut client, base) = (v5(), unique("p22"));
    let names = ["a", "b", "c"].map(|tail| format!("{base}/{tail}"));
    client.send(&subscribe(V5, 1, &[(&names[0], 0), (&names[2], 0)], &[]));
    client.expect(SUBACK);
    client.send(&unsubscribe(V5, 2, &[&names[0], &names[1], &names[2], &names[0]]));
    assert_eq!(client.expect(UNSUBACK).codes, [0, 0x11, 0, 0x11]);
}

// [MQTT-3.10.4-1]: compared character by character.
#[test]
fn p22_unsubscribe_ends_exactly_this_subscription() {
    let (mut client, base) = (v5(), unique("p22"));
    client.subscribe(&format!("{base}/+"), 0);
    client.send(&unsubscribe(V5, 2, &[&format!("{base}/#"), &format!("{base}/x")]));
    assert_eq!(client.expect(UNSUBACK).codes, [0x11, 0x11]);
    publish_acknowledged(&mut v5(), publish(format!("{base}/x"), "m"));
    client.expect_message("m");
    client.send(&unsubscribe(V5, 3, &[&format!("{base}/+")]));
    client.expect_ack(UNSUBACK, 3, 0);
    assert_eq!(
        publish_acknowledged(&mut v5(), publish(format!("{base}/x"), "m")).code(),
        0x10
    );
    client.expect_nothing(100);
}

/// Sends a packet that is an error.
#[track_caller]
fn ends(mut client: Client, bytes: &[u8]) {
    client.send(bytes);
    client.expect_end(&[0x81, 0x82]);
}

// [MQTT-3.8.3-2], [MQTT-3.10.3-2], 3.1.1 [MQTT-3.8.3-3], [MQTT-3.10.3-2]
#[test]
fn p22_empty_lists_are_protocol_errors() {
    ends(v5(), &subscribe(V5, 1, &[], &[]));
    ends(v5(), &unsubscribe(V5, 1, &[]));
    ends(v311(), &subscribe(V311, 1, &[], &[]));
    ends(v311(), &unsubscribe(V311, 1, &[]));
}

// SUBACK with the granted QoS below the asked one, where the broker's maximum is lower (3.2.2.3.4).
#[test]
fn p22_the_brokers_maximum_qos() {
    let broker = Broker::start(&["mqtt.maximum_qos=1"]);
    let mut client = Connect::v5("five").to(&broker);
    assert_eq!(client.connack.number(MAXIMUM_QOS), Some(1));
    assert_eq!(client.subscribe("p22", 2).codes, [1], "[MQTT-3.2.2-9]");
    client.publish(publish("p22", "x").qos(2, 1));
    client.expect_disconnect(0x9B);
    let (mut client, connack) = Connect::v5("w")
        .will(Will {
            qos: 2,
            ..Will::new("w", "x")
        })
        .answer(&broker);
    assert_eq!(connack.code(), 0x9B, "[MQTT-3.2.2-12]");
    client.expect_close();
}

// Retained messages and SUBACK may come in either order (3.8.4), but the code is there.
#[test]
fn p22_many_filters_in_one_packet() {
    let (mut client, base) = (v5(), unique("p22"));
    let names: Vec<String> = (0..500).map(|n| format!("{base}/{n}/+")).collect();
    let filters: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    client.send(&subscribe(V5, 1, &filters, &[]));
    assert_eq!(client.expect(SUBACK).codes, vec![1; 500]);
    publish_acknowledged(&mut v5(), publish(format!("{base}/499/x"), "m"));
    client.expect_message("m");
}
