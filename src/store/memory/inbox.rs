//! The inbox of one session: what waits, what is in flight.

use std::collections::VecDeque;

use super::super::durable::{InboxSeq, Page, Unacknowledged};
use crate::message::Delivery;
use crate::time::Millis;

/// How far a message has come.
#[derive(Debug)]
enum State {
    Waiting(Delivery),
    /// In flight under this packet id.
    Sent(u16, Delivery),
    /// PUBCOMP is owed for this packet id; nothing else is needed of it.
    Released(u16),
}

/// One message.
#[derive(Debug)]
struct Entry {
    seq: u64,
    stored_at: Millis,
    state: State,
}

impl Entry {
    fn is_in_flight(&self) -> bool {
        !matches!(self.state, State::Waiting(_))
    }

    /// It holds a message still, so it counts and grows old.
    fn has_body(&self) -> bool {
        !matches!(self.state, State::Released(_))
    }
}

/// The messages of a session in the order of their coming.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    entries: VecDeque<Entry>,
    /// How many of them are in flight; to stop looking for them in time.
    in_flight: usize,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A message behind all others.
    pub(super) fn push(&mut self, seq: u64, stored_at: Millis, delivery: Delivery, sent: Option<u16>) {
        let state = match sent {
            Some(packet_id) => State::Sent(packet_id, delivery),
            None => State::Waiting(delivery),
        };
        self.in_flight += usize::from(sent.is_some());
        self.entries.push_back(Entry {
            seq,
            stored_at,
            state,
        });
    }

    /// When a message was stored, if it is there with its body.
    pub(super) fn stored_at(&self, seq: u64) -> Option<Millis> {
        let entry = self.entries.get(self.position(seq)?)?;
        entry.has_body().then_some(entry.stored_at)
    }

    /// It is in flight.
    pub(super) fn sent(&mut self, seq: u64, packet_id: u16) {
        let position = self.position(seq);
        let Some(entry) = position.and_then(|position| self.entries.get_mut(position)) else {
            return;
        };
        match &mut entry.state {
            State::Waiting(delivery) => {
                entry.state = State::Sent(packet_id, delivery.clone());
                self.in_flight += 1;
            }
            State::Sent(before, _) => *before = packet_id,
            State::Released(_) => {}
        }
    }

    /// Its body is not needed any more. When it was stored, if it had one and was sent.
    pub(super) fn released(&mut self, seq: u64) -> Option<Millis> {
        let position = self.position(seq)?;
        let entry = self.entries.get_mut(position)?;
        let State::Sent(packet_id, _) = entry.state else {
            return None;
        };
        entry.state = State::Released(packet_id);
        Some(entry.stored_at)
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, seq: u64) {
        if let Some(position) = self.position(seq)
            && let Some(entry) = self.entries.remove(position)
        {
            self.in_flight -= usize::from(entry.is_in_flight());
            self.shrink();
        }
    }

    /// Forgets those from `from` to `up_to`; shows when those of them were stored that had a body.
    pub(super) fn acknowledge(&mut self, from: u64, up_to: u64, mut show: impl FnMut(Millis)) {
        let start = match self.entries.front() {
            Some(first) if first.seq < from => self.entries.partition_point(|entry| entry.seq < from),
            _ => 0,
        };
        let behind = self.entries.range(start..);
        let end = start + behind.take_while(|entry| entry.seq <= up_to).count();
        for entry in self.entries.drain(start..end) {
            self.in_flight -= usize::from(entry.is_in_flight());
            if entry.has_body() {
                show(entry.stored_at);
            }
        }
        self.shrink();
    }

    /// Shows when those were stored that have a body.
    pub(super) fn bodies(&self) -> impl Iterator<Item = Millis> {
        let with_body = self.entries.iter().filter(|entry| entry.has_body());
        with_body.map(|entry| entry.stored_at)
    }

    /// At most `max` of those behind `after` that wait, and are neither expired nor `too_old`.
    pub(super) fn read(
        &self,
        after: InboxSeq,
        max: usize,
        now: Millis,
        too_old: impl Fn(Millis) -> bool,
    ) -> Page {
        let mut page = Page {
            upto: after,
            ..Page::default()
        };
        let start = self.entries.partition_point(|entry| entry.seq <= after.0);
        for entry in self.entries.range(start..) {
            if let State::Waiting(delivery) = &entry.state
                && !too_old(entry.stored_at)
                && delivery.message.remaining_expiry(now).is_ok()
            {
                if page.deliveries.len() == max {
                    page.more = true;
                    break;
                }
                page.deliveries.push((InboxSeq(entry.seq), delivery.clone()));
            }
            page.upto = InboxSeq(entry.seq);
        }
        page
    }

    /// What is in flight. What began before it expired is owed still.
    pub(super) fn unacknowledged(
        &self,
        too_old: impl Fn(Millis) -> bool,
    ) -> Vec<(u16, InboxSeq, Unacknowledged)> {
        let in_flight = self.entries.iter().filter(|entry| entry.is_in_flight());
        let owed = in_flight.take(self.in_flight).filter_map(|entry| {
            let (packet_id, what) = match &entry.state {
                State::Sent(packet_id, delivery) if !too_old(entry.stored_at) => {
                    (*packet_id, Unacknowledged::Publish(delivery.clone()))
                }
                State::Released(packet_id) => (*packet_id, Unacknowledged::Pubrel),
                State::Sent(..) | State::Waiting(_) => return None,
            };
            Some((packet_id, InboxSeq(entry.seq), what))
        });
        owed.collect()
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
        } else if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}
