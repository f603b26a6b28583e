//! A frame: some batches, written at once. All of it counts, or nothing.
//!
//! ```text
//! magic 4 | length of the payload 4 | number 8 | synced 8 | CRC-32 of all the rest 4 | payload: ops
//! ```
//!
//! Little endian. Frames are numbered without a gap, over all segments. `synced` is the last frame that was known to be on the
//! disk itself when this one was made: with it, recovery tells a frame that was lost with the power, as frames may that nobody
//! waited for, from one that has been damaged since.

/// Bytes in front of the payload.
pub(in super::super) const HEADER: usize = 28;

const MAGIC: [u8; 4] = *b"DlnF";

/// Where the parts of the header begin.
const LENGTH_AT: usize = 4;
const NUMBER_AT: usize = 8;
const SYNCED_AT: usize = 16;
const SUM_AT: usize = 24;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Header {
    /// Bytes of the payload.
    pub(in super::super) length: u32,
    pub(in super::super) number: u64,
    pub(in super::super) synced: u64,
    sum: u32,
}

impl Header {
    /// Reads a header; `None` if there is none here.
    pub(in super::super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..LENGTH_AT)? != MAGIC {
            return None;
        }
        Some(Self {
            length: u32::from_le_bytes(array(bytes, LENGTH_AT)?),
            number: u64::from_le_bytes(array(bytes, NUMBER_AT)?),
            synced: u64::from_le_bytes(array(bytes, SYNCED_AT)?),
            sum: u32::from_le_bytes(array(bytes, SUM_AT)?),
        })
    }

    /// All bytes of the frame.
    pub(in super::super) fn size(&self) -> usize {
        HEADER + self.length as usize
    }

    /// The payload of a frame that begins where `bytes` do, if the sum is right.
    pub(in super::super) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let payload = bytes.get(HEADER..self.size())?;
        (sum(bytes.get(..SUM_AT)?, payload) == self.sum).then_some(payload)
    }
}

/// The number of bytes from here to where the next frame may begin: one whose magic is there, at least.
pub(in super::super) fn next_magic(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, &MAGIC)
}

/// Writes the header of a frame whose payload lies behind the place for it.
pub(in super::super) fn finish(frame: &mut [u8], number: u64, synced: u64) {
    let Some((header, payload)) = frame.split_at_mut_checked(HEADER) else {
        return;
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    put(header, 0, &MAGIC);
    put(header, LENGTH_AT, &length.to_le_bytes());
    put(header, NUMBER_AT, &number.to_le_bytes());
    put(header, SYNCED_AT, &synced.to_le_bytes());
    let sum = sum(header.get(..SUM_AT).unwrap_or_default(), payload);
    put(header, SUM_AT, &sum.to_le_bytes());
}

fn sum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(payload);
        finish(&mut bytes, 7, 5);
        bytes
    }

    #[test]
    fn a_frame_comes_back() {
        let bytes = frame(b"payload");
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.length, header.number, header.synced), (7, 7, 5));
        assert_eq!(header.payload(&bytes), Some(&b"payload"[..]));
        assert_eq!(next_magic(&[&[1, 2, 3][..], &bytes].concat()), Some(3));
    }

    #[test]
    fn a_turned_bit_anywhere_is_seen() {
        let bytes = frame(b"payload");
        for at in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[at / 8] ^= 1 << (at % 8);
            let header = Header::read(&other);
            assert_eq!(header.and_then(|header| header.payload(&other)), None, "bit {at}");
        }
    }

    #[test]
    fn what_is_cut_off_is_no_frame() {
        let bytes = frame(b"payload");
        for len in 0..bytes.len() {
            let header = Header::read(&bytes[..len]);
            assert_eq!(header.and_then(|header| header.payload(&bytes[..len])), None);
        }
    }
}
