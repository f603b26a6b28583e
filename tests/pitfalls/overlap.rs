//! Points 1 and 2: several subscriptions that match, and topics that begin with `$`.

use crate::support::*;
use crate::{all_messages, broker, payloads, publish_acknowledged, v5, v311};

/// Publishes at QoS 2 and returns what the subscriber got.
fn copies(subscriber: &mut Client, publisher: &mut Client, topic: &str) -> Vec<Packet> {
    publisher.publish(publish(topic, "once").qos(2, 7));
    publisher.expect_ack(PUBREC, 7, 0);
    publisher.send(&ack(PUBREL, 7));
    publisher.expect_ack(PUBCOMP, 7, 0);
    sleep(100);
    all_messages(subscriber)
}

// [MQTT-3.3.4-2] The server must deliver the message with the maximum QoS of the matching subscriptions.
#[test]
fn p01_overlapping_subscriptions_one_copy_carries_the_maximum_qos() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let (mut subscriber, mut publisher, base) = (v5(), v5(), unique("p01"));
        let filters = [format!("{base}/+"), format!("{base}/#"), format!("{base}/b")];
        for (filter, qos) in filters.iter().zip(order) {
            subscriber.subscribe(filter, qos);
        }
        let got = copies(&mut subscriber, &mut publisher, &format!("{base}/b"));
        assert_eq!(got.len(), 1, "{got:02x?}");
        assert_eq!(got[0].qos(), 2, "subscribed in the order {order:?}");
    }
}

// 3.1.1 [MQTT-3.3.5-1]
#[test]
fn p01_overlapping_subscriptions_of_311_too() {
    for order in [[0, 2], [2, 0], [1, 0], [0, 1]] {
        let (mut subscriber, mut publisher, base) = (v311(), v311(), unique("p01"));
        let (wide, narrow) = (format!("{base}/#"), format!("{base}/b"));
        subscriber.subscribe(&wide, order[0]);
        subscriber.subscribe(&narrow, order[1]);
        let got = copies(&mut subscriber, &mut publisher, &format!("{base}/b"));
        assert_eq!(got.len(), 1, "{got:02x?}");
        assert_eq!(got[0].qos(), order[0].max(order[1]));
    }
}

// [MQTT-3.3.4-2] never above the QoS of the publication.
#[test]
fn p01_the_qos_of_the_publication_is_the_ceiling() {
    let (mut subscriber, mut publisher, base) = (v5(), v5(), unique("p01"));
    subscriber.subscribe(&format!("{base}/+"), 2);
    subscriber.subscribe(&format!("{base}/#"), 1);
    publish_acknowledged(&mut publisher, publish(format!("{base}/b"), "m"));
    let message = subscriber.expect_message("m");
    assert_eq!(message.qos(), 1);
}

// [MQTT-3.3.4-3] a single copy carries every Subscription Identifier; [MQTT-3.3.4-4]
#[test]
fn p01_one_copy_carries_all_subscription_identifiers() {
    let (mut subscriber, mut publisher, base) = (v5(), v5(), unique("p01"));
    let ids = [
        (format!("{base}/+"), 1),
        (format!("{base}/#"), 268_435_455),
        (format!("{base}/b"), 300),
    ];
    for (filter, id) in &ids {
        subscriber.subscribe_with(filter, 1, &prop_varint(SUBSCRIPTION_IDENTIFIER, *id));
    }
    subscriber.subscribe(&format!("+/{base}"), 1);
    publish_acknowledged(&mut publisher, publish(format!("{base}/b"), "m"));
    let mut seen: Vec<usize> = all_messages(&mut subscriber)
        .iter()
        .flat_map(Packet::subscription_ids)
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 300, 268_435_455]);
}

// [MQTT-3.3.4-3] a subscription without an identifier adds none, and hides none.
#[test]
fn p01_subscriptions_without_identifiers_between() {
    let (mut subscriber, mut publisher, base) = (v5(), v5(), unique("p01"));
    subscriber.subscribe(&format!("{base}/#"), 2);
    subscriber.subscribe_with(&format!("{base}/+"), 0, &prop_varint(SUBSCRIPTION_IDENTIFIER, 5));
    publish_acknowledged(&mut publisher, publish(format!("{base}/b"), "m"));
    let got = all_messages(&mut subscriber);
    assert_eq!(got.len(), 1, "{got:02x?}");
    assert_eq!((got[0].qos(), got[0].subscription_ids()), (1, vec![5]));
}

// [MQTT-3.8.4-3] a subscription again replaces the identifier and the QoS.
#[test]
fn p01_a_new_subscription_replaces_the_identifier() {
    let (mut subscriber, mut publisher, topic) = (v5(), v5(), unique("p01"));
    subscriber.subscribe_with(&topic, 1, &prop_varint(SUBSCRIPTION_IDENTIFIER, 5));
    subscriber.subscribe_with(&topic, 0, &prop_varint(SUBSCRIPTION_IDENTIFIER, 6));
    publish_acknowledged(&mut publisher, publish(&topic, "one"));
    let message = subscriber.expect_message("one");
    assert_eq!((message.qos(), message.subscription_ids()), (0, vec![6]));
    subscriber.subscribe(&topic, 0);
    publish_acknowledged(&mut publisher, publish(&topic, "two"));
    assert!(subscriber.expect_message("two").subscription_ids().is_empty());
}

// After UNSUBSCRIBE of one, the others decide alone.
#[test]
fn p01_unsubscribing_one_of_several_lowers_the_qos() {
    let (mut subscriber, mut publisher, base) = (v5(), v5(), unique("p01"));
    subscriber.subscribe_with(&format!("{base}/#"), 1, &prop_varint(SUBSCRIPTION_IDENTIFIER, 1));
    subscriber.subscribe_with(&format!("{base}/+"), 0, &prop_varint(SUBSCRIPTION_IDENTIFIER, 2));
    subscriber.send(&unsubscribe(V5, 8, &[&format!("{base}/#")]));
    subscriber.expect_ack(UNSUBACK, 8, 0);
    publish_acknowledged(&mut publisher, publish(format!("{base}/b"), "m"));
    let got = all_messages(&mut subscriber);
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].qos(), got[0].subscription_ids()), (0, vec![2]));
}

// [MQTT-3.3.4-2]: identifiers also on what was queued while the client was away.
#[test]
fn p01_identifiers_and_maximum_qos_hold_for_queued_messages() {
    let (id, base) = (unique("p01"), unique("p01"));
    let mut subscriber = Connect::v5(&id).expiry(60).to(broker());
    subscriber.subscribe_with(&format!("{base}/#"), 0, &prop_varint(SUBSCRIPTION_IDENTIFIER, 1));
    subscriber.subscribe_with(&format!("{base}/b"), 1, &prop_varint(SUBSCRIPTION_IDENTIFIER, 2));
    subscriber.disconnect();
    publish_acknowledged(&mut v5(), publish(format!("{base}/b"), "m"));
    let mut subscriber = Connect::v5(&id).expiry(60).resume().to(broker());
    let message = subscriber.expect_message("m");
    assert_eq!((message.qos(), message.subscription_ids()), (1, vec![1, 2]));
}

// [MQTT-4.7.2-1] wildcards at the start do not match topics that begin with `$`.
#[test]
fn p02_wildcards_at_the_start_do_not_match_dollar_topics() {
    // A broker of its own: these filters would be subscribers of every other test's topics.
    let broker = Broker::start(&[]);
    let connect = || Connect::v5(unique("p02")).to(&broker);
    let (name, mut publisher) = (unique("p02"), connect());
    let topic = format!("$dunlintest/{name}");
    let mut explicit = connect();
    assert_eq!(explicit.subscribe("$dunlintest/#", 0).code(), 0);
    let mut wild: Vec<Client> = ["#", "+/#", &format!("+/{name}"), "+/+"]
        .iter()
        .map(|filter| {
            let mut client = connect();
            client.subscribe(filter, 0);
            client
        })
        .collect();
    publisher.publish(publish(&topic, "dollar"));
    publisher.ping();
    while explicit.expect(PUBLISH).topic() != topic {}
    for client in &mut wild {
        let topics: Vec<String> = all_messages(client)
            .iter()
            .map(|m| m.topic().to_owned())
            .collect();
        assert!(topics.iter().all(|topic| !topic.starts_with('$')), "{topics:?}");
    }
}

// [MQTT-4.7.2-1], 4.7.2: a filter that names the level matches it, wildcards behind it too.
#[test]
fn p02_explicit_filters_match_dollar_topics() {
    let (name, mut publisher) = (unique("p02"), v5());
    let filters = [
        format!("$dunlintest/{name}/#"),
        format!("$dunlintest/{name}/+"),
        format!("$dunlintest/+/{name}"),
    ];
    let mut subscribers: Vec<Client> = filters
        .iter()
        .map(|filter| {
            let mut client = v5();
            client.subscribe(filter, 0);
            client
        })
        .collect();
    publisher.publish(publish(format!("$dunlintest/{name}/{name}"), "m"));
    subscribers
        .iter_mut()
        .for_each(|subscriber| drop(subscriber.expect_message("m")));
}

#[test]
fn p02_retained_dollar_messages_are_not_sent_to_wildcards() {
    let (name, mut publisher) = (unique("p02"), v5());
    publish_acknowledged(
        &mut publisher,
        publish(format!("$dunlintest/{name}"), "kept").retain(),
    );
    publish_acknowledged(&mut publisher, publish(format!("plain/{name}"), "plain").retain());
    let mut wild = v5();
    wild.subscribe(&format!("+/{name}"), 0);
    sleep(50);
    assert_eq!(payloads(&all_messages(&mut wild)), ["plain"]);
    let mut explicit = v5();
    explicit.subscribe(&format!("$dunlintest/{name}"), 0);
    explicit.expect_message("kept");
}

#[test]
fn p02_sys_topics_come_to_sys_filters_alone() {
    let broker = Broker::start(&["mqtt.sys_interval=\"1s\""]);
    let mut explicit = Connect::v5("explicit").to(&broker);
    let mut wild = Connect::v5("wild").to(&broker);
    wild.send(&subscribe(
        V5,
        1,
        &[("#", 0), ("+/broker/#", 0), ("+/+/+", 0)],
        &[],
    ));
    wild.expect(SUBACK);
    explicit.subscribe("$SYS/#", 0);
    assert!(explicit.expect(PUBLISH).topic().starts_with("$SYS/"));
    wild.expect_nothing(1500);
}

// A `$` elsewhere is a character like any other.
#[test]
fn p02_dollar_in_later_levels_is_nothing_special() {
    let (base, mut subscriber, mut publisher) = (unique("p02"), v311(), v311());
    subscriber.subscribe(&format!("{base}/+/x"), 0);
    publisher.publish(publish(format!("{base}/$y/x"), "m"));
    subscriber.expect_message("m");
}

// [MQTT-3.8.3-3] No Local of one subscription does not hide what another one asks for.
#[test]
fn p01_no_local_of_one_subscription_does_not_hide_the_other() {
    let (mut client, base) = (v5(), unique("p01"));
    client.subscribe_with(
        &format!("{base}/#"),
        2 | NO_LOCAL,
        &prop_varint(SUBSCRIPTION_IDENTIFIER, 1),
    );
    client.subscribe_with(&format!("{base}/b"), 0, &prop_varint(SUBSCRIPTION_IDENTIFIER, 2));
    client.publish(publish(format!("{base}/b"), "mine"));
    let message = client.expect_message("mine");
    assert_eq!(message.subscription_ids(), [2]);
    client.expect_nothing(100);
}
