//! Watching a new generation: is it worse than the one before?
//!
//! One [`Watch`] is shared by all shards for as long as the generation is new. The shards count, the reloader looks
//! ([`Watch::breach`]) and rolls back.

use super::client::Client;
use crate::config::hooks::WatchSettings;
use dunlin_plugin_api::Hook;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many offending calls an incident report holds.
const OFFENCES: usize = 200;
/// How much of a topic, a filter or a reason it holds, in bytes: they come from strangers.
const TEXT: usize = 512;
/// Slow calls below this number are bad luck: the machine has other things to do, too.
const LEAST_LATE: u64 = 5;

/// What the shards saw of a new generation.
#[derive(Debug)]
pub struct Watch {
    settings: WatchSettings,
    began: Instant,
    calls: AtomicU64,
    errors: AtomicU64,
    late: AtomicU64,
    asked: AtomicU64,
    denied: AtomicU64,
    offences: Mutex<VecDeque<Offence>>,
}

/// A call that counts against a new generation.
#[derive(Debug, Clone, Serialize)]
pub struct Offence {
    /// When, in seconds since 1970.
    pub at: f64,
    /// Which entry of the chain.
    pub policy: Arc<str>,
    /// Which hook.
    pub hook: &'static str,
    /// Whom it was about.
    pub client_id: Option<Arc<str>>,
    /// What it was about: a topic, a filter, a user name.
    pub about: String,
    /// What went wrong.
    pub what: String,
}

impl Offence {
    pub(crate) fn new(
        policy: &Arc<str>,
        hook: Hook,
        client: Option<&Client>,
        about: &str,
        what: String,
    ) -> Self {
        let cut = |text: &str| {
            text.get(..text.floor_char_boundary(TEXT))
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
            policy: policy.clone(),
            hook: hook.name(),
            client_id: client.map(|client| client.client_id.clone()),
            about: cut(about),
            what: cut(&what),
        }
    }
}

/// The bound that was left.
#[derive(Debug, Clone, PartialEq)]
pub enum Breach {
    /// Too many calls failed.
    Errors {
        /// So many failed.
        errors: u64,
        /// Of so many.
        calls: u64,
    },
    /// Too many calls were slow.
    Latency {
        /// So many took longer than the bound.
        late: u64,
        /// Of so many.
        calls: u64,
        /// The bound.
        bound: Duration,
    },
    /// Too many clients were denied what the generation before allows.
    Denials {
        /// So many clients.
        denied: u64,
        /// Of so many.
        clients: u64,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Errors { errors, calls } => write!(f, "{errors} of {calls} calls failed"),
            Breach::Latency { late, calls, bound } => {
                write!(f, "{late} of {calls} calls took longer than {bound:?}")
            }
            Breach::Denials { denied, clients } => write!(
                f,
                "{denied} of {clients} clients were denied what the generation before allows"
            ),
        }
    }
}

impl Watch {
    /// Begins now.
    #[must_use]
    pub fn new(settings: WatchSettings) -> Self {
        Self {
            settings,
            began: Instant::now(),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            late: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            offences: Mutex::default(),
        }
    }

    /// A call was made, and took so long.
    #[inline]
    pub(crate) fn called(&self, took: Duration, offence: impl FnOnce() -> Offence) {
        self.calls.fetch_add(1, Relaxed);
        if took > self.settings.p99 {
            self.late.fetch_add(1, Relaxed);
            self.note(offence);
        }
    }

    /// A call failed.
    pub(crate) fn failed(&self, offence: impl FnOnce() -> Offence) {
        self.errors.fetch_add(1, Relaxed);
        self.note(offence);
    }

    /// One more client was asked about.
    pub(crate) fn asked(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    /// One more client was denied what it had.
    pub(crate) fn denied(&self, offence: impl FnOnce() -> Offence) {
        self.denied.fetch_add(1, Relaxed);
        self.note(offence);
    }

    fn note(&self, offence: impl FnOnce() -> Offence) {
        let mut offences = self.offences.lock();
        // The first say how it began, and of the rest there is more of the same.
        if offences.len() < OFFENCES {
            offences.push_back(offence());
        }
    }

    /// The bound that was left, if one was.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        let WatchSettings {
            least,
            errors: rate,
            denied: share,
            denied_clients,
            p99,
            ..
        } = self.settings;
        let errors = self.errors.load(Relaxed);
        // A call that was refused by the breaker was not made, but is a failure all the same.
        let calls = self.calls.load(Relaxed).max(errors);
        if calls >= least && errors as f64 >= calls as f64 * rate && errors > 0 {
            return Some(Breach::Errors { errors, calls });
        }
        let late = self.late.load(Relaxed);
        if calls >= least && late >= LEAST_LATE && late as f64 > calls as f64 / 100.0 {
            return Some(Breach::Latency {
                late,
                calls,
                bound: p99,
            });
        }
        let (denied, clients) = (self.denied.load(Relaxed), self.asked.load(Relaxed));
        if denied >= denied_clients && denied as f64 >= clients as f64 * share {
            return Some(Breach::Denials { denied, clients });
        }
        None
    }

    /// Whether the time to watch is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.began.elapsed() >= self.settings.window
    }

    /// How long it will go on.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.settings.window.saturating_sub(self.began.elapsed())
    }

    /// The calls that count against the generation.
    #[must_use]
    pub fn offences(&self) -> Vec<Offence> {
        self.offences.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(WatchSettings::default())
    }

    fn offence() -> Offence {
        Offence::new(&"a".into(), Hook::Publish, None, "t", "x".into())
    }

    #[test]
    fn a_few_failures_are_not_a_breach_and_many_are() {
        let watch = watch();
        for n in 0..200 {
            watch.called(Duration::ZERO, offence);
            if n % 20 == 0 {
                watch.failed(offence);
            }
        }
        assert_eq!(watch.breach(), None);
        for _ in 0..20 {
            watch.called(Duration::ZERO, offence);
            watch.failed(offence);
        }
        assert_eq!(
            watch.breach(),
            Some(Breach::Errors {
                errors: 30,
                calls: 220
            })
        );
        assert_eq!(watch.offences().len(), 30);
    }

    #[test]
    fn slow_calls_count_by_their_share() {
        let watch = watch();
        for n in 0..1000 {
            let slow = n % 125 == 0;
            watch.called(Duration::from_millis(if slow { 100 } else { 0 }), offence);
        }
        assert_eq!(watch.breach(), None);
        for _ in 0..10 {
            watch.called(Duration::from_millis(100), offence);
        }
        assert!(matches!(watch.breach(), Some(Breach::Latency { late: 18, .. })));
    }

    #[test]
    fn a_lonely_stranger_rolls_nothing_back() {
        let watch = watch();
        watch.asked();
        watch.denied(offence);
        assert_eq!(watch.breach(), None);
        for _ in 0..4 {
            watch.asked();
            watch.denied(offence);
        }
        assert_eq!(
            watch.breach(),
            Some(Breach::Denials {
                denied: 5,
                clients: 5
            })
        );
    }
}
