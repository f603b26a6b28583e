//! Reads the log as the store is opened, and makes the index from it.
//!
//! What was written and not synced may be lost with the power, in any order: frames may be there whose forerunners are not. So
//! the log ends before the first frame that is missing, unless one behind it says that the missing one was on the disk for
//! certain. Then the file has been damaged since, and nothing but a repair may touch it.

mod replay;
mod scan;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::format::segment;
use super::log::{self, End};
use super::shared::State;
use crate::store::durable::StoreError;
pub(super) use replay::Replay;
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
        return begin(disk, segment::Next::default(), 1);
    };
    let cut = reading.read_all()?;
    let last = reading.last;
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
    let Some((segment, end)) = last else {
        // There was nothing but a first segment that never came to be.
        return begin(disk, replayed.index.next, oldest);
    };
    reading.drop_before(start)?;
    reading.sync_all()?;
    let file = reading.files.get(&segment).cloned();
    let file = file.ok_or_else(|| refusal(disk, segment, None, "is gone"))?;
    Ok(Recovered {
        state: State {
            index: replayed.index,
            files: reading.files,
            ..State::default()
        },
        end: End {
            older: reading.lengths.range(start..segment).map(|(number, len)| (*number, *len)).collect(),
            segment,
            file,
            end: end as u64,
            frame: reading.next_frame.saturating_sub(1),
        },
    })
}

fn begin(disk: &dyn Disk, next: segment::Next, number: u32) -> Result<Recovered, StoreError> {
    let end = log::first(disk, number, next, 0).map_err(|error| cannot(disk, number, "made", &error))?;
    let mut state = State::default();
    state.index.next = next;
    state.files.insert(number, Arc::clone(&end.file));
    Ok(Recovered {
        state,
        end,
    })
}

/// The numbers of the segments that are there, in order.
pub(super) fn numbers(disk: &dyn Disk) -> io::Result<Vec<u32>> {
    let names = disk.list()?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
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
    /// The last segment that counts, and how far.
    last: Option<(u32, usize)>,
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
            last: None,
        })
    }

    /// Reads segment by segment, up to the end or to where a frame is missing.
    fn read_all(&mut self) -> Result<Option<Cut>, StoreError> {
        let numbers = self.numbers.clone();
        for (at, number) in numbers.iter().enumerate() {
            if let Some((last, _)) = self.last
                && *number != last + 1
            {
                // A segment is on the disk for certain, and its name, before anything is written to it.
                let missing = "is missing, and what is stored in it with it";
                return Err(refusal(self.disk, last + 1, None, missing));
            }
            let file = self
                .disk
                .open(&segment::name(*number))
                .map_err(|error| cannot(self.disk, *number, "opened", &error))?;
            self.content
                .read(&*file)
                .map_err(|error| cannot(self.disk, *number, "read", &error))?;
            let counted = numbers
                .get(at + 1)
                .filter(|next| **next == number + 1)
                .and_then(|next| self.counted_by(*next));
            if let Some(len) = counted {
                self.content.truncate(len);
            }
            self.files.insert(*number, file);
            if let Some(cut) = self.read_segment(*number)? {
                return Ok(Some(cut));
            }
        }
        Ok(None)
    }

    /// How much of the segment before `number` counts, as its header says.
    fn counted_by(&self, number: u32) -> Option<u64> {
        let file = self.disk.open(&segment::name(number)).ok()?;
        let mut bytes = [0; segment::HEADER];
        super::disk::read_full(&*file, &mut bytes, 0).ok()?;
        let header = segment::Header::read(&bytes)?;
        (header.number == number).then_some(header.previous_end)
    }

    fn read_segment(&mut self, number: u32) -> Result<Option<Cut>, StoreError> {
        let header = self.content.header().filter(|header| header.number == number);
        let Some(header) = header else {
            return self.no_header(number).map(Some);
        };
        if self.last.is_none() {
            self.next_frame = header.first_frame;
        } else if header.first_frame != self.next_frame {
            return Ok(Some(self.cut_at(number, 0)));
        }
        self.replay.at_least(header.next);
        let mut offset = segment::HEADER;
        self.last = Some((number, offset));
        while offset < self.content.len() {
            let whole = self.content.frame(offset);
            let Some(whole) = whole.filter(|whole| whole.header.number == self.next_frame) else {
                return Ok(Some(self.cut_at(number, offset)));
            };
            let end = whole.end();
            if self.replay.frame(number, offset as u64, whole.payload).is_err() {
                return Err(refusal(
                    self.disk,
                    number,
                    Some(offset),
                    "has something in it that this version of Dunlin does not know",
                ));
            }
            offset = end;
            self.next_frame += 1;
            self.last = Some((number, offset));
        }
        self.lengths.insert(number, offset as u64);
        Ok(None)
    }

    /// Only the last segment may have no header: when the machine stopped while it was made. Then nothing else is in it.
    fn no_header(&self, number: u32) -> Result<Cut, StoreError> {
        let is_last = self.numbers.last() == Some(&number);
        if is_last && self.content.frame_behind(0).is_none() {
            return Ok(self.cut_at(number, 0));
        }
        Err(refusal(
            self.disk,
            number,
            Some(0),
            "is damaged: it does not begin as it should",
        ))
    }

    fn cut_at(&self, segment: u32, offset: usize) -> Cut {
        Cut {
            segment,
            offset,
            frame: self.next_frame,
        }
    }

    /// Lets the log end there, if nothing behind says that it was longer; tells what is dropped.
    fn cut(&mut self, cut: Cut) -> Result<(), StoreError> {
        let mut dropped = 0;
        let mut attested = 0;
        let later: Vec<u32> = self
            .numbers
            .iter()
            .copied()
            .filter(|number| *number >= cut.segment)
            .collect();
        for number in &later {
            let file = self
                .disk
                .open(&segment::name(*number))
                .map_err(|error| cannot(self.disk, *number, "opened", &error))?;
            self.content
                .read(&*file)
                .map_err(|error| cannot(self.disk, *number, "read", &error))?;
            let from = if *number == cut.segment { cut.offset } else { 0 };
            for whole in self.content.frames_behind(from) {
                // What was written there once and counts elsewhere is no witness.
                if whole.header.number >= cut.frame {
                    dropped += 1;
                    attested = attested.max(whole.header.synced);
                }
            }
        }
        if attested >= cut.frame.max(1) {
            return Err(refusal(
                self.disk,
                cut.segment,
                Some(cut.offset),
                "is damaged: what was stored there once cannot be read, and what is behind it can",
            ));
        }
        self.shorten(cut, &later, dropped)
    }

    fn shorten(&mut self, cut: Cut, later: &[u32], dropped: usize) -> Result<(), StoreError> {
        let failed = |number, error: &io::Error| cannot(self.disk, number, "cut off", error);
        let keeps_part = cut.offset >= segment::HEADER;
        for number in later.iter().rev() {
            if keeps_part && *number == cut.segment {
                let Some(file) = self.files.get(number) else {
                    continue;
                };
                let len = file.len().map_err(|error| failed(*number, &error))?;
                let bytes = len.saturating_sub(cut.offset as u64);
                tracing::warn!(
                    file = %self.disk.path(&segment::name(*number)).display(),
                    offset = cut.offset,
                    bytes,
                    frames = dropped,
                    "the store's log ended in the middle of something that nobody had been told was done; it is cut off"
                );
                file.truncate(cut.offset as u64)
                    .map_err(|error| failed(*number, &error))?;
                continue;
            }
            tracing::warn!(
                file = %self.disk.path(&segment::name(*number)).display(),
                "a segment of the store's log was begun, and nobody had been told that anything in it was done; it is removed"
            );
            let name = segment::name(*number);
            self.disk.remove(&name).map_err(|error| failed(*number, &error))?;
            self.files.remove(number);
        }
        Ok(())
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
        }
        Ok(())
    }

    /// What was read may be in the system's memory only; what goes on from here relies on it.
    fn sync_all(&self) -> Result<(), StoreError> {
        for (number, file) in &self.files {
            file.sync()
                .map_err(|error| cannot(self.disk, *number, "synced", &error))?;
        }
        self.disk.sync().map_err(|error| {
            StoreError::Refused(format!(
                "{} cannot be synced: {error}",
                self.disk.path("").display()
            ))
        })
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
