//! A segment: a file of frames, named by its number, behind a header.
//!
//! ```text
//! magic 4 | number 4 | first frame 8 | next seq 8 | next body 8 | next revision 8 | end of the one before 8 | CRC-32 4
//! ```
//!
//! Little endian. The next numbers keep those of what is long forgotten from being given again. The segment before counts up to
//! `previous_end`; what lies behind that was written there, but never came to the disk for certain, and is written here again.

/// Bytes in front of the first frame.
pub(in super::super) const HEADER: usize = 52;

const MAGIC: [u8; 4] = *b"DlnS";
const SUM_AT: usize = HEADER - 4;
const ENDING: &str = ".log";

/// The name of one that is being made.
pub(in super::super) const UNFINISHED: &str = "unfinished";

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Header {
    /// Which segment: 1 is the first.
    pub(in super::super) number: u32,
    /// The number of its first frame.
    pub(in super::super) first_frame: u64,
    pub(in super::super) next: Next,
    /// How many bytes of the segment before count; 0 if there is none.
    pub(in super::super) previous_end: u64,
}

/// The numbers to be given next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Next {
    /// To a message in an inbox.
    pub(in super::super) seq: u64,
    /// To a body.
    pub(in super::super) body: u64,
    /// To a session record.
    pub(in super::super) revision: u64,
}

impl Default for Next {
    fn default() -> Self {
        Self {
            seq: 1,
            body: 1,
            revision: 1,
        }
    }
}

impl Header {
    pub(in super::super) fn write(&self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        let Next { seq, body, revision } = self.next;
        for number in [self.first_frame, seq, body, revision, self.previous_end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.try_into().unwrap_or([0; HEADER])
    }

    pub(in super::super) fn read(bytes: &[u8]) -> Option<Self> {
        let inside = bytes.get(..SUM_AT)?;
        let sum = u32::from_le_bytes(bytes.get(SUM_AT..HEADER)?.try_into().ok()?);
        let (magic, rest) = inside.split_first_chunk::<4>()?;
        if *magic != MAGIC || crc32fast::hash(inside) != sum {
            return None;
        }
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let mut numbers = rest.chunks_exact(8).map(|chunk| {
            let bytes = chunk.try_into().unwrap_or_default();
            u64::from_le_bytes(bytes)
        });
        Some(Self {
            number: u32::from_le_bytes(*number),
            first_frame: numbers.next()?,
            next: Next {
                seq: numbers.next()?,
                body: numbers.next()?,
                revision: numbers.next()?,
            },
            previous_end: numbers.next()?,
        })
    }
}

/// The name of a segment's file.
pub(in super::super) fn name(number: u32) -> String {
    format!("{number:010}{ENDING}")
}

/// The segment that has this name; `None` if it is not a segment's.
pub(in super::super) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(ENDING)?;
    let right = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_a_damaged_one_does_not() {
        let header = Header {
            number: 3,
            first_frame: u64::MAX,
            next: Next {
                seq: 1,
                body: 2,
                revision: 3,
            },
            previous_end: 4,
        };
        let bytes = header.write();
        assert_eq!(Header::read(&bytes), Some(header));
        for at in 0..bytes.len() {
            let mut other = bytes;
            other[at] ^= 1;
            assert_eq!(Header::read(&other), None, "{at}");
        }
    }

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(number(&name(17)), Some(17));
        for other in [
            "17.log",
            "00000000017.log",
            "LOCK",
            "0000000a17.log",
            "9999999999.log",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
