//! The sessions of one instance, with the exact cap and the age limit over all of their inboxes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

use super::super::durable::{InboxLimits, InboxSeq, Page, Revision, SessionRecord, StoreError, Stored};
use super::inbox::Inbox;
use crate::message::Delivery;
use crate::store::young::Young;
use crate::time::Millis;

/// What is kept of a session.
#[derive(Debug)]
struct Session {
    /// To find the name by the place.
    client: Arc<str>,
    record: Option<Box<(SessionRecord, Revision)>>,
    inbox: Inbox,
    /// Inbound QoS 2 packet ids that await PUBREL.
    received: BTreeSet<u16>,
}

/// All sessions of an instance.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// `None` until they are given: then nothing is too old, and nothing new is taken.
    limits: Option<InboxLimits>,
    by_client: HashMap<Arc<str>, usize>,
    sessions: Slab<Session>,
    /// Every message in the order of its coming, as (sequence number, session). Those that are gone meanwhile are skipped:
    /// their number, which is never given twice, is not in the inbox any more.
    order: VecDeque<(u64, usize)>,
    /// How many messages there are, as the cap sees it.
    len: usize,
    /// Those that are no offline messages yet.
    young: Young,
}

impl Instance {
    /// Other limits from now on; what is too much goes when the next message comes.
    pub(super) fn limit(&mut self, limits: InboxLimits) {
        self.limits = Some(limits);
        self.young.set_window(limits.visible_after_ms);
    }

    /// How many messages lie in inboxes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many of them count as offline messages.
    pub(super) fn offline(&self, now: Millis) -> usize {
        self.len.saturating_sub(self.young.count(now))
    }

    /// Adds a message under the number that `next` gives, if there is room for one at all; answers with the number and
    /// with how many older ones made room for it.
    pub(super) fn append(
        &mut self,
        client: &Arc<str>,
        delivery: Delivery,
        sent: Option<u16>,
        now: Millis,
        next: impl FnOnce() -> u64,
    ) -> (InboxSeq, usize) {
        let Some(limits) = self.limits else {
            return (InboxSeq(0), 0);
        };
        let evicted = self.make_room(limits.messages_per_instance.saturating_sub(1), now);
        if limits.messages_per_instance == 0 {
            return (InboxSeq(0), evicted);
        }
        let place = self.place_of(client);
        let seq = next();
        if let Some(session) = self.sessions.get_mut(place) {
            session.inbox.push(seq, now, delivery, sent);
            self.order.push_back((seq, place));
            self.len += 1;
            self.young.add(now);
        }
        self.compact();
        (InboxSeq(seq), evicted)
    }

    /// Lets go what is too old, and what is more than the cap.
    pub(super) fn tidy(&mut self, now: Millis) -> usize {
        let evicted = match self.limits {
            Some(limits) => self.make_room(limits.messages_per_instance, now),
            None => 0,
        };
        self.compact();
        evicted
    }

    pub(super) fn acknowledge(&mut self, client: &str, from: InboxSeq, up_to: InboxSeq) {
        let Some((place, session)) = session_of(&self.by_client, &mut self.sessions, client) else {
            return;
        };
        session.inbox.acknowledge(from.0, up_to.0, |stored_at| {
            self.len -= 1;
            self.young.remove(stored_at);
        });
        self.forget_if_empty(place);
        self.compact();
    }

    pub(super) fn sent(&mut self, client: &str, seq: InboxSeq, packet_id: u16) {
        if let Some((_, session)) = session_of(&self.by_client, &mut self.sessions, client) {
            session.inbox.sent(seq.0, packet_id);
        }
    }

    pub(super) fn released(&mut self, client: &str, seq: InboxSeq) {
        if let Some((_, session)) = session_of(&self.by_client, &mut self.sessions, client)
            && let Some(stored_at) = session.inbox.released(seq.0)
        {
            self.len -= 1;
            self.young.remove(stored_at);
            self.compact();
        }
    }

    pub(super) fn received(&mut self, client: &Arc<str>, packet_id: u16) {
        let place = self.place_of(client);
        if let Some(session) = self.sessions.get_mut(place) {
            session.received.insert(packet_id);
        }
    }

    pub(super) fn forgotten(&mut self, client: &str, packet_id: u16) {
        if let Some((place, session)) = session_of(&self.by_client, &mut self.sessions, client) {
            session.received.remove(&packet_id);
            self.forget_if_empty(place);
        }
    }

    pub(super) fn read(&self, client: &str, after: InboxSeq, max: usize, now: Millis) -> Page {
        let Some(session) = self.session(client) else {
            return Page {
                upto: after,
                ..Page::default()
            };
        };
        session.inbox.read(after, max, now, |stored_at| {
            is_too_old(self.limits, stored_at, now)
        })
    }

    pub(super) fn load(&self, client: &str, now: Millis) -> Option<Stored> {
        let session = self.session(client)?;
        let (record, revision) = session.record.as_deref()?;
        let too_old = |stored_at| is_too_old(self.limits, stored_at, now);
        Some(Stored {
            record: record.clone(),
            revision: *revision,
            unacknowledged: session.inbox.unacknowledged(too_old),
            received: session.received.iter().copied().collect(),
            waiting: session.inbox.read(InboxSeq(0), 0, now, too_old).more,
        })
    }

    pub(super) fn save(
        &mut self,
        client: &Arc<str>,
        record: SessionRecord,
        expected: Revision,
        next: impl FnOnce() -> Revision,
    ) -> Result<Revision, StoreError> {
        let current = self.session(client).and_then(|session| session.record.as_deref());
        if current.map_or(Revision(0), |(_, revision)| *revision) != expected {
            return Err(StoreError::Stale);
        }
        let place = self.place_of(client);
        let revision = next();
        if let Some(session) = self.sessions.get_mut(place) {
            session.record = Some(Box::new((record, revision)));
        }
        Ok(revision)
    }

    pub(super) fn discard(&mut self, client: &str) {
        let place = self.by_client.remove(client);
        let Some(session) = place.and_then(|place| self.sessions.try_remove(place)) else {
            return;
        };
        for stored_at in session.inbox.bodies() {
            self.len -= 1;
            self.young.remove(stored_at);
        }
        self.compact();
    }

    /// The client ids of the sessions that have a record.
    pub(super) fn recorded(&self) -> impl Iterator<Item = &Arc<str>> {
        let recorded = self
            .sessions
            .iter()
            .filter(|(_, session)| session.record.is_some());
        recorded.map(|(_, session)| &session.client)
    }

    fn session(&self, client: &str) -> Option<&Session> {
        self.sessions.get(*self.by_client.get(client)?)
    }

    /// Where a session is, which is made if there is none.
    fn place_of(&mut self, client: &Arc<str>) -> usize {
        if let Some(place) = self.by_client.get(client) {
            return *place;
        }
        let place = self.sessions.insert(Session {
            client: Arc::clone(client),
            record: None,
            inbox: Inbox::default(),
            received: BTreeSet::new(),
        });
        self.by_client.insert(Arc::clone(client), place);
        place
    }

    /// A session of which nothing is kept is none.
    fn forget_if_empty(&mut self, place: usize) {
        if let Some(session) = self.sessions.get(place)
            && session.record.is_none()
            && session.inbox.is_empty()
            && session.received.is_empty()
        {
            self.by_client.remove(&session.client);
            self.sessions.remove(place);
        }
    }

    /// Oldest first, until there are no more than `keep` and none is too old. Answers with how many went.
    fn make_room(&mut self, keep: usize, now: Millis) -> usize {
        let mut evicted = 0;
        while let Some(&(seq, place)) = self.order.front() {
            if let Some(session) = self.sessions.get_mut(place)
                && let Some(stored_at) = session.inbox.stored_at(seq)
            {
                if self.len <= keep && !is_too_old(self.limits, stored_at, now) {
                    break;
                }
                session.inbox.remove(seq);
                self.len -= 1;
                self.young.remove(stored_at);
                evicted += 1;
                self.forget_if_empty(place);
            }
            self.order.pop_front();
        }
        evicted
    }

    #[cfg(test)]
    pub(super) fn order_len(&self) -> usize {
        self.order.len()
    }

    #[cfg(test)]
    pub(super) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Drops the order's entries of messages that are gone, once they are the greater part of it.
    fn compact(&mut self) {
        if self.order.len() > 2 * self.len + 1024 {
            let sessions = &self.sessions;
            self.order.retain(|(seq, place)| {
                let session = sessions.get(*place);
                session.is_some_and(|session| session.inbox.stored_at(*seq).is_some())
            });
            self.order.shrink_to(2 * self.len + 1024);
        }
    }
}

fn is_too_old(limits: Option<InboxLimits>, stored_at: Millis, now: Millis) -> bool {
    limits.is_some_and(|limits| stored_at.0.saturating_add(limits.age_ms) <= now.0)
}

/// A session and its place; apart from the rest of the instance, which counts what happens to it.
fn session_of<'a>(
    by_client: &HashMap<Arc<str>, usize>,
    sessions: &'a mut Slab<Session>,
    client: &str,
) -> Option<(usize, &'a mut Session)> {
    let place = *by_client.get(client)?;
    Some((place, sessions.get_mut(place)?))
}
