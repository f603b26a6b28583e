//! Numbers with one writer.
//!
//! A shard counts on its own thread alone, so adding needs no locked instruction: load, add, store. Readers on other threads
//! see some recent value. Two writers would lose counts; nothing would break.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows. One thread adds to it; any thread reads it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down. One thread changes it; any thread reads it.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Makes it `value`.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.set(self.get().saturating_add(n));
    }

    /// Takes `n` away, down to 0.
    pub fn sub(&self, n: u64) {
        self.set(self.get().saturating_sub(n));
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.sub(1);
    }

    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_stops_at_zero() {
        let gauge = Gauge::default();
        gauge.inc();
        gauge.sub(5);
        assert_eq!(gauge.get(), 0);
    }
}
