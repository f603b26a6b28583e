//! How much an instance may do in a second, over all shards, without a shard asking the others for each message.
//!
//! Shards take from one [`Quota`] in handfuls and spend them from a [`Purse`] of their own. What is in a purse when the second
//! ends is lost, so the sum of all that is spent in a second never exceeds the limit by more than what was delivered to
//! others meanwhile: deliveries are charged and never refused.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Millis;

/// A second is taken in so many handfuls by each shard, at least.
const HANDFULS: u32 = 32;

/// What has been taken in the present second: the second in the upper half, the sum in the lower.
#[derive(Debug, Default)]
pub struct Quota(AtomicU64);

impl Quota {
    /// Takes up to `want` of `limit` a second; answers with how much there was.
    fn take(&self, second: u32, limit: u32, want: u32) -> u32 {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let (of, taken) = ((now >> 32) as u32, now as u32);
            // A shard whose clock is a moment behind takes from the second that has begun.
            let (of, taken) = if of < second { (second, 0) } else { (of, taken) };
            let granted = want.min(limit.saturating_sub(taken));
            if granted == 0 {
                // Nothing to write: who is refused must not hold up who is not.
                return 0;
            }
            let next = u64::from(of) << 32 | u64::from(taken.saturating_add(granted));
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return granted,
                Err(other) => now = other,
            }
        }
    }

    /// Takes `debt` beyond any limit: it was spent already.
    fn overdraw(&self, second: u32, debt: u32) {
        let more = |now: u64| {
            let (of, taken) = ((now >> 32) as u32, now as u32);
            let (of, taken) = if of < second { (second, 0) } else { (of, taken) };
            Some(u64::from(of) << 32 | u64::from(taken.saturating_add(debt)))
        };
        let _always = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// What was taken in the second of `now`.
    #[must_use]
    pub fn taken(&self, now: Millis) -> u32 {
        let state = self.0.load(Ordering::Relaxed);
        if (state >> 32) as u32 == second(now) {
            state as u32
        } else {
            0
        }
    }
}

fn second(now: Millis) -> u32 {
    u32::try_from(now.0 / 1000).unwrap_or(u32::MAX)
}

fn handful(limit: u32) -> i64 {
    i64::from((limit / HANDFULS).max(1))
}

/// One shard's part of an instance's second.
#[derive(Debug, Default)]
pub struct Purse {
    second: u32,
    /// Below zero by what was delivered beyond it.
    left: i64,
}

impl Purse {
    /// Spends `cost` if the instance may: `limit` a second, over all shards.
    #[inline]
    pub fn spend(&mut self, quota: &Quota, limit: u32, cost: u32, now: Millis) -> bool {
        self.roll(now);
        let cost = i64::from(cost);
        if self.left < cost {
            let handful = handful(limit).max(cost - self.left);
            let want = u32::try_from(handful).unwrap_or(u32::MAX);
            self.left += i64::from(quota.take(self.second, limit, want));
            if self.left < cost {
                return false;
            }
        }
        self.left -= cost;
        true
    }

    /// Charges `cost`, whether or not there is as much. Other shards are told of it by the handful.
    #[inline]
    pub fn charge(&mut self, quota: &Quota, limit: u32, cost: u32, now: Millis) {
        self.roll(now);
        self.left -= i64::from(cost);
        if self.left <= -handful(limit) {
            quota.overdraw(self.second, u32::try_from(-self.left).unwrap_or(u32::MAX));
            self.left = 0;
        }
    }

    /// A new second has new money; what was owed in the old one is forgotten.
    fn roll(&mut self, now: Millis) {
        let second = second(now);
        if self.second != second {
            self.second = second;
            self.left = 0;
        }
    }
}

/// What a message costs: QoS 0 is 1, QoS 1 is 2 or, in a persistent session, 5, QoS 2 is 5.
#[inline]
#[must_use]
pub fn weight(qos: u8, persistent: bool) -> u32 {
    match (qos, persistent) {
        (0, _) => 1,
        (1, false) => 2,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_much_as_the_limit_over_all_shards() {
        let quota = Quota::default();
        let mut purses = [Purse::default(), Purse::default(), Purse::default()];
        for second in [1, 2, 5] {
            let now = Millis(second * 1000);
            let mut spent = 0;
            for turn in 0..10_000 {
                let purse = &mut purses[turn % 3];
                spent += u32::from(purse.spend(&quota, 1000, 1, now));
            }
            assert_eq!(spent, 1000, "second {second}");
            assert_eq!(quota.taken(now), 1000);
        }
        assert_eq!(quota.taken(Millis(6000)), 0);
    }

    #[test]
    fn weights_are_the_products() {
        let all = [
            (0, false),
            (0, true),
            (1, false),
            (1, true),
            (2, false),
            (2, true),
        ];
        assert_eq!(
            all.map(|(qos, persistent)| weight(qos, persistent)),
            [1, 1, 2, 5, 5, 5]
        );
    }

    #[test]
    fn deliveries_leave_less_for_publishers_and_are_never_refused() {
        let (quota, mut purse) = (Quota::default(), Purse::default());
        let mut spent = 0;
        for _ in 0..100 {
            if purse.spend(&quota, 100, 5, Millis(1000)) {
                spent += 1;
                purse.charge(&quota, 100, 5, Millis(1000));
            }
        }
        assert_eq!(spent, 10);
        // Those of another shard count as well.
        let (quota, mut publisher, mut receiver) = (Quota::default(), Purse::default(), Purse::default());
        let mut spent = 0;
        for _ in 0..100 {
            if publisher.spend(&quota, 100, 5, Millis(1000)) {
                spent += 1;
                receiver.charge(&quota, 100, 5, Millis(1000));
            }
        }
        assert_eq!(spent, 10);
        // Nothing fits that is larger than all of it.
        assert!(!Purse::default().spend(&Quota::default(), 4, 5, Millis(1000)));
    }

    #[test]
    fn shards_take_from_it_at_once() {
        let quota = Quota::default();
        let spent: u32 = std::thread::scope(|scope| {
            let worker = || {
                let mut purse = Purse::default();
                (0..50_000)
                    .map(|_| u32::from(purse.spend(&quota, 20_000, 1, Millis(7000))))
                    .sum::<u32>()
            };
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert!((19_000..=20_000).contains(&spent), "{spent}");
    }
}
