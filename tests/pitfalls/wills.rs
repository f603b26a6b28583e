//! Point 9: when a Will is published, and when it is not.

use std::time::{Duration, Instant};

use crate::support::*;
use crate::{broker, v5, v311};

/// A subscriber of a new topic.
fn watcher() -> (Client, String) {
    let (mut client, topic) = (v5(), unique("p09"));
    client.subscribe(&topic, 2);
    (client, topic)
}

/// How long it takes until the Will comes.
#[track_caller]
fn will_comes_after(watcher: &mut Client, payload: &str) -> Duration {
    let begin = Instant::now();
    watcher.expect_message(payload);
    begin.elapsed()
}

// [MQTT-3.1.2-8], [MQTT-3.1.2-14]
#[test]
fn p09_the_will_is_published_when_the_connection_is_lost() {
    for version in [V31, V311, V5] {
        let (mut watcher, topic) = watcher();
        let mut will = Will::new(&topic, "gone");
        will.qos = 1;
        Connect::new(version, unique("p09"))
            .will(will)
            .to(broker())
            .vanish();
        assert_eq!(watcher.expect_message("gone").qos(), 1);
    }
}

// [MQTT-3.14.4-3], 3.1.1 [MQTT-3.1.2-10]
#[test]
fn p09_a_normal_disconnect_deletes_the_will() {
    for version in [V311, V5] {
        let (mut watcher, topic) = watcher();
        Connect::new(version, unique("p09"))
            .will(Will::new(&topic, "gone"))
            .to(broker())
            .disconnect();
        watcher.expect_nothing(300);
    }
}

// 3.14.2.1: every code but 0x00 publishes it.
#[test]
fn p09_disconnect_with_will_message_publishes_it() {
    for code in [0x04, 0x80] {
        let (mut watcher, topic) = watcher();
        let mut client = Connect::v5(unique("p09"))
            .will(Will::new(&topic, "asked"))
            .to(broker());
        client.send(&disconnect(code, &[]));
        client.expect_close();
        watcher.expect_message("asked");
    }
}

// A protocol error is an end without DISCONNECT 0x00.
#[test]
fn p09_a_protocol_error_publishes_the_will() {
    for version in [V311, V5] {
        let (mut watcher, topic) = watcher();
        let mut client = Connect::new(version, unique("p09"))
            .will(Will::new(&topic, "error"))
            .to(broker());
        client.send_hex("D0 00");
        watcher.expect_message("error");
    }
}

// 3.1.3.2.2: not before the delay has passed.
#[test]
fn p09_the_will_waits_for_its_delay() {
    let (mut watcher, topic) = watcher();
    let connect = Connect::v5(unique("p09"))
        .expiry(60)
        .will(Will::new(&topic, "late").delay(1));
    connect.to(broker()).vanish();
    let waited = will_comes_after(&mut watcher, "late");
    assert!(waited >= ms(900) && waited < ms(2500), "{waited:?}");
}

// 3.1.3.2.2: or the session ends, whichever is first.
#[test]
fn p09_the_will_does_not_outlive_the_session() {
    let (mut watcher, topic) = watcher();
    let connect = Connect::v5(unique("p09"))
        .expiry(1)
        .will(Will::new(&topic, "ended").delay(30));
    connect.to(broker()).vanish();
    let waited = will_comes_after(&mut watcher, "ended");
    assert!(waited >= ms(900) && waited < ms(2500), "{waited:?}");
}

// Session Expiry 0: the session ends with the connection, and so does the waiting.
#[test]
fn p09_without_a_session_the_delay_does_not_count() {
    let (mut watcher, topic) = watcher();
    Connect::v5(unique("p09"))
        .will(Will::new(&topic, "now").delay(30))
        .to(broker())
        .vanish();
    assert!(will_comes_after(&mut watcher, "now") < ms(1000));
}

// [MQTT-3.1.3-9] a new connection before the delay has passed: no Will.
#[test]
fn p09_a_reconnect_cancels_the_delayed_will() {
    let ((mut watcher, topic), id) = (watcher(), unique("p09"));
    Connect::v5(&id)
        .expiry(60)
        .will(Will::new(&topic, "late").delay(1))
        .to(broker())
        .vanish();
    sleep(200);
    let client = Connect::v5(&id).expiry(60).resume().to(broker());
    assert!(client.connack.session_present);
    watcher.expect_nothing(1500);
}

// [MQTT-3.1.4-4], 3.1.3.2.2: Clean Start 1 ends the old session, so its Will is published at once.
#[test]
fn p09_a_clean_start_publishes_the_delayed_will() {
    let ((mut watcher, topic), id) = (watcher(), unique("p09"));
    Connect::v5(&id)
        .expiry(60)
        .will(Will::new(&topic, "ended").delay(30))
        .to(broker())
        .vanish();
    sleep(100);
    let _client = Connect::v5(&id).to(broker());
    assert!(will_comes_after(&mut watcher, "ended") < ms(1000));
}

// Takeover without a delay: the network connection is closed, and the Will published (3.1.2.5).
#[test]
fn p09_takeover_publishes_the_will() {
    for version in [V311, V5] {
        let ((mut watcher, topic), id) = (watcher(), unique("p09"));
        let connect = Connect::new(version, &id).will(Will::new(&topic, "taken"));
        let mut old = connect.to(broker());
        let _new = Connect::new(version, &id).to(broker());
        old.expect_error(0x8E);
        watcher.expect_message("taken");
        watcher.expect_nothing(100);
    }
}

// Takeover of a session that goes on: a delayed Will is not published.
#[test]
fn p09_takeover_of_a_session_that_goes_on_cancels_the_delayed_will() {
    let ((mut watcher, topic), id) = (watcher(), unique("p09"));
    let connect = Connect::v5(&id)
        .expiry(60)
        .will(Will::new(&topic, "late").delay(1));
    let mut old = connect.to(broker());
    let _new = Connect::v5(&id).expiry(60).resume().to(broker());
    old.expect_disconnect(0x8E);
    watcher.expect_nothing(1500);
}

// 3.1.2.5 and 3.1.3.2: the Will's own properties, and no Will Delay among them.
#[test]
fn p09_the_will_carries_its_properties() {
    let (mut watcher, topic) = watcher();
    let mut will = Will::new(&topic, "props").delay(0);
    for property in [
        prop_byte(PAYLOAD_FORMAT, 1),
        prop_u32(MESSAGE_EXPIRY, 100),
        prop_text(CONTENT_TYPE, "t"),
        prop_text(RESPONSE_TOPIC, "r"),
        prop_text(CORRELATION_DATA, "c"),
        user_property("k", "v"),
    ] {
        will.properties.extend(property);
    }
    Connect::v5(unique("p09")).will(will).to(broker()).vanish();
    let message = watcher.expect_message("props");
    assert_eq!(message.number(PAYLOAD_FORMAT), Some(1));
    assert!((99..=100).contains(&message.number(MESSAGE_EXPIRY).unwrap()));
    assert_eq!(message.property(CONTENT_TYPE), Some(b"t".as_slice()));
    assert_eq!(message.property(RESPONSE_TOPIC), Some(b"r".as_slice()));
    assert_eq!(message.property(CORRELATION_DATA), Some(b"c".as_slice()));
    assert_eq!(message.property(WILL_DELAY), None);
}

// [MQTT-3.1.2-15]: Will Retain 1 is kept as a retained message.
#[test]
fn p09_a_retained_will_is_retained() {
    let topic = unique("p09");
    let mut will = Will::new(&topic, "kept");
    will.retain = true;
    Connect::v311(unique("p09")).will(will).to(broker()).vanish();
    sleep(200);
    let mut late = v311();
    late.subscribe(&topic, 0);
    assert!(late.expect_message("kept").retain());
}

// DISCONNECT 0x04 asks for the Will; its delay holds all the same (3.14.2.1, 3.1.3.2.2).
#[test]
fn p09_disconnect_with_will_message_keeps_the_delay() {
    let (mut watcher, topic) = watcher();
    let connect = Connect::v5(unique("p09"))
        .expiry(60)
        .will(Will::new(&topic, "asked").delay(1));
    let mut client = connect.to(broker());
    client.send(&disconnect(4, &[]));
    client.expect_close();
    let waited = will_comes_after(&mut watcher, "asked");
    assert!(waited >= ms(900) && waited < ms(2500), "{waited:?}");
}

// Takeover of a session that goes on, with a Will without a delay: published (3.1.3.2.2, 3.1.4).
#[test]
fn p09_takeover_of_a_session_that_goes_on_publishes_a_will_without_delay() {
    let ((mut watcher, topic), id) = (watcher(), unique("p09"));
    let mut old = Connect::v5(&id)
        .expiry(60)
        .will(Will::new(&topic, "taken"))
        .to(broker());
    let _new = Connect::v5(&id).expiry(60).resume().to(broker());
    old.expect_disconnect(0x8E);
    watcher.expect_message("taken");
}

// The Will belongs to a connection: the next one without a Will leaves none behind [MQTT-3.1.2-10].
#[test]
fn p09_the_will_does_not_outlive_its_connection() {
    let ((mut watcher, topic), id) = (watcher(), unique("p09"));
    let mut first = Connect::v5(&id)
        .expiry(60)
        .will(Will::new(&topic, "old"))
        .to(broker());
    first.send(&disconnect(0, &[]));
    first.expect_close();
    Connect::v5(&id).expiry(60).resume().to(broker()).vanish();
    watcher.expect_nothing(300);
}

// Expiry set to 0 by DISCONNECT 0x04 ends the session, and so the waiting.
#[test]
fn p09_an_expiry_of_zero_in_disconnect_ends_the_waiting() {
    let (mut watcher, topic) = watcher();
    let connect = Connect::v5(unique("p09"))
        .expiry(60)
        .will(Will::new(&topic, "now").delay(30));
    let mut client = connect.to(broker());
    client.send(&disconnect(4, &prop_u32(SESSION_EXPIRY, 0)));
    client.expect_close();
    assert!(will_comes_after(&mut watcher, "now") < ms(1000));
}
