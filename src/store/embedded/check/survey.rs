//! Reads a log as far as there is sense in it, and says where there is none. Changes nothing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::{Fault, InstanceStats, Stats};
use crate::store::durable::StoreError;
use crate::store::embedded::disk::{Disk, DiskFile};
use crate::store::embedded::format::segment;
use crate::store::embedded::recovery::{Content, Replay, Replayed, counted_by, numbers};

/// What was found.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) replayed: Replayed,
    pub(super) files: BTreeMap<u32, Arc<dyn DiskFile>>,
    pub(super) faults: Vec<Fault>,
    pub(super) torn: Option<Fault>,
    bytes: u64,
    frames: u64,
}

/// Reads the files in their order.
struct Reader<'a> {
    disk: &'a dyn Disk,
    replay: Replay,
    faults: Vec<Fault>,
    torn: Option<Fault>,
    frames: u64,
    next_frame: Option<u64>,
    synced: u64,
}

impl Survey {
    pub(super) fn of(disk: &dyn Disk) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            StoreError::Refused(format!("{} cannot be read: {error}", disk.path("").display()))
        };
        let numbers = numbers(disk).map_err(failed)?;
        let mut reader = Reader {
            disk,
            replay: Replay::default(),
            faults: Vec::new(),
            torn: None,
            frames: 0,
            next_frame: None,
            synced: 0,
        };
        let mut files = BTreeMap::new();
        let mut bytes = 0;
        let mut content = Content::default();
        let mut before = None;
        for number in &numbers {
            if let Some(before) = before
                && *number != before + 1
            {
                reader.fault(before + 1, 0, "the file is missing");
            }
            before = Some(*number);
            let file = disk.open(&segment::name(*number)).map_err(failed)?;
            content.read(&*file).map_err(failed)?;
            bytes += content.len() as u64;
            if let Some(len) = counted_by(disk, number + 1) {
                content.truncate(len);
            }
            reader.segment(*number, &content, numbers.last() == Some(number));
            files.insert(*number, file);
        }
        let replayed = reader.replay.finish();
        let mut faults = reader.faults;
        let start = replayed.start.max(1);
        if let Some(first) = numbers.first()
            && *first > start
        {
            let missing = fault(disk, start, 0, "the file is missing");
            faults.insert(0, missing);
        }
        if replayed.without_body > 0 && faults.is_empty() {
            let what = format!("{} messages have no content", replayed.without_body);
            faults.push(fault(disk, start, 0, &what));
        }
        Ok(Self {
            replayed,
            files,
            faults,
            torn: reader.torn,
            bytes,
            frames: reader.frames,
        })
    }

    pub(super) fn stats(&self) -> Stats {
        let index = &self.replayed.index;
        let instances = index.instances.iter();
        let mut instances: Vec<_> = instances
            .map(|(_, instance)| InstanceStats {
                instance: instance.id.clone(),
                sessions: instance
                    .sessions
                    .iter()
                    .filter(|(_, session)| session.record().is_some())
                    .count(),
                messages: instance.len(),
                retained: instance.retained.len(),
            })
            .filter(|stats| stats.sessions + stats.messages + stats.retained > 0)
            .collect();
        instances.sort_by(|one, other| one.instance.cmp(&other.instance));
        Stats {
            segments: self.files.len(),
            bytes: self.bytes,
            wanted: index.bodies.live(),
            frames: self.frames,
            instances,
        }
    }
}

fn fault(disk: &dyn Disk, number: u32, offset: usize, what: &str) -> Fault {
    Fault {
        file: disk.path(&segment::name(number)),
        offset: offset as u64,
        what: what.into(),
    }
}

impl Reader<'_> {
    fn fault(&mut self, number: u32, offset: usize, what: &str) {
        self.faults.push(fault(self.disk, number, offset, what));
    }

    fn segment(&mut self, number: u32, content: &Content, is_last: bool) {
        let header = content.header().filter(|header| header.number == number);
        let mut offset = segment::HEADER;
        match header {
            Some(header) => {
                self.replay.at_least(header.next);
                self.synced = self.synced.max(header.first_frame.saturating_sub(1));
                if self.next_frame.is_some_and(|next| next != header.first_frame) {
                    self.fault(number, 0, "it does not go on where the one before it ends");
                }
                self.next_frame = Some(header.first_frame);
            }
            None => {
                self.fault(number, 0, "it does not begin as it should");
                offset = 0;
            }
        }
        while offset < content.len() {
            let Some(whole) = content.frame(offset) else {
                let behind = content.frame_behind(offset + 1);
                self.gap(number, offset, content, is_last && behind.is_none());
                match behind {
                    Some(behind) => offset = behind.offset,
                    None => return,
                }
                continue;
            };
            let frame = whole.header.number;
            if self.next_frame.is_some_and(|next| next != frame) && !self.has_fault_in(number) {
                self.fault(
                    number,
                    offset,
                    "it does not belong here: what should be before it is missing",
                );
            }
            self.next_frame = Some(frame + 1);
            self.synced = self.synced.max(whole.header.synced);
            self.frames += 1;
            if self.replay.frame(number, offset as u64, whole.payload).is_err() {
                self.fault(
                    number,
                    offset,
                    "there is something in it that this version of Dunlin does not know",
                );
            }
            offset = whole.end();
        }
    }

    /// Between here and the next whole frame, or the end, there is none.
    fn gap(&mut self, number: u32, offset: usize, content: &Content, is_end: bool) {
        if is_end && self.next_frame.is_none_or(|next| self.synced < next) {
            let what = format!("the last {} bytes are not whole", content.len() - offset);
            self.torn = Some(fault(self.disk, number, offset, &what));
        } else {
            self.fault(number, offset, "what was stored here cannot be read");
        }
    }

    fn has_fault_in(&self, number: u32) -> bool {
        let path = self.disk.path(&segment::name(number));
        self.faults.iter().any(|fault| fault.file == path)
    }
}
