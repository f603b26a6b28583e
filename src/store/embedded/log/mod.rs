//! The log: segments, of which the last is written to.
//!
//! *Invariant*: bytes that are written are never written over with others. A write that failed is cut off and made again; a sync
//! that failed makes everything since the last good one doubtful, and it is written again, to a new segment.

mod sync;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Fsync;
use super::disk::{self, Disk, DiskFile};
use super::format::draft::Draft;
use super::format::segment;
use super::shared::{Shared, State, Written};
use super::trouble::Patience;
use crate::store::durable::StoreError;

/// How often something is tried again once the store is being closed.
const TRIES_AT_THE_END: u32 = 3;

/// The end of the log, where it grows.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    fsync: Fsync,
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
    /// What was written since the last sync, unless the policy is to rely on nothing.
    unsynced: Vec<Vec<u8>>,
    /// Segments before this one that are written and not synced, where the policy does not see to it.
    unsynced_files: Vec<(u32, Arc<dyn DiskFile>)>,
    /// The last frame that a header may call synced. It stays behind once a sync failed and nothing was made of it.
    attested: u64,
    in_doubt: bool,
    written: u64,
}

/// Where a log goes on.
#[derive(Debug)]
pub(super) struct End {
    /// The segments before the last, and how much of each counts.
    pub(super) older: BTreeMap<u32, u64>,
    pub(super) segment: u32,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) end: u64,
    pub(super) frame: u64,
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
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        fsync: Fsync,
        segment_bytes: u64,
        end: End,
    ) -> Self {
        let log = Self {
            disk,
            shared,
            fsync,
            segment_bytes,
            older: end.older,
            file: end.file,
            segment: end.segment,
            end: end.end,
            synced_end: end.end,
            frame: end.frame,
            synced: end.frame,
            unsynced: Vec::new(),
            unsynced_files: Vec::new(),
            attested: end.frame,
            in_doubt: false,
            written: 0,
        };
        log.publish();
        log
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
        let bytes = draft.finish(self.attested);
        self.persist("written to", |log| {
            disk::write_all(&*log.file, &bytes, log.end).inspect_err(|_| {
                // What is left if this fails is written over with the same bytes.
                let _ = log.file.truncate(log.end);
            })
        })?;
        self.end += bytes.len() as u64;
        self.written += bytes.len() as u64;
        self.frame += 1;
        if !matches!(self.fsync, Fsync::Never) {
            self.unsynced.push(bytes);
        }
        self.publish();
        Ok(())
    }

    /// Something is written that is not on the disk for certain.
    pub(super) fn is_unsynced(&self) -> bool {
        self.synced < self.frame
    }

    /// How many bytes are kept until they are synced.
    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced.iter().map(Vec::len).sum()
    }

    /// How many bytes were written since the start.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.older.values().sum::<u64>() + self.end
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
        if matches!(self.fsync, Fsync::Never) {
            self.unsynced_files.push((self.segment, Arc::clone(&self.file)));
        } else {
            self.sync()?;
            if self.end < self.segment_bytes {
                // The sync failed, and all went to a new segment already.
                return Ok(());
            }
        }
        self.begin_segment(self.segment + 1, self.end)?;
        self.publish();
        Ok(())
    }

    /// Makes a segment; what is written goes there from now on.
    fn begin_segment(&mut self, number: u32, previous_end: u64) -> Result<(), GivenUp> {
        let next = self.shared.state.lock().index.next;
        let header = segment::Header {
            number,
            first_frame: self.frame + 1 - self.unsynced.len() as u64,
            next,
            previous_end,
        };
        let file = self.persist("made or written to", |log| {
            log.segment_file(number, &header.write())
        })?;
        self.older.insert(self.segment, previous_end);
        self.file = file;
        self.segment = number;
        self.end = segment::HEADER as u64;
        self.synced_end = self.end;
        Ok(())
    }

    fn segment_file(&self, number: u32, header: &[u8]) -> io::Result<Arc<dyn DiskFile>> {
        make_segment(&*self.disk, number, header)
    }

    /// Does it until it works: a full disk keeps what wants to be acknowledged waiting, and nothing else.
    fn persist<T>(&self, doing: &str, mut work: impl FnMut(&Self) -> io::Result<T>) -> Result<T, GivenUp> {
        let mut patience = Patience::new();
        let mut tries_left = TRIES_AT_THE_END;
        loop {
            match work(self) {
                Ok(done) => {
                    self.shared.trouble.end();
                    return Ok(done);
                }
                Err(error) => self.wait(doing, &error, &mut patience, &mut tries_left)?,
            }
        }
    }

    fn wait(
        &self,
        doing: &str,
        error: &io::Error,
        patience: &mut Patience,
        tries_left: &mut u32,
    ) -> Result<(), GivenUp> {
        let path = self.disk.path(&segment::name(self.segment));
        self.shared.trouble.begin(doing, &path, error);
        if self.shared.queue.is_closed() {
            *tries_left = tries_left.saturating_sub(1);
            if *tries_left == 0 {
                return Err(GivenUp);
            }
            std::thread::sleep(Duration::from_millis(20));
        } else {
            self.shared.queue.sleep(patience.next());
        }
        Ok(())
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

/// A segment's file with nothing but its header: where a log begins.
pub(super) fn first(disk: &dyn Disk, number: u32, next: segment::Next, frame: u64) -> io::Result<End> {
    let header = segment::Header {
        number,
        first_frame: frame + 1,
        next,
        previous_end: 0,
    };
    let file = make_segment(disk, number, &header.write())?;
    Ok(End {
        older: BTreeMap::new(),
        segment: number,
        file,
        end: segment::HEADER as u64,
        frame,
    })
}

/// A file with this header alone, which is on the disk for certain, and its name: recovery relies on it.
fn make_segment(disk: &dyn Disk, number: u32, header: &[u8]) -> io::Result<Arc<dyn DiskFile>> {
    let name = segment::name(number);
    // One that was begun before and failed: what is known of it is nothing.
    if disk.list()?.contains(&name) {
        disk.remove(&name)?;
    }
    let file = disk.create(&name)?;
    disk::write_all(&*file, header, 0)?;
    file.sync()?;
    disk.sync()?;
    Ok(file)
}
