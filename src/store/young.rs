//! How many messages are younger than so and so long, told by the second.

use std::collections::BTreeMap;

use crate::time::Millis;

/// A window is no longer than this, so that it stays small whatever is asked for: a day.
const LONGEST: u64 = 86_400;

/// Counts messages by the second in which they were stored, for as long as they can be young.
#[derive(Debug, Default)]
pub(super) struct Young {
    /// How many of them were stored in which second. Only seconds from `settled` on.
    seconds: BTreeMap<u64, usize>,
    /// What was stored before this second is not young any more, and not counted here.
    settled: u64,
    /// How long a message is young.
    window_ms: u64,
}

impl Young {
    /// Messages are young for this long from now on. One that has been settled is not young again.
    pub(super) fn set_window(&mut self, window_ms: u64) {
        self.window_ms = window_ms;
    }

    /// Forgets all it has counted, to be told anew.
    pub(super) fn clear(&mut self) {
        self.seconds.clear();
        self.settled = 0;
    }

    /// One more.
    pub(super) fn add(&mut self, stored_at: Millis) {
        let second = stored_at.0 / 1000;
        if second < self.settled || self.window_ms == 0 {
            return;
        }
        let count = self.seconds.entry(second).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.settle(second);
        }
    }

    /// One less.
    pub(super) fn remove(&mut self, stored_at: Millis) {
        let second = stored_at.0 / 1000;
        if let Some(count) = self.seconds.get_mut(&second) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.seconds.remove(&second);
            }
        }
    }

    /// How many are young now. Rounded up to the second: a message is not called old before it is.
    pub(super) fn count(&self, now: Millis) -> usize {
        let Some(oldest_young) = (now.0 + 1).checked_sub(self.window_ms) else {
            return self.seconds.values().sum();
        };
        // A second is young while its last millisecond is: `second * 1000 + 999 + window > now`.
        let first = oldest_young.saturating_sub(999).div_ceil(1000);
        self.seconds.range(first..).map(|(_, count)| count).sum()
    }

    /// Forgets the seconds that are too long ago to be young.
    fn settle(&mut self, second: u64) {
        let window = (self.window_ms / 1000).saturating_add(2).min(LONGEST);
        let settled = second.saturating_sub(window);
        while self
            .seconds
            .first_key_value()
            .is_some_and(|(first, _)| *first < settled)
        {
            self.seconds.pop_first();
        }
        self.settled = self.settled.max(settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn young(window_ms: u64, stored: &[u64]) -> Young {
        let mut young = Young::default();
        young.set_window(window_ms);
        for at in stored {
            young.add(Millis(*at));
        }
        young
    }

    #[test]
    fn a_message_is_young_for_the_window_and_at_most_a_second_longer() {
        for at in [5_000, 5_500, 5_999] {
            let young = young(10_000, &[at]);
            assert_eq!(young.count(Millis(at + 9_999)), 1, "{at}");
            assert_eq!(young.count(Millis(at + 10_999)), 0, "{at}");
        }
    }

    #[test]
    fn without_a_window_nothing_is_young() {
        assert_eq!(young(0, &[5_000]).count(Millis(5_000)), 0);
    }

    #[test]
    fn one_that_is_gone_is_not_counted() {
        let mut young = young(10_000, &[5_000, 5_001, 7_000]);
        young.remove(Millis(5_001));
        assert_eq!(young.count(Millis(8_000)), 2);
    }

    #[test]
    fn it_stays_as_small_as_the_window() {
        let stored: Vec<u64> = (0..100_000).map(|second| second * 1000).collect();
        let mut young = young(10_000, &stored);
        assert!(young.seconds.len() <= 13, "{}", young.seconds.len());
        young.remove(Millis(1000));
        // Ten, and one that could be by its second.
        assert_eq!(young.count(Millis(99_999_000)), 11);
    }
}
