//! The time as scripts see it: the machine's, or in a test what the test says.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that a test can stop and turn.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    stopped_at: Cell<Option<Duration>>,
}

impl Clock {
    /// Time since 1970. A machine's clock before 1970 is broken; a policy is not the one to deal with it.
    pub(crate) fn now(&self) -> Duration {
        self.stopped_at
            .get()
            .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// From now on the time is what the test says.
    pub(crate) fn set(&self, since_1970: Duration) {
        self.stopped_at.set(Some(since_1970));
    }

    /// Whether a test has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped_at.get().is_some()
    }
}
