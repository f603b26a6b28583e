//! Reads the log as the store is opened, and makes the index from it.
//!
//! What was written and not synced may be lost with the power, in any order: frames may be there whose forerunners are not. So
//! the log ends before the first frame that is missing, unless one behind it says that the missing one was on the disk for
//! certain. Then the file has been damaged since, and nothing but a repair may touch it. What is not synced is in the last segment:
//! the next one is made only when all before it is.

mod replay;
mod scan;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::format::{frame, segment};
use super::log::{self, End};
use super::shared::State;
use crate::store::durable::StoreError;
pub(super) use replay::{Replay, Replayed};
pub(super) use scan::Content;

/// A log that was read.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) end: End,
}

/// Where the log ends, and that it ends before it should.
#[derive(Clone, Copy, Debug)]
struct Cut {
    segment: u32,
    offset: usize,
    /// The frame that should be there.
    frame: u64,
}

/// Reads the log of this disk; makes an empty one if there is none.
pub(super) fn recover(disk: &dyn Disk) -> Result<Recovered, StoreError> {
    let mut reading = Reading::new(disk)?;
    let Some(oldest) = reading.numbers.first().copied() else {
        return begin(disk);
    };
    let cut = reading.read_all()?;
    if let Some(cut) = cut {
        reading.cut(cut)?;
    }
    let replayed = std::mem::take(&mut reading.replay).finish();
    let start = replayed.start.max(1);
    if oldest > start {
        return Err(refusal(
            disk,
            start,
            None,
            "is missing, and what is stored in it with it",
        ));
    }
    if replayed.without_body > 0 {
        tracing::error!(
            messages = replayed.without_body,
            "messages of the store had no content any more, and are dropped"
        );
    }
    // What those before it were copied to is synced with that frame, or it is not: then they are needed, and copied again.
    if reading.start_said_in <= reading.synced {
        reading.drop_before(start)?;
    }
    // One that was never finished; if it stays it is in nobody's way.
    if disk.remove(segment::UNFINISHED).is_ok() {
        tracing::warn!(
            file = segment::UNFINISHED,
            "the store's log ended in the middle of a segment that was being begun; that is cut off"
        );
    }
    let end = reading.end()?;
    Ok(Recovered {
        state: State {
            index: replayed.index,
            files: reading.files,
            ..State::default()
        },
        end,
    })
}

fn begin(disk: &dyn Disk) -> Result<Recovered, StoreError> {
    let number = 1;
    let end = log::first(disk, number).map_err(|error| cannot(disk, number, "made", &error))?;
    let mut state = State::default();
    state.files.insert(number, Arc::clone(&end.file));
    Ok(Recovered { state, end })
}

/// The numbers of the segments that are there, in order.
pub(super) fn numbers(disk: &dyn Disk) -> io::Result<Vec<u32>> {
    let names = disk.list()?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// How much of the segment before `number` counts, as the header of that one says.
pub(super) fn counted_by(disk: &dyn Disk, number: u32) -> Option<u64> {
    let file = disk.open(&segment::name(number)).ok()?;
    let mut bytes = [0; segment::HEADER];
    super::disk::read_full(&*file, &mut bytes, 0).ok()?;
    let header = segment::Header::read(&bytes)?;
    (header.number == number).then_some(header.previous_end)
}

/// The log while it is read.
#[derive(Debug)]
struct Reading<'a> {
    disk: &'a dyn Disk,
    numbers: Vec<u32>,
    files: BTreeMap<u32, Arc<dyn DiskFile>>,
    replay: Replay,
    content: Content,
    next_frame: u64,
    /// How much of each segment counts.
    lengths: BTreeMap<u32, u64>,
    /// The last frame of which something says that it was on the disk for certain.
    synced: u64,
    /// The last frame that says where the log begins.
    start_said_in: u64,
    /// The last segment that counts.
    last: Option<Last>,
}

/// A segment, as far as it was read.
#[derive(Clone, Copy, Debug)]
struct Last {
    number: u32,
    end: usize,
}

impl<'a> Reading<'a> {
    fn new(disk: &'a dyn Disk) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            StoreError::Refused(format!("{} cannot be read: {error}", disk.path("").display()))
        };
        Ok(Self {
            disk,
            numbers: numbers(disk).map_err(failed)?,
            files: BTreeMap::new(),
            replay: Replay::default(),
            content: Content::default(),
            next_frame: 0,
            lengths: BTreeMap::new(),
            synced: 0,
            start_said_in: 0,
            last: None,
        })
    }

    /// Reads segment by segment, up to the end or to where a frame is missing.
    fn read_all(&mut self) -> Result<Option<Cut>, StoreError> {
        let numbers = self.numbers.clone();
        for number in &numbers {
            if let Some(last) = self.last
                && *number != last.number + 1
            {
                // A segment is on the disk for certain, and its name, before anything is written to it.
                let missing = "is missing, and what is stored in it with it";
                return Err(refusal(self.disk, last.number + 1, None, missing));
            }
            let file = self
                .disk
                .open(&segment::name(*number))
                .map_err(|error| cannot(self.disk, *number, "opened", &error))?;
            self.content
                .read(&*file)
                .map_err(|error| cannot(self.disk, *number, "read", &error))?;
            if let Some(len) = counted_by(self.disk, number + 1) {
                self.content.truncate(len);
            }
            self.files.insert(*number, file);
            if let Some(cut) = self.read_segment(*number)? {
                return Ok(Some(cut));
            }
        }
        Ok(None)
    }

    fn read_segment(&mut self, number: u32) -> Result<Option<Cut>, StoreError> {
        let header = self.content.header().filter(|header| header.number == number);
        let Some(header) = header else {
            // It is given its name when it is whole.
            let what = "is damaged: it does not begin as it should";
            return Err(refusal(self.disk, number, Some(0), what));
        };
        if self.last.is_none() {
            self.next_frame = header.first_frame;
        } else if header.first_frame != self.next_frame {
            let other = "does not go on where the one before it ends: something is missing";
            return Err(refusal(self.disk, number, Some(0), other));
        }
        self.synced = self.synced.max(header.first_frame.saturating_sub(1));
        self.replay.at_least(header.next);
        let mut offset = segment::HEADER;
        self.last = Some(Last { number, end: offset });
        while offset < self.content.len() {
            let whole = self.content.frame(offset);
            let Some(whole) = whole.filter(|whole| whole.header.number == self.next_frame) else {
                return Ok(Some(self.cut_at(number, offset)));
            };
            let end = whole.end();
            self.synced = self.synced.max(whole.header.synced);
            let start = self.replay.start();
            if self.replay.frame(number, offset as u64, whole.payload).is_err() {
                return Err(refusal(
                    self.disk,
                    number,
                    Some(offset),
                    "has something in it that this version of Dunlin does not know",
                ));
            }
            if self.replay.start() > start {
                self.start_said_in = self.next_frame;
            }
            offset = end;
            self.next_frame += 1;
            self.last = Some(Last { number, end: offset });
        }
        self.lengths.insert(number, offset as u64);
        Ok(None)
    }

    fn cut_at(&self, segment: u32, offset: usize) -> Cut {
        Cut {
            segment,
            offset,
            frame: self.next_frame,
        }
    }

    /// Lets the log end there, if nothing says that it was longer; tells what is dropped.
    fn cut(&mut self, cut: Cut) -> Result<(), StoreError> {
        let behind = self.content.frames_behind(cut.offset);
        // One with a lower number was written here once and counts elsewhere.
        let behind = behind.filter(|whole| whole.header.number >= cut.frame);
        let (frames, synced) = behind.fold((0, 0), |(frames, synced), whole| {
            (frames + 1, whole.header.synced.max(synced))
        });
        let is_last = self.numbers.last() == Some(&cut.segment);
        if !is_last || synced >= cut.frame.max(1) {
            return Err(refusal(
                self.disk,
                cut.segment,
                Some(cut.offset),
                "is damaged: what was stored there once cannot be read, and what is behind it can",
            ));
        }
        let name = segment::name(cut.segment);
        let path = self.disk.path(&name);
        let failed = |error: io::Error| cannot(self.disk, cut.segment, "cut off", &error);
        let Some(file) = self.files.get(&cut.segment) else {
            return Ok(());
        };
        let bytes = self.content.len().saturating_sub(cut.offset);
        tracing::warn!(
            file = %path.display(),
            offset = cut.offset,
            bytes,
            frames,
            "the store's log ended in the middle of something that was never synced; that is cut off"
        );
        file.truncate(cut.offset as u64)
            .and_then(|()| file.sync())
            .map_err(failed)?;
        self.content.truncate(cut.offset as u64);
        Ok(())
    }

    /// Where the log goes on, with what may not be on the disk for certain.
    fn end(&mut self) -> Result<End, StoreError> {
        let nothing = || refusal(self.disk, 0, None, "is gone");
        let Last { number, end } = self.last.ok_or_else(nothing)?;
        let file = self.files.get(&number).cloned().ok_or_else(nothing)?;
        self.content
            .read(&*file)
            .map_err(|error| cannot(self.disk, number, "read", &error))?;
        let frame = self.next_frame.saturating_sub(1);
        let mut synced_end = segment::HEADER;
        let mut unsynced = Vec::new();
        let mut offset = segment::HEADER;
        while offset < end
            && let Some(whole) = self.content.frame(offset)
        {
            offset = whole.end();
            if whole.header.number <= self.synced {
                synced_end = offset;
            } else {
                let bytes = self.content.get(whole.offset..offset).unwrap_or_default();
                unsynced.push(bytes.to_vec());
            }
        }
        // The last frame of a store that was closed says nothing but that all before it is synced.
        let is_goodbye = unsynced.len() == 1 && unsynced.iter().all(|bytes| bytes.len() == frame::HEADER);
        let (end, frame) = if is_goodbye {
            unsynced.clear();
            file.truncate(synced_end as u64)
                .map_err(|error| cannot(self.disk, number, "cut off", &error))?;
            (synced_end, frame - 1)
        } else {
            (end, frame)
        };
        Ok(End {
            older: self
                .lengths
                .range(..number)
                .map(|(number, len)| (*number, *len))
                .collect(),
            segment: number,
            file,
            end: end as u64,
            synced_end: synced_end as u64,
            frame,
            synced: self.synced.min(frame),
            unsynced,
        })
    }

    /// Removes the segments that do not count any more.
    fn drop_before(&mut self, start: u32) -> Result<(), StoreError> {
        while let Some((number, _)) = self.files.first_key_value()
            && *number < start
        {
            let number = *number;
            self.disk
                .remove(&segment::name(number))
                .and_then(|()| self.disk.sync())
                .map_err(|error| cannot(self.disk, number, "removed", &error))?;
            self.files.remove(&number);
            self.lengths.remove(&number);
        }
        Ok(())
    }
}

fn cannot(disk: &dyn Disk, number: u32, what: &str, error: &io::Error) -> StoreError {
    let path = disk.path(&segment::name(number));
    StoreError::Refused(format!("{} cannot be {what}: {error}", path.display()))
}

/// The log is not as it was left.
fn refusal(disk: &dyn Disk, number: u32, offset: Option<usize>, what: &str) -> StoreError {
    let path = disk.path(&segment::name(number));
    let place = offset.map_or(String::new(), |offset| format!(" at byte {offset}"));
    StoreError::Refused(format!(
        "{}{place} {what}; put back the folder from a backup, or keep what can be kept of it with dunlin store check --repair",
        path.display()
    ))
}
