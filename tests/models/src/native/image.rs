//! An image is never unmapped here; the models ask whether it could have been.

use super::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub(super) struct Image {
    unload: AtomicBool,
    pub(super) living: Mutex<usize>,
}

impl Image {
    pub(super) fn new() -> Self {
        Self {
            unload: AtomicBool::new(true),
            living: Mutex::new(0),
        }
    }

    pub(super) fn may_unload(&self, may: bool) {
        self.unload.store(may, Relaxed);
    }

    pub(super) fn rest(&self) {}

    /// Whether it would be unmapped when the last that holds it lets go.
    pub(super) fn unloads(&self) -> bool {
        self.unload.load(Relaxed)
    }
}
