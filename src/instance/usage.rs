//! What an instance has and does at the moment, over all shards.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Quota;

/// A limit or a rule of the product that was met, as metrics and traces name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// More connections than `limits.instance_connections`.
    Connections,
    /// More subscriptions than `limits.instance_subscriptions`.
    Subscriptions,
    /// More subscriptions of one client than `limits.subscriptions`.
    ClientSubscriptions,
    /// More than `limits.tps`.
    Tps,
    /// More than `limits.client_tps`: advice, nothing is refused.
    ClientTps,
    /// More filters with a wildcard than `limits.wildcard_filters`.
    WildcardFilters,
    /// A payload larger than `limits.payload_size`.
    PayloadSize,
    /// A topic that is too short or too long, or has other characters than the product's.
    TopicName,
    /// A parent topic that nobody has created.
    ParentTopic,
    /// A client id that is not the product's.
    ClientId,
    /// A group that nobody has created.
    Group,
    /// A client id that is connected already.
    ClientIdConflict,
    /// A client that changed cleanSession between two connections.
    CleanSession,
    /// An instance or a host name that there is not.
    Instance,
}

impl Hit {
    /// All of them.
    pub const ALL: [Hit; 14] = [
        Hit::Connections,
        Hit::Subscriptions,
        Hit::ClientSubscriptions,
        Hit::Tps,
        Hit::ClientTps,
        Hit::WildcardFilters,
        Hit::PayloadSize,
        Hit::TopicName,
        Hit::ParentTopic,
        Hit::ClientId,
        Hit::Group,
        Hit::ClientIdConflict,
        Hit::CleanSession,
        Hit::Instance,
    ];

    /// Its name in metrics and traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hit::Connections => "connections",
            Hit::Subscriptions => "subscriptions",
            Hit::ClientSubscriptions => "client_subscriptions",
            Hit::Tps => "tps",
            Hit::ClientTps => "client_tps",
            Hit::WildcardFilters => "wildcard_filters",
            Hit::PayloadSize => "payload_size",
            Hit::TopicName => "topic_name",
            Hit::ParentTopic => "parent_topic",
            Hit::ClientId => "client_id",
            Hit::Group => "group",
            Hit::ClientIdConflict => "client_id_conflict",
            Hit::CleanSession => "clean_session",
            Hit::Instance => "instance",
        }
    }
}

/// Counters of one instance. They change with connections and subscriptions, not with messages.
#[derive(Debug, Default)]
pub struct Usage {
    /// Connections with a session.
    pub connections: Count,
    /// Subscriptions over all sessions.
    pub subscriptions: Count,
    /// What is published and delivered in a second.
    pub quota: Quota,
    /// Stored messages that had to make room, or were too old.
    pub evicted: Total,
    hits: [AtomicU64; Hit::ALL.len()],
}

impl Usage {
    /// A limit was met.
    pub fn hit(&self, hit: Hit) {
        if let Some(count) = self.hits.get(hit as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it was.
    #[must_use]
    pub fn hits(&self, hit: Hit) -> u64 {
        self.hits
            .get(hit as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// How many there have been.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are, of something that has a limit.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more, if there are fewer than `most`.
    pub fn enter(&self, most: usize) -> bool {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let more = |now: u64| (now < most).then_some(now + 1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// So many more, whatever the limit is by now: they were let in before.
    pub fn come_back(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// So many fewer.
    pub fn leave(&self, count: u64) {
        let fewer = |now: u64| Some(now.saturating_sub(count));
        let _always = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_counted_by_kind() {
        let usage = Usage::default();
        for (times, hit) in Hit::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| usage.hit(hit));
            assert_eq!(Hit::ALL[hit as usize], hit);
        }
        for (times, hit) in Hit::ALL.into_iter().enumerate() {
            assert_eq!(usage.hits(hit), times as u64);
        }
    }

    #[test]
    fn a_count_stops_at_its_limit() {
        let count = Count::default();
        assert!(count.enter(2) && count.enter(2) && !count.enter(2));
        count.leave(1);
        assert!(count.enter(2));
        count.leave(9);
        assert_eq!(count.get(), 0);
    }
}
