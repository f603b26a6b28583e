//! `[limits]`: how much of anything one client, one instance or all together may take.

use std::time::Duration;

use serde::Deserialize;

use super::humane;

/// `[limits]`. Where the hosted product has a limit, its value is the default. `"unlimited"` is the largest number of the
/// type (`usize::MAX`, `u32::MAX`), so that `count >= limit` needs no special case; for a duration it is `None`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once, over all listeners. Default: 100000. One more is closed at once.
    #[serde(with = "humane::limit")]
    pub connections: usize,
    /// New connections a second, over all listeners. Default: 2000. One more is closed at once.
    #[serde(with = "humane::limit")]
    pub connection_rate: u32,
    /// Connections at once that have not been let in yet (TLS, WebSocket, CONNECT, authentication). Default: 4000.
    #[serde(with = "humane::limit")]
    pub connecting: usize,
    /// From accepting a connection to the end of its CONNECT packet, TLS and WebSocket included. Default: "10s".
    #[serde(with = "humane::duration")]
    pub connect_timeout: Duration,
    /// Largest CONNECT packet, in bytes: all that a stranger can make Dunlin hold. Default: "128KiB".
    #[serde(with = "humane::size")]
    pub connect_packet_size: usize,
    /// Largest packet, in bytes; 5.0 clients are told it as Maximum Packet Size. Default: "128KiB".
    #[serde(with = "humane::size")]
    pub packet_size: usize,
    /// Largest payload of a PUBLISH or a will, in bytes. Default: "64KiB". A larger one is dropped; a 5.0 client is told 0x97.
    #[serde(with = "humane::size")]
    pub payload_size: usize,
    /// Longest client id, in bytes. Default: 64.
    #[serde(with = "humane::limit")]
    pub client_id_length: usize,
    /// Shortest topic name or filter, in bytes; `$` topics, P2P topics and `#` alone are exempt. Default: 3.
    pub topic_length_minimum: usize,
    /// Longest topic name or filter, in bytes, the `$share/NAME/` of a shared subscription not counted. Default: 64.
    #[serde(with = "humane::limit")]
    pub topic_length: usize,
    /// Most levels of a topic name or filter. Default: 32.
    #[serde(with = "humane::limit")]
    pub topic_levels: usize,
    /// Subscriptions of one session. Default: 30.
    #[serde(with = "humane::limit")]
    pub subscriptions: usize,
    /// Connections at once of one instance. Default: "unlimited": the product sells it by size. One more is refused.
    #[serde(with = "humane::limit")]
    pub instance_connections: usize,
    /// Subscriptions of one instance, over all its sessions. Default: "unlimited": the product sells it by size. One more is
    /// refused.
    #[serde(with = "humane::limit")]
    pub instance_subscriptions: usize,
    /// What one instance may publish and be sent in a second, weighted: a message of QoS 0 counts 1, of QoS 1 2, or 5 in a
    /// persistent session, of QoS 2 5. Default: "unlimited": the product sells it by size. What is over is not taken, and not
    /// acknowledged; a 5.0 client is told 0x97.
    #[serde(with = "humane::limit")]
    pub tps: u32,
    /// Messages a second that one client is advised not to exceed: counted and warned about. Default: 20.
    #[serde(with = "humane::limit")]
    pub client_tps: u32,
    /// Different filters with a wildcard for one parent topic. Default: 100. One more is acknowledged and has no effect; a 5.0
    /// client is told 0x97.
    #[serde(with = "humane::limit")]
    pub wildcard_filters: usize,
    /// Parent topics of one instance. Default: 25.
    #[serde(with = "humane::limit")]
    pub parent_topics: usize,
    /// Groups of one instance. Default: "unlimited".
    #[serde(with = "humane::limit")]
    pub groups: usize,
    /// CA certificates that may be registered in one instance. Default: 100.
    #[serde(with = "humane::limit")]
    pub ca_certificates: usize,
    /// Device certificates that are registered in one instance, about 2 KiB of memory each. Default: 100000. A client with one
    /// more comes in all the same; it is not registered.
    #[serde(with = "humane::limit")]
    pub device_certificates: usize,
    /// Sessions at once, with and without a connection. Default: 1000000.
    #[serde(with = "humane::limit")]
    pub sessions: usize,
    /// QoS 1 and 2 messages on their way to one client and not acknowledged; a 5.0 client's own Receive Maximum holds when it
    /// is lower. Default: 128, at most 65535.
    pub inflight: u16,
    /// Bytes that wait in the outbox of one connected client. Default: "8MiB".
    #[serde(with = "humane::size")]
    pub outbox_bytes: usize,
    /// Messages that wait for one connected client beyond those in flight. Default: 1000.
    #[serde(with = "humane::limit")]
    pub queue_messages: usize,
    /// Messages kept for absent clients, over the whole instance; the oldest goes first. Default: 1000000.
    #[serde(with = "humane::limit")]
    pub offline_messages: usize,
    /// How long a message is kept for an absent client. Default: "3d"; "unlimited" is possible.
    #[serde(with = "humane::duration_or_unlimited")]
    pub offline_age: Option<Duration>,
    /// Retained messages of the instance. Default: 100000. One more topic is not retained.
    #[serde(with = "humane::limit")]
    pub retained_messages: usize,
    /// Entries of the mailbox from one shard to another. Default: 4096, at least 1.
    pub mailbox: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connection_rate: 2_000,
            connecting: 4_000,
            connect_timeout: Duration::from_secs(10),
            connect_packet_size: 128 << 10,
            packet_size: 128 << 10,
            payload_size: 64 << 10,
            client_id_length: 64,
            topic_length: 64,
            topic_levels: 32,
            topic_length_minimum: 3,
            instance_connections: usize::MAX,
            instance_subscriptions: usize::MAX,
            tps: u32::MAX,
            client_tps: 20,
            wildcard_filters: 100,
            parent_topics: 25,
            groups: usize::MAX,
            ca_certificates: 100,
            device_certificates: 100_000,
            subscriptions: 30,
            sessions: 1_000_000,
            inflight: 128,
            outbox_bytes: 8 << 20,
            queue_messages: 1_000,
            offline_messages: 1_000_000,
            offline_age: Some(Duration::from_secs(3 * 24 * 60 * 60)),
            retained_messages: 100_000,
            mailbox: 4_096,
        }
    }
}
