//! An image is never unmapped here; the models ask whether it could have been.

use super::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub(super) struct Image {
    haunted: AtomicBool,
    living: Mutex<usize>,
}

impl Image {
    pub(super) fn new() -> Self {
        Self {
            haunted: AtomicBool::new(false),
            living: Mutex::new(0),
        }
    }

    pub(super) fn enter(&self) {
        *self.living.lock() += 1;
    }

    pub(super) fn leave(&self) {
        *self.living.lock() -= 1;
    }

    pub(super) fn serves(&self) {}

    pub(super) fn haunt(&self) {
        self.haunted.store(true, Relaxed);
    }

    /// Whether anything lives in it.
    pub(super) fn is_empty(&self) -> bool {
        *self.living.lock() == 0
    }

    /// Whether it would be unmapped when the last that holds it lets go, and used for another before that.
    pub(super) fn unloads(&self) -> bool {
        !self.haunted.load(Relaxed)
    }
}
