//! Point 14: QoS 2 from a client, and what is known of its packet identifiers.

use crate::support::*;
use crate::{all_messages, broker, payloads, v5, v311};

/// A subscriber at QoS 0 of a new topic.
fn subscriber() -> (Client, String) {
    let (mut client, topic) = (v5(), unique("p14"));
    client.subscribe(&topic, 0);
    (client, topic)
}

// [MQTT-4.3.3-10], 3.1.1 [MQTT-4.3.3-2]
#[test]
fn p14_the_same_id_before_pubrel_is_not_a_new_message() {
    for version in [V31, V311, V5] {
        let (mut subscriber, topic) = subscriber();
        let mut client = Connect::new(version, unique("p14")).to(broker());
        client.publish(publish(&topic, "once").qos(2, 5));
        client.expect_ack(PUBREC, 5, 0);
        for _ in 0..3 {
            client.publish(publish(&topic, "once").qos(2, 5).dup());
            client.expect(PUBREC);
        }
        client.send(&ack(PUBREL, 5));
        client.expect_ack(PUBCOMP, 5, 0);
        sleep(50);
        assert_eq!(payloads(&all_messages(&mut subscriber)), ["once"]);
    }
}

// The same over a new connection to the same session.
#[test]
fn p14_the_same_id_after_a_reconnect_is_not_a_new_message() {
    for version in [V311, V5] {
        let ((mut subscriber, topic), id) = (subscriber(), unique("p14"));
        let connect = Connect::new(version, &id).resume().expiry(60);
        let mut client = connect.to(broker());
        client.publish(publish(&topic, "once").qos(2, 5));
        client.expect(PUBREC);
        client.vanish();
        let mut client = connect.to(broker());
        assert!(client.connack.session_present);
        client.publish(publish(&topic, "once").qos(2, 5).dup());
        client.expect(PUBREC);
        client.send(&ack(PUBREL, 5));
        client.expect_ack(PUBCOMP, 5, 0);
        sleep(50);
        assert_eq!(payloads(&all_messages(&mut subscriber)), ["once"]);
    }
}

// [MQTT-4.3.3-11] PUBREL is always answered; 0x92 in 5.0.
#[test]
fn p14_pubrel_for_an_unknown_id_gets_pubcomp() {
    let mut client = v5();
    client.send(&ack(PUBREL, 99));
    client.expect_ack(PUBCOMP, 99, 0x92);
    let mut client = v311();
    client.send(&ack(PUBREL, 99));
    assert_eq!(client.expect(PUBCOMP).bytes, [0x70, 2, 0, 99]);
    client.ping();
}

// PUBREL twice: the second is unknown.
#[test]
fn p14_pubrel_twice() {
    let mut client = v5();
    client.publish(publish("p14", "x").qos(2, 1));
    client.expect(PUBREC);
    client.send(&ack(PUBREL, 1));
    client.expect_ack(PUBCOMP, 1, 0);
    client.send(&ack(PUBREL, 1));
    client.expect_ack(PUBCOMP, 1, 0x92);
}

// [MQTT-4.3.2-5], [MQTT-4.3.3-12]: after PUBACK or PUBCOMP the id is new, DUP or not.
#[test]
fn p14_after_the_last_acknowledgement_the_id_is_new() {
    for version in [V311, V5] {
        let (mut subscriber, topic) = subscriber();
        let mut client = Connect::new(version, unique("p14")).to(broker());
        client.publish(publish(&topic, "1").qos(1, 5));
        client.expect(PUBACK);
        client.publish(publish(&topic, "2").qos(1, 5).dup());
        client.expect(PUBACK);
        for payload in ["3", "4"] {
            client.publish(publish(&topic, payload).qos(2, 5));
            client.expect(PUBREC);
            client.send(&ack(PUBREL, 5));
            client.expect(PUBCOMP);
        }
        sleep(50);
        assert_eq!(payloads(&all_messages(&mut subscriber)), ["1", "2", "3", "4"]);
    }
}

// Ids of the two directions do not know of each other (2.2.1).
#[test]
fn p14_both_sides_may_use_the_same_id_at_once() {
    let (mut client, topic) = (v5(), unique("p14"));
    client.subscribe(&topic, 2);
    v5().publish(publish(&topic, "theirs").qos(1, 1));
    let theirs = client.expect_message("theirs");
    client.publish(publish("p14/ours", "ours").qos(2, theirs.id));
    client.expect(PUBREC);
    client.acknowledge(&theirs);
    client.send(&ack(PUBREL, theirs.id));
    client.expect_ack(PUBCOMP, theirs.id, 0);
}

// [MQTT-4.6.0-4] answers come in the order of the messages.
#[test]
fn p14_acknowledgements_keep_the_order() {
    let mut client = v5();
    let burst: Vec<u8> = (1..=50)
        .flat_map(|id| publish("p14", "x").qos(1 + (id % 2) as u8, id).bytes(V5))
        .collect();
    client.send(&burst);
    for id in 1..=50 {
        let answer = client.receive();
        assert_eq!(
            (answer.id, answer.kind),
            (id, if id % 2 == 0 { PUBACK } else { PUBREC })
        );
    }
    (1..=50).step_by(2).for_each(|id| client.send(&ack(PUBREL, id)));
    (1..=50)
        .step_by(2)
        .for_each(|id| client.expect_ack(PUBCOMP, id, 0));
}

// A clean start forgets the ids; the same id is a new message then.
#[test]
fn p14_a_clean_start_forgets_the_ids() {
    let ((mut subscriber, topic), id) = (subscriber(), unique("p14"));
    for payload in ["old", "new"] {
        let mut client = Connect::v5(&id).expiry(60).to(broker());
        client.publish(publish(&topic, payload).qos(2, 5));
        client.expect_ack(PUBREC, 5, 0);
        client.vanish();
    }
    assert_eq!(payloads(&all_messages(&mut subscriber)), ["old", "new"]);
}

// An open PUBREC of a resumed session: PUBREL first thing, without the PUBLISH again.
#[test]
fn p14_pubrel_after_a_reconnect() {
    for version in [V311, V5] {
        let connect = Connect::new(version, unique("p14")).resume().expiry(60);
        let mut client = connect.to(broker());
        client.publish(publish("p14", "x").qos(2, 5));
        client.expect(PUBREC);
        client.vanish();
        let mut client = connect.to(broker());
        client.send(&ack(PUBREL, 5));
        client.expect_ack(PUBCOMP, 5, 0);
    }
}

// Acknowledgements of nothing do not harm; PUBREC of an unknown id is 0x92 in PUBREL (3.6.2.1).
#[test]
fn p14_acknowledgements_of_unknown_ids() {
    let mut client = v5();
    client.send(&[ack(PUBACK, 700), ack(PUBCOMP, 701)].concat());
    client.ping();
    client.send(&ack(PUBREC, 702));
    client.expect_ack(PUBREL, 702, 0x92);
    client.ping();
}
