//! What the threads of a store share, and what they owe each other.
//!
//! The writer changes the state, one request after the other, in the order of the calls; it alone writes. Who wants to read looks
//! at the state under its lock, notes where on the disk is what it needs, and leaves the reading to the reader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use super::disk::DiskFile;
use super::index::{Index, Location};
use super::queue::Queue;
use super::reader::Jobs;
use super::trouble::Trouble;

/// How far the log is written; what lies behind is in the writer's hands still.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) segment: u32,
    pub(super) end: u64,
    /// The last frame.
    pub(super) frame: u64,
}

/// The state as of the last request that was taken.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) files: BTreeMap<u32, Arc<dyn DiskFile>>,
    pub(super) written: Written,
    /// The ticket of that request.
    pub(super) applied: u64,
}

impl State {
    /// The frame that has to be written before this can be read; 0 if it can.
    pub(super) fn needs(&self, at: Location) -> u64 {
        let end = u64::from(at.offset) + u64::from(at.len);
        let unwritten =
            at.segment > self.written.segment || at.segment == self.written.segment && end > self.written.end;
        // There is one frame at most that is made and not written.
        if unwritten { self.written.frame + 1 } else { 0 }
    }
}

/// What the threads share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) queue: Queue,
    pub(super) jobs: Jobs,
    pub(super) trouble: Trouble,
    /// How many bodies could not be read.
    pub(super) unreadable: AtomicU64,
}
