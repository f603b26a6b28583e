//! Who may come in before anything is known of them: connections in all, connections a second, and nobody any more
//! once the broker drains.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

/// Limits of the whole broker, over all listeners and shards that share a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateSettings {
    /// Most connections at a time.
    pub max_connections: usize,
    /// Most new connections a second, on average; none for no limit.
    pub rate: Option<u32>,
    /// New connections that may come at once, when there were few before.
    pub burst: u32,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `max_connections` are there.
    Full,
    /// More new connections a second than `rate`.
    TooFast,
    /// The broker is about to stop.
    Draining,
}

/// Counts connections and lets new ones in.
#[derive(Debug)]
pub struct Gate {
    settings: GateSettings,
    connections: AtomicUsize,
    bucket: Mutex<Bucket>,
    draining: watch::Sender<bool>,
    accepted: AtomicU64,
    refused: AtomicU64,
    /// When refusals were last logged, and how many there were by then.
    logged: Mutex<Option<(Instant, u64)>>,
}

/// A connection's place inside: give it back by dropping it, with the connection.
#[derive(Debug)]
pub struct Permit(Arc<Gate>);

/// Tokens for new connections.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// At most one line in the log for refusals in this time.
const LOG_EVERY: Duration = Duration::from_secs(10);

impl Gate {
    /// An open gate.
    pub fn new(settings: GateSettings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            connections: AtomicUsize::new(0),
            bucket: Mutex::new(Bucket {
                tokens: f64::from(settings.burst.max(1)),
                filled: Instant::now(),
            }),
            draining: watch::Sender::new(false),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            logged: Mutex::new(None),
        })
    }

    /// Lets one connection in at `now`, or counts why not.
    ///
    /// # Errors
    /// The reason to close the socket at once.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Result<Permit, Refusal> {
        let admitted = self.try_admit(now);
        match &admitted {
            Ok(_) => {
                self.accepted.fetch_add(1, Relaxed);
            }
            Err(refusal) => self.refuse(*refusal, now),
        }
        admitted
    }

    fn try_admit(self: &Arc<Self>, now: Instant) -> Result<Permit, Refusal> {
        if *self.draining.borrow() {
            return Err(Refusal::Draining);
        }
        if self.connections.fetch_add(1, Relaxed) >= self.settings.max_connections {
            self.connections.fetch_sub(1, Relaxed);
            return Err(Refusal::Full);
        }
        // From here on dropping the permit gives the place back.
        let permit = Permit(self.clone());
        match self.settings.rate {
            Some(rate) if !self.bucket.lock().take(rate, self.settings.burst, now) => Err(Refusal::TooFast),
            _ => Ok(permit),
        }
    }

    /// Connections inside.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Connections let in so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections turned away so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Closes the gate: every accept loop closes its socket and ends.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Resolves once the gate is closed.
    pub(super) fn drained(&self) -> impl Future<Output = ()> + use<> {
        let mut draining = self.draining.subscribe();
        async move {
            // An error means that the gate is gone, and with it everything that could let in.
            let _ = draining.wait_for(|draining| *draining).await;
        }
    }

    /// Counts; and logs now and then, because an attack must not fill the disk.
    fn refuse(&self, refusal: Refusal, now: Instant) {
        let refused = self.refused.fetch_add(1, Relaxed) + 1;
        if refusal == Refusal::Draining {
            return;
        }
        let mut logged = self.logged.lock();
        let before = match *logged {
            Some((at, _)) if now.saturating_duration_since(at) < LOG_EVERY => return,
            Some((_, before)) => before,
            None => 0,
        };
        *logged = Some((now, refused));
        drop(logged);
        let count = refused.saturating_sub(before);
        match refusal {
            Refusal::Full => {
                let limit = self.settings.max_connections;
                tracing::warn!(
                    count,
                    limit,
                    "connections refused: the limit on connections is reached"
                );
            }
            _ => {
                let limit = self.settings.rate;
                tracing::warn!(
                    count,
                    ?limit,
                    "connections refused: more new ones a second than allowed"
                );
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

impl Bucket {
    fn take(&mut self, rate: u32, burst: u32, now: Instant) -> bool {
        // Shards call with clocks read a moment apart: time never runs backwards here.
        let passed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + passed.as_secs_f64() * f64::from(rate)).min(f64::from(burst.max(1)));
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(max_connections: usize, rate: Option<u32>, burst: u32) -> Arc<Gate> {
        Gate::new(GateSettings {
            max_connections,
            rate,
            burst,
        })
    }

    #[test]
    fn a_dropped_permit_makes_room() {
        let gate = gate(2, None, 1);
        let now = Instant::now();
        let first = gate.admit(now).unwrap();
        let _second = gate.admit(now).unwrap();
        assert_eq!(gate.admit(now).unwrap_err(), Refusal::Full);
        drop(first);
        assert!(gate.admit(now).is_ok());
        assert_eq!((gate.connections(), gate.accepted(), gate.refused()), (1, 3, 1));
    }

    #[test]
    fn the_rate_allows_a_burst_and_refills() {
        let gate = gate(100, Some(10), 3);
        let now = Instant::now();
        let count = |now| (0..50).filter(|_| gate.admit(now).is_ok()).count();
        assert_eq!(count(now), 3);
        assert_eq!(count(now + Duration::from_millis(210)), 2);
        assert_eq!(count(now), 0, "a clock read earlier brings nothing");
        assert_eq!(
            count(now + Duration::from_secs(60)),
            3,
            "no more than a burst however long it was quiet"
        );
        assert_eq!(gate.connections(), 0, "refused by rate is not inside");
    }

    #[test]
    fn nobody_gets_in_while_draining() {
        let gate = gate(1, None, 1);
        gate.drain();
        assert_eq!(gate.admit(Instant::now()).unwrap_err(), Refusal::Draining);
    }
}
