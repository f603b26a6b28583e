//! Looking for forbidden characters eight bytes at a time: every topic of every message goes through here.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Not zero if any byte of `word` is zero.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// Not zero if any byte of `word` is `+` or `#`: the two differ in one bit, 0x08, which is set in both first.
#[inline]
const fn wildcard_bytes(word: u64) -> u64 {
    zero_bytes((word | (LOW * 0x08)) ^ (LOW * b'+' as u64))
}

/// Is there a word of `bytes` for which `test` is not zero? What fills up the last word passes every test.
#[inline]
fn any_word(bytes: &[u8], test: impl Fn(u64) -> u64) -> bool {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut found = 0;
    for word in words {
        found |= test(u64::from_le_bytes(*word));
    }
    if !tail.is_empty() {
        let last = match bytes.last_chunk::<8>() {
            // Some bytes are looked at twice, which is cheaper than to look at the rest one by one.
            Some(last) => u64::from_le_bytes(*last),
            None => tail
                .iter()
                .fold(LOW * b'.' as u64, |word, byte| (word << 8) | u64::from(*byte)),
        };
        found |= test(last);
    }
    found != 0
}

/// Is there a U+0000?
#[inline]
pub(super) fn has_null(bytes: &[u8]) -> bool {
    any_word(bytes, zero_bytes)
}

/// Is there a U+0000, `+` or `#`?
#[inline]
pub(super) fn has_null_or_wildcard(bytes: &[u8]) -> bool {
    any_word(bytes, |word| zero_bytes(word) | wildcard_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_of_every_length() {
        for len in 1..40 {
            for at in 0..len {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    assert_eq!(has_null(&bytes), byte == 0, "{byte} at {at} of {len}");
                    assert_eq!(
                        has_null_or_wildcard(&bytes),
                        matches!(byte, 0 | b'+' | b'#'),
                        "{byte} at {at}"
                    );
                }
            }
        }
        assert!(!has_null_or_wildcard(b""));
    }
}
