//! Point 26: what strangers and slow readers may cost.

use std::time::Instant;

use crate::support::*;
use crate::{Client, broker, publish_acknowledged};

/// A broker of 64 KiB packets and one second for CONNECT.
fn tight() -> Broker {
    Broker::start(&[
        "limits.packet_size=\"64KiB\"",
        "limits.payload_size=\"64KiB\"",
        "limits.connect_timeout=\"1s\"",
    ])
}

// Nothing is reserved for a length that was only claimed.
#[test]
fn p26_no_memory_for_claimed_lengths() {
    let broker = Broker::start(&[]);
    let before = broker.resident();
    let claims: Vec<Client> = (0..200)
        .map(|n| {
            let mut client = if n % 2 == 0 {
                Client::open(&broker, V311)
            } else {
                Connect::v311("").to(&broker)
            };
            client.send(if n % 2 == 0 {
                &[0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4]
            } else {
                &[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4]
            });
            client
        })
        .collect();
    sleep(300);
    Connect::v5("alive").to(&broker).ping();
    if let (Some(before), Some(after)) = (before, broker.resident()) {
        assert!(
            after < before + 50_000_000,
            "{before} bytes before, {after} after"
        );
    }
    drop(claims);
}

// Lengths inside the packet claim nothing either: a property or a text that says 64 KiB in a packet of a few bytes.
#[test]
fn p26_lengths_inside_a_packet_are_checked_against_it() {
    for bytes in [
        "10 0C 00 04 4D 51 54 54 05 02 00 00 FF FF",
        "10 0E 00 04 4D 51 54 54 05 02 00 00 FF FF FF 7F",
    ] {
        let mut client = Client::open(broker(), V5);
        client.send_hex(bytes);
        client.expect_refusal();
    }
}

// 0x95 as soon as the header is there, not when the bytes have come.
#[test]
fn p26_too_large_packets_are_refused_at_their_header() {
    let broker = tight();
    let mut client = Connect::v5("five").to(&broker);
    assert!(
        client
            .connack
            .number(MAXIMUM_PACKET_SIZE)
            .is_some_and(|told| told <= 70_000)
    );
    client.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    client.expect_disconnect(0x95);
    let mut client = Connect::v311("four").to(&broker);
    client.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    client.expect_close();
}

// Before CONNACK the limit holds as well.
#[test]
fn p26_too_large_connects_are_refused_before_authentication() {
    let broker = Broker::start(&["limits.connect_packet_size=\"4KiB\""]);
    let mut client = Client::open(&broker, V5);
    client.send(&[0x10, 0xFF, 0xFF, 0x7F, 0, 4]);
    client.expect_refusal();
    let mut client = Client::open(&broker, V311);
    client.send(
        &Connect::v311("x")
            .username("u")
            .password("x".repeat(3000))
            .bytes(),
    );
    assert_eq!(client.expect(CONNACK).code(), 0);
}

// Who connects and says nothing, or a little at a time, is cut.
#[test]
fn p26_connect_must_come_in_time() {
    let broker = tight();
    let begin = Instant::now();
    let mut silent = Client::open(&broker, V5);
    let mut slow = Client::open(&broker, V5);
    let bytes = Connect::v5("slow").bytes();
    for byte in &bytes[..4] {
        slow.try_send(&[*byte]);
        sleep(200);
    }
    silent.expect_close();
    slow.expect_close();
    assert!(
        begin.elapsed() > ms(900) && begin.elapsed() < ms(3000),
        "{:?}",
        begin.elapsed()
    );
}

// A subscriber that never reads is limited or cut; publisher and other subscribers do not notice.
#[test]
fn p26_a_reader_that_never_reads_does_not_stall_the_publisher() {
    let broker = Broker::start(&["limits.outbox_bytes=\"1MiB\"", "limits.queue_messages=100"]);
    let mut stuck = Connect::v5("stuck").to(&broker);
    let mut reader = Connect::v5("reader").to(&broker);
    for client in [&mut stuck, &mut reader] {
        client.subscribe("flood", 0);
        client.subscribe("flood/one", 1);
    }
    let (mut publisher, chunk, begin) = (Connect::v5("p").to(&broker), vec![b'x'; 50_000], Instant::now());
    let before = broker.resident();
    for n in 0..600u32 {
        publisher.publish(publish("flood", &chunk));
        let message = reader.expect(PUBLISH);
        assert_eq!(message.payload.len(), chunk.len());
        if n % 100 == 0 {
            publish_acknowledged(&mut publisher, publish("flood/one", "q1"));
            let message = reader.expect_message("q1");
            reader.acknowledge(&message);
        }
    }
    assert!(begin.elapsed() < ms(20_000), "{:?}", begin.elapsed());
    if let (Some(before), Some(after)) = (before, broker.resident()) {
        assert!(
            after < before + 25_000_000,
            "{before} bytes before, {after} after"
        );
    }
    drop(stuck);
}

// A client that sends requests and never reads the answers costs no more than its outbox.
#[test]
fn p26_a_client_that_never_reads_its_answers() {
    let broker = Broker::start(&["limits.outbox_bytes=\"1MiB\""]);
    let before = broker.resident();
    let mut client = Connect::v5("greedy").to(&broker);
    client.stream().set_write_timeout(Some(ms(500))).unwrap();
    let pings = [0xC0, 0].repeat(50_000);
    for _ in 0..200 {
        if !client.try_send(&pings) {
            break;
        }
    }
    Connect::v5("other").to(&broker).ping();
    if let (Some(before), Some(after)) = (before, broker.resident()) {
        assert!(
            after < before + 25_000_000,
            "{before} bytes before, {after} after"
        );
    }
}

// The number of connections: 0x97 in 5.0, 3 in 3.1.1, or a close; those inside stay.
#[test]
fn p26_the_maximum_of_connections() {
    let broker = Broker::start(&["limits.connections=2"]);
    sleep(200); // until the connection that found the port open is gone
    let mut inside = [Connect::v5("a").to(&broker), Connect::v311("b").to(&broker)];
    for version in [V5, V311] {
        let mut client = Client::open(&broker, version);
        client.try_send(&Connect::new(version, "c").bytes());
        let connack = client.expect_refusal();
        assert!(connack.is_none_or(|connack| [0x97, 0x88, 0x89, 0x9F, 3].contains(&connack.code())));
    }
    inside.iter_mut().for_each(Client::ping);
    let [first, _second] = inside;
    first.disconnect();
    sleep(100);
    Connect::v5("d").to(&broker).ping();
}
