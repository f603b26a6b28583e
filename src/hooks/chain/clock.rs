//! Clocks that calls are measured by.

use rustix::time::{ClockId, clock_getres, clock_gettime};
use std::time::Duration;

/// A clock that costs a few nanoseconds and moves in steps.
#[derive(Clone, Copy)]
pub(super) struct Coarse(Duration);

impl Coarse {
    #[inline]
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::MonotonicCoarse);
        Self(Duration::try_from(now).unwrap_or_default())
    }

    /// How long it is at least since then, if that is more.
    #[inline]
    pub(super) fn took_more_than(self, budget: Duration) -> Option<Duration> {
        let took = Self::now().0.saturating_sub(self.0);
        if took.is_zero() {
            return None;
        }
        let step = Duration::try_from(clock_getres(ClockId::MonotonicCoarse));
        let at_least = took.saturating_sub(step.unwrap_or_default());
        (at_least > budget).then_some(at_least)
    }
}

/// How much time this thread has had.
pub(super) fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}
