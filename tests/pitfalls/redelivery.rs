//! Point 15: what is sent again after a reconnect.

use crate::support::*;
use crate::{all_messages, broker, publish_acknowledged, v5};

/// A session that stays, in this version.
fn session(version: u8, id: &str) -> Connect {
    Connect::new(version, id).resume().expiry(60)
}

/// A subscriber at QoS 2, gone before it acknowledged these three messages, and the packets it got.
fn interrupted(version: u8, id: &str, topic: &str, qos: u8) -> Vec<Packet> {
    let (mut client, mut publisher) = (session(version, id).to(broker()), v5());
    client.subscribe(topic, 2);
    for (n, payload) in (1..).zip(["1", "2", "3"]) {
        publisher.publish(publish(topic, payload).qos(qos, n));
        publisher.receive();
        if qos == 2 {
            publisher.send(&ack(PUBREL, n));
            publisher.expect(PUBCOMP);
        }
    }
    let got = (0..3).map(|_| client.expect(PUBLISH)).collect();
    client.vanish();
    got
}

// [MQTT-4.4.0-1], [MQTT-4.6.0-1]: the same ids, DUP, the original order.
#[test]
fn p15_unacknowledged_messages_come_again_with_dup_ids_and_order() {
    for version in [V31, V311, V5] {
        for qos in [1, 2] {
            let (id, topic) = (unique("p15"), unique("p15"));
            let before = interrupted(version, &id, &topic, qos);
            let mut client = session(version, &id).to(broker());
            for old in before {
                let again = client.expect(PUBLISH);
                assert!(again.dup() && !old.dup());
                assert_eq!(
                    (again.id, again.qos(), again.payload),
                    (old.id, old.qos(), old.payload)
                );
            }
            client.expect_nothing(100);
        }
    }
}

// [MQTT-4.4.0-1], [MQTT-4.3.3-5]: after PUBREC it is the PUBREL that comes again.
#[test]
fn p15_the_pubrel_comes_again() {
    for version in [V311, V5] {
        let (id, topic) = (unique("p15"), unique("p15"));
        let (mut client, mut publisher) = (session(version, &id).to(broker()), v5());
        client.subscribe(&topic, 2);
        publisher.publish(publish(&topic, "m").qos(2, 1));
        publisher.expect(PUBREC);
        publisher.send(&ack(PUBREL, 1));
        let message = client.expect_message("m");
        client.send(&ack(PUBREC, message.id));
        client.expect_ack(PUBREL, message.id, 0);
        client.vanish();
        let mut client = session(version, &id).to(broker());
        let pubrel = client.expect(PUBREL);
        assert_eq!((pubrel.id, pubrel.flags), (message.id, 2));
        client.send(&ack(PUBCOMP, message.id));
        client.ping();
        client.vanish();
        let mut client = session(version, &id).to(broker());
        client.expect_nothing(100);
    }
}

// [MQTT-4.4.0-1]: never while the connection lasts.
#[test]
fn p15_nothing_is_sent_again_while_connected() {
    let (mut client, topic) = (v5(), unique("p15"));
    client.subscribe(&topic, 1);
    publish_acknowledged(&mut v5(), publish(&topic, "m"));
    client.expect_message("m");
    client.expect_nothing(3000);
}

// [MQTT-4.4.0-2] an acknowledgement of 0x80 or more is an end.
#[test]
fn p15_nothing_is_sent_again_after_a_negative_acknowledgement() {
    for (qos, kind) in [(1, PUBACK), (2, PUBREC)] {
        let (id, topic) = (unique("p15"), unique("p15"));
        let mut client = session(V5, &id).to(broker());
        client.subscribe(&topic, 2);
        let mut publisher = v5();
        publisher.publish(publish(&topic, "m").qos(qos, 1));
        publisher.receive();
        if qos == 2 {
            publisher.send(&ack(PUBREL, 1));
        }
        let message = client.expect_message("m");
        client.send(&ack_with(kind, message.id, 0x80));
        client.ping();
        client.vanish();
        session(V5, &id).to(broker()).expect_nothing(200);
    }
}

// [MQTT-4.6.0-6]: what waited comes behind what was in flight, in the order of publication.
#[test]
fn p15_what_was_queued_comes_behind_what_was_in_flight() {
    for version in [V311, V5] {
        let (id, topic) = (unique("p15"), unique("p15"));
        interrupted(version, &id, &topic, 1);
        let mut publisher = v5();
        for payload in ["4", "5", "6"] {
            publish_acknowledged(&mut publisher, publish(&topic, payload));
        }
        let mut client = session(version, &id).to(broker());
        for (payload, dup) in [
            ("1", true),
            ("2", true),
            ("3", true),
            ("4", false),
            ("5", false),
            ("6", false),
        ] {
            let message = client.expect_message(payload);
            assert_eq!(message.dup(), dup, "{payload}");
            client.acknowledge(&message);
        }
    }
}

// New packet ids never collide with those in flight.
#[test]
fn p15_ids_in_flight_are_not_given_to_new_messages() {
    let (id, topic) = (unique("p15"), unique("p15"));
    let old: Vec<u16> = interrupted(V5, &id, &topic, 2)
        .iter()
        .map(|message| message.id)
        .collect();
    let mut client = session(V5, &id).to(broker());
    (0..3).for_each(|_| drop(client.expect(PUBLISH)));
    let mut publisher = v5();
    (0..20).for_each(|_| drop(publish_acknowledged(&mut publisher, publish(&topic, "new"))));
    sleep(100);
    let new = all_messages(&mut client);
    assert_eq!(new.len(), 20);
    assert!(new.iter().all(|message| !old.contains(&message.id)));
}

// A message that was unacknowledged survives a restart of the connection twice.
#[test]
fn p15_again_and_again() {
    let (id, topic) = (unique("p15"), unique("p15"));
    interrupted(V311, &id, &topic, 1);
    for _ in 0..3 {
        let mut client = session(V311, &id).to(broker());
        for payload in ["1", "2", "3"] {
            assert!(client.expect_message(payload).dup());
        }
        client.vanish();
    }
}

// Half acknowledged: PUBREL for the first, PUBLISH for the second, nothing for the third.
#[test]
fn p15_a_mixed_state_comes_back_as_it_was() {
    for version in [V311, V5] {
        let (id, topic) = (unique("p15"), unique("p15"));
        let (mut client, mut publisher) = (session(version, &id).to(broker()), v5());
        client.subscribe(&topic, 2);
        for n in 1..=3 {
            publisher.publish(publish(&topic, n.to_string()).qos(2, n));
            publisher.expect(PUBREC);
            publisher.send(&ack(PUBREL, n));
            publisher.expect(PUBCOMP);
        }
        let got: Vec<Packet> = (0..3).map(|_| client.expect(PUBLISH)).collect();
        client.send(&ack(PUBREC, got[0].id));
        client.expect_ack(PUBREL, got[0].id, 0);
        client.acknowledge(&got[2]);
        client.ping();
        client.vanish();
        let mut client = session(version, &id).to(broker());
        let mut again = [client.receive(), client.receive()].map(|packet| (packet.kind, packet.id));
        again.sort_unstable();
        assert_eq!(again, [(PUBLISH, got[1].id), (PUBREL, got[0].id)]);
        client.expect_nothing(100);
    }
}

// [MQTT-2.2.1-3], -4: more messages than there are ids; one stays in flight all the time, and its id is never given away.
#[test]
fn p15_packet_ids_wrap_around_what_is_in_flight() {
    let topic = unique("p15");
    let mut client = Connect::v5(unique("p15")).receive_maximum(300).to(broker());
    client.subscribe(&topic, 1);
    let mut publisher = v5();
    publish_acknowledged(&mut publisher, publish(&topic, "held"));
    let held = client.expect_message("held").id;
    let burst: Vec<u8> = (1..=250)
        .flat_map(|id| publish(&topic, "m").qos(1, id).bytes(V5))
        .collect();
    for _ in 0..270 {
        publisher.send(&burst);
        (0..250).for_each(|_| drop(publisher.expect(PUBACK)));
        let mut acks = Vec::new();
        for _ in 0..250 {
            let id = client.expect(PUBLISH).id;
            assert!(id != 0 && id != held, "{id}");
            acks.extend(ack(PUBACK, id));
        }
        client.send(&acks);
    }
}
