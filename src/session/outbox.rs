//! The bytes that wait for a client's socket.
//!
//! Small packets are copied one after the other into one buffer, which is cheaper than an entry and a reference count for
//! each; large payloads are shared. The buffer is lent by the shard while there is something in it, so that an idle
//! connection holds none.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Payloads from this size on are shared, below it copied. Measured on a fan-out to 100: see ARCHITECTURE.md.
pub const SHARE_FROM: usize = 16 * 1024;

/// How many pieces one vectored write takes at most.
const PIECES: usize = 64;

/// A byte queue: what was put in first is written first.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Older than `tail`: sealed buffers and shared payloads in turn.
    sealed: VecDeque<Piece>,
    /// Where packets are appended.
    tail: Vec<u8>,
    /// How much of the oldest piece has been written.
    written: usize,
    /// Bytes in `sealed`.
    sealed_len: usize,
}

#[derive(Debug)]
enum Piece {
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Outbox {
    /// The buffer to encode into.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends a payload without copying it.
    pub fn push_shared(&mut self, payload: Bytes) {
        let head = std::mem::take(&mut self.tail);
        for piece in [Piece::Copied(head), Piece::Shared(payload)] {
            self.sealed_len += piece.bytes().len();
            self.sealed.push_back(piece);
        }
    }

    /// Bytes that are still to be written.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.sealed_len + self.tail.len() - self.written
    }

    /// Nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives what waits to `write`, oldest first, in as few calls as it lets, and forgets what it took. Ends with the
    /// first error (such as `WouldBlock`) or when all is gone. Answers with the bytes taken.
    ///
    /// # Errors
    /// What `write` says; the bytes it did not take still wait.
    pub fn write_to(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> std::io::Result<usize>,
    ) -> (usize, std::io::Result<()>) {
        let mut total = 0;
        while !self.is_empty() {
            let taken = if self.sealed.is_empty() {
                write(&[IoSlice::new(self.tail.get(self.written..).unwrap_or_default())])
            } else {
                let mut slices = [IoSlice::new(&[]); PIECES];
                let mut used = 0;
                let mut skip = self.written;
                let pieces = self.sealed.iter().map(Piece::bytes).chain([self.tail.as_slice()]);
                for (slice, piece) in slices.iter_mut().zip(pieces) {
                    *slice = IoSlice::new(piece.get(skip..).unwrap_or_default());
                    skip = 0;
                    used += 1;
                }
                write(slices.get(..used).unwrap_or_default())
            };
            match taken {
                Ok(0) => return (total, Err(std::io::ErrorKind::WriteZero.into())),
                Ok(taken) => {
                    total += taken;
                    self.consume(taken);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return (total, Err(error)),
            }
        }
        (total, Ok(()))
    }

    fn consume(&mut self, taken: usize) {
        self.written += taken;
        while let Some(first) = self.sealed.front() {
            let len = first.bytes().len();
            if self.written < len {
                return;
            }
            self.written -= len;
            self.sealed_len -= len;
            self.sealed.pop_front();
        }
        if self.written >= self.tail.len() {
            self.tail.clear();
            self.written = 0;
        } else if self.written > self.tail.len() / 2 && self.written > 64 * 1024 {
            // A reader that is slow but never stops must not make the buffer grow for ever.
            self.tail.drain(..self.written);
            self.written = 0;
        }
    }

    /// Takes the buffer out if nothing waits, for another connection to use.
    pub fn reclaim(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.tail.capacity() > 0).then(|| {
            self.written = 0;
            std::mem::take(&mut self.tail)
        })
    }

    /// Lends a buffer if there is none yet.
    #[inline]
    pub fn lend(&mut self, lend: impl FnOnce() -> Vec<u8>) {
        if self.tail.capacity() == 0 {
            self.tail = lend();
        }
    }

    /// Forgets everything: the connection is gone.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes at most `step` bytes a call.
    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let (_, result) = outbox.write_to(|slices| {
            let flat: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            let take = flat.len().min(step);
            out.extend_from_slice(&flat[..take]);
            Ok(take)
        });
        result.unwrap();
        out
    }

    #[test]
    fn bytes_come_out_in_the_order_they_went_in_however_short_the_writes() {
        for step in [1, 2, 3, 7, 1000] {
            let mut outbox = Outbox::default();
            outbox.buffer().extend_from_slice(b"head ");
            outbox.push_shared(Bytes::from_static(b"large "));
            outbox.push_shared(Bytes::from_static(b"again "));
            outbox.buffer().extend_from_slice(b"tail");
            assert_eq!(outbox.len(), 21);
            assert_eq!(drain(&mut outbox, step), b"head large again tail");
            assert!(outbox.is_empty());
        }
    }

    #[test]
    fn an_error_keeps_what_was_not_taken() {
        let mut outbox = Outbox::default();
        outbox.buffer().extend_from_slice(b"abcdef");
        let mut calls = 0;
        let (taken, result) = outbox.write_to(|_| {
            calls += 1;
            if calls == 1 {
                Ok(4)
            } else {
                Err(std::io::ErrorKind::WouldBlock.into())
            }
        });
        assert_eq!((taken, result.is_err(), outbox.len()), (4, true, 2));
        assert_eq!(outbox.reclaim(), None);
        assert_eq!(drain(&mut outbox, 10), b"ef");
        assert!(outbox.reclaim().is_some());
    }
}
