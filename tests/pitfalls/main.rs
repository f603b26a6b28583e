//! The normative points that brokers were seen to get wrong: one module for one to four of them, and `pNN` in each
//! test's name is the number of its point.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod acks;
mod connecting;
mod delivery_limits;
mod ending;
mod enhanced_auth;
mod flow;
mod keep_alive;
mod malformed;
mod overlap;
mod properties;
mod qos2;
mod redelivery;
mod resources;
mod retained;
mod sessions;
mod shared;
mod utf8;
mod websocket;
mod wills;

use std::sync::OnceLock;
use support::{Broker, Client, Connect, PUBACK, Packet, Publish};

/// The broker that all tests share which need no settings of their own.
fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start(&[]))
}

/// A 5.0 client of the shared broker with an id of its own.
fn v5() -> Client {
    Connect::v5(support::unique("five")).to(broker())
}

/// The same for 3.1.1.
fn v311() -> Client {
    Connect::v311(support::unique("four")).to(broker())
}

/// Publishes a QoS 1 message and waits until the broker has it.
#[track_caller]
fn publish_acknowledged(client: &mut Client, message: Publish) -> Packet {
    client.publish(message.qos(1, 4242));
    let puback = client.expect(PUBACK);
    assert!(puback.id == 4242 && puback.code() < 0x80, "{puback:02x?}");
    puback
}

/// All PUBLISH packets that come until the connection has been silent for a while: an acknowledgement does not say
/// that other subscribers have the message already.
#[track_caller]
fn all_messages(client: &mut Client) -> Vec<Packet> {
    let mut messages = Vec::new();
    while let Some(packet) = client.receive_within(200) {
        assert_eq!(packet.kind, support::PUBLISH, "{packet:02x?}");
        messages.push(packet);
    }
    client.ping();
    messages
}

/// The payloads as text, in the order in which they came.
fn payloads(messages: &[Packet]) -> Vec<String> {
    messages
        .iter()
        .map(|m| String::from_utf8_lossy(&m.payload).into_owned())
        .collect()
}
