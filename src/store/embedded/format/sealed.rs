//! Bytes behind their check sum: what is read alone, later, is known to be what was written.

/// The check sum: CRC-32, little endian.
const SUM: usize = 4;

/// Lets `write` append to `out`, behind a check sum of what it appends.
pub(super) fn seal(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; SUM]);
    write(out);
    let sum = out.get(start + SUM..).map(crc32fast::hash).unwrap_or_default();
    if let Some(place) = out.get_mut(start..start + SUM) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

/// What was sealed, if it still is what it was.
pub(super) fn open(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, inside) = bytes.split_first_chunk::<SUM>()?;
    (u32::from_le_bytes(*sum) == crc32fast::hash(inside)).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_bit_is_seen() {
        let mut bytes = vec![9];
        seal(&mut bytes, |out| out.extend_from_slice(b"inside"));
        assert_eq!(open(&bytes[1..]), Some(&b"inside"[..]));
        for at in 1..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 4;
            assert_eq!(open(&other[1..]), None, "{at}");
        }
        assert_eq!(open(&bytes[1..4]), None);
    }
}
