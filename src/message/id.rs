//! The Message ID: 32 upper-case hexadecimal digits that every message gets as it enters.

use std::fmt;

/// Names one message, unique across restarts and machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MessageId(pub u128);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032X}", self.0)
    }
}

/// How many low bits count; the 80 bits above them are random, drawn once per shard and start.
const COUNTER_BITS: u32 = 48;

/// Makes Message IDs on one shard: a random prefix and a counter, so a message costs an addition and no system
/// call, and two shards, restarts or machines meet with a chance of 2^-80.
#[derive(Debug)]
pub struct MessageIds {
    next: u128,
}

impl MessageIds {
    /// Draws the prefix from the operating system's randomness.
    ///
    /// # Errors
    /// The system has none to give; a broker must not start then.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut prefix = [0; 16];
        getrandom::fill(&mut prefix)?;
        Ok(Self {
            next: u128::from_le_bytes(prefix) << COUNTER_BITS,
        })
    }

    /// The next id. After 2^48 messages the counter runs into the prefix, which stays unique all the same.
    #[inline]
    pub fn next_id(&mut self) -> MessageId {
        self.next = self.next.wrapping_add(1);
        MessageId(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_32_upper_case_hex_digits_and_unique() {
        let (mut one, mut other) = (MessageIds::random().unwrap(), MessageIds::random().unwrap());
        let ids = [one.next_id(), one.next_id(), other.next_id()];
        let mut texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        for text in &texts {
            assert_eq!(text.len(), 32);
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
            );
        }
        texts.dedup();
        assert_eq!(texts.len(), 3);
    }
}
