//! What is in a payload: the stream, the number, and bytes that both give.

use crate::random::mix;

const HEADER: usize = 11;
const MAGIC: u8 = 0xD5;

pub struct Header {
    pub stream: usize,
    pub number: u64,
}

impl Header {
    pub fn read(payload: &[u8]) -> Option<Header> {
        let (header, _) = payload.split_at_checked(HEADER)?;
        if header[0] != MAGIC {
            return None;
        }
        Some(Header {
            stream: usize::from(u16::from_be_bytes(header[1..3].try_into().unwrap())),
            number: u64::from_be_bytes(header[3..].try_into().unwrap()),
        })
    }
}

/// Mostly short; a few are of a kind that is written otherwise by brokers and disks. A retained message now and then is
/// empty: it takes away what was there.
pub fn payload(stream: usize, number: u64, retained: bool) -> Vec<u8> {
    if retained && takes_away(stream, number) {
        return Vec::new();
    }
    let noise = mix((stream as u64) << 48 | number);
    let length = match noise % 100 {
        0 => 2_000 + noise / 128 % 6_000,
        _ => 5 + noise / 128 % 120,
    };
    let mut payload = vec![MAGIC];
    payload.extend((stream as u16).to_be_bytes());
    payload.extend(number.to_be_bytes());
    payload.resize(HEADER + length as usize, noise as u8);
    payload
}

pub fn takes_away(stream: usize, number: u64) -> bool {
    mix(mix(stream as u64) ^ number).is_multiple_of(4)
}

/// Whether a filter without `$share` matches a topic.
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match topic.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}
