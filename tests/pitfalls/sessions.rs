//! Points 16 and 17: how long a session lasts, and who takes it over.

use crate::support::*;
use crate::{all_messages, broker, payloads, publish_acknowledged, v5};

/// Whether the broker still has the session, which this asks without ending it.
fn present(id: &str) -> bool {
    let mut client = Connect::v5(id).resume().expiry(u32::MAX).to(broker());
    client.ping();
    client.connack.session_present
}

// 3.1.2.4, 3.1.2.11.2: Clean Start only speaks of the beginning.
#[test]
fn p16_clean_start_with_an_expiry_is_a_session_that_stays() {
    let id = unique("p16");
    let client = Connect::v5(&id).expiry(60).to(broker());
    assert!(!client.connack.session_present);
    client.disconnect();
    assert!(present(&id));
}

// 3.1.2.11.2: absent is 0, and 0 ends with the connection.
#[test]
fn p16_without_an_expiry_the_session_ends_with_the_connection() {
    for connect in [
        Connect::v5(unique("p16")).resume(),
        Connect::v5(unique("p16")).expiry(0),
    ] {
        let id = String::from_utf8(connect.client_id.clone()).unwrap();
        connect.to(broker()).disconnect();
        assert!(!present(&id));
        let id = unique("p16");
        Connect::v5(&id).to(broker()).vanish();
        sleep(200);
        assert!(!present(&id));
    }
}

#[test]
fn p16_the_session_ends_when_its_expiry_has_passed() {
    let id = unique("p16");
    Connect::v5(&id).expiry(1).to(broker()).disconnect();
    sleep(400);
    Connect::v5(&id).resume().expiry(1).to(broker()).disconnect();
    sleep(2200);
    assert!(!present(&id));
}

// [MQTT-4.1.0-1]: not while the client is connected.
#[test]
fn p16_the_expiry_does_not_run_while_connected() {
    let id = unique("p16");
    let mut client = Connect::v5(&id).expiry(1).to(broker());
    sleep(2200);
    client.ping();
    client.disconnect();
    assert!(present(&id));
}

// 3.14.2.2.2: DISCONNECT may change it.
#[test]
fn p16_disconnect_changes_the_expiry() {
    let id = unique("p16");
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.send(&disconnect(0, &prop_u32(SESSION_EXPIRY, 0)));
    client.expect_close();
    assert!(!present(&id));
    let id = unique("p16");
    let mut client = Connect::v5(&id).expiry(1).to(broker());
    client.send(&disconnect(0, &prop_u32(SESSION_EXPIRY, 60)));
    client.expect_close();
    sleep(2200);
    assert!(present(&id));
}

// 3.14.2.2.2: from zero to something else is a Protocol Error.
#[test]
fn p16_disconnect_must_not_raise_the_expiry_from_zero() {
    let id = unique("p16");
    let mut client = Connect::v5(&id).to(broker());
    client.send(&disconnect(0, &prop_u32(SESSION_EXPIRY, 60)));
    client.expect_disconnect(0x82);
    assert!(!present(&id));
}

// 3.1.2.11.2: 0xFFFFFFFF never ends; nor does a 3.1.1 session with Clean Session 0.
#[test]
fn p16_sessions_without_an_end() {
    let (five, four) = (unique("p16"), unique("p16"));
    let client = Connect::v5(&five).expiry(u32::MAX).to(broker());
    assert!(
        client
            .connack
            .number(SESSION_EXPIRY)
            .is_none_or(|told| told == u32::MAX)
    );
    client.disconnect();
    Connect::v311(&four).resume().to(broker()).disconnect();
    sleep(1200);
    assert!(present(&five));
    assert!(Connect::v311(&four).resume().to(broker()).connack.session_present);
}

// 3.1.1 [MQTT-3.2.2-1], -2, [MQTT-3.1.2-6]
#[test]
fn p16_session_present_of_311() {
    let id = unique("p16");
    let connect = Connect::v311(&id).resume();
    for wanted in [false, true, true] {
        let client = connect.to(broker());
        assert_eq!(client.connack.session_present, wanted);
        client.disconnect();
    }
    assert!(!Connect::v311(&id).to(broker()).connack.session_present);
    sleep(100);
    assert!(
        !connect.to(broker()).connack.session_present,
        "the clean session ended the old one and itself"
    );
}

// [MQTT-3.1.2-4] Clean Start discards subscriptions and what waited.
#[test]
fn p16_clean_start_discards_everything() {
    let (id, topic) = (unique("p16"), unique("p16"));
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    client.subscribe(&topic, 1);
    client.disconnect();
    publish_acknowledged(&mut v5(), publish(&topic, "queued"));
    let mut client = Connect::v5(&id).expiry(60).to(broker());
    assert!(!client.connack.session_present);
    assert_eq!(
        publish_acknowledged(&mut v5(), publish(&topic, "later")).code(),
        0x10
    );
    client.expect_nothing(200);
}

// [MQTT-3.1.2-5]: subscriptions and queued messages come back.
#[test]
fn p16_a_resumed_session_has_its_subscriptions_and_messages() {
    for version in [V31, V311, V5] {
        let (id, topic) = (unique("p16"), unique("p16"));
        let connect = Connect::new(version, &id).resume().expiry(60);
        let mut client = connect.to(broker());
        client.subscribe(&topic, 1);
        client.disconnect();
        publish_acknowledged(&mut v5(), publish(&topic, "queued"));
        let mut client = connect.to(broker());
        client.expect_message("queued");
        publish_acknowledged(&mut v5(), publish(&topic, "live"));
        client.expect_message("live");
    }
}

// [MQTT-3.1.4-3], 3.1.1 [MQTT-3.1.4-2]
#[test]
fn p17_the_old_connection_is_told_0x8e_and_closed() {
    for (old, new) in [(V5, V5), (V5, V311), (V311, V5), (V311, V311), (V31, V311)] {
        let id = unique("p17");
        let mut first = Connect::new(old, &id).to(broker());
        let mut second = Connect::new(new, &id).to(broker());
        first.expect_error(0x8E);
        second.ping();
    }
}

// The session goes on, with what was under way.
#[test]
fn p17_takeover_loses_nothing() {
    for version in [V311, V5] {
        let (id, topic) = (unique("p17"), unique("p17"));
        let connect = Connect::new(version, &id).resume().expiry(60);
        let (mut old, mut publisher) = (connect.to(broker()), v5());
        old.subscribe(&topic, 1);
        (0..5).for_each(|n| {
            drop(publish_acknowledged(
                &mut publisher,
                publish(&topic, n.to_string()),
            ))
        });
        let mut new = connect.to(broker());
        assert!(new.connack.session_present);
        (5..8).for_each(|n| {
            drop(publish_acknowledged(
                &mut publisher,
                publish(&topic, n.to_string()),
            ))
        });
        sleep(100);
        let got = all_messages(&mut new);
        assert_eq!(payloads(&got), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    }
}

// Messages published all the time while one connection takes over from another: none is lost.
#[test]
fn p17_takeovers_under_traffic_lose_nothing() {
    let (id, topic) = (unique("p17"), unique("p17"));
    let connect = Connect::v311(&id).resume();
    let mut client = connect.to(broker());
    client.subscribe(&topic, 1);
    let publisher = {
        let topic = topic.clone();
        std::thread::spawn(move || {
            let mut publisher = v5();
            (0..300).for_each(|n| {
                drop(publish_acknowledged(
                    &mut publisher,
                    publish(&topic, n.to_string()),
                ))
            });
        })
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        for _ in 0..10 {
            if let Some(message) = client.receive_within(20) {
                seen.insert(String::from_utf8(message.payload.clone()).unwrap());
                client.acknowledge(&message);
            }
        }
        client = connect.to(broker());
    }
    publisher.join().unwrap();
    while let Some(message) = client.receive_within(500) {
        seen.insert(String::from_utf8(message.payload.clone()).unwrap());
        client.acknowledge(&message);
    }
    assert_eq!(seen.len(), 300);
}

// A peer that does not read must not delay the new connection.
#[test]
fn p17_a_dead_old_socket_does_not_delay_the_new_one() {
    let (id, topic) = (unique("p17"), unique("p17"));
    let mut old = Connect::v5(&id).expiry(60).to(broker());
    old.subscribe(&topic, 0);
    let mut publisher = v5();
    let chunk = vec![b'x'; 100_000];
    (0..100).for_each(|_| publisher.publish(publish(&topic, &chunk)));
    publisher.ping();
    let begin = std::time::Instant::now();
    let new = Connect::v5(&id).to(broker());
    assert!(begin.elapsed() < ms(1500), "{:?}", begin.elapsed());
    assert!(!new.connack.session_present);
}

// A client that takes over from itself again and again ends with one connection.
#[test]
fn p17_many_takeovers_at_once_leave_one() {
    let id = unique("p17");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let connect = Connect::v5(&id).expiry(60);
            std::thread::spawn(move || connect.answer(broker()).0)
        })
        .collect();
    let mut clients: Vec<Client> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    sleep(300);
    let mut alive = 0;
    for client in &mut clients {
        client.try_send(&pingreq());
        alive += usize::from(
            client
                .receive_or_close()
                .is_some_and(|packet| packet.kind == PINGRESP),
        );
    }
    assert_eq!(alive, 1);
}

// A session begun in one version is resumed in another.
#[test]
fn p16_a_session_is_resumed_in_another_version() {
    for (first, second) in [(V311, V5), (V5, V311)] {
        let (id, topic) = (unique("p16"), unique("p16"));
        let mut client = Connect::new(first, &id).resume().expiry(60).to(broker());
        client.subscribe(&topic, 1);
        client.disconnect();
        publish_acknowledged(
            &mut v5(),
            publish(&topic, "m").property(prop_text(CONTENT_TYPE, "t")),
        );
        let mut client = Connect::new(second, &id).resume().expiry(60).to(broker());
        assert!(client.connack.session_present);
        client.expect_message("m");
    }
}

// [MQTT-3.1.2-23]: the expiry of the last connection counts, not the one before.
#[test]
fn p16_each_connection_brings_its_own_expiry() {
    let id = unique("p16");
    Connect::v5(&id).expiry(60).to(broker()).disconnect();
    Connect::v5(&id).resume().to(broker()).disconnect();
    assert!(!present(&id));
}

// QoS 0 while away may be queued or not (3.1.2.4), but QoS 1 around it is, in order.
#[test]
fn p16_the_queue_keeps_its_order() {
    let (id, topic) = (unique("p16"), unique("p16"));
    let mut client = Connect::v311(&id).resume().to(broker());
    client.subscribe(&topic, 2);
    client.disconnect();
    let mut publisher = v5();
    for n in 0..200 {
        publish_acknowledged(&mut publisher, publish(&topic, n.to_string()));
    }
    let mut client = Connect::v311(&id).resume().to(broker());
    for n in 0..200 {
        let message = client.expect_message(&n.to_string());
        client.acknowledge(&message);
    }
}
