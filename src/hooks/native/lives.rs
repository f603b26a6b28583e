//! How many instances live, for whoever waits until they have ended.
//!
//! *Invariant*: a life counts until the last that its end does is done; for ever when something of it still runs.

use super::sync::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Those of the process.
#[derive(Default)]
pub(super) struct Lives {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) living: usize,
    /// Those that never will end, because something of theirs still runs.
    pub(super) stuck: usize,
}

/// Counts one life until its last clone is gone.
#[derive(Clone)]
pub(super) struct Ending {
    counted: Arc<Counted>,
    lives: Arc<Lives>,
}

struct Counted(Arc<Lives>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counts.lock().living -= 1;
        self.0.changed.notify_all();
    }
}

impl Ending {
    /// It will never end: it stays one of those that have not.
    pub(super) fn stuck(&self) {
        std::mem::forget(self.counted.clone());
        self.lives.counts.lock().stuck += 1;
        self.lives.changed.notify_all();
    }
}

impl Lives {
    /// One more.
    pub(super) fn begins(self: &Arc<Self>) -> Ending {
        self.counts.lock().living += 1;
        Ending {
            counted: Arc::new(Counted(self.clone())),
            lives: self.clone(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock()
    }

    /// Waits until every instance has ended that can; `false` when that takes longer than `patience`.
    pub(super) fn have_ended(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut counts = self.counts.lock();
        while counts.living > counts.stuck {
            if self.changed.wait_until(&mut counts, until).timed_out() {
                return counts.living <= counts.stuck;
            }
        }
        true
    }
}
