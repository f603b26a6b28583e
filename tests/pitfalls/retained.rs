//! Point 18: retained messages.

use crate::support::*;
use crate::{all_messages, broker, payloads, publish_acknowledged, v5, v311};

/// Retains a message on a new topic.
fn retained(payload: &str) -> String {
    let topic = unique("p18");
    publish_acknowledged(&mut v5(), publish(&topic, payload).retain());
    topic
}

// [MQTT-3.3.1-12], 3.1.1 [MQTT-3.3.1-9]
#[test]
fn p18_live_forwards_have_retain_0() {
    for mut subscriber in [v5(), v311()] {
        let topic = unique("p18");
        subscriber.subscribe(&topic, 1);
        publish_acknowledged(&mut v5(), publish(&topic, "m").retain());
        assert!(!subscriber.expect_message("m").retain());
    }
}

// [MQTT-3.3.1-13]
#[test]
fn p18_retain_as_published_keeps_the_flag() {
    let (mut subscriber, mut publisher, topic) = (v5(), v5(), unique("p18"));
    subscriber.subscribe(&topic, 1 | RETAIN_AS_PUBLISHED);
    publish_acknowledged(&mut publisher, publish(&topic, "kept").retain());
    publish_acknowledged(&mut publisher, publish(&topic, "plain"));
    assert!(subscriber.expect_message("kept").retain());
    assert!(!subscriber.expect_message("plain").retain());
}

// [MQTT-3.3.1-8], 3.1.1 [MQTT-3.3.1-8]: on subscribe RETAIN is 1, in every version.
#[test]
fn p18_on_subscribe_retain_is_1() {
    let topic = retained("kept");
    for version in [V31, V311, V5] {
        let mut client = Connect::new(version, unique("p18")).to(broker());
        client.subscribe(&topic, 1);
        let message = client.expect_message("kept");
        assert!(message.retain() && !message.dup() && message.qos() == 1);
    }
}

// [MQTT-3.3.1-9], -10, -11
#[test]
fn p18_retain_handling() {
    let topic = retained("kept");
    let mut client = v5();
    client.subscribe(&topic, RETAIN_NEVER);
    client.expect_nothing(100);
    client.subscribe(&topic, RETAIN_IF_NEW);
    client.expect_nothing(100);
    client.subscribe(&topic, 0);
    client.expect_message("kept");
    let mut client = v5();
    client.subscribe(&topic, RETAIN_IF_NEW);
    client.expect_message("kept");
    client.subscribe(&topic, RETAIN_IF_NEW);
    client.expect_nothing(100);
}

// A subscription that a session brought along is not new.
#[test]
fn p18_retain_handling_1_after_a_resumed_session() {
    let (topic, id) = (retained("kept"), unique("p18"));
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.subscribe(&topic, RETAIN_IF_NEW);
    client.expect_message("kept");
    client.disconnect();
    let mut client = Connect::v5(&id).expiry(60).resume().to(broker());
    client.subscribe(&topic, RETAIN_IF_NEW);
    client.expect_nothing(150);
}

// [MQTT-3.8.4-4], 3.1.1 [MQTT-3.8.4-3]: subscribing again sends again.
#[test]
fn p18_subscribing_again_sends_the_retained_message_again() {
    let topic = retained("kept");
    for mut client in [v5(), v311()] {
        for _ in 0..3 {
            client.subscribe(&topic, 0);
            client.expect_message("kept");
        }
    }
}

// [MQTT-3.3.1-6], -7: an empty one deletes, and goes to subscribers like any other.
#[test]
fn p18_an_empty_payload_deletes_and_is_forwarded() {
    let topic = retained("kept");
    let mut watcher = v5();
    watcher.subscribe(&topic, 1 | RETAIN_NEVER);
    publish_acknowledged(&mut v5(), publish(&topic, "").retain());
    let message = watcher.expect_message("");
    assert!(!message.retain());
    let mut late = v5();
    late.subscribe(&topic, 1);
    late.expect_nothing(150);
    // [MQTT-3.3.1-7] it is not itself kept, and deleting nothing is no error.
    publish_acknowledged(&mut v311(), publish(&topic, "").retain());
}

// [MQTT-3.3.1-5]: the last one counts; without RETAIN nothing changes [MQTT-3.3.1-8].
#[test]
fn p18_the_last_retained_message_counts() {
    let (topic, mut publisher) = (retained("old"), v5());
    publish_acknowledged(&mut publisher, publish(&topic, "new").retain());
    publish_acknowledged(&mut publisher, publish(&topic, "passing"));
    publish_acknowledged(&mut publisher, publish(&topic, ""));
    let mut client = v5();
    client.subscribe(&topic, 1);
    client.expect_message("new");
    client.expect_nothing(50);
}

// A retained QoS 0 message is one, too.
#[test]
fn p18_retained_with_qos_0() {
    let (mut publisher, topic) = (v311(), unique("p18"));
    publisher.publish(publish(&topic, "zero").retain());
    publisher.ping();
    let mut client = v5();
    client.subscribe(&topic, 2);
    assert_eq!(client.expect_message("zero").qos(), 0);
}

// [MQTT-3.3.2-6], 3.3.2.3.3: the expiry goes down while it is kept, and at its end it is gone.
#[test]
fn p18_the_expiry_of_a_retained_message_counts_down() {
    let topic = unique("p18");
    publish_acknowledged(
        &mut v5(),
        publish(&topic, "brief")
            .retain()
            .property(prop_u32(MESSAGE_EXPIRY, 3)),
    );
    sleep(1200);
    let mut client = v5();
    client.subscribe(&topic, 0);
    let left = client.expect_message("brief").number(MESSAGE_EXPIRY).unwrap();
    assert!((1..=2).contains(&left), "{left}");
    sleep(2100);
    let mut late = v5();
    late.subscribe(&topic, 0);
    late.expect_nothing(150);
}

// Wildcards find every retained message they match, the parent level of `#` too.
#[test]
fn p18_wildcards_find_all_retained_messages() {
    let (base, mut publisher) = (unique("p18"), v5());
    for tail in ["", "/a", "/b", "/a/c", "/"] {
        publish_acknowledged(
            &mut publisher,
            publish(format!("{base}{tail}"), format!("at {tail}")).retain(),
        );
    }
    for (filter, wanted) in [
        ("/#", vec!["at ", "at /", "at /a", "at /a/c", "at /b"]),
        ("/+", vec!["at /", "at /a", "at /b"]),
        ("/+/c", vec!["at /a/c"]),
    ] {
        let mut client = v5();
        client.subscribe(&format!("{base}{filter}"), 0);
        sleep(100);
        let mut got = payloads(&all_messages(&mut client));
        got.sort();
        assert_eq!(got, wanted, "{filter}");
    }
}

// The properties are kept, and the subscription's identifier is added [MQTT-3.3.4-3].
#[test]
fn p18_retained_messages_keep_their_properties() {
    let topic = unique("p18");
    let message = publish(&topic, "m")
        .retain()
        .property(prop_text(CONTENT_TYPE, "t"))
        .property(user_property("k", "v"));
    publish_acknowledged(&mut v5(), message);
    let mut client = v5();
    client.subscribe_with(&topic, 0, &prop_varint(SUBSCRIPTION_IDENTIFIER, 9));
    let message = client.expect_message("m");
    assert_eq!(message.property(CONTENT_TYPE), Some(b"t".as_slice()));
    assert_eq!(message.subscription_ids(), [9]);
    assert_eq!(message.properties.len(), 3, "{message:02x?}");
}

// No Local does not hide retained messages of one's own... only live ones [MQTT-3.8.3-3].
#[test]
fn p18_no_local_withholds_ones_own_live_messages() {
    let (mut client, topic) = (v5(), unique("p18"));
    client.subscribe(&topic, 1 | NO_LOCAL);
    client.publish(publish(&topic, "mine").qos(1, 1));
    client.expect(PUBACK);
    client.expect_nothing(150);
    publish_acknowledged(&mut v5(), publish(&topic, "theirs"));
    client.expect_message("theirs");
}

// 3.2.2.3.5: Retain Available 0, and 0x9A for who retains all the same.
#[test]
fn p18_retain_not_available() {
    let broker = Broker::start(&["mqtt.retain_available=false"]);
    let mut client = Connect::v5("c").to(&broker);
    assert_eq!(client.connack.number(0x25), Some(0));
    client.publish(publish("p18", "x").retain());
    client.expect_disconnect(0x9A);
    let (mut client, connack) = Connect::v5("d")
        .will(Will {
            retain: true,
            ..Will::new("w", "x")
        })
        .answer(&broker);
    assert_eq!(connack.code(), 0x9A);
    client.expect_close();
}
