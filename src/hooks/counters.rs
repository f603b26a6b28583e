//! Counters of the hook chain, for metrics.
//!
//! Every shard counts in a block of its own, so that counting costs no traffic between cores; reading adds them up.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What one entry did on one shard. Only that shard writes it.
        #[derive(Debug, Default)]
        pub struct EntryCounters { $($(#[$doc])* pub $name: AtomicU64,)* }

        /// What one entry did, all shards together.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct EntryTotals { $($(#[$doc])* pub $name: u64,)* }

        impl EntryTotals {
            fn add(&mut self, from: &EntryCounters) {
                $(self.$name += from.$name.load(Relaxed);)*
            }
        }
    };
}

counters! {
    /// Calls made.
    calls,
    /// Calls that failed: an error, an answer that is none, too much memory, a panic.
    errors,
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
    fn shards_add_up_and_a_name_keeps_its_counters() {
        let metrics = HookMetrics::default();
        let name: Arc<str> = "acl".into();
        for shard in [0, 1, 1] {
            count(&metrics.entry(&name, shard).calls);
        }
        assert_eq!(metrics.totals()["acl"].calls, 3);
    }
}
