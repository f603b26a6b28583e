//! Reads a segment's file frame by frame, and finds out what is behind a place where there is none.

use std::io;
use std::ops::Range;

use crate::store::embedded::disk::{self, DiskFile};
use crate::store::embedded::format::{frame, segment};

/// The content of a segment's file.
#[derive(Debug, Default)]
pub(in super::super) struct Content {
    bytes: Vec<u8>,
}

/// A frame that is whole.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Whole<'a> {
    pub(in super::super) header: frame::Header,
    pub(in super::super) offset: usize,
    pub(in super::super) payload: &'a [u8],
}

impl Whole<'_> {
    pub(in super::super) fn end(&self) -> usize {
        self.offset + self.header.size()
    }
}

impl Content {
    /// Reads a file in place of what was here.
    pub(in super::super) fn read(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.bytes.resize(len, 0);
        let read = disk::read_full(file, &mut self.bytes, 0)?;
        self.bytes.truncate(read);
        Ok(())
    }

    pub(in super::super) fn header(&self) -> Option<segment::Header> {
        segment::Header::read(&self.bytes)
    }

    pub(in super::super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Drops what does not count.
    pub(in super::super) fn truncate(&mut self, len: u64) {
        self.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    }

    /// The whole frame that begins here.
    pub(in super::super) fn frame(&self, offset: usize) -> Option<Whole<'_>> {
        let bytes = self.bytes.get(offset..)?;
        let header = frame::Header::read(bytes)?;
        Some(Whole {
            header,
            offset,
            payload: header.payload(bytes)?,
        })
    }

    /// The first whole frame that begins here or behind.
    pub(in super::super) fn frame_behind(&self, mut offset: usize) -> Option<Whole<'_>> {
        loop {
            offset += frame::next_magic(self.bytes.get(offset..)?)?;
            if let Some(found) = self.frame(offset) {
                return Some(found);
            }
            offset += 1;
        }
    }

    /// All whole frames from here on, however much lies in between.
    pub(in super::super) fn frames_behind(&self, offset: usize) -> impl Iterator<Item = Whole<'_>> {
        let mut offset = offset;
        std::iter::from_fn(move || {
            let found = self.frame_behind(offset)?;
            offset = found.end();
            Some(found)
        })
    }

    /// Bytes as they are.
    pub(in super::super) fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        self.bytes.get(range)
    }
}
