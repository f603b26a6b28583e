//! Points 19 and 20: messages that are too old, and packets that are too large for the client.

use crate::support::*;
use crate::{all_messages, broker, payloads, publish_acknowledged, v5};

fn expiring(topic: &str, payload: &str, seconds: u32) -> crate::Publish {
    publish(topic, payload).property(prop_u32(MESSAGE_EXPIRY, seconds))
}

// [MQTT-3.3.2-5], [MQTT-3.3.2-6]
#[test]
fn p19_queued_messages_expire_and_the_rest_is_lowered() {
    let (id, topic) = (unique("p19"), unique("p19"));
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.subscribe(&topic, 1);
    client.disconnect();
    let mut publisher = v5();
    for message in [
        expiring(&topic, "short", 1),
        expiring(&topic, "long", 60),
        publish(&topic, "always"),
    ] {
        publish_acknowledged(&mut publisher, message);
    }
    sleep(2100);
    let mut client = Connect::v5(&id).expiry(60).resume().to(broker());
    let left = client.expect_message("long").number(MESSAGE_EXPIRY).unwrap();
    assert!((57..=58).contains(&left), "{left}");
    assert_eq!(client.expect_message("always").number(MESSAGE_EXPIRY), None);
    client.expect_nothing(100);
}

#[test]
fn p19_messages_that_wait_for_the_window_expire_too() {
    let topic = unique("p19");
    let mut client = Connect::v5(unique("p19")).receive_maximum(1).to(broker());
    client.subscribe(&topic, 1);
    let mut publisher = v5();
    for message in [
        publish(&topic, "first"),
        expiring(&topic, "short", 1),
        expiring(&topic, "long", 60),
    ] {
        publish_acknowledged(&mut publisher, message);
    }
    let first = client.expect_message("first");
    sleep(2100);
    client.acknowledge(&first);
    let long = client.expect_message("long");
    assert!((57..=58).contains(&long.number(MESSAGE_EXPIRY).unwrap()));
}

// To a 3.1.1 client there is no property to tell it, but it expires as well.
#[test]
fn p19_queued_messages_expire_for_311_clients() {
    let (id, topic) = (unique("p19"), unique("p19"));
    let mut client = Connect::v311(&id).resume().to(broker());
    client.subscribe(&topic, 1);
    client.disconnect();
    let mut publisher = v5();
    publish_acknowledged(&mut publisher, expiring(&topic, "short", 1));
    publish_acknowledged(&mut publisher, expiring(&topic, "long", 60));
    sleep(2100);
    let mut client = Connect::v311(&id).resume().to(broker());
    client.expect_message("long");
    client.expect_nothing(100);
}

// A message that is delivered at once keeps its value.
#[test]
fn p19_a_live_message_keeps_its_expiry() {
    let (mut client, topic) = (v5(), unique("p19"));
    client.subscribe(&topic, 0);
    v5().publish(expiring(&topic, "m", 100));
    assert!((99..=100).contains(&client.expect_message("m").number(MESSAGE_EXPIRY).unwrap()));
}

/// A client that takes packets of at most so many bytes.
fn small(bytes: u32) -> Connect {
    Connect::v5(unique("p20")).property(prop_u32(MAXIMUM_PACKET_SIZE, bytes))
}

// [MQTT-3.1.2-24], [MQTT-3.1.2-25]: what is too large is dropped without a word, and the rest goes on.
#[test]
fn p20_too_large_messages_are_dropped_silently() {
    for qos in [0, 1, 2] {
        let (mut client, topic, mut publisher) = (small(100).to(broker()), unique("p20"), v5());
        client.subscribe(&topic, qos);
        for payload in ["before".to_owned(), "x".repeat(100), "after".to_owned()] {
            publish_acknowledged(&mut publisher, publish(&topic, payload));
        }
        sleep(50);
        assert_eq!(payloads(&all_messages(&mut client)), ["before", "after"]);
    }
}

// The border itself: the whole packet, header and all, is what counts.
#[test]
fn p20_a_packet_of_exactly_the_maximum_is_sent() {
    let (topic, mut publisher) = (unique("p20"), v5());
    let room = 100 - 2 - 2 - topic.len() - 1;
    let mut client = small(100).to(broker());
    client.subscribe(&topic, 0);
    publisher.publish(publish(&topic, "x".repeat(room + 1)));
    publisher.publish(publish(&topic, "x".repeat(room)));
    let message = client.expect(PUBLISH);
    assert_eq!(message.bytes.len(), 100);
}

// No hole: dropped messages take no slot of the window.
#[test]
fn p20_dropped_messages_leave_no_hole_in_the_window() {
    let (topic, mut publisher) = (unique("p20"), v5());
    let mut client = small(100).receive_maximum(2).to(broker());
    client.subscribe(&topic, 1);
    (0..10).for_each(|_| {
        drop(publish_acknowledged(
            &mut publisher,
            publish(&topic, "x".repeat(100)),
        ))
    });
    for payload in ["1", "2", "3"] {
        publish_acknowledged(&mut publisher, publish(&topic, payload));
    }
    let (first, second) = (client.expect_message("1"), client.expect_message("2"));
    client.acknowledge(&first);
    client.acknowledge(&second);
    client.expect_message("3");
}

// Queued for one connection, too large for the next: dropped, and the queue goes on.
#[test]
fn p20_queued_messages_that_are_too_large_do_not_block_the_queue() {
    let (id, topic, mut publisher) = (unique("p20"), unique("p20"), v5());
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.subscribe(&topic, 1);
    client.disconnect();
    for payload in [
        "x".repeat(100),
        "small".to_owned(),
        "x".repeat(100),
        "last".to_owned(),
    ] {
        publish_acknowledged(&mut publisher, publish(&topic, payload));
    }
    let connect = Connect::v5(&id)
        .expiry(60)
        .resume()
        .property(prop_u32(MAXIMUM_PACKET_SIZE, 100));
    let mut client = connect.receive_maximum(1).to(broker());
    let message = client.expect_message("small");
    client.acknowledge(&message);
    client.expect_message("last");
}

// Retained ones as well.
#[test]
fn p20_retained_messages_that_are_too_large_are_left_out() {
    let (base, mut publisher) = (unique("p20"), v5());
    publish_acknowledged(
        &mut publisher,
        publish(format!("{base}/a"), "x".repeat(100)).retain(),
    );
    publish_acknowledged(&mut publisher, publish(format!("{base}/b"), "small").retain());
    let mut client = small(100).to(broker());
    client.subscribe(&format!("{base}/+"), 1);
    sleep(50);
    assert_eq!(payloads(&all_messages(&mut client)), ["small"]);
}

// [MQTT-3.2.2-19], [MQTT-3.9.2-1]: no Reason String or User Property that makes a packet larger than that.
#[test]
fn p20_answers_keep_to_the_maximum() {
    let mut client = small(20).to(broker());
    assert!(client.connack.bytes.len() <= 20, "{:02x?}", client.connack.bytes);
    let suback = client.subscribe("a/#/b", 0);
    assert!(
        suback.bytes.len() <= 20 && suback.codes == [0x8F],
        "{suback:02x?}"
    );
    client.send_hex("D0 00");
    let disconnect = client.expect_disconnect(0x82);
    assert!(disconnect.bytes.len() <= 20, "{disconnect:02x?}");
}

// A subscriber with a small maximum does not take from the others.
#[test]
fn p20_others_get_what_one_cannot_take() {
    let (topic, mut large, mut little) = (unique("p20"), v5(), small(60).to(broker()));
    large.subscribe(&topic, 1);
    little.subscribe(&topic, 1);
    let payload = "x".repeat(100);
    publish_acknowledged(&mut v5(), publish(&topic, &payload));
    large.expect_message(&payload);
    little.ping();
}

// What was in flight, and is too large for the next connection, is dropped there and blocks nothing.
#[test]
fn p20_messages_in_flight_that_are_now_too_large() {
    let (id, topic, mut publisher) = (unique("p20"), unique("p20"), v5());
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.subscribe(&topic, 1);
    let large = "x".repeat(100);
    publish_acknowledged(&mut publisher, publish(&topic, &large));
    publish_acknowledged(&mut publisher, publish(&topic, "small"));
    client.expect_message(&large);
    client.expect_message("small");
    client.vanish();
    let connect = Connect::v5(&id)
        .expiry(60)
        .resume()
        .property(prop_u32(MAXIMUM_PACKET_SIZE, 100));
    let mut client = connect.receive_maximum(1).to(broker());
    let message = client.expect_message("small");
    client.acknowledge(&message);
    publish_acknowledged(&mut publisher, publish(&topic, "next"));
    client.expect_message("next");
}

// Properties count: with a Subscription Identifier and an expiry the packet is larger.
#[test]
fn p20_properties_count() {
    let topic = unique("p20");
    for room in 0..12 {
        let mut client = small(100).to(broker());
        client.subscribe_with(&topic, 1, &prop_varint(SUBSCRIPTION_IDENTIFIER, 300));
        let payload = "x".repeat(100 - 2 - 2 - topic.len() - 2 - 1 - room);
        publish_acknowledged(
            &mut v5(),
            publish(&topic, payload).property(prop_u32(MESSAGE_EXPIRY, 60)),
        );
        let got = all_messages(&mut client);
        assert!(got.iter().all(|message| message.bytes.len() <= 100), "{got:02x?}");
        assert_eq!(got.len(), usize::from(room >= 8), "{room} bytes of room");
        client.disconnect();
    }
}
