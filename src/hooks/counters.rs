//! Counters of the hook chain, for metrics.
//!
//! Every shard counts in a block of its own, so that counting costs no traffic between cores; reading adds them up.

use dunlin_plugin_api::Hook;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What one entry did on one shard. Only that shard writes it.
        #[derive(Debug, Default)]
        pub struct EntryCounters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            /// By the number of the hook.
            hooks: [HookCounters; Hook::ALL.len()],
        }

        /// What one entry did, all shards together.
        #[derive(Debug, Default, Clone, PartialEq, Eq)]
        pub struct EntryTotals {
            $($(#[$doc])* pub $name: u64,)*
            /// Calls made, of all hooks.
            pub calls: u64,
            /// How long calls took, all hooks together, by bucket; see [`Latency`].
            pub latency: [u64; Latency::BUCKETS],
            /// The same for each hook that was called.
            pub hooks: BTreeMap<Hook, HookTotals>,
        }

        impl EntryTotals {
            fn add(&mut self, from: &EntryCounters) {
                $(self.$name += from.$name.load(Relaxed);)*
                for (hook, did) in Hook::ALL.iter().zip(&from.hooks) {
                    let calls = did.calls.load(Relaxed);
                    if calls > 0 {
                        self.calls += calls;
                        did.latency.add_to(&mut self.latency);
                        let totals = self.hooks.entry(*hook).or_default();
                        totals.calls += calls;
                        did.latency.add_to(&mut totals.latency);
                    }
                }
            }
        }
    };
}

counters! {
    /// Calls that failed: an error, an answer that is none, too much memory, a panic.
    errors,
    /// Those of them that were panics of a compiled plugin.
    panics,
    /// Calls that overran their time or their steps.
    timeouts,
    /// Calls that said deny or disconnect.
    denied,
    /// Times the breaker opened.
    opened,
    /// Calls not made because the breaker was open.
    refused,
    /// States dropped and built again.
    rebuilt,
    /// 1 while the breaker is open; in totals, on how many shards it is.
    open,
    /// 1 while its calls wait their turn because they take long; in totals, on how many shards they do.
    slow,
}

/// What one entry did in one hook, on one shard.
#[derive(Debug, Default)]
pub struct HookCounters {
    /// Calls made.
    pub calls: AtomicU64,
    /// How long they took; one in sixteen of those that do not wait.
    pub latency: Latency,
}

/// What one entry did in one hook, all shards together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HookTotals {
    /// Calls made.
    pub calls: u64,
    /// How long they took, by bucket; see [`Latency`].
    pub latency: [u64; Latency::BUCKETS],
}

impl EntryCounters {
    /// The counters of `hook`.
    #[inline]
    #[allow(clippy::indexing_slicing, reason = "as many as there are hooks")]
    pub(crate) fn of(&self, hook: Hook) -> &HookCounters {
        &self.hooks[hook as usize]
    }
}

/// A histogram of times. Bucket `n` counts what took less than 2^n * 250 ns, and at least half of that.
#[derive(Debug, Default)]
pub struct Latency([AtomicU64; Latency::BUCKETS]);

impl Latency {
    /// From 250 ns to 17 seconds.
    pub const BUCKETS: usize = 27;

    pub(crate) fn record(&self, took: Duration) {
        let quarters = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / 250;
        let bucket = (u64::BITS - quarters.leading_zeros()) as usize;
        if let Some(bucket) = self.0.get(bucket.min(Self::BUCKETS - 1)) {
            count(bucket);
        }
    }

    fn add_to(&self, totals: &mut [u64; Self::BUCKETS]) {
        for (total, bucket) in totals.iter_mut().zip(&self.0) {
            *total += bucket.load(Relaxed);
        }
    }

    /// The upper end of bucket `n`.
    #[must_use]
    pub fn upper(bucket: usize) -> Duration {
        Duration::from_nanos(250 << bucket.min(Self::BUCKETS))
    }
}

impl EntryTotals {
    /// The time within which `share` of the calls ended, as the upper end of its bucket; `None` without calls.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.latency.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let bucket = self.latency.iter().position(|n| {
            seen += n;
            seen >= wanted && seen > 0
        })?;
        Some(Latency::upper(bucket))
    }
}

/// Adds one. A plain load and store: each counter has one writer.
#[inline]
pub(crate) fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

/// Sets a gauge.
pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Relaxed);
}

/// By name of the entry and number of the shard.
type Blocks = BTreeMap<(Arc<str>, u16), Arc<EntryCounters>>;

/// Counters of all entries on all shards, and of the queues of observers. They outlive generations: an entry that keeps
/// its name keeps its counters.
#[derive(Debug, Default)]
pub struct HookMetrics {
    entries: Mutex<Blocks>,
    /// Events that observers missed because their queue was full.
    pub events_dropped: AtomicU64,
}

impl HookMetrics {
    /// The block of counters for `entry` on `shard`.
    pub(crate) fn entry(&self, entry: &Arc<str>, shard: u16) -> Arc<EntryCounters> {
        self.entries
            .lock()
            .entry((entry.clone(), shard))
            .or_default()
            .clone()
    }

    /// The totals of every entry that ever ran, by name.
    pub fn totals(&self) -> BTreeMap<Arc<str>, EntryTotals> {
        let mut totals: BTreeMap<Arc<str>, EntryTotals> = BTreeMap::new();
        for ((entry, _), counters) in self.entries.lock().iter() {
            totals.entry(entry.clone()).or_default().add(counters);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_their_buckets() {
        let counters = EntryCounters::default();
        count(&counters.of(Hook::Publish).calls);
        for _ in 0..99 {
            counters
                .of(Hook::Publish)
                .latency
                .record(Duration::from_nanos(300));
        }
        counters
            .of(Hook::Publish)
            .latency
            .record(Duration::from_millis(3));
        counters
            .of(Hook::Publish)
            .latency
            .record(Duration::from_secs(3600));
        let mut totals = EntryTotals::default();
        totals.add(&counters);
        assert_eq!(totals.quantile(0.5), Some(Duration::from_nanos(500)));
        assert!(
            totals
                .quantile(0.985)
                .is_some_and(|p| p >= Duration::from_millis(3) && p < Duration::from_millis(7))
        );
        assert_eq!(EntryTotals::default().quantile(0.5), None);
    }

    #[test]
    fn shards_add_up_and_a_name_keeps_its_counters() {
        let metrics = HookMetrics::default();
        let name: Arc<str> = "acl".into();
        for shard in [0, 1, 1] {
            count(&metrics.entry(&name, shard).of(Hook::Publish).calls);
        }
        count(&metrics.entry(&name, 1).of(Hook::Will).calls);
        let totals = metrics.totals()["acl"].clone();
        assert_eq!((totals.calls, totals.hooks[&Hook::Publish].calls), (4, 3));
    }
}
