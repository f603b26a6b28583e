//! The counters of all shards at one moment.

use std::time::Duration;

use super::{Counter, DropReason, ShardMetrics};

/// Sums over all shards. The fields are those of [`ShardMetrics`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Time since the start.
    pub uptime: Duration,
    /// Clients connected.
    pub connections: u64,
    /// Most clients connected at once, as far as snapshots saw it.
    pub most_connections: u64,
    /// Connections let in.
    pub connects_total: u64,
    /// Connections not let in, by [`RefuseReason`](super::RefuseReason).
    pub connects_refused_total: [u64; 6],
    /// Connections ended.
    pub disconnects_total: u64,
    /// Sessions taken over.
    pub takeovers_total: u64,
    /// Packets received.
    pub packets_received: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// PUBLISH packets received, by QoS.
    pub publish_received: [u64; 3],
    /// PUBLISH packets sent, by QoS.
    pub publish_sent: [u64; 3],
    /// Bytes of payload received.
    pub publish_bytes_received: u64,
    /// Bytes of payload sent.
    pub publish_bytes_sent: u64,
    /// Messages dropped, by [`DropReason`].
    pub messages_dropped: [u64; 9],
    /// Wills published.
    pub wills_published: u64,
    /// Denials.
    pub auth_denied: u64,
    /// Times a mailbox was full.
    pub mailbox_full: u64,
    /// Retained messages; whoever has the store fills it in.
    pub retained: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Shared subscriptions.
    pub shared_subscriptions: u64,
    /// Sessions.
    pub sessions: u64,
    /// Sessions without a connection.
    pub sessions_offline: u64,
    /// Sessions expired.
    pub sessions_expired: u64,
    /// Messages in flight.
    pub inflight: u64,
    /// Messages waiting for connected clients.
    pub queued_messages: u64,
    /// Messages kept for absent clients; whoever has the store fills it in.
    pub offline_messages: u64,
}

impl Snapshot {
    /// Messages dropped, those that nobody had subscribed to not counted.
    pub fn dropped(&self) -> u64 {
        let nobody = self
            .messages_dropped
            .get(DropReason::NoSubscriber as usize)
            .copied()
            .unwrap_or(0);
        self.messages_dropped.iter().sum::<u64>().saturating_sub(nobody)
    }

    pub(super) fn add(&mut self, shard: &ShardMetrics) {
        self.connections += shard.connections.get();
        self.connects_total += shard.connects_total.get();
        add_each(&mut self.connects_refused_total, &shard.connects_refused_total.0);
        self.disconnects_total += shard.disconnects_total.get();
        self.takeovers_total += shard.takeovers_total.get();
        self.packets_received += shard.packets_received.get();
        self.packets_sent += shard.packets_sent.get();
        self.bytes_received += shard.bytes_received.get();
        self.bytes_sent += shard.bytes_sent.get();
        add_each(&mut self.publish_received, &shard.publish_received.0);
        add_each(&mut self.publish_sent, &shard.publish_sent.0);
        self.publish_bytes_received += shard.publish_bytes_received.get();
        self.publish_bytes_sent += shard.publish_bytes_sent.get();
        add_each(&mut self.messages_dropped, &shard.messages_dropped.0);
        self.wills_published += shard.wills_published.get();
        self.auth_denied += shard.auth_denied.get();
        self.mailbox_full += shard.mailbox_full.get();
        self.subscriptions += shard.subscriptions.get();
        self.shared_subscriptions += shard.shared_subscriptions.get();
        self.sessions += shard.sessions.get();
        self.sessions_offline += shard.sessions_offline.get();
        self.sessions_expired += shard.sessions_expired.get();
        self.inflight += shard.inflight.get();
        self.queued_messages += shard.queued_messages.get();
    }
}

fn add_each(sums: &mut [u64], counters: &[Counter]) {
    for (sum, counter) in sums.iter_mut().zip(counters) {
        *sum += counter.get();
    }
}
