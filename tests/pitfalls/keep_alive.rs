//! Point 10: Keep Alive.

use std::time::{Duration, Instant};

use crate::support::*;
use crate::{Client, broker, v5};

/// How long the broker keeps the silent client.
#[track_caller]
fn lasts(client: &mut Client) -> Duration {
    let begin = Instant::now();
    client.expect_error(0x8D);
    begin.elapsed()
}

// [MQTT-3.1.2-22] 1.5 times the interval, and not much more; 3.1.1 [MQTT-3.1.2-24]
#[test]
fn p10_a_silent_client_is_closed_at_one_and_a_half_times_its_keep_alive() {
    for version in [V31, V311, V5] {
        let mut client = Connect::new(version, unique("p10")).keep_alive(1).to(broker());
        let lasted = lasts(&mut client);
        assert!(
            lasted >= ms(1400) && lasted <= ms(2000),
            "version {version}: {lasted:?}"
        );
    }
}

#[test]
fn p10_two_seconds_are_three() {
    let mut client = Connect::v311(unique("p10")).keep_alive(2).to(broker());
    let lasted = lasts(&mut client);
    assert!(lasted >= ms(2900) && lasted <= ms(3500), "{lasted:?}");
}

// The time runs from the last packet, to the fraction of a second.
#[test]
fn p10_the_time_runs_from_the_last_packet() {
    let mut client = Connect::v5(unique("p10")).keep_alive(1).to(broker());
    sleep(1200);
    client.ping();
    let lasted = lasts(&mut client);
    assert!(lasted >= ms(1400) && lasted <= ms(2000), "{lasted:?}");
}

// 3.1.2.10: 0 switches it off.
#[test]
fn p10_zero_switches_it_off() {
    for version in [V311, V5] {
        let mut client = Connect::new(version, unique("p10")).to(broker());
        client.expect_nothing(2500);
        client.ping();
    }
}

// 3.1.2.10: any packet counts, not PINGREQ alone.
#[test]
fn p10_any_packet_counts() {
    let mut client = Connect::v5(unique("p10")).keep_alive(1).to(broker());
    for _ in 0..2 {
        sleep(900);
        client.publish(publish("p10", "x"));
        sleep(900);
        client.send(&ack(PUBREL, 77));
        client.expect_ack(PUBCOMP, 77, 0x92);
    }
    client.ping();
}

// What the broker sends does not count: the client says nothing.
#[test]
fn p10_outbound_traffic_does_not_count() {
    let (mut client, topic) = (
        Connect::v311(unique("p10")).keep_alive(1).to(broker()),
        unique("p10"),
    );
    client.subscribe(&topic, 0);
    let (begin, mut publisher) = (Instant::now(), v5());
    while begin.elapsed() < ms(1300) {
        publisher.publish(publish(&topic, "x"));
        client.expect_message("x");
        sleep(100);
    }
    client.expect_close();
    assert!(begin.elapsed() <= ms(2000), "{:?}", begin.elapsed());
}

// Half a packet is none, and does not hold the connection.
#[test]
fn p10_half_a_packet_does_not_hold_the_connection() {
    let mut client = Connect::v311(unique("p10")).keep_alive(1).to(broker());
    let begin = Instant::now();
    client.send(&[0x30, 20, 0, 3]);
    client.expect_close();
    assert!(begin.elapsed() <= ms(4500), "{:?}", begin.elapsed());
}

// [MQTT-3.1.2-21], [MQTT-3.2.2-21] the Server Keep Alive is what counts then, in 5.0; older clients are not told of it.
#[test]
fn p10_server_keep_alive_is_told_to_5_clients() {
    let broker = Broker::start(&["mqtt.server_keep_alive=\"1s\""]);
    let mut client = Connect::v5("five").keep_alive(60).to(&broker);
    assert_eq!(client.connack.number(SERVER_KEEP_ALIVE), Some(1));
    let lasted = lasts(&mut client);
    assert!(lasted >= ms(1400) && lasted <= ms(2000), "{lasted:?}");
    // 3.1.1 has no way to tell it, so the client's own holds.
    let mut old = Connect::v311("four").keep_alive(60).to(&broker);
    old.expect_nothing(2000);
    old.ping();
}

// The Will follows the keep alive's end, and the session stays.
#[test]
fn p10_the_end_is_a_lost_connection() {
    let (mut watcher, topic, id) = (v5(), unique("p10"), unique("p10"));
    watcher.subscribe(&topic, 0);
    let mut client = Connect::v5(&id)
        .keep_alive(1)
        .expiry(60)
        .will(Will::new(&topic, "silent"))
        .to(broker());
    client.expect_disconnect(0x8D);
    watcher.expect_message("silent");
    assert!(Connect::v5(&id).resume().to(broker()).connack.session_present);
}

// 3.1.1 has no Server Keep Alive: who asks for more is not refused, and not closed before its own time
// [MQTT-3.1.2-24].
#[test]
fn p10_server_keep_alive_is_not_for_311_clients() {
    let broker = Broker::start(&["mqtt.server_keep_alive=\"1s\""]);
    let mut older = Connect::v311("older").keep_alive(60).to(&broker);
    let mut newer = Connect::v5("newer").keep_alive(60).to(&broker);
    assert_eq!(newer.connack.number(SERVER_KEEP_ALIVE), Some(1));
    newer.expect_disconnect(0x8D);
    sleep(1000);
    older.ping();
}
