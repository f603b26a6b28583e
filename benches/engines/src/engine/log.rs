//! The candidate of our own: segments that are only appended to, and an index in memory.
//!
//! A commit is one frame: length, CRC-32, then its records. A removal is a tombstone. The oldest segment goes first:
//! at once when nothing in it lives, and copied to the front, a step a commit, while more than half of all bytes are
//! garbage. So a tombstone in the oldest segment is about records that are in it or gone, and goes with it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use rustc_hash::FxHashMap;

use super::{Change, Engine, Mode};

const SEGMENT: u64 = 64 << 20;
/// Bytes of the oldest segment a commit looks at while it is compacted: what bounds the pause.
const STEP: u64 = 256 << 10;
/// Length and checksum before the records of a frame.
const HEAD: usize = 8;

const APPEND: u8 = 1;
const REMOVE: u8 = 2;
const BODY: u8 = 3;
/// Tag, session, seq, length of what follows.
const RECORD: usize = 17;

/// Where the bytes of a record are.
#[derive(Clone, Copy)]
struct Place {
    segment: u32,
    offset: u32,
    len: u32,
}

struct Segment {
    number: u32,
    file: File,
    path: PathBuf,
    len: u64,
    live: u64,
}

pub struct Log {
    dir: PathBuf,
    dir_file: File,
    mode: Mode,
    segments: VecDeque<Segment>,
    inbox: FxHashMap<u32, VecDeque<(u64, Place)>>,
    /// The first message of every session that has one: the first of all is the oldest over all sessions.
    fronts: BTreeSet<(u64, u32)>,
    bodies: FxHashMap<u64, Place>,
    len: u64,
    live: u64,
    /// How far the oldest segment is copied.
    compacted: u64,
    frame: Vec<u8>,
    step: Vec<u8>,
}

impl Log {
    pub fn open(dir: &Path, mode: Mode) -> Result<Self> {
        let mut log = Self {
            dir: dir.to_owned(),
            dir_file: File::open(dir)?,
            mode,
            segments: VecDeque::new(),
            inbox: FxHashMap::default(),
            fronts: BTreeSet::new(),
            bodies: FxHashMap::default(),
            len: 0,
            live: 0,
            compacted: 0,
            frame: Vec::new(),
            step: Vec::new(),
        };
        let mut numbers: Vec<u32> = std::fs::read_dir(dir)?
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".seg")?
                    .parse()
                    .ok()
            })
            .collect();
        numbers.sort_unstable();
        for (at, &number) in numbers.iter().enumerate() {
            log.recover(number, at + 1 == numbers.len())?;
        }
        let fronts = log
            .inbox
            .iter()
            .filter_map(|(&session, queue)| Some((queue.front()?.0, session)));
        log.fronts = fronts.collect();
        if log.segments.is_empty() {
            log.start_segment()?;
        }
        Ok(log)
    }

    /// Reads a segment into the index. The last one may end in a frame that was not written whole.
    fn recover(&mut self, number: u32, last: bool) -> Result<()> {
        let path = self.path(number);
        let bytes = std::fs::read(&path)?;
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        self.segments.push_back(Segment {
            number,
            file,
            path,
            len: 0,
            live: 0,
        });
        let mut at = 0;
        while let Some(frame) = whole_frame(&bytes[at..]) {
            self.index(number, at + HEAD, frame);
            at += HEAD + frame.len();
        }
        if at < bytes.len() {
            if !last {
                bail!("segment {number} is damaged at byte {at}");
            }
            self.newest().file.set_len(at as u64)?;
            self.newest().file.sync_all()?;
        }
        self.newest().len = at as u64;
        self.len += at as u64;
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:08}.seg"))
    }

    fn newest(&mut self) -> &mut Segment {
        self.segments
            .back_mut()
            .expect("there is always a segment once the log is open")
    }

    fn start_segment(&mut self) -> Result<()> {
        let number = self.segments.back().map_or(1, |segment| segment.number + 1);
        if let Some(last) = self.segments.back() {
            last.file.sync_data()?;
        }
        let path = self.path(number);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)?;
        self.dir_file.sync_all()?;
        self.segments.push_back(Segment {
            number,
            file,
            path,
            len: 0,
            live: 0,
        });
        Ok(())
    }

    /// Writes the frame that was built, as a whole, and takes it into the index.
    fn write_frame(&mut self, sync: bool) -> Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        let len = (frame.len() - HEAD) as u32;
        frame[..4].copy_from_slice(&len.to_le_bytes());
        let sum = crc32fast::hash(&frame[HEAD..]);
        frame[4..HEAD].copy_from_slice(&sum.to_le_bytes());
        if self.newest().len + frame.len() as u64 > SEGMENT && self.newest().len > 0 {
            self.start_segment()?;
        }
        let segment = self.newest();
        let (number, offset) = (segment.number, segment.len);
        std::io::Write::write_all(&mut segment.file, &frame)?;
        if sync && self.mode == Mode::Fsync {
            self.newest().file.sync_data()?;
        }
        self.newest().len += frame.len() as u64;
        self.len += frame.len() as u64;
        self.index(number, offset as usize + HEAD, &frame[HEAD..]);
        frame.clear();
        self.frame = frame;
        Ok(())
    }

    /// Takes the records of a frame into the index.
    fn index(&mut self, segment: u32, base: usize, records: &[u8]) {
        for (at, record) in Records(records, 0) {
            let place = Place {
                segment,
                offset: (base + at + RECORD) as u32,
                len: record.bytes.len() as u32,
            };
            match record.tag {
                APPEND => self.insert(record.session, record.seq, place),
                REMOVE => self.forget(record.session, record.seq),
                _ => {
                    let before = self.bodies.insert(record.seq, place);
                    self.account(place, before);
                }
            }
        }
    }

    /// A message is new, or it was copied to the front.
    fn insert(&mut self, session: u32, seq: u64, place: Place) {
        let queue = self.inbox.entry(session).or_default();
        let before = match queue.back() {
            Some(&(last, _)) if last >= seq => match queue.binary_search_by_key(&seq, |entry| entry.0) {
                Ok(at) => Some(std::mem::replace(&mut queue[at].1, place)),
                // Only when the segment it was copied from is deleted, at recovery.
                Err(at) => {
                    queue.insert(at, (seq, place));
                    None
                }
            },
            back => {
                if back.is_none() {
                    self.fronts.insert((seq, session));
                }
                queue.push_back((seq, place));
                None
            }
        };
        self.account(place, before);
    }

    fn account(&mut self, new: Place, old: Option<Place>) {
        self.credit(new, true);
        if let Some(old) = old {
            self.credit(old, false);
        }
    }

    fn credit(&mut self, place: Place, lives: bool) {
        let bytes = u64::from(place.len) + RECORD as u64;
        let first = self.segments.front().map_or(0, |segment| segment.number);
        let segment = place
            .segment
            .checked_sub(first)
            .and_then(|at| self.segments.get_mut(at as usize));
        if let Some(segment) = segment {
            if lives {
                segment.live += bytes;
                self.live += bytes;
            } else {
                segment.live -= bytes;
                self.live -= bytes;
            }
        }
    }

    fn forget(&mut self, session: u32, seq: u64) {
        let Some(queue) = self.inbox.get_mut(&session) else {
            return;
        };
        let gone = match queue.front() {
            Some(&(first, _)) if first == seq => {
                self.fronts.remove(&(seq, session));
                let gone = queue.pop_front();
                match queue.front() {
                    Some(&(next, _)) => {
                        self.fronts.insert((next, session));
                    }
                    None => {
                        self.inbox.remove(&session);
                    }
                }
                gone
            }
            _ => queue
                .binary_search_by_key(&seq, |entry| entry.0)
                .ok()
                .and_then(|at| queue.remove(at)),
        };
        if let Some((_, place)) = gone {
            self.credit(place, false);
        }
    }

    /// Deletes what is dead at the back, and copies a step of the oldest segment while half of all is garbage.
    fn compact(&mut self) -> Result<()> {
        while self.segments.len() > 1 {
            let oldest = self.segments.front().expect("there are two");
            if oldest.live > 0 && self.live * 2 >= self.len && self.compacted == 0 {
                return Ok(());
            }
            if oldest.live > 0 {
                self.copy_step()?;
                if self.segments.front().is_some_and(|oldest| oldest.live > 0) {
                    return Ok(());
                }
            }
            // What was copied has to be on disk before its original goes; in a segment before the newest it is.
            self.newest().file.sync_data()?;
            let oldest = self.segments.pop_front().expect("there are two");
            std::fs::remove_file(&oldest.path)?;
            self.len -= oldest.len;
            self.compacted = 0;
        }
        Ok(())
    }

    /// Copies what lives in the next frames of the oldest segment to the front.
    fn copy_step(&mut self) -> Result<()> {
        let oldest = self.segments.front().expect("asked for by `compact`");
        let number = oldest.number;
        let mut step = std::mem::take(&mut self.step);
        step.resize(STEP.min(oldest.len - self.compacted) as usize, 0);
        oldest.file.read_exact_at(&mut step, self.compacted)?;
        if step.len() >= HEAD {
            // A frame longer than a step is read as a whole.
            let first = HEAD + u32::from_le_bytes(step[..4].try_into().expect("four bytes")) as usize;
            if first > step.len() {
                step.resize(first, 0);
                oldest.file.read_exact_at(&mut step, self.compacted)?;
            }
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(HEAD, 0);
        let mut at = 0;
        while let Some(records) = whole_frame(&step[at..]) {
            let base = self.compacted as usize + at + HEAD;
            for (within, record) in Records(records, 0) {
                let offset = (base + within + RECORD) as u32;
                let place = match record.tag {
                    APPEND => self.find(record.session, record.seq),
                    BODY => self.bodies.get(&record.seq).copied(),
                    _ => None,
                };
                if place.is_some_and(|place| place.segment == number && place.offset == offset) {
                    frame.extend_from_slice(&records[within..within + RECORD + record.bytes.len()]);
                }
            }
            at += HEAD + records.len();
        }
        if at == 0 {
            bail!("segment {number} is damaged");
        }
        self.compacted += at as u64;
        self.step = step;
        self.frame = frame;
        if self.frame.len() > HEAD {
            self.write_frame(false)?;
        }
        self.frame.clear();
        Ok(())
    }

    fn find(&self, session: u32, seq: u64) -> Option<Place> {
        let queue = self.inbox.get(&session)?;
        let at = queue.binary_search_by_key(&seq, |entry| entry.0).ok()?;
        Some(queue[at].1)
    }
}

impl Engine for Log {
    fn commit(&mut self, batch: &[Change<'_>], sync: bool) -> Result<()> {
        self.frame.resize(HEAD, 0);
        for change in batch {
            let (tag, session, seq, bytes) = match *change {
                Change::Append { session, seq, record } => (APPEND, session, seq, record),
                Change::Remove { session, seq } => (REMOVE, session, seq, &[][..]),
                Change::Body { id, body } => (BODY, 0, id, body),
            };
            self.frame.push(tag);
            self.frame.extend_from_slice(&session.to_le_bytes());
            self.frame.extend_from_slice(&seq.to_le_bytes());
            self.frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            self.frame.extend_from_slice(bytes);
        }
        self.write_frame(sync)?;
        self.compact()
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.newest().file.sync_data()?)
    }

    fn page(
        &mut self,
        session: u32,
        from: u64,
        limit: usize,
        read: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<()> {
        let Some(queue) = self.inbox.get(&session) else {
            return Ok(());
        };
        let start = queue.partition_point(|entry| entry.0 < from);
        let first = self.segments.front().map_or(0, |segment| segment.number);
        for &(seq, place) in queue.range(start..).take(limit) {
            self.step.resize(place.len as usize, 0);
            let segment = &self.segments[(place.segment - first) as usize];
            segment
                .file
                .read_exact_at(&mut self.step, u64::from(place.offset))?;
            read(seq, &self.step);
        }
        Ok(())
    }

    fn oldest(&mut self, from: u64, limit: usize, read: &mut dyn FnMut(u64, u32)) -> Result<()> {
        // A merge of the sessions' queues: of the fronts, and of what follows those that were taken.
        let mut fronts = self.fronts.iter().copied().peekable();
        let mut followers = BinaryHeap::new();
        let mut left = limit;
        while left > 0 {
            let follower = followers.peek().map(|&Reverse(entry)| entry);
            let (seq, session) = match (fronts.peek().copied(), follower) {
                (Some(front), Some(follower)) if follower < front => follower,
                (None, Some(follower)) => follower,
                (Some(front), _) => front,
                (None, None) => break,
            };
            if follower == Some((seq, session)) {
                followers.pop();
            } else {
                fronts.next();
            }
            if seq >= from {
                read(seq, session);
                left -= 1;
            }
            let queue = &self.inbox[&session];
            let next = queue.partition_point(|entry| entry.0 <= seq);
            if let Some(&(next, _)) = queue.get(next) {
                followers.push(Reverse((next, session)));
            }
        }
        Ok(())
    }
}

struct Record<'a> {
    tag: u8,
    session: u32,
    seq: u64,
    bytes: &'a [u8],
}

/// The records of a frame, each with where it begins.
struct Records<'a>(&'a [u8], usize);

impl<'a> Iterator for Records<'a> {
    type Item = (usize, Record<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.1;
        let head = self.0.get(at..at + RECORD)?;
        let session = u32::from_le_bytes(head[1..5].try_into().ok()?);
        let seq = u64::from_le_bytes(head[5..13].try_into().ok()?);
        let len = u32::from_le_bytes(head[13..17].try_into().ok()?) as usize;
        let bytes = self.0.get(at + RECORD..at + RECORD + len)?;
        self.1 = at + RECORD + len;
        Some((
            at,
            Record {
                tag: head[0],
                session,
                seq,
                bytes,
            },
        ))
    }
}

/// The records of the frame the bytes begin with, if it is there as a whole.
fn whole_frame(bytes: &[u8]) -> Option<&[u8]> {
    let len = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
    let records = bytes.get(HEAD..HEAD + len)?;
    (len > 0 && crc32fast::hash(records) == sum).then_some(records)
}
