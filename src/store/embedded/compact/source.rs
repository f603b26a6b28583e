//! An old segment, read frame by frame.

use std::io;
use std::sync::Arc;

use crate::store::embedded::disk::{self, DiskFile};
use crate::store::embedded::format::{frame, segment};
use crate::store::embedded::index::Handle;

/// So many bytes are read at once, unless a frame has more.
const CHUNK: usize = 256 << 10;

/// A segment that is read.
#[derive(Debug)]
pub(super) struct Source {
    segment: u32,
    file: Arc<dyn DiskFile>,
    /// How much of it counts.
    end: u64,
    /// Where the next frame begins.
    offset: u64,
    /// Bytes of the file from `start` on.
    bytes: Vec<u8>,
    start: u64,
    /// The bodies that lay in it when it was begun with, in its order.
    bodies: Vec<(u32, Handle)>,
    last_frame: usize,
}

/// A frame of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) segment: u32,
    /// Where the payload begins.
    pub(super) start: u64,
    pub(super) payload: &'a [u8],
    bodies: &'a [(u32, Handle)],
}

impl Frame<'_> {
    /// The body that lay here.
    pub(super) fn body_at(&self, offset: u32) -> Option<Handle> {
        let found = self.bodies.binary_search_by_key(&offset, |(offset, _)| *offset);
        self.bodies.get(found.ok()?).map(|(_, handle)| *handle)
    }
}

impl Source {
    pub(super) fn new(segment: u32, file: Arc<dyn DiskFile>, end: u64, bodies: Vec<(u32, Handle)>) -> Self {
        Self {
            segment,
            file,
            end,
            offset: segment::HEADER as u64,
            bytes: Vec::new(),
            start: 0,
            bodies,
            last_frame: 0,
        }
    }

    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    /// How many bytes the last frame had.
    pub(super) fn last_frame(&self) -> usize {
        self.last_frame
    }

    /// The next frame, `None` at the end.
    pub(super) fn next_frame(&mut self) -> io::Result<Option<Frame<'_>>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let header = frame::Header::read(self.need(frame::HEADER)?).ok_or(io::ErrorKind::InvalidData)?;
        self.need(header.size())?;
        let offset = self.offset;
        self.offset += header.size() as u64;
        self.last_frame = header.size();
        let payload = header.payload(part(&self.bytes, self.start, offset));
        Ok(Some(Frame {
            segment: self.segment,
            start: offset + frame::HEADER as u64,
            payload: payload.ok_or(io::ErrorKind::InvalidData)?,
            bodies: &self.bodies,
        }))
    }

    /// The bytes from the offset on, as many as this at least.
    fn need(&mut self, len: usize) -> io::Result<&[u8]> {
        if self.end - self.offset < len as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if part(&self.bytes, self.start, self.offset).len() < len {
            let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
            self.bytes.resize(len.max(CHUNK).min(left), 0);
            self.start = self.offset;
            if disk::read_full(&*self.file, &mut self.bytes, self.offset)? < self.bytes.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(part(&self.bytes, self.start, self.offset))
    }
}

/// What there is from `offset` on, of bytes that begin at `start`.
fn part(bytes: &[u8], start: u64, offset: u64) -> &[u8] {
    let from = usize::try_from(offset - start).unwrap_or(usize::MAX);
    bytes.get(from..).unwrap_or_default()
}
