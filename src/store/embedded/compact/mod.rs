//! Gives room back: what is wanted of the oldest segment is written again at the end of the log, then its file goes.
//!
//! Always the oldest, so the log is a ring: what tells that something is gone never goes before what it tells of, and never outlasts
//! it either, so it is not written again.

mod copy;
mod source;

use std::io;
use std::sync::Arc;

use super::disk::Disk;
use super::format::draft::Draft;
use super::format::op::Ops;
use super::format::segment;
use super::log::{GivenUp, Log};
use super::shared::Shared;
use copy::Copy;
use source::Source;

/// The lock of the state is given back after so many ops: others want to look.
const OPS_AT_ONCE: usize = 256;
/// So many segments may be short.
const SHORT: usize = 16;
/// A frame of copies is no longer than about this.
const FRAME: usize = 1 << 20;

/// What is done about old segments.
#[derive(Debug)]
pub(super) struct Compactor {
    segment_bytes: u64,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// There is not enough garbage.
    Rest,
    /// This segment is copied.
    Copying(Box<Source>),
    /// All of this segment is copied; when the copies are synced its file can go.
    Copied(u32),
    /// The oldest segment cannot be read: it has to stay, and all behind it.
    Stuck,
}

impl Compactor {
    pub(super) fn new(segment_bytes: u64) -> Self {
        Self {
            segment_bytes,
            work: Work::Rest,
        }
    }

    /// There is something to do, and nothing to wait for.
    pub(super) fn is_copying(&self) -> bool {
        matches!(self.work, Work::Copying(_))
    }

    /// The copies wait to be synced.
    pub(super) fn awaits_sync(&self) -> bool {
        matches!(self.work, Work::Copied(_))
    }

    /// Does a part of the work: reads about so many bytes of old frames.
    pub(super) fn step(&mut self, log: &mut Log, shared: &Shared, budget: usize) -> Result<(), GivenUp> {
        self.begin(log, shared);
        let mut left = budget;
        while left > 0
            && let Work::Copying(source) = &mut self.work
        {
            let mut draft = log.draft()?;
            let mut done = Ok(true);
            while left > 0 && draft.len() < FRAME {
                done = copy_frame(source, shared, &mut draft);
                let Ok(true) = done else { break };
                left = left.saturating_sub(source.last_frame());
            }
            let number = source.segment();
            if let Ok(false) = done {
                draft.start(number + 1);
                self.work = Work::Copied(number);
            }
            if let Err(error) = done {
                let path = log.disk().path(&segment::name(number));
                tracing::error!(
                    file = %path.display(),
                    %error,
                    "a segment of the store cannot be read again, so no room is given back any more; stop Dunlin and run \
                     dunlin store check"
                );
                self.work = Work::Stuck;
            }
            if !draft.is_empty() {
                log.write(draft)?;
            }
        }
        Ok(())
    }

    /// Begins with the oldest segment if nothing else is done and more than half of the log is garbage, but for two segments.
    pub(super) fn begin(&mut self, log: &Log, shared: &Shared) {
        if !matches!(self.work, Work::Rest) {
            return;
        }
        let state = shared.state.lock();
        let wanted = state.index.bodies.live().saturating_mul(2);
        let enough = wanted.saturating_add(2 * self.segment_bytes);
        // One that was cut short, by a start after a crash or a sync that failed, is a file all the same.
        let files = usize::try_from(log.bytes() / self.segment_bytes).unwrap_or(usize::MAX);
        if log.bytes() <= enough && log.segments() <= files.saturating_mul(4).saturating_add(SHORT) {
            return;
        }
        let Some((number, end)) = log.oldest() else { return };
        let Some(file) = state.files.get(&number) else {
            return;
        };
        let bodies = state.index.bodies.lying_in(number);
        let source = Source::new(number, Arc::clone(file), end, bodies);
        drop(state);
        self.work = Work::Copying(Box::new(source));
    }

    /// All that is written is synced: what was copied can go.
    pub(super) fn synced(&mut self, log: &mut Log, shared: &Shared) {
        let Work::Copied(number) = self.work else { return };
        self.work = Work::Rest;
        log.forget(number);
        shared.state.lock().files.remove(&number);
        if let Err(error) = remove(log.disk(), number) {
            let path = log.disk().path(&segment::name(number));
            tracing::error!(
                file = %path.display(),
                %error,
                "a segment of the store that is not needed any more cannot be removed, so no room is given back until the next \
                 start, which tries again"
            );
            // Where one is left, those behind it have to stay, too: a gap would look like a loss.
            self.work = Work::Stuck;
        }
    }
}

fn remove(disk: &dyn Disk, number: u32) -> io::Result<()> {
    disk.remove(&segment::name(number))?;
    disk.sync()
}

/// Copies what is wanted of the next frame; false if there is none.
fn copy_frame(source: &mut Source, shared: &Shared, draft: &mut Draft) -> io::Result<bool> {
    let Some(frame) = source.next_frame()? else {
        return Ok(false);
    };
    let mut ops = Ops::new(frame.payload);
    let mut more = true;
    while more {
        let mut state = shared.state.lock();
        let mut copy = Copy::new(&mut state.index, draft, &frame);
        for _ in 0..OPS_AT_ONCE {
            let op = ops.next().map_err(|_| io::ErrorKind::InvalidData)?;
            let Some(op) = op else {
                more = false;
                break;
            };
            copy.op(&op);
        }
    }
    Ok(true)
}
