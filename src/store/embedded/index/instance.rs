//! The sessions and retained messages of one instance, with the exact cap and the age limit over all of its inboxes.
//!
//! What changes something answers with whether it did: what did not is not written.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

use super::bodies::{Bodies, Handle};
use super::inbox::{Entry, State};
use super::session::Session;
use crate::instance::InstanceId;
use crate::store::durable::InboxLimits;
use crate::store::embedded::format::draft::{Mark, Tenant, Whose};
use crate::store::young::Young;
use crate::topic::TopicName;
use crate::topic::tree::TopicTree;

/// Why an op is to tell of messages that had to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Evicted {
    /// How many.
    pub(in super::super) count: usize,
    /// The last of them.
    pub(in super::super) up_to: u64,
}

/// All of an instance.
#[derive(Debug)]
pub(in super::super) struct Instance {
    pub(in super::super) id: InstanceId,
    mark: Mark,
    /// `None` until they are given: then nothing is too old, and nothing new is taken.
    limits: Option<InboxLimits>,
    hasher: DefaultHashBuilder,
    /// Places in `sessions`, by client id.
    by_client: HashTable<u32>,
    pub(in super::super) sessions: Slab<Session>,
    /// Every message in the order of its coming, as (sequence number, session). Those that are gone meanwhile are skipped:
    /// their number, which is never given twice, is not in the inbox any more.
    order: VecDeque<(u64, u32)>,
    /// How many messages there are, as the cap sees it.
    len: usize,
    /// Those that are no offline messages yet.
    young: Young,
    pub(in super::super) retained: TopicTree<Handle>,
}

impl Instance {
    pub(in super::super) fn new(id: InstanceId) -> Self {
        Self {
            id,
            mark: Mark::default(),
            limits: None,
            hasher: DefaultHashBuilder::default(),
            by_client: HashTable::new(),
            sessions: Slab::new(),
            order: VecDeque::new(),
            len: 0,
            young: Young::default(),
            retained: TopicTree::default(),
        }
    }

    /// How an op calls it.
    pub(in super::super) fn tenant(&mut self) -> Tenant<'_> {
        Tenant {
            name: self.id.as_str(),
            mark: &mut self.mark,
        }
    }

    /// How an op calls a session of it.
    pub(in super::super) fn whose(&mut self, place: u32) -> Option<Whose<'_>> {
        let tenant = Tenant {
            name: self.id.as_str(),
            mark: &mut self.mark,
        };
        Some(self.sessions.get_mut(place as usize)?.whose(tenant))
    }

    /// Other limits from now on; what is too much goes when the next message comes.
    pub(in super::super) fn limit(&mut self, limits: InboxLimits) {
        let before = self.limits.map(|limits| limits.visible_after_ms);
        self.limits = Some(limits);
        if before != Some(limits.visible_after_ms) {
            self.young.set_window(limits.visible_after_ms);
            self.count_young(limits.visible_after_ms);
        }
    }

    /// Tells `young` of all that may be, from the last one back.
    fn count_young(&mut self, window_ms: u64) {
        self.young.clear();
        let mut newest = None;
        for (seq, place) in self.order.iter().rev() {
            let Some(at) = self.stored_at(*seq, *place) else {
                continue;
            };
            let newest = *newest.get_or_insert(at);
            // Clocks of several shards may differ by a little.
            if at.saturating_add(window_ms).saturating_add(60_000) < newest {
                break;
            }
            self.young.add(crate::time::Millis(at));
        }
    }

    pub(in super::super) fn limits(&self) -> Option<InboxLimits> {
        self.limits
    }

    /// How many messages lie in inboxes.
    pub(in super::super) fn len(&self) -> usize {
        self.len
    }

    /// How many of them count as offline messages.
    pub(in super::super) fn offline(&self, now: u64) -> usize {
        self.len
            .saturating_sub(self.young.count(crate::time::Millis(now)))
    }

    /// Is what was stored then too old by now?
    pub(in super::super) fn is_too_old(&self, stored_at: u64, now: u64) -> bool {
        self.limits
            .is_some_and(|limits| stored_at.saturating_add(limits.age_ms) <= now)
    }

    /// Where a session is.
    pub(in super::super) fn place(&self, client: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(client);
        let found = self.by_client.find(hash, |place| self.is_at(*place, client));
        found.copied()
    }

    fn is_at(&self, place: u32, client: &str) -> bool {
        self.sessions
            .get(place as usize)
            .is_some_and(|session| *session.client == *client)
    }

    pub(in super::super) fn session(&self, client: &str) -> Option<&Session> {
        self.sessions.get(self.place(client)? as usize)
    }

    /// Where a session is, which is made if there is none.
    pub(in super::super) fn place_or_new(&mut self, client: &str, name: impl FnOnce() -> Arc<str>) -> u32 {
        if let Some(place) = self.place(client) {
            return place;
        }
        let session = Session::new(name(), self.id.as_str());
        let place = u32::try_from(self.sessions.insert(session)).unwrap_or(u32::MAX);
        let (hasher, sessions) = (&self.hasher, &self.sessions);
        self.by_client
            .insert_unique(hasher.hash_one(client), place, |place| {
                let session = sessions.get(*place as usize);
                hasher.hash_one(session.map_or("", |session| &*session.client))
            });
        place
    }

    /// A session of which nothing is kept is none.
    pub(in super::super) fn forget_if_empty(&mut self, place: u32) {
        if self.sessions.get(place as usize).is_some_and(Session::is_empty) {
            self.remove(place);
        }
    }

    /// Takes a session out, whatever it has.
    pub(in super::super) fn remove(&mut self, place: u32) {
        let Some(session) = self.sessions.try_remove(place as usize) else {
            return;
        };
        let hash = self.hasher.hash_one(&*session.client);
        if let Ok(entry) = self.by_client.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
    }

    /// A message behind all others of a session.
    pub(in super::super) fn push(&mut self, place: u32, entry: Entry, ids: &[u32], bodies: &mut Bodies) {
        let Some(session) = self.sessions.get_mut(place as usize) else {
            return;
        };
        Session::want_entry(session.names, &entry, ids, bodies);
        session.inbox.get_or_insert_default().push(entry, ids);
        self.order.push_back((entry.seq, place));
        self.len += 1;
        self.young.add(crate::time::Millis(entry.stored_at()));
        self.compact();
    }

    /// Forgets messages of a session.
    pub(in super::super) fn acknowledge(
        &mut self,
        place: u32,
        from: u64,
        up_to: u64,
        bodies: &mut Bodies,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(place as usize) else {
            return false;
        };
        let names = session.names;
        let Some(inbox) = &mut session.inbox else {
            return false;
        };
        let mut any = false;
        inbox.acknowledge(from, up_to, |entry, ids| {
            any = true;
            Session::unwant_entry(names, entry, ids, bodies);
            if entry.has_body() {
                self.len -= 1;
                self.young.remove(crate::time::Millis(entry.stored_at()));
            }
        });
        if inbox.is_empty() {
            session.inbox = None;
        }
        any
    }

    /// A message is in flight.
    pub(in super::super) fn sent(&mut self, place: u32, seq: u64, packet_id: u16) -> bool {
        let Some(inbox) = self.inbox_mut(place) else {
            return false;
        };
        match inbox.get(seq).map(Entry::state) {
            None | Some(State::Released(_)) => false,
            Some(State::Sent(before)) if before == packet_id => false,
            Some(_) => {
                inbox.set_state(seq, State::Sent(packet_id));
                true
            }
        }
    }

    /// The body of one that was sent is not wanted any more.
    pub(in super::super) fn released(&mut self, place: u32, seq: u64, bodies: &mut Bodies) -> bool {
        let Some(inbox) = self.inbox_mut(place) else {
            return false;
        };
        let Some(entry) = inbox.get(seq).copied() else {
            return false;
        };
        let State::Sent(packet_id) = entry.state() else {
            return false;
        };
        bodies.release(entry.body);
        inbox.drop_body(seq);
        inbox.set_state(seq, State::Released(packet_id));
        self.len -= 1;
        self.young.remove(crate::time::Millis(entry.stored_at()));
        self.compact();
        true
    }

    fn inbox_mut(&mut self, place: u32) -> Option<&mut super::inbox::Inbox> {
        self.sessions.get_mut(place as usize)?.inbox.as_deref_mut()
    }

    /// Forgets a session.
    pub(in super::super) fn discard(&mut self, place: u32, bodies: &mut Bodies) {
        if let Some(session) = self.sessions.get_mut(place as usize) {
            session.clear(bodies, |entry| {
                self.len -= 1;
                self.young.remove(crate::time::Millis(entry.stored_at()));
            });
        }
        self.remove(place);
        self.compact();
    }

    /// Lets go all bodies: the instance is forgotten.
    pub(in super::super) fn clear(&mut self, bodies: &mut Bodies) {
        for (_, session) in &mut self.sessions {
            session.clear(bodies, |_| ());
        }
        let names = self.id.as_str().len();
        for (topic, handle) in self.retained.iter() {
            bodies.unwant(names + topic.len());
            bodies.release(*handle);
        }
    }

    /// The retained message of a topic from now on, or none. It was none before, if this says no.
    pub(in super::super) fn retain(
        &mut self,
        topic: &TopicName,
        body: Option<Handle>,
        bodies: &mut Bodies,
    ) -> bool {
        let names = self.id.as_str().len() + topic.len();
        let before = match body {
            Some(handle) => {
                bodies.want(names);
                bodies.hold(handle);
                self.retained.insert(topic, handle)
            }
            None => self.retained.remove(topic),
        };
        if let Some(handle) = before {
            bodies.unwant(names);
            bodies.release(handle);
        }
        body.is_some() || before.is_some()
    }

    /// Oldest first, until there are no more than `keep` and none is too old.
    pub(in super::super) fn make_room(&mut self, keep: usize, now: u64, bodies: &mut Bodies) -> Evicted {
        let mut evicted = Evicted::default();
        while let Some(&(seq, place)) = self.order.front() {
            if let Some(stored_at) = self.stored_at(seq, place) {
                if self.len <= keep && !self.is_too_old(stored_at, now) {
                    break;
                }
                self.evict(seq, place, bodies);
                evicted.count += 1;
                evicted.up_to = seq;
            }
            self.order.pop_front();
        }
        evicted
    }

    fn evict(&mut self, seq: u64, place: u32, bodies: &mut Bodies) {
        let Some(session) = self.sessions.get_mut(place as usize) else {
            return;
        };
        let Some(inbox) = &mut session.inbox else { return };
        if let Some(entry) = inbox.get(seq).copied() {
            Session::unwant_entry(session.names, &entry, inbox.ids(&entry), bodies);
            inbox.remove(seq);
            self.len -= 1;
            self.young.remove(crate::time::Millis(entry.stored_at()));
        }
        if inbox.is_empty() {
            session.inbox = None;
        }
        self.forget_if_empty(place);
    }

    /// When a message was stored, if it is there with its body.
    fn stored_at(&self, seq: u64, place: u32) -> Option<u64> {
        let entry = self.sessions.get(place as usize)?.entry(seq)?;
        entry.has_body().then(|| entry.stored_at())
    }

    /// Drops the order's entries of messages that are gone, once they are the greater part of it.
    pub(in super::super) fn compact(&mut self) {
        if self.order.len() > 2 * self.len + 1024 {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(seq, place)| self.stored_at(*seq, *place).is_some());
            order.shrink_to(2 * self.len + 1024);
            self.order = order;
        }
    }

    /// Makes the order anew from all that lies in inboxes, whose bodies are held already.
    pub(in super::super) fn reorder(&mut self) {
        let mut order = Vec::new();
        for (place, session) in &self.sessions {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            for entry in session.inbox.iter().flat_map(|inbox| inbox.entries()) {
                if entry.has_body() {
                    order.push((entry.seq, place));
                }
            }
        }
        order.sort_unstable();
        self.len = order.len();
        self.order = order.into();
    }
}
