//! Point 8: Receive Maximum, in both directions.

use crate::support::*;
use crate::{all_messages, broker, payloads, publish_acknowledged, v5};

/// Publishes these payloads at a QoS from a client of its own.
fn publish_all(topic: &str, qos: u8, messages: &[&str]) {
    let mut publisher = v5();
    for (id, payload) in (1..).zip(messages) {
        publisher.publish(publish(topic, payload).qos(qos, id));
        publisher.expect(if qos == 1 { PUBACK } else { PUBREC });
        if qos == 2 {
            publisher.send(&ack(PUBREL, id));
            publisher.expect(PUBCOMP);
        }
    }
}

/// A subscriber at QoS 2 with this Receive Maximum.
fn subscriber(receive_maximum: u16, topic: &str) -> Client {
    let mut client = Connect::v5(unique("p08"))
        .receive_maximum(receive_maximum)
        .to(broker());
    client.subscribe(topic, 2);
    client
}

// 3.3.4, [MQTT-3.3.4-8]: more than the server's Receive Maximum is DISCONNECT 0x93.
#[test]
fn p08_exceeding_the_servers_receive_maximum() {
    let broker = Broker::start(&["mqtt.receive_maximum=2"]);
    let mut client = Connect::v5("sender").to(&broker);
    assert_eq!(client.connack.number(RECEIVE_MAXIMUM), Some(2));
    for id in [1, 2] {
        client.publish(publish("p08", "x").qos(2, id));
        client.expect_ack(PUBREC, id, 0x10);
    }
    client.publish(publish("p08", "x").qos(2, 3));
    client.expect_disconnect(0x93);
}

// 4.9: QoS 0 does not count, and PUBCOMP gives the slot back.
#[test]
fn p08_within_the_servers_receive_maximum() {
    let broker = Broker::start(&["mqtt.receive_maximum=1"]);
    let mut client = Connect::v5("sender").to(&broker);
    for id in 1..=3 {
        client.publish(publish("p08", "x").qos(2, id));
        client.expect(PUBREC);
        (0..5).for_each(|_| client.publish(publish("p08", "zero")));
        client.ping();
        client.send(&ack(PUBREL, id));
        client.expect_ack(PUBCOMP, id, 0);
    }
    for id in 1..=3 {
        client.publish(publish("p08", "x").qos(1, id));
        client.expect(PUBACK);
    }
    client.ping();
}

// The same id with DUP while the exchange is open takes no second slot.
#[test]
fn p08_a_retransmission_takes_no_second_slot() {
    let broker = Broker::start(&["mqtt.receive_maximum=1"]);
    let mut client = Connect::v5("sender").to(&broker);
    client.publish(publish("p08", "x").qos(2, 1));
    client.expect(PUBREC);
    client.publish(publish("p08", "x").qos(2, 1).dup());
    client.expect(PUBREC);
    client.ping();
}

// [MQTT-3.3.4-9] the server sends no more than the client's Receive Maximum allows.
#[test]
fn p08_the_server_keeps_to_the_clients_receive_maximum() {
    for qos in [1, 2] {
        let topic = unique("p08");
        let mut client = subscriber(2, &topic);
        publish_all(&topic, qos, &["1", "2", "3", "4"]);
        let first = client.expect_message("1");
        let second = client.expect_message("2");
        client.expect_nothing(200);
        client.acknowledge(&first);
        let third = client.expect_message("3");
        client.expect_nothing(100);
        client.acknowledge(&second);
        let fourth = client.expect_message("4");
        client.acknowledge(&third);
        client.acknowledge(&fourth);
        client.ping();
    }
}

// The slot of a QoS 2 message is free at PUBCOMP, not at PUBREC (4.9).
#[test]
fn p08_pubrec_alone_does_not_give_the_slot_back() {
    let topic = unique("p08");
    let mut client = subscriber(1, &topic);
    publish_all(&topic, 2, &["1", "2"]);
    let first = client.expect_message("1");
    client.send(&ack(PUBREC, first.id));
    client.expect_ack(PUBREL, first.id, 0);
    client.expect_nothing(200);
    client.send(&ack(PUBCOMP, first.id));
    client.expect_message("2");
}

// 4.9: a PUBREC with 0x80 or more gives the slot back, and no PUBREL follows [MQTT-4.3.3-4].
#[test]
fn p08_a_pubrec_with_an_error_gives_the_slot_back() {
    let topic = unique("p08");
    let mut client = subscriber(1, &topic);
    publish_all(&topic, 2, &["1", "2"]);
    let first = client.expect_message("1");
    client.send(&ack_with(PUBREC, first.id, 0x83));
    let second = client.expect_message("2");
    client.acknowledge(&second);
    client.ping();
}

// A PUBACK with an error is an end, too.
#[test]
fn p08_a_puback_with_an_error_gives_the_slot_back() {
    let topic = unique("p08");
    let mut client = subscriber(1, &topic);
    publish_all(&topic, 1, &["1", "2"]);
    let first = client.expect_message("1");
    client.send(&ack_with(PUBACK, first.id, 0x99));
    client.expect_message("2");
}

// [MQTT-4.9.0-3] at quota 0 everything that is not a PUBLISH with QoS > 0 is still sent and answered.
#[test]
fn p08_other_packets_are_served_at_quota_zero() {
    let topic = unique("p08");
    let mut client = subscriber(1, &topic);
    publish_all(&topic, 1, &["1", "2"]);
    client.expect_message("1");
    client.ping();
    assert_eq!(client.subscribe("p08/other", 0).codes, [0]);
    client.publish(publish("p08/nobody", "x").qos(2, 1));
    client.expect(PUBREC);
    client.send(&ack(PUBREL, 1));
    client.expect_ack(PUBCOMP, 1, 0);
    client.send(&unsubscribe(V5, 3, &["p08/other"]));
    client.expect_ack(UNSUBACK, 3, 0);
}

// [MQTT-4.9.0-2], 4.9: QoS 0 does not count.
#[test]
fn p08_qos_0_flows_at_quota_zero() {
    let (topic, zero) = (unique("p08"), unique("p08"));
    let mut client = subscriber(1, &topic);
    client.subscribe(&zero, 2);
    publish_all(&topic, 1, &["1", "2"]);
    client.expect_message("1");
    let mut publisher = v5();
    publisher.publish(publish(&zero, "zero"));
    client.expect_message("zero");
}

// The quota begins anew with each connection (4.9), and [MQTT-4.4.0-1] comes first.
#[test]
fn p08_the_quota_begins_anew_with_the_connection() {
    let (id, topic) = (unique("p08"), unique("p08"));
    let mut client = Connect::v5(&id).expiry(60).receive_maximum(5).to(broker());
    client.subscribe(&topic, 1);
    publish_all(&topic, 1, &["1", "2", "3"]);
    sleep(50);
    assert_eq!(all_messages(&mut client).len(), 3);
    client.vanish();
    let mut client = Connect::v5(&id)
        .expiry(60)
        .receive_maximum(1)
        .resume()
        .to(broker());
    for payload in ["1", "2", "3"] {
        let message = client.expect_message(payload);
        assert!(message.dup());
        client.expect_nothing(100);
        client.acknowledge(&message);
    }
}

// A client that acknowledges in another order must not get more, nor lose any.
#[test]
fn p08_acknowledgements_out_of_order() {
    let topic = unique("p08");
    let mut client = subscriber(3, &topic);
    publish_all(&topic, 1, &["1", "2", "3", "4", "5", "6"]);
    let first: Vec<Packet> = (0..3).map(|_| client.expect(PUBLISH)).collect();
    client.expect_nothing(100);
    first.iter().rev().for_each(|message| client.acknowledge(message));
    let rest: Vec<Packet> = (0..3).map(|_| client.expect(PUBLISH)).collect();
    assert_eq!(payloads(&rest), ["4", "5", "6"]);
}

// The window is a number of messages, not a distance between ids: one that is never acknowledged takes one slot.
#[test]
fn p08_one_unacknowledged_message_takes_one_slot_for_ever() {
    let topic = unique("p08");
    let mut client = subscriber(3, &topic);
    let mut publisher = v5();
    publish_acknowledged(&mut publisher, publish(&topic, "held"));
    client.expect_message("held");
    for n in 0..3000 {
        publish_acknowledged(&mut publisher, publish(&topic, n.to_string()));
        let message = client.expect_message(&n.to_string());
        client.acknowledge(&message);
    }
}

// An acknowledgement twice, or of nothing, must not widen the window.
#[test]
fn p08_double_acknowledgements_do_not_widen_the_window() {
    let topic = unique("p08");
    let mut client = subscriber(1, &topic);
    publish_acknowledged(&mut v5(), publish(&topic, "1"));
    let first = client.expect_message("1");
    (0..3).for_each(|_| client.send(&ack(PUBACK, first.id)));
    client.send(&pingreq());
    // Some brokers end the connection here, which is their right.
    match client.receive() {
        packet if packet.kind == DISCONNECT => return,
        packet => assert_eq!(packet.kind, PINGRESP),
    }
    publish_all(&topic, 1, &["2", "3"]);
    client.expect_message("2");
    client.expect_nothing(100);
}

// The same for QoS 2, with one exchange at its PUBREL: that takes a slot, too.
#[test]
fn p08_the_quota_of_a_resumed_connection_counts_open_qos_2_exchanges() {
    let (id, topic) = (unique("p08"), unique("p08"));
    let mut client = Connect::v5(&id).expiry(60).receive_maximum(5).to(broker());
    client.subscribe(&topic, 2);
    publish_all(&topic, 2, &["1", "2", "3"]);
    let got: Vec<Packet> = (0..3).map(|_| client.expect(PUBLISH)).collect();
    client.send(&ack(PUBREC, got[0].id));
    client.expect_ack(PUBREL, got[0].id, 0);
    client.vanish();
    let mut client = Connect::v5(&id)
        .expiry(60)
        .receive_maximum(1)
        .resume()
        .to(broker());
    let mut open = 0;
    while let Some(packet) = client.receive_within(200) {
        open += usize::from(packet.kind == PUBLISH);
    }
    assert!(open <= 1, "{open} messages at a Receive Maximum of 1");
}

// A burst larger than the window, at every QoS, comes whole and in order.
#[test]
fn p08_a_burst_through_a_narrow_window_is_complete_and_in_order() {
    for (qos, window) in [(1, 1), (1, 3), (2, 1), (2, 3)] {
        let topic = unique("p08");
        let mut client = subscriber(window, &topic);
        let numbers: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let messages: Vec<&str> = numbers.iter().map(String::as_str).collect();
        publish_all(&topic, qos, &messages);
        let mut got = Vec::new();
        let mut released = 0;
        while released < 100 {
            let packet = client.receive();
            match packet.kind {
                PUBLISH if qos == 1 => {
                    client.send(&ack(PUBACK, packet.id));
                    released += 1;
                    got.push(packet);
                }
                PUBLISH => {
                    client.send(&ack(PUBREC, packet.id));
                    got.push(packet);
                }
                _ => {
                    client.send(&ack(PUBCOMP, packet.id));
                    released += 1;
                }
            }
        }
        assert_eq!(payloads(&got), numbers);
    }
}
