//! The clock: one notion of "now" for keep alive, expiry and delays.
//!
//! *Invariant*: nothing in the broker below `server` reads the operating system's clock except through here,
//! so that a session can be tested with a time of the test's own making.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time, in milliseconds since the Unix epoch, that never goes backwards while the process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// The point `seconds` later; saturates at the end of time.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// The point `duration` later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long it is from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Reads the time. Wall-clock time is taken once, at the start; from there it runs on the monotonic clock, so a
/// step of the system's clock neither disconnects clients nor expires messages.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Unix time at the start.
    base: u64,
    /// The monotonic reading that belongs to `base`.
    started: Instant,
}

impl Clock {
    /// A clock that starts at the system's time.
    #[must_use]
    pub fn start() -> Self {
        let base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            base: u64::try_from(base.as_millis()).unwrap_or(0),
            started: Instant::now(),
        }
    }

    /// Now. Costs one call into the vDSO; read it once a turn, not once a message.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(self.base).plus(self.started.elapsed())
    }

    /// The monotonic instant at which `at` will be, for the runtime's own timers.
    #[must_use]
    pub fn instant(&self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at.0.saturating_sub(self.base).min(1 << 40))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_never_overflows() {
        assert_eq!(Millis(u64::MAX - 1).plus_seconds(u64::MAX), Millis(u64::MAX));
        assert_eq!(Millis(5).since(Millis(9)), Duration::ZERO);
        assert_eq!(Millis(1).plus_seconds(2), Millis(2001));
    }
}
