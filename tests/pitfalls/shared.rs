//! Point 12: shared subscriptions.

use crate::support::*;
use crate::{all_messages, broker, payloads, publish_acknowledged, v5};

/// A 5.0 member of the group of `topic` with this Receive Maximum and a session that stays.
fn member(group: &str, topic: &str, receive_maximum: u16) -> (Client, String) {
    let id = unique("p12");
    let mut client = Connect::v5(&id)
        .expiry(60)
        .receive_maximum(receive_maximum)
        .to(broker());
    assert!(client.subscribe(&format!("$share/{group}/{topic}"), 2).code() <= 2);
    (client, id)
}

// [MQTT-4.8.2-1], [MQTT-4.8.2-2]
#[test]
fn p12_wrong_share_names_are_refused() {
    for filter in [
        "$share",
        "$share/",
        "$share/name",
        "$share//x",
        "$share/name/",
        "$share/a+b/x",
        "$share/a#/x",
        "$share/+/x",
    ] {
        let mut client = v5();
        client.send(&subscribe(V5, 1, &[(filter, 0), ("p12/right", 0)], &[]));
        match client.receive() {
            packet if packet.kind == SUBACK => assert_eq!(packet.codes, [0x8F, 0], "{filter}"),
            packet => assert_eq!(packet.kind, DISCONNECT, "{filter}: {packet:02x?}"),
        }
    }
}

// [MQTT-3.8.3-4]
#[test]
fn p12_no_local_is_a_protocol_error() {
    let mut client = v5();
    client.send(&subscribe(V5, 1, &[("$share/g/p12", NO_LOCAL)], &[]));
    client.expect_disconnect(0x82);
}

// 4.8.2: each message goes to one member.
#[test]
fn p12_each_message_goes_to_one_member() {
    let (group, topic) = (unique("g"), unique("p12"));
    let mut members: Vec<Client> = (0..3).map(|_| member(&group, &topic, 100).0).collect();
    let mut publisher = v5();
    let sent: Vec<String> = (10..40).map(|n| n.to_string()).collect();
    sent.iter()
        .for_each(|n| drop(publish_acknowledged(&mut publisher, publish(&topic, n))));
    sleep(100);
    let shares: Vec<Vec<String>> = members.iter_mut().map(|m| payloads(&all_messages(m))).collect();
    let mut got = shares.concat();
    got.sort();
    assert_eq!(got, sent);
    assert!(shares.iter().all(|share| !share.is_empty()), "{shares:?}");
}

// Groups are told apart by name and filter; a plain subscription gets its own copy, with its own identifier [MQTT-3.3.4-5].
#[test]
fn p12_two_groups_and_a_plain_subscription_each_get_a_copy() {
    let (mut client, topic) = (v5(), unique("p12"));
    for (filter, id) in [
        (format!("$share/a/{topic}"), 1),
        (format!("$share/b/{topic}"), 2),
        (topic.clone(), 3),
    ] {
        client.subscribe_with(&filter, 1, &prop_varint(SUBSCRIPTION_IDENTIFIER, id));
    }
    publish_acknowledged(&mut v5(), publish(&topic, "m"));
    sleep(100);
    let got = all_messages(&mut client);
    let mut ids: Vec<usize> = got.iter().flat_map(Packet::subscription_ids).collect();
    ids.sort_unstable();
    assert_eq!((got.len(), ids), (3, vec![1, 2, 3]));
}

// 3.3.1.3, [MQTT-3.8.4-4]: no retained messages for shared subscriptions.
#[test]
fn p12_no_retained_messages_on_subscribe() {
    let topic = unique("p12");
    publish_acknowledged(&mut v5(), publish(&topic, "kept").retain());
    let mut client = v5();
    client.subscribe(&format!("$share/g/{topic}"), 1);
    client.expect_nothing(200);
}

// 4.8.2: the QoS is the one of the member's own subscription.
#[test]
fn p12_the_members_own_qos_holds() {
    let topic = unique("p12");
    let mut client = v5();
    assert_eq!(client.subscribe(&format!("$share/g/{topic}"), 0).codes, [0]);
    publish_acknowledged(&mut v5(), publish(&topic, "m"));
    assert_eq!(client.expect_message("m").qos(), 0);
}

// [MQTT-4.8.2-4], [MQTT-4.8.2-5]: a QoS 2 message in flight to a member stays with it while its session lasts.
#[test]
fn p12_messages_in_flight_stay_with_their_member() {
    let (group, topic) = (unique("g"), unique("p12"));
    let (mut first, id) = member(&group, &topic, 10);
    let mut publisher = v5();
    publisher.publish(publish(&topic, "mine").qos(2, 1));
    publisher.expect_ack(PUBREC, 1, 0);
    publisher.send(&ack(PUBREL, 1));
    publisher.expect_ack(PUBCOMP, 1, 0);
    let sent = first.expect_message("mine");
    let (mut second, _) = member(&group, &topic, 10);
    first.vanish();
    second.expect_nothing(200);
    let mut first = Connect::v5(&id).expiry(60).resume().to(broker());
    let again = first.expect_message("mine");
    assert!(again.dup() && again.id == sent.id);
    first.acknowledge(&again);
}

// [MQTT-4.8.2-6] a negative acknowledgement discards; nobody else gets it.
#[test]
fn p12_a_negative_acknowledgement_discards() {
    let (group, topic) = (unique("g"), unique("p12"));
    for (qos, kind) in [(1, PUBACK), (2, PUBREC)] {
        let (mut first, _) = member(&group, &topic, 10);
        let mut publisher = v5();
        publisher.publish(publish(&topic, "no").qos(qos, 1));
        publisher.receive();
        if qos == 2 {
            publisher.send(&ack(PUBREL, 1));
            publisher.expect_ack(PUBCOMP, 1, 0);
        }
        let message = first.expect_message("no");
        let (mut second, _) = member(&group, &topic, 10);
        first.send(&ack_with(kind, message.id, 0x80));
        second.expect_nothing(200);
        first.ping();
        for client in [&mut first, &mut second] {
            client.send(&unsubscribe(V5, 1, &[&format!("$share/{group}/{topic}")]));
            client.expect_ack(UNSUBACK, 1, 0);
        }
    }
}

// A member that has gone gets no more; the others take over.
#[test]
fn p12_members_that_left_get_nothing() {
    let (group, topic) = (unique("g"), unique("p12"));
    let (mut first, _) = member(&group, &topic, 10);
    let (mut second, _) = member(&group, &topic, 10);
    second.send(&unsubscribe(V5, 1, &[&format!("$share/{group}/{topic}")]));
    second.expect_ack(UNSUBACK, 1, 0);
    let mut publisher = v5();
    (0..4).for_each(|_| drop(publish_acknowledged(&mut publisher, publish(&topic, "m"))));
    (0..4).for_each(|_| drop(first.expect_message("m")));
    second.expect_nothing(100);
    second.send(&unsubscribe(V5, 2, &[&format!("$share/{group}/{topic}")]));
    second.expect_ack(UNSUBACK, 2, 0x11);
}

// `$share` without a right form in 3.1.1: the name is defined in 5.0, members of both versions can share.
#[test]
fn p12_members_of_different_versions_share() {
    let (group, topic) = (unique("g"), unique("p12"));
    let (mut five, _) = member(&group, &topic, 10);
    let mut four = crate::v311();
    let code = four.subscribe(&format!("$share/{group}/{topic}"), 1).code();
    if code == 0x80 {
        return; // not offered to 3.1.1, which is a broker's right
    }
    let mut publisher = v5();
    (0..4).for_each(|_| drop(publish_acknowledged(&mut publisher, publish(&topic, "m"))));
    sleep(100);
    let counts = [all_messages(&mut five).len(), all_messages(&mut four).len()];
    assert_eq!(counts[0] + counts[1], 4, "{counts:?}");
}
