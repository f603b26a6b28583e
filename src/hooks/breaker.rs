//! The breaker of one chain entry: a policy that keeps failing is asked only now and then.
//!
//! The path of a healthy call reads no clock: calls are counted, and the window is looked at when one fails.

use crate::config::hooks::BreakerSettings;
use std::time::Instant;

/// Counts failures and decides whether the next call is made at all.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
    calls: u32,
    failures: u32,
    window_began: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Calls are made.
    Closed,
    /// Calls are not made until then.
    Open { until: Instant },
    /// One call is being made, to see. It may never come back, so another one is made then.
    Probing { until: Instant },
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed,
            calls: 0,
            failures: 0,
            window_began: None,
        }
    }

    /// Whether this call may be made. `now` is read only when the breaker is not closed.
    #[inline]
    pub(crate) fn admits(&mut self, now: impl FnOnce() -> Instant) -> bool {
        match self.state {
            State::Closed => {
                self.calls = self.calls.saturating_add(1);
                true
            }
            State::Open { until } | State::Probing { until } => {
                let now = now();
                let admitted = now >= until;
                if admitted {
                    let until = now + self.settings.probe;
                    self.state = State::Probing { until };
                }
                admitted
            }
        }
    }

    /// The call went well. Returns whether that closed the breaker.
    #[inline]
    pub(crate) fn succeeded(&mut self) -> bool {
        if self.state == State::Closed {
            return false;
        }
        *self = Self::new(self.settings);
        true
    }

    /// The call failed. Returns whether that opened the breaker anew.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let until = now + self.settings.probe;
        match self.state {
            State::Closed => {
                let over = self
                    .window_began
                    .is_none_or(|began| now - began > self.settings.window);
                if over {
                    // Calls of a window without failures are forgotten with it, or a day of good calls
                    // would hide an hour of bad ones.
                    let calls = if self.window_began.is_none() {
                        self.calls
                    } else {
                        1
                    };
                    (self.window_began, self.calls, self.failures) = (Some(now), calls, 0);
                }
                self.failures += 1;
                let least = self.settings.least.max(1);
                let failing = f64::from(self.failures) >= f64::from(self.calls) * self.settings.rate;
                if self.calls >= least && self.failures > 0 && failing {
                    self.state = State::Open { until };
                    return true;
                }
                false
            }
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Open { until };
                false
            }
        }
    }

    /// Whether calls are being held back.
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            least: 4,
            ..BreakerSettings::default()
        })
    }

    #[test]
    fn it_opens_at_the_rate_and_probes_until_well() {
        let mut breaker = breaker();
        let start = Instant::now();
        for n in 0..4 {
            assert!(breaker.admits(|| start));
            assert_eq!(breaker.failed(start), n == 3);
        }
        assert!(breaker.is_open() && !breaker.admits(|| start));
        let later = start + Duration::from_secs(1);
        assert!(breaker.admits(|| later));
        assert!(!breaker.failed(later) && !breaker.admits(|| later));
        assert!(breaker.admits(|| later + Duration::from_secs(1)));
        assert!(breaker.succeeded() && !breaker.is_open());
    }

    #[test]
    fn one_call_probes_at_a_time_and_may_get_lost() {
        let mut breaker = breaker();
        let start = Instant::now();
        for _ in 0..4 {
            breaker.admits(|| start);
            breaker.failed(start);
        }
        let second = |n| start + Duration::from_secs(n);
        assert!(breaker.admits(|| second(1)));
        // It waits: nobody else goes through until it has ended, or has taken too long.
        assert!(!breaker.admits(|| second(1)));
        assert!(!breaker.admits(|| second(2) - Duration::from_millis(1)));
        assert!(breaker.admits(|| second(2)) && !breaker.admits(|| second(2)));
        assert!(breaker.is_open() && breaker.succeeded());
        assert!(breaker.admits(|| second(2)) && breaker.admits(|| second(2)));
    }

    #[test]
    fn rare_failures_do_not_open_it() {
        let mut breaker = breaker();
        let start = Instant::now();
        for n in 0..1000_u32 {
            assert!(breaker.admits(|| start));
            if n % 3 == 2 {
                assert!(!breaker.failed(start + Duration::from_millis(n.into())));
            } else {
                assert!(!breaker.succeeded());
            }
        }
    }

    #[test]
    fn old_good_calls_do_not_hide_new_failures() {
        let mut breaker = breaker();
        let start = Instant::now();
        for _ in 0..10_000 {
            breaker.admits(|| start);
            breaker.succeeded();
        }
        breaker.failed(start);
        let later = start + Duration::from_secs(11);
        let opened = (0..8).any(|_| {
            breaker.admits(|| later);
            breaker.failed(later)
        });
        assert!(opened);
    }
}
