//! The log: segments, of which the last is written to.
//!
//! *Invariant*: bytes that are written are never written over with others. A write that failed is cut off and made again; a sync
//! that failed makes everything since the last good one doubtful, and it is written again, to a new segment.

mod sync;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::disk::{self, Disk, DiskFile};
use super::format::draft::Draft;
use super::format::segment;
use super::shared::{Shared, State, Written};
use super::trouble::Patience;
use crate::store::durable::StoreError;

/// The end of the log, where it grows.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    segment_bytes: u64,
    /// The segments before the last, and how much of each counts.
    older: BTreeMap<u32, u64>,
    file: Arc<dyn DiskFile>,
    segment: u32,
    /// How much of the last segment is written, and how much of that is on the disk for certain.
    end: u64,
    synced_end: u64,
    /// The last frame that is written, and the last that is on the disk for certain.
    frame: u64,
    synced: u64,
    /// The frames that were written since the last sync. All of them are in the last segment.
    unsynced: Vec<Vec<u8>>,
    unsynced_bytes: usize,
    /// How many bytes were written since the start.
    written: u64,
}

/// Where a log goes on.
#[derive(Debug)]
pub(super) struct End {
    /// The segments before the last, and how much of each counts.
    pub(super) older: BTreeMap<u32, u64>,
    pub(super) segment: u32,
    pub(super) file: Arc<dyn DiskFile>,
    /// How much of the segment is there, and how much of that is on the disk for certain.
    pub(super) end: u64,
    pub(super) synced_end: u64,
    /// The last frame, and the last that is on the disk for certain.
    pub(super) frame: u64,
    pub(super) synced: u64,
    /// The frames between the two.
    pub(super) unsynced: Vec<Vec<u8>>,
}

/// The disk does not take it, and the store is being closed.
#[derive(Debug)]
pub(super) struct GivenUp;

impl From<GivenUp> for StoreError {
    fn from(_: GivenUp) -> Self {
        Self::Failed("it was closed while the disk did not take what there was to write".into())
    }
}

impl Log {
    /// The log that ends there, all of which is on the disk for certain.
    pub(super) fn new(disk: Arc<dyn Disk>, shared: Arc<Shared>, segment_bytes: u64, end: End) -> Self {
        let log = Self {
            disk,
            shared,
            segment_bytes,
            older: end.older,
            file: end.file,
            segment: end.segment,
            end: end.end,
            synced_end: end.synced_end,
            frame: end.frame,
            synced: end.synced,
            unsynced_bytes: end.unsynced.iter().map(Vec::len).sum(),
            unsynced: end.unsynced,
            written: 0,
        };
        log.publish();
        log
    }

    /// Makes certain what was found of frames that may never have been synced: what was read of them may be the system's
    /// memory alone, and it may have failed to write that before, to somebody who has told nobody.
    pub(super) fn start(&mut self) -> Result<(), GivenUp> {
        if self.is_unsynced() {
            self.write_again()?;
        }
        Ok(())
    }

    /// A frame to be filled and written. Goes to a new segment if the last one is full.
    pub(super) fn draft(&mut self) -> Result<Draft, GivenUp> {
        if self.end >= self.segment_bytes {
            self.roll()?;
        }
        Ok(Draft::new(self.frame + 1, self.segment, self.end))
    }

    /// Writes a frame; comes back when the system has taken it.
    pub(super) fn write(&mut self, draft: Draft) -> Result<(), GivenUp> {
        let bytes = draft.finish(self.synced);
        self.persist("written to", |log| {
            disk::write_all(&*log.file, &bytes, log.end).inspect_err(|_| {
                // What is left if this fails is written over with the same bytes.
                let _ = log.file.truncate(log.end);
            })
        })?;
        self.end += bytes.len() as u64;
        self.written += bytes.len() as u64;
        self.frame += 1;
        self.unsynced_bytes += bytes.len();
        self.unsynced.push(bytes);
        self.publish();
        Ok(())
    }

    /// Something is written that is not on the disk for certain.
    pub(super) fn is_unsynced(&self) -> bool {
        self.synced < self.frame
    }

    /// How many bytes are kept until they are synced.
    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced_bytes
    }

    /// How many bytes were written since the start.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.older.values().sum::<u64>() + self.end
    }

    /// How many segments there are.
    pub(super) fn segments(&self) -> usize {
        self.older.len() + 1
    }

    /// The oldest segment and how much of it counts, if it is not the last.
    pub(super) fn oldest(&self) -> Option<(u32, u64)> {
        let (number, end) = self.older.first_key_value()?;
        Some((*number, *end))
    }

    /// This one does not count any more.
    pub(super) fn forget(&mut self, segment: u32) {
        self.older.remove(&segment);
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Begins the next segment.
    fn roll(&mut self) -> Result<(), GivenUp> {
        self.sync()?;
        if self.end < self.segment_bytes {
            // The sync failed first, and all went to a new segment already.
            return Ok(());
        }
        self.begin_segment(self.segment + 1, self.end, &[])?;
        self.publish();
        Ok(())
    }

    /// Makes a segment with these frames in it; what is written goes there from now on.
    fn begin_segment(&mut self, number: u32, previous_end: u64, frames: &[Vec<u8>]) -> Result<(), GivenUp> {
        let next = self.shared.state.lock().index.next;
        let header = segment::Header {
            number,
            first_frame: self.synced + 1,
            next,
            previous_end,
        };
        let file = self.persist("followed by another file", |log| {
            make_segment(&*log.disk, &header, frames)
        })?;
        self.older.insert(self.segment, previous_end);
        self.file = file;
        self.segment = number;
        let frames: usize = frames.iter().map(Vec::len).sum();
        self.end = (segment::HEADER + frames) as u64;
        self.synced_end = self.end;
        Ok(())
    }

    /// Does it until it works: a full disk keeps what wants to be acknowledged waiting, and nothing else.
    fn persist<T>(&self, doing: &str, mut work: impl FnMut(&Self) -> io::Result<T>) -> Result<T, GivenUp> {
        let mut patience = Patience::new();
        loop {
            match work(self) {
                Ok(done) => {
                    self.shared.trouble.end();
                    return Ok(done);
                }
                Err(error) => self.wait(doing, &error, &mut patience)?,
            }
        }
    }

    /// Waits before something that failed is tried again.
    fn wait(&self, doing: &str, error: &io::Error, patience: &mut Patience) -> Result<(), GivenUp> {
        let path = self.disk.path(&segment::name(self.segment));
        self.shared.trouble.begin(doing, &path, error);
        if !self.shared.queue.is_closed() {
            self.shared.queue.sleep(patience.next());
            return Ok(());
        }
        patience.hurry().then_some(()).ok_or(GivenUp)
    }

    /// Tells the others how far the log is written.
    fn publish(&self) {
        self.publish_with(|_| ());
    }

    /// Does so together with another change of the state.
    fn publish_with(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state.lock();
        change(&mut state);
        if state.written.segment != self.segment || state.written.end > self.end {
            state.files.insert(self.segment, Arc::clone(&self.file));
        }
        state.written = Written {
            segment: self.segment,
            end: self.end,
            frame: self.frame,
        };
        drop(state);
        self.shared.jobs.written(self.frame);
    }
}

/// Where a log begins: in a segment's file with nothing but its header.
pub(super) fn first(disk: &dyn Disk, number: u32) -> io::Result<End> {
    let header = segment::Header {
        number,
        first_frame: 1,
        next: segment::Next::default(),
        previous_end: 0,
    };
    let file = make_segment(disk, &header, &[])?;
    Ok(End {
        older: BTreeMap::new(),
        segment: number,
        file,
        end: segment::HEADER as u64,
        synced_end: segment::HEADER as u64,
        frame: 0,
        synced: 0,
        unsynced: Vec::new(),
    })
}

/// A segment's file, which is on the disk for certain, and its name: it is there whole or not at all, and recovery relies on it.
pub(super) fn make_segment(
    disk: &dyn Disk,
    header: &segment::Header,
    frames: &[Vec<u8>],
) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(segment::UNFINISHED)?;
    disk::write_all(&*file, &header.write(), 0)?;
    let mut end = segment::HEADER as u64;
    for bytes in frames {
        disk::write_all(&*file, bytes, end)?;
        end += bytes.len() as u64;
    }
    file.sync()?;
    disk.rename(segment::UNFINISHED, &segment::name(header.number))?;
    disk.sync()?;
    Ok(file)
}
