//! What keeps the store from writing, in words, for as long as it lasts. The log is told when it begins and when it ends.

use std::io;
use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;

/// How long to wait before the first try again; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The trouble there is, or none.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// There is some.
    pub(super) fn begin(&self, doing: &str, path: &Path, error: &io::Error) {
        let words = format!("{} cannot be {doing}: {error}", path.display());
        let mut trouble = self.0.lock();
        if trouble.is_none() {
            tracing::error!(
                file = %path.display(),
                %error,
                "the store cannot go on: nothing is acknowledged until the disk takes what there is to write"
            );
        }
        *trouble = Some(words);
    }

    /// It is over, if there was any.
    pub(super) fn end(&self) {
        if self.0.lock().take().is_some() {
            tracing::info!("the store goes on: the disk has taken what there was to write");
        }
    }

    pub(super) fn words(&self) -> Option<String> {
        self.0.lock().clone()
    }
}

/// How long to wait before something is tried again.
#[derive(Debug)]
pub(super) struct Patience {
    wait: Duration,
    /// How often it is tried again once there is no time to wait.
    hurried_tries: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            wait: FIRST_WAIT,
            hurried_tries: 3,
        }
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_WAIT);
        wait
    }

    /// Is it worth another try at once?
    pub(super) fn hurry(&mut self) -> bool {
        self.hurried_tries = self.hurried_tries.saturating_sub(1);
        self.hurried_tries > 0
    }
}
