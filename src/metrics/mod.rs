//! Counters: one set a shard, summed when somebody asks.
//!
//! Invariant: counting costs the hot path one plain addition to memory that no other shard writes, and never a lock.

mod counter;
mod export;
mod process;
mod snapshot;
mod sys;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

pub use counter::{Counter, Gauge};
pub use export::Exporter;
pub use snapshot::Snapshot;
pub use sys::{Load, sys_topics};

/// Why a message reached nobody, or not one who was to get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum DropReason {
    /// The receiver's queue was full.
    QueueFull,
    /// The mailbox of another shard was full (QoS 0 alone).
    MailboxFull,
    /// Too many messages for absent clients: the oldest went.
    OfflineFull,
    /// Its expiry, or the age of offline messages, was over.
    Expired,
    /// Larger than the payload limit, or than the receiver's Maximum Packet Size.
    TooLarge,
    /// A policy denied it.
    Denied,
    /// A policy dropped it.
    Policy,
    /// A retained message too many: it was delivered and not kept.
    RetainedFull,
    /// The instance had published and been sent as much in this second as it may.
    Quota,
    /// Nobody had subscribed. Not counted as dropped in `$SYS`.
    NoSubscriber,
}

impl DropReason {
    /// Every reason, in the order of its number.
    pub const ALL: [DropReason; 10] = [
        Self::QueueFull,
        Self::MailboxFull,
        Self::OfflineFull,
        Self::Expired,
        Self::TooLarge,
        Self::Denied,
        Self::Policy,
        Self::RetainedFull,
        Self::Quota,
        Self::NoSubscriber,
    ];

    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::MailboxFull => "mailbox_full",
            Self::OfflineFull => "offline_full",
            Self::Expired => "expired",
            Self::TooLarge => "too_large",
            Self::Denied => "denied",
            Self::Policy => "policy",
            Self::RetainedFull => "retained_full",
            Self::Quota => "quota",
            Self::NoSubscriber => "no_subscriber",
        }
    }
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum RefuseReason {
    /// A limit on connections was reached.
    Limit,
    /// No CONNECT in time.
    Timeout,
    /// The handshake of TLS or WebSocket failed.
    Handshake,
    /// The first packet was not a CONNECT that can be served.
    Protocol,
    /// No policy let it in.
    Auth,
    /// The broker is stopping.
    Draining,
}

impl RefuseReason {
    /// Every reason, in the order of its number.
    pub const ALL: [RefuseReason; 6] = [
        Self::Limit,
        Self::Timeout,
        Self::Handshake,
        Self::Protocol,
        Self::Auth,
        Self::Draining,
    ];

    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Handshake => "handshake",
            Self::Protocol => "protocol",
            Self::Auth => "auth",
            Self::Draining => "draining",
        }
    }
}

/// Messages dropped, by [`DropReason`].
#[derive(Debug, Default)]
pub struct Dropped([Counter; 9]);

impl Dropped {
    /// Adds `n` messages that were dropped for `reason`.
    pub fn add(&self, reason: DropReason, n: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.add(n);
        }
    }
}

/// Connections refused, by [`RefuseReason`].
#[derive(Debug, Default)]
pub struct Refused([Counter; 6]);

impl Refused {
    /// Adds a connection that was refused for `reason`.
    pub fn inc(&self, reason: RefuseReason) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.inc();
        }
    }
}

/// Counters by QoS.
#[derive(Debug, Default)]
pub struct ByQos([Counter; 3]);

impl ByQos {
    /// Adds `n` messages of `qos` (0, 1 or 2).
    pub fn add(&self, qos: u8, n: u64) {
        if let Some(counter) = self.0.get(usize::from(qos)) {
            counter.add(n);
        }
    }

    /// Adds a message of `qos` (0, 1 or 2).
    pub fn inc(&self, qos: u8) {
        self.add(qos, 1);
    }
}

/// What one shard counts. Only that shard's thread writes it.
///
/// Aligned to 128 bytes, because processors fetch cache lines in pairs: neighbours would slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardMetrics {
    /// Clients that are connected now.
    pub connections: Gauge,
    /// Connections that were let in.
    pub connects_total: Counter,
    /// Connections that were not let in.
    pub connects_refused_total: Refused,
    /// Connections that ended after they were let in.
    pub disconnects_total: Counter,
    /// Sessions that another connection with the same client id took over.
    pub takeovers_total: Counter,
    /// MQTT packets received, of all types.
    pub packets_received: Counter,
    /// MQTT packets sent, of all types.
    pub packets_sent: Counter,
    /// Bytes of MQTT received, TLS and WebSocket not counted.
    pub bytes_received: Counter,
    /// Bytes of MQTT sent, TLS and WebSocket not counted.
    pub bytes_sent: Counter,
    /// PUBLISH packets received, by QoS.
    pub publish_received: ByQos,
    /// PUBLISH packets sent, by QoS.
    pub publish_sent: ByQos,
    /// Bytes of payload in PUBLISH packets received.
    pub publish_bytes_received: Counter,
    /// Bytes of payload in PUBLISH packets sent.
    pub publish_bytes_sent: Counter,
    /// Messages dropped, by reason; one for each receiver.
    pub messages_dropped: Dropped,
    /// Wills that were published.
    pub wills_published: Counter,
    /// Logins that a policy denied.
    pub auth_denied: Counter,
    /// Times that the mailbox of another shard was full and a publisher was held back.
    pub mailbox_full: Counter,
    /// Subscriptions now, shared ones among them.
    pub subscriptions: Gauge,
    /// Shared subscriptions now.
    pub shared_subscriptions: Gauge,
    /// Sessions now, with and without a connection.
    pub sessions: Gauge,
    /// Sessions without a connection now.
    pub sessions_offline: Gauge,
    /// Sessions that ended because their expiry was over.
    pub sessions_expired: Counter,
    /// QoS 1 and 2 messages sent and not acknowledged now.
    pub inflight: Gauge,
    /// Messages that wait for connected clients now.
    pub queued_messages: Gauge,
}

/// The counters of all shards.
#[derive(Debug)]
pub struct Metrics {
    shards: Vec<Arc<ShardMetrics>>,
    started: Instant,
    most_connections: AtomicU64,
}

impl Metrics {
    /// Counters at zero for `shards` shards.
    pub fn new(shards: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..shards).map(|_| Arc::default()).collect(),
            started: Instant::now(),
            most_connections: AtomicU64::new(0),
        })
    }

    /// The counters of one shard; `None` when there is no shard of that number.
    pub fn shard(&self, index: usize) -> Option<Arc<ShardMetrics>> {
        self.shards.get(index).cloned()
    }

    /// All counters, summed now.
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot {
            uptime: self.started.elapsed(),
            ..Snapshot::default()
        };
        for shard in &self.shards {
            sum.add(shard);
        }
        let most = self.most_connections.fetch_max(sum.connections, Relaxed);
        sum.most_connections = most.max(sum.connections);
        sum
    }

    fn shards(&self) -> impl Iterator<Item = &ShardMetrics> {
        self.shards.iter().map(Arc::as_ref)
    }
}
