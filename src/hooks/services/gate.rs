//! What stands before every backend: a bound on what is under way, a time limit, and a breaker, so that a dead one costs
//! a caller microseconds and not its timeout.
//!
//! *Invariant*: only what the backend does counts against it. What a script asks for, and so what a stranger may have put
//! into it, never makes a backend that works look dead to others.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// So many failures in a row, and the backend is taken for dead.
const FAILURES: u32 = 5;
/// So long nobody asks it then; after that, one does.
const REST: Duration = Duration::from_secs(2);

/// Why a call to a backend came to nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// It answered, and not with what was wanted; or what was wanted is wrong by itself.
    Said(String),
    /// There is no talking to it.
    Gone(String),
}

/// How many calls are under way, and how many may be. Backends of one policy may share it.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    under_way: Arc<AtomicUsize>,
    most: usize,
}

impl Crowd {
    pub(super) fn of(most: usize) -> Self {
        Self {
            under_way: Arc::default(),
            most,
        }
    }
}

/// The way to one backend.
#[derive(Debug)]
pub(super) struct Gate {
    name: String,
    crowd: Crowd,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    asked_again: Option<Instant>,
}

impl Gate {
    pub(super) fn new(name: &str, crowd: Crowd) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            crowd,
            health: Mutex::default(),
        })
    }

    /// Lets a caller through that will wait for at most `timeout`. What it returns belongs to the work, not to who waits
    /// for it: what was abandoned and still runs is still under way.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn enter(self: &Arc<Self>, timeout: Duration) -> Result<Visit, String> {
        let (name, most) = (&self.name, self.crowd.most);
        if self.crowd.under_way.fetch_add(1, Relaxed) >= most {
            self.crowd.under_way.fetch_sub(1, Relaxed);
            return Err(format!("{name} is busy: {most} requests are under way"));
        }
        let now = Instant::now();
        let visit = Visit {
            gate: self.clone(),
            began: now,
            timeout,
            counted: false,
        };
        let mut health = self.health.lock();
        if let Some(at) = health.asked_again {
            if at > now {
                drop(health);
                let left = (at - now).as_secs_f64();
                visit.counts_as(|_| {});
                return Err(format!("{name} is down; it is asked again in {left:.1} seconds"));
            }
            // This caller goes to see; the others wait for what it finds.
            health.asked_again = Some(now + REST);
        }
        drop(health);
        Ok(visit)
    }
}

/// One call that is under way.
#[derive(Debug)]
pub(super) struct Visit {
    gate: Arc<Gate>,
    began: Instant,
    timeout: Duration,
    counted: bool,
}

impl Visit {
    /// Does the work within the visit's time.
    pub(super) async fn make<T>(self, work: impl Future<Output = Result<T, Failed>>) -> Result<T, String> {
        let done = tokio::time::timeout(self.timeout, work).await;
        let (name, timeout) = (self.gate.name.clone(), self.timeout);
        match done {
            Ok(Ok(value)) => {
                self.counts_as(Health::good);
                Ok(value)
            }
            Ok(Err(Failed::Said(why))) => {
                self.counts_as(Health::good);
                Err(format!("{name}: {why}"))
            }
            Ok(Err(Failed::Gone(why))) => {
                self.counts_as(Health::bad);
                Err(format!("{name}: {why}"))
            }
            Err(_late) => {
                self.counts_as(Health::bad);
                Err(format!("{name} did not answer within {timeout:?}"))
            }
        }
    }

    fn counts_as(mut self, what: fn(&mut Health)) {
        self.counted = true;
        what(&mut self.gate.health.lock());
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.gate.crowd.under_way.fetch_sub(1, Relaxed);
        // Who gives up early says nothing about the backend. Who waited for long, though less than its time, says enough:
        // else a backend whose callers have less patience than it has time would never be taken for dead.
        if !self.counted && self.began.elapsed() > self.timeout / 2 {
            self.gate.health.lock().bad();
        }
    }
}

impl Health {
    fn good(&mut self) {
        *self = Self::default();
    }

    fn bad(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.asked_again = Some(Instant::now() + REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(work)
    }

    const TIME: Duration = Duration::from_secs(1);

    #[test]
    fn a_dead_backend_is_left_alone_and_a_busy_one_says_so() {
        let gate = Gate::new("it", Crowd::of(1));
        let visit = gate.enter(TIME).unwrap();
        let why = gate.enter(TIME).err().unwrap();
        assert_eq!(why, "it is busy: 1 requests are under way");
        drop(visit);
        for _ in 0..FAILURES {
            let visit = gate.enter(TIME).unwrap();
            let why = block_on(visit.make(pending::<Result<(), Failed>>())).unwrap_err();
            assert_eq!(why, "it did not answer within 1s");
        }
        let why = gate.enter(TIME).err().unwrap();
        assert!(why.starts_with("it is down; it is asked again in "), "{why}");
        // Being refused leaves no one under way.
        gate.health.lock().good();
        let well = gate.enter(TIME).unwrap();
        assert_eq!(block_on(well.make(ready(Ok(7)))), Ok(7));
    }

    #[test]
    fn what_is_asked_wrongly_or_given_up_early_says_nothing() {
        let gate = Gate::new("it", Crowd::of(9));
        for _ in 0..=FAILURES {
            let wrong = ready(Err::<(), _>(Failed::Said("no".into())));
            assert_eq!(
                block_on(gate.enter(TIME).unwrap().make(wrong)),
                Err("it: no".into())
            );
            drop(gate.enter(TIME).unwrap());
        }
        for _ in 0..FAILURES {
            drop(gate.enter(Duration::ZERO).unwrap());
        }
        assert!(gate.enter(TIME).err().unwrap().contains("is down"));
    }
}
