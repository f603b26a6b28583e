//! Writes all that an index knows to a new log, as far as it can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::embedded::disk::{self, Disk, DiskFile};
use crate::store::embedded::format::draft::{Draft, NewEntry};
use crate::store::embedded::format::segment::{self, Next};
use crate::store::embedded::format::{body, record};
use crate::store::embedded::index::{Handle, Index, Instance, Location};
use crate::store::embedded::log::make_segment;

/// A frame is no longer than about this, and a segment neither.
const FRAME: usize = 1 << 20;
const SEGMENT: usize = 64 << 20;

/// What could not be read.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) lost_messages: usize,
    pub(super) lost_retained: usize,
    pub(super) lost_records: usize,
}

/// Writes it all.
pub(super) fn all(
    mut index: Index,
    files: &BTreeMap<u32, Arc<dyn DiskFile>>,
    disk: &dyn Disk,
) -> io::Result<Rewritten> {
    let mut pen = Pen::new(disk, index.next);
    let mut rewritten = Rewritten::default();
    let mut lost = BTreeSet::new();
    for segment in files.keys() {
        for (_, handle) in index.bodies.lying_in(*segment) {
            let Some(known) = index.bodies.get(handle).copied() else {
                continue;
            };
            let bytes = read(files, known.location);
            match bytes.filter(|bytes| body::decode(bytes, None, |_| Bytes::new()).is_some()) {
                Some(bytes) => {
                    pen.draft()?.body_bytes(known.id, &bytes);
                }
                None => {
                    lost.insert(handle);
                }
            }
        }
    }
    let Index {
        instances, bodies, ..
    } = &mut index;
    for (_, instance) in instances {
        let id = |handle: Handle| {
            let known = bodies.get(handle).filter(|_| !lost.contains(&handle));
            known.map(|known| known.id)
        };
        rewritten.lost_retained += retained(instance, &mut pen, id)?;
        let places: Vec<u32> = instance
            .sessions
            .iter()
            .filter_map(|(place, _)| u32::try_from(place).ok())
            .collect();
        for place in places {
            rewritten.lost_records += session(instance, place, files, &mut pen)?;
            rewritten.lost_messages += inbox(instance, place, &mut pen, id)?;
        }
    }
    pen.finish()?;
    Ok(rewritten)
}

fn retained(
    instance: &mut Instance,
    pen: &mut Pen<'_>,
    id: impl Fn(Handle) -> Option<u64>,
) -> io::Result<usize> {
    let all: Vec<_> = instance
        .retained
        .iter()
        .map(|(topic, handle)| (topic.clone(), *handle))
        .collect();
    let mut lost = 0;
    for (topic, handle) in all {
        match id(handle) {
            Some(body) => pen.draft()?.retain(instance.tenant(), &topic, body),
            None => lost += 1,
        }
    }
    Ok(lost)
}

/// Its record and what it has received.
fn session(
    instance: &mut Instance,
    place: u32,
    files: &BTreeMap<u32, Arc<dyn DiskFile>>,
    pen: &mut Pen<'_>,
) -> io::Result<usize> {
    let Some(session) = instance.sessions.get(place as usize) else {
        return Ok(0);
    };
    let received: Vec<u16> = session.received().collect();
    let mut lost = 0;
    if let Some(known) = session.record() {
        let bytes = read(files, known.location);
        match bytes.filter(|bytes| record::decode(bytes).is_some()) {
            Some(bytes) => {
                if let Some(whose) = instance.whose(place) {
                    pen.draft()?.record_bytes(whose, known.revision, &bytes);
                }
            }
            None => lost = 1,
        }
    }
    for packet_id in received {
        if let Some(whose) = instance.whose(place) {
            pen.draft()?.received(whose, packet_id);
        }
    }
    Ok(lost)
}

fn inbox(
    instance: &mut Instance,
    place: u32,
    pen: &mut Pen<'_>,
    id: impl Fn(Handle) -> Option<u64>,
) -> io::Result<usize> {
    let session = instance.sessions.get_mut(place as usize);
    let Some(inbox) = session.and_then(|session| session.inbox.take()) else {
        return Ok(0);
    };
    let mut lost = 0;
    for entry in inbox.entries() {
        let body = match entry.has_body() {
            true => id(entry.body),
            false => Some(0),
        };
        let (Some(body), Some(whose)) = (body, instance.whose(place)) else {
            lost += 1;
            continue;
        };
        let new = NewEntry {
            seq: entry.seq,
            stored_at: entry.stored_at(),
            qos: entry.qos() as u8,
            retain: entry.retain(),
            state: entry.state(),
            body,
            ids: inbox.ids(entry),
        };
        pen.draft()?.entry(whose, &new);
    }
    Ok(lost)
}

fn read(files: &BTreeMap<u32, Arc<dyn DiskFile>>, at: Location) -> Option<Vec<u8>> {
    let mut bytes = vec![0; at.len as usize];
    let read = disk::read_full(&**files.get(&at.segment)?, &mut bytes, u64::from(at.offset));
    (read.ok()? == bytes.len()).then_some(bytes)
}

/// Writes frame after frame, segment after segment.
struct Pen<'a> {
    disk: &'a dyn Disk,
    next: Next,
    draft: Draft,
    /// The number of the draft.
    number: u64,
    /// The frames of this segment.
    frames: Vec<Vec<u8>>,
    bytes: usize,
    segment: u32,
    previous_end: u64,
}

impl<'a> Pen<'a> {
    fn new(disk: &'a dyn Disk, next: Next) -> Self {
        Self {
            disk,
            next,
            draft: Draft::new(1, 1, 0),
            number: 1,
            frames: Vec::new(),
            bytes: 0,
            segment: 1,
            previous_end: 0,
        }
    }

    /// Where the next op goes.
    fn draft(&mut self) -> io::Result<&mut Draft> {
        if self.draft.len() >= FRAME {
            self.end_frame()?;
        }
        Ok(&mut self.draft)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        let next = Draft::new(self.number + 1, self.segment, 0);
        let bytes = std::mem::replace(&mut self.draft, next).finish(self.number - 1);
        self.bytes += bytes.len();
        self.frames.push(bytes);
        self.number += 1;
        if self.bytes >= SEGMENT {
            self.end_segment()
        } else {
            Ok(())
        }
    }

    fn end_segment(&mut self) -> io::Result<()> {
        let header = segment::Header {
            number: self.segment,
            first_frame: self.number - self.frames.len() as u64,
            next: self.next,
            previous_end: self.previous_end,
        };
        make_segment(self.disk, &header, &self.frames)?;
        self.previous_end = (segment::HEADER + self.bytes) as u64;
        self.segment += 1;
        self.frames.clear();
        self.bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.draft.is_empty() {
            self.end_frame()?;
        }
        if self.segment == 1 || !self.frames.is_empty() {
            self.end_segment()?;
        }
        Ok(())
    }
}
