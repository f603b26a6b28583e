//! Point 6: what a client's PUBLISH must not carry.

use crate::support::*;
use crate::{Publish, broker, publish_acknowledged, v5};

#[track_caller]
fn ends(message: Publish, codes: &[u8]) {
    let mut client = v5();
    client.publish(message);
    client.expect_disconnect_of(codes);
}

// [MQTT-3.3.4-6]
#[test]
fn p06_a_client_must_not_send_a_subscription_identifier() {
    for id in [1, 300] {
        ends(
            publish("p06", "x").property(prop_varint(SUBSCRIPTION_IDENTIFIER, id)),
            &[0x82],
        );
    }
}

// 3.8.2.1.2: Subscription Identifier 0 is a Protocol Error.
#[test]
fn p06_subscription_identifier_zero() {
    let mut client = v5();
    client.send(&subscribe(
        V5,
        1,
        &[("p06", 0)],
        &prop_varint(SUBSCRIPTION_IDENTIFIER, 0),
    ));
    client.expect_disconnect(0x82);
}

// [MQTT-3.3.2-8]
#[test]
fn p06_topic_alias_zero() {
    ends(publish("p06", "x").property(prop_u16(TOPIC_ALIAS, 0)), &[0x94]);
}

// [MQTT-3.3.2-9], 3.3.2.3.4: above the maximum of the CONNACK.
#[test]
fn p06_topic_alias_above_the_maximum() {
    let mut client = v5();
    let maximum = client.connack.number(TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    assert!(maximum < 65_535, "nothing is above it");
    client.publish(publish("p06", "x").property(prop_u16(TOPIC_ALIAS, maximum as u16 + 1)));
    client.expect_disconnect(0x94);
}

// 3.3.2.3.4: an alias that was never set is a Protocol Error, and so is no topic without an alias.
#[test]
fn p06_unknown_topic_alias_and_empty_topic() {
    ends(publish("", "x").property(prop_u16(TOPIC_ALIAS, 1)), &[0x82]);
    ends(publish("", "x"), &[0x82]);
}

#[test]
fn p06_topic_aliases_are_resolved_replaced_and_not_forwarded() {
    let (mut client, mut subscriber, base) = (v5(), v5(), unique("p06"));
    assert!(
        client.connack.number(TOPIC_ALIAS_MAXIMUM).unwrap_or(0) >= 1,
        "aliases are switched off"
    );
    subscriber.subscribe(&format!("{base}/#"), 0);
    client.publish(publish(format!("{base}/a"), "1").property(prop_u16(TOPIC_ALIAS, 1)));
    client.publish(publish("", "2").property(prop_u16(TOPIC_ALIAS, 1)));
    client.publish(publish(format!("{base}/b"), "3").property(prop_u16(TOPIC_ALIAS, 1)));
    client.publish(publish("", "4").property(prop_u16(TOPIC_ALIAS, 1)));
    for (payload, topic) in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")] {
        let message = subscriber.expect_message(payload);
        assert_eq!(message.topic(), format!("{base}/{topic}"));
        assert_eq!(
            message.property(TOPIC_ALIAS),
            None,
            "the subscriber allows no aliases [MQTT-3.1.2-26]"
        );
    }
}

// [MQTT-3.3.2-7]: mappings belong to the connection, not to the session.
#[test]
fn p06_topic_aliases_end_with_the_connection() {
    let (id, topic) = (unique("p06"), unique("p06"));
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.publish(publish(&topic, "1").property(prop_u16(TOPIC_ALIAS, 1)));
    client.disconnect();
    let mut client = Connect::v5(&id).expiry(60).resume().to(broker());
    client.publish(publish("", "2").property(prop_u16(TOPIC_ALIAS, 1)));
    client.expect_disconnect(0x82);
}

// [MQTT-3.1.2-27] and 3.3.2.3.4: the server's aliases stay below what the client allows, and resolve.
#[test]
fn p06_aliases_of_the_server_stay_within_the_clients_maximum() {
    let base = unique("p06");
    let connect = Connect::v5(unique("p06")).property(prop_u16(TOPIC_ALIAS_MAXIMUM, 2));
    let (mut subscriber, mut publisher) = (connect.to(broker()), v5());
    subscriber.subscribe(&format!("{base}/#"), 1);
    let mut aliases = std::collections::HashMap::new();
    for round in 0..12 {
        let topic = format!("{base}/{}", round % 4);
        publish_acknowledged(&mut publisher, publish(&topic, "m"));
        let message = subscriber.expect_message("m");
        subscriber.acknowledge(&message);
        if let Some(alias) = message.number(TOPIC_ALIAS) {
            assert!(alias == 1 || alias == 2, "{message:02x?}");
            if !message.topic.is_empty() {
                aliases.insert(alias, message.topic().to_owned());
            }
            assert_eq!(aliases.get(&alias), Some(&topic));
        } else {
            assert_eq!(message.topic(), topic);
        }
    }
}

// [MQTT-3.3.2-14] no wildcards in a Response Topic; it is a topic name, so it is not empty either (4.7.3-1).
#[test]
fn p06_wildcards_in_a_response_topic() {
    for topic in ["a/#", "+", "a/+/b"] {
        ends(
            publish("p06", "x").property(prop_text(RESPONSE_TOPIC, topic)),
            &[0x81, 0x82, 0x90],
        );
    }
}

// 3.3.2.3.2: 0 or 1.
#[test]
fn p06_payload_format_above_one() {
    for value in [2, 0xFF] {
        ends(
            publish("p06", "x").property(prop_byte(PAYLOAD_FORMAT, value)),
            &[0x81, 0x82],
        );
    }
}

// [MQTT-3.3.2-2] no wildcards in the topic of a PUBLISH.
#[test]
fn p06_wildcards_in_the_topic() {
    for topic in ["#", "a/+", "a/#", "a#b", "a/b+"] {
        ends(publish(topic, "x"), &[0x81, 0x82, 0x90]);
        let mut client = crate::v311();
        client.publish(publish(topic, "x"));
        client.expect_close();
    }
}

// [MQTT-3.3.2-4], -15, -16, -17, -20: what is right comes out as it went in.
#[test]
fn p06_right_properties_are_forwarded_unaltered() {
    let (mut client, topic) = (v5(), unique("p06"));
    client.subscribe(&topic, 0);
    let properties = [
        prop_byte(PAYLOAD_FORMAT, 1),
        prop_text(CONTENT_TYPE, "text/plain; charset=utf-8"),
        prop_text(RESPONSE_TOPIC, "answers/here"),
        prop_text(CORRELATION_DATA, [0, 255, 1]),
        user_property("k", "v"),
    ];
    client.publish(
        properties
            .iter()
            .fold(publish(&topic, "m"), |m, property| m.property(property.clone())),
    );
    let message = client.expect_message("m");
    assert_eq!(message.number(PAYLOAD_FORMAT), Some(1));
    assert_eq!(
        message.property(CONTENT_TYPE),
        Some(b"text/plain; charset=utf-8".as_slice())
    );
    assert_eq!(message.property(RESPONSE_TOPIC), Some(b"answers/here".as_slice()));
    assert_eq!(message.property(CORRELATION_DATA), Some([0, 255, 1].as_slice()));
    assert_eq!(message.properties.len(), 5, "{message:02x?}");
}

// [MQTT-3.1.2-25] and 3.3.2.3.4: an alias in a packet that was dropped as too large was never told to the client.
#[test]
fn p06_an_alias_in_a_dropped_packet_is_not_known() {
    let topic = unique("p06");
    let connect = Connect::v5(unique("p06")).property(prop_u16(TOPIC_ALIAS_MAXIMUM, 5));
    let mut subscriber = connect.property(prop_u32(MAXIMUM_PACKET_SIZE, 100)).to(broker());
    subscriber.subscribe(&topic, 1);
    let mut publisher = v5();
    publish_acknowledged(&mut publisher, publish(&topic, "x".repeat(150)));
    publish_acknowledged(&mut publisher, publish(&topic, "small"));
    assert_eq!(subscriber.expect_message("small").topic(), topic);
}

// [MQTT-3.3.2-7]: what comes again over a new connection cannot rely on the aliases of the old one.
#[test]
fn p06_redelivered_messages_do_not_rely_on_old_aliases() {
    let (id, topic) = (unique("p06"), unique("p06"));
    let connect = Connect::v5(&id)
        .expiry(60)
        .property(prop_u16(TOPIC_ALIAS_MAXIMUM, 5));
    let (mut subscriber, mut publisher) = (connect.to(broker()), v5());
    subscriber.subscribe(&topic, 1);
    for payload in ["1", "2"] {
        publish_acknowledged(&mut publisher, publish(&topic, payload));
        subscriber.expect_message(payload);
    }
    subscriber.vanish();
    let mut subscriber = connect.resume().to(broker());
    assert_eq!(subscriber.expect_message("1").topic(), topic);
    let second = subscriber.expect_message("2");
    assert!(
        second.topic() == topic || second.number(TOPIC_ALIAS).is_some(),
        "{second:02x?}"
    );
    subscriber.vanish();
    // And who allows none now, gets none.
    let mut subscriber = Connect::v5(&id).expiry(60).resume().to(broker());
    for payload in ["1", "2"] {
        let message = subscriber.expect_message(payload);
        assert_eq!(
            (message.topic(), message.number(TOPIC_ALIAS)),
            (topic.as_str(), None)
        );
    }
}

// [MQTT-3.1.2-27]: QoS 0 messages that are dropped must not take their alias with them, either.
#[test]
fn p06_an_unknown_alias_is_not_learned_from_a_refused_packet() {
    let mut client = v5();
    let maximum = client.connack.number(TOPIC_ALIAS_MAXIMUM).unwrap_or(0) as u16;
    client.publish(publish("p06", "x").property(prop_u16(TOPIC_ALIAS, maximum)));
    client.publish(publish("", "x").property(prop_u16(TOPIC_ALIAS, maximum)));
    client.ping();
    client.publish(publish("", "x").property(prop_u16(TOPIC_ALIAS, maximum - 1)));
    client.expect_disconnect(0x82);
}
