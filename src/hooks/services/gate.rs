//! What stands before every backend: a bound on what is under way, and a breaker, so that a dead one costs a caller
//! microseconds and not its timeout.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// So many failures in a row, and the backend is taken for dead.
const FAILURES: u32 = 5;
/// So long nobody asks it then; after that, one does.
const REST: Duration = Duration::from_secs(2);

/// The state of one backend.
#[derive(Debug, Default)]
pub(super) struct Gate {
    under_way: AtomicUsize,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    asked_again: Option<Instant>,
}

/// A place among those that are under way.
pub(super) struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    /// Lets a caller through.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn enter(&self, name: &str, most: usize) -> Result<Pass<'_>, String> {
        {
            let mut health = self.health.lock();
            if let Some(at) = health.asked_again {
                let now = Instant::now();
                if at > now {
                    let left = (at - now).as_secs_f64();
                    return Err(format!("{name} is down; it is asked again in {left:.1} seconds"));
                }
                // This caller goes to see; the others wait for what it finds.
                health.asked_again = Some(now + REST);
            }
        }
        if self.under_way.fetch_add(1, Relaxed) >= most {
            self.under_way.fetch_sub(1, Relaxed);
            return Err(format!("{name} is busy: {most} requests are under way"));
        }
        Ok(Pass(self))
    }

    /// The backend answered.
    pub(super) fn succeeded(&self) {
        let mut health = self.health.lock();
        *health = Health::default();
    }

    /// The backend did not.
    pub(super) fn failed(&self) {
        let mut health = self.health.lock();
        health.failures += 1;
        if health.failures >= FAILURES {
            health.asked_again = Some(Instant::now() + REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_backend_is_left_alone_and_a_busy_one_says_so() {
        let gate = Gate::default();
        let pass = gate.enter("it", 1).unwrap();
        assert_eq!(
            gate.enter("it", 1).err().unwrap(),
            "it is busy: 1 requests are under way"
        );
        drop(pass);
        for _ in 0..FAILURES {
            drop(gate.enter("it", 1).unwrap());
            gate.failed();
        }
        assert!(
            gate.enter("it", 1)
                .err()
                .unwrap()
                .starts_with("it is down; it is asked again in ")
        );
        gate.succeeded();
        assert!(gate.enter("it", 1).is_ok());
    }
}
