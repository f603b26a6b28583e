//! Finds the packets in what is written to a client's socket, however the writes cut them.

use std::io::IoSlice;

use crate::codec::{self, FixedHeader, Outline, ProtocolVersion};

/// How much of a packet is looked at: enough for its topic.
const BEGINNING: usize = 16 * 1024;

/// Where in the stream of packets the socket is.
#[derive(Default)]
pub(super) struct Written {
    /// Bytes of packets that waited already when somebody began to watch.
    skip: usize,
    /// The beginning of the packet that is being written.
    beginning: Vec<u8>,
    header: Option<FixedHeader>,
    /// Bytes of it that have been written.
    seen: usize,
}

impl Written {
    /// Begins behind the next `skip` bytes.
    pub(super) fn after(skip: usize) -> Self {
        Self {
            skip,
            ..Self::default()
        }
    }

    /// Takes in the first `taken` bytes of `slices`.
    pub(super) fn take(
        &mut self,
        version: ProtocolVersion,
        slices: &[IoSlice<'_>],
        mut taken: usize,
        found: &mut Vec<Outline>,
    ) {
        for slice in slices {
            let (now, _later) = slice.split_at(taken.min(slice.len()));
            taken -= now.len();
            self.bytes(version, now, found);
        }
    }

    fn bytes(&mut self, version: ProtocolVersion, bytes: &[u8], found: &mut Vec<Outline>) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let mut bytes = bytes.get(skipped..).unwrap_or_default();
        while !bytes.is_empty() {
            // A header has five bytes at most: one by one until it is whole.
            let wanted = self.header.map_or(1, |header| header.packet_len() - self.seen);
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            bytes = later;
            self.seen += now.len();
            let room = BEGINNING.saturating_sub(self.beginning.len());
            self.beginning.extend_from_slice(now.get(..room).unwrap_or(now));
            if self.header.is_none() {
                self.header = codec::peek(&self.beginning).ok().flatten();
            }
            if let Some(header) = self.header.filter(|header| header.packet_len() == self.seen) {
                let body = self
                    .beginning
                    .get(usize::from(header.header_len)..)
                    .unwrap_or_default();
                found.push(codec::outline(version, header, body));
                *self = Self::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PUBLISH of QoS 0 with so much payload.
    fn publish(topic: &str, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0x30];
        let mut left = 2 + topic.len() + payload;
        while left >= 128 {
            bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
        bytes.extend([0, topic.len() as u8]);
        bytes.extend(topic.bytes());
        bytes.extend(vec![b'x'; payload]);
        bytes
    }

    #[test]
    fn packets_are_found_however_they_are_cut() {
        let stream = [publish("a", 3), publish("b", 300_000), publish("c", 0)].concat();
        for step in [1, 2, 7, 4096, stream.len()] {
            let mut written = Written::default();
            let mut found = Vec::new();
            for part in stream.chunks(step) {
                let (first, second) = part.split_at(part.len() / 2);
                let slices = [IoSlice::new(first), IoSlice::new(second)];
                written.take(ProtocolVersion::V311, &slices, part.len(), &mut found);
            }
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.topic.as_deref().unwrap(), &*one.text))
                .collect();
            assert_eq!(
                found,
                [
                    ("a", "QoS 0, 3 bytes"),
                    ("b", "QoS 0, 300000 bytes"),
                    ("c", "QoS 0, 0 bytes")
                ],
                "{step}"
            );
        }
    }

    #[test]
    fn what_waited_before_is_passed_over_and_what_the_socket_did_not_take_is_not_seen() {
        let stream = [publish("old", 10), publish("new", 1)].concat();
        let mut written = Written::after(publish("old", 10).len() - 4);
        let mut found = Vec::new();
        let rest = &stream[4..];
        let slices = [IoSlice::new(rest)];
        written.take(ProtocolVersion::V311, &slices, rest.len() - 1, &mut found);
        assert!(found.is_empty());
        let last = [IoSlice::new(&rest[rest.len() - 1..])];
        written.take(ProtocolVersion::V311, &last, 1, &mut found);
        assert_eq!(found[0].topic.as_deref(), Some("new"));
    }
}
