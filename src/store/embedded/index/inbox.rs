//! The inbox of one session: what waits, what is in flight. The bodies lie elsewhere.

use std::collections::{BTreeMap, VecDeque};

use super::bodies::Handle;
use crate::codec::QoS;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum State {
    /// It waits.
    Waiting,
    /// In flight under this packet id.
    Sent(u16),
    /// PUBCOMP is owed for this packet id; nothing else is needed of it.
    Released(u16),
}

const RETAIN: u32 = 1 << 2;
const SENT: u32 = 1 << 3;
const RELEASED: u32 = 1 << 4;
/// The bits above are the place of the subscription identifiers.
const IDS: u32 = 8;

/// One message. There may be millions: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) seq: u64,
    /// Milliseconds above, the packet id in the low 16 bits.
    stored_at: u64,
    pub(in super::super) body: Handle,
    flags: u32,
}

impl Entry {
    pub(in super::super) fn new(
        seq: u64,
        stored_at: u64,
        qos: QoS,
        retain: bool,
        state: State,
        body: Handle,
    ) -> Self {
        let mut flags = u32::from(qos as u8);
        if retain {
            flags |= RETAIN;
        }
        let mut entry = Self {
            seq,
            stored_at: stored_at.min(u64::MAX >> 16) << 16,
            body,
            flags,
        };
        entry.set_state(state);
        entry
    }

    pub(in super::super) fn stored_at(&self) -> u64 {
        self.stored_at >> 16
    }

    pub(in super::super) fn qos(&self) -> QoS {
        QoS::from_bits(self.flags.to_le_bytes()[0] & 3).unwrap_or_default()
    }

    pub(in super::super) fn retain(&self) -> bool {
        self.flags & RETAIN != 0
    }

    pub(in super::super) fn state(&self) -> State {
        let [low, high, ..] = self.stored_at.to_le_bytes();
        let packet_id = u16::from_le_bytes([low, high]);
        match self.flags & (SENT | RELEASED) {
            0 => State::Waiting,
            SENT => State::Sent(packet_id),
            _ => State::Released(packet_id),
        }
    }

    pub(in super::super) fn set_state(&mut self, state: State) {
        let (bits, packet_id) = match state {
            State::Waiting => (0, 0),
            State::Sent(packet_id) => (SENT, packet_id),
            State::Released(packet_id) => (RELEASED, packet_id),
        };
        self.flags = self.flags & !(SENT | RELEASED) | bits;
        self.stored_at = self.stored_at >> 16 << 16 | u64::from(packet_id);
    }

    pub(in super::super) fn is_in_flight(&self) -> bool {
        self.flags & (SENT | RELEASED) != 0
    }

    /// It holds a message still, so it counts and grows old.
    pub(in super::super) fn has_body(&self) -> bool {
        self.flags & RELEASED == 0
    }

    fn ids(&self) -> usize {
        (self.flags >> IDS) as usize
    }
}

/// The messages of a session in the order of their coming.
#[derive(Debug, Default)]
pub(in super::super) struct Inbox {
    entries: VecDeque<Entry>,
    /// How many of them are in flight; to stop looking for them in time.
    in_flight: usize,
    /// The lists of subscription identifiers that entries have; place 0 is for none. A session has few subscriptions, so a
    /// list comes again and again.
    ids: Vec<Box<[u32]>>,
}

/// How many lists, from the last one back, are compared with a new one.
const LISTS_COMPARED: usize = 8;

impl Inbox {
    pub(in super::super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A message behind all others.
    pub(in super::super) fn push(&mut self, mut entry: Entry, ids: &[u32]) {
        self.forget_lists();
        self.set_ids(&mut entry, ids);
        self.in_flight += usize::from(entry.is_in_flight());
        self.entries.push_back(entry);
    }

    /// A message as it is by now: behind all others, or in place of what was known of it. Given back if it is neither: it
    /// belongs in between.
    pub(in super::super) fn put(&mut self, mut entry: Entry, ids: &[u32]) -> Option<Entry> {
        if self.entries.back().is_none_or(|last| last.seq < entry.seq) {
            self.forget_lists();
            self.set_ids(&mut entry, ids);
            self.in_flight += usize::from(entry.is_in_flight());
            self.entries.push_back(entry);
            return None;
        }
        let Some(position) = self.position(entry.seq) else {
            return Some(entry);
        };
        self.set_ids(&mut entry, ids);
        let Some(known) = self.entries.get_mut(position) else {
            return Some(entry);
        };
        self.in_flight -= usize::from(known.is_in_flight());
        self.in_flight += usize::from(entry.is_in_flight());
        *known = entry;
        None
    }

    /// The one of this number.
    pub(in super::super) fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(self.position(seq)?)
    }

    /// The subscription identifiers of an entry.
    pub(in super::super) fn ids(&self, entry: &Entry) -> &[u32] {
        let place = entry.ids().checked_sub(1);
        place
            .and_then(|place| self.ids.get(place))
            .map_or(&[], |ids| &**ids)
    }

    /// It is in this state from now on.
    pub(in super::super) fn set_state(&mut self, seq: u64, state: State) {
        let position = self.position(seq);
        if let Some(entry) = position.and_then(|position| self.entries.get_mut(position)) {
            self.in_flight -= usize::from(entry.is_in_flight());
            entry.set_state(state);
            self.in_flight += usize::from(entry.is_in_flight());
        }
    }

    /// The body is not wanted any more.
    pub(in super::super) fn drop_body(&mut self, seq: u64) {
        let position = self.position(seq);
        if let Some(entry) = position.and_then(|position| self.entries.get_mut(position)) {
            entry.body = Handle::NONE;
        }
    }

    /// Forgets one.
    pub(in super::super) fn remove(&mut self, seq: u64) {
        if let Some(position) = self.position(seq)
            && let Some(entry) = self.entries.remove(position)
        {
            self.in_flight -= usize::from(entry.is_in_flight());
            self.shrink();
        }
    }

    /// Forgets those from `from` to `up_to`, and shows them with their subscription identifiers.
    pub(in super::super) fn acknowledge(
        &mut self,
        from: u64,
        up_to: u64,
        mut show: impl FnMut(&Entry, &[u32]),
    ) {
        let start = match self.entries.front() {
            Some(first) if first.seq < from => self.entries.partition_point(|entry| entry.seq < from),
            _ => 0,
        };
        let behind = self.entries.range(start..);
        let end = start + behind.take_while(|entry| entry.seq <= up_to).count();
        for entry in self.entries.drain(start..end) {
            self.in_flight -= usize::from(entry.is_in_flight());
            let place = entry.ids().checked_sub(1);
            let ids = place.and_then(|place| self.ids.get(place));
            show(&entry, ids.map_or(&[], |ids| &**ids));
        }
        self.shrink();
    }

    /// All of them.
    pub(in super::super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Those behind `after`.
    pub(in super::super) fn behind(&self, after: u64) -> impl Iterator<Item = &Entry> {
        let start = match self.entries.front() {
            Some(first) if first.seq <= after => self.entries.partition_point(|entry| entry.seq <= after),
            _ => 0,
        };
        self.entries.range(start..)
    }

    /// Those in flight.
    pub(in super::super) fn in_flight(&self) -> impl Iterator<Item = &Entry> {
        let in_flight = self.entries.iter().filter(|entry| entry.is_in_flight());
        in_flight.take(self.in_flight)
    }

    /// Puts other entries, in order, in place of all; their identifiers are this inbox's own.
    pub(in super::super) fn replace(&mut self, entries: VecDeque<Entry>) {
        self.in_flight = entries.iter().filter(|entry| entry.is_in_flight()).count();
        self.entries = entries;
        self.entries.shrink_to_fit();
        self.shrink();
    }

    /// Takes all entries out, to be put back by [`replace`](Self::replace).
    pub(in super::super) fn take(&mut self) -> VecDeque<Entry> {
        self.in_flight = 0;
        std::mem::take(&mut self.entries)
    }

    /// Puts others between them, with their subscription identifiers. None is there already.
    pub(in super::super) fn merge(&mut self, late: BTreeMap<u64, (Entry, Vec<u32>)>) {
        let mut merged = VecDeque::with_capacity(self.entries.len() + late.len());
        let mut late = late.into_values().peekable();
        for entry in self.take() {
            while let Some((mut before, ids)) = late.next_if(|(late, _)| late.seq < entry.seq) {
                self.set_ids(&mut before, &ids);
                merged.push_back(before);
            }
            merged.push_back(entry);
        }
        for (mut behind, ids) in late {
            self.set_ids(&mut behind, &ids);
            merged.push_back(behind);
        }
        self.replace(merged);
    }

    /// Gives an entry its subscription identifiers.
    fn set_ids(&mut self, entry: &mut Entry, ids: &[u32]) {
        entry.flags &= (1 << IDS) - 1;
        if ids.is_empty() {
            return;
        }
        let known = self.ids.iter().enumerate().rev().take(LISTS_COMPARED);
        let known = known.filter(|(_, list)| ***list == *ids).map(|(place, _)| place);
        let place = known.max().unwrap_or_else(|| {
            self.ids.push(ids.into());
            self.ids.len() - 1
        });
        // Sixteen million lists that all differ, in one inbox, are the end of it: the last of them come without.
        let place = u32::try_from(place + 1).unwrap_or(u32::MAX);
        if place < 1 << (u32::BITS - IDS) {
            entry.flags |= place << IDS;
        }
    }

    /// Keeps only the lists that entries have, if there are many more.
    fn forget_lists(&mut self) {
        if self.ids.len() <= 2 * self.entries.len() + 1024 {
            return;
        }
        let mut places = vec![0; self.ids.len() + 1];
        let mut kept = Vec::new();
        for entry in &mut self.entries {
            let old = entry.ids();
            let Some(new) = places.get_mut(old) else { continue };
            if old != 0 && *new == 0 {
                if let Some(list) = self.ids.get_mut(old - 1) {
                    kept.push(std::mem::take(list));
                }
                *new = u32::try_from(kept.len()).unwrap_or(0);
            }
            entry.flags = entry.flags & ((1 << IDS) - 1) | *new << IDS;
        }
        self.ids = kept;
    }

    /// The entry of this number. Nearly always it is the first that is asked for.
    fn position(&self, seq: u64) -> Option<usize> {
        if self.entries.front().is_some_and(|first| first.seq == seq) {
            return Some(0);
        }
        self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()
    }

    /// Gives memory back when much of it is not used: most inboxes are empty most of the time.
    fn shrink(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
            self.ids = Vec::new();
        } else if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, state: State) -> Entry {
        Entry::new(seq, 5, QoS::ExactlyOnce, true, state, Handle::NONE)
    }

    #[test]
    fn an_entry_is_small_and_keeps_all() {
        assert_eq!(size_of::<Entry>(), 24);
        let mut one = Entry::new(9, 1 << 40, QoS::AtLeastOnce, true, State::Sent(7), Handle::NONE);
        assert_eq!(
            (one.stored_at(), one.qos(), one.retain()),
            (1 << 40, QoS::AtLeastOnce, true)
        );
        for state in [State::Released(u16::MAX), State::Waiting, State::Sent(1)] {
            one.set_state(state);
            assert_eq!((one.state(), one.stored_at()), (state, 1 << 40));
        }
    }

    #[test]
    fn lists_of_identifiers_are_shared_and_forgotten() {
        let mut inbox = Inbox::default();
        for seq in 1..=10_000_u32 {
            inbox.push(entry(seq.into(), State::Waiting), &[seq / 2, 9]);
            if seq > 10 {
                inbox.remove(u64::from(seq) - 10);
            }
        }
        assert!(inbox.ids.len() < 1100, "{}", inbox.ids.len());
        for entry in inbox.entries() {
            let half = u32::try_from(entry.seq / 2).unwrap();
            assert_eq!(inbox.ids(entry), [half, 9]);
        }
    }
}
