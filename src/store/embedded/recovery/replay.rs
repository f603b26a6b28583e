//! Makes the index from the ops of a log, read from its oldest frame to its newest.
//!
//! Compaction writes what is wanted of the oldest segment again, at the front. So an entry may come behind younger ones, and before
//! its body or behind it; what is left over is told at the end.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::store::embedded::format::frame;
use crate::store::embedded::format::op::{self, Op, Ops, Owner, Senseless};
use crate::store::embedded::format::segment::Next;
use crate::store::embedded::index::{
    Bodies, Entry, Handle, Inbox, Index, Instance, Location, Record, Session, State,
};
use crate::topic::TopicName;

/// A session: the places of its instance and of itself.
type Place = (u32, u32);

/// Entries with their subscription identifiers, by their numbers.
type Late = BTreeMap<u64, (Entry, Vec<u32>)>;

/// The index in the making.
#[derive(Debug, Default)]
pub(in super::super) struct Replay {
    index: Index,
    /// Bodies by what the log calls them, all that were seen.
    bodies: FxHashMap<u64, Handle>,
    /// Entries that came behind younger ones.
    late: FxHashMap<Place, Late>,
    /// What came to an instance up to here, and is not released, had to go.
    evicted: FxHashMap<u32, u64>,
    /// The first segment that counts.
    start: u32,
    /// Where the sessions are that the present frame has named.
    owners: Vec<Option<Place>>,
}

/// What a log came to.
#[derive(Debug)]
pub(in super::super) struct Replayed {
    pub(in super::super) index: Index,
    /// The first segment that counts; 0 if no frame says.
    pub(in super::super) start: u32,
    /// Messages and retained messages whose bodies are nowhere.
    pub(in super::super) without_body: usize,
}

impl Replay {
    /// The numbers to be given next are these at least.
    pub(in super::super) fn at_least(&mut self, next: Next) {
        let own = &mut self.index.next;
        own.seq = own.seq.max(next.seq);
        own.body = own.body.max(next.body);
        own.revision = own.revision.max(next.revision);
    }

    /// The first segment that counts; 0 if no frame has said yet.
    pub(in super::super) fn start(&self) -> u32 {
        self.start
    }

    /// Does what a frame says that begins at this place.
    pub(in super::super) fn frame(
        &mut self,
        segment: u32,
        offset: u64,
        payload: &[u8],
    ) -> Result<(), Senseless> {
        self.owners.clear();
        let start = offset + frame::HEADER as u64;
        let mut ops = Ops::new(payload);
        while let Some(op) = ops.next()? {
            let at = |span: op::Span| {
                Some(Location {
                    segment,
                    offset: u32::try_from(start + span.start as u64).ok()?,
                    len: u32::try_from(span.len).ok()?,
                })
            };
            self.op(op, at).ok_or(Senseless)?;
        }
        Ok(())
    }

    fn op(&mut self, op: Op<'_>, at: impl Fn(op::Span) -> Option<Location>) -> Option<()> {
        match op {
            Op::Body { id, span } => {
                self.index.next.body = self.index.next.body.max(id.checked_add(1)?);
                let handle = self.body(id);
                self.index.bodies.place(handle, at(span)?);
            }
            Op::Entry { owner, entry } => self.entry(owner, entry)?,
            Op::Acknowledge { owner, from, up_to } => {
                if let Some(inbox) = self.inbox(owner) {
                    inbox.acknowledge(from, up_to, |_, _| ());
                }
                if let Some(late) = self.late(owner) {
                    late.retain(|seq, _| !(from..=up_to).contains(seq));
                }
            }
            Op::Sent {
                owner,
                seq,
                packet_id,
            } => self.set_state(owner, seq, State::Sent(packet_id)),
            Op::Released { owner, seq } => self.release(owner, seq),
            Op::Received { owner, packet_id } => {
                let (session, bodies) = self.session(owner)?;
                session.add_received(packet_id, bodies);
            }
            Op::Forgotten { owner, packet_id } => {
                let (session, bodies) = self.session(owner)?;
                session.remove_received(packet_id, bodies);
            }
            Op::Retain {
                instance,
                topic,
                body,
            } => {
                let handle = self.body(body);
                let topic = TopicName::new(topic).ok()?;
                let place = self.index.place_or_new(instance);
                self.index.instance_mut(place)?.retained.insert(&topic, handle);
            }
            Op::Unretain { instance, topic } => {
                let place = self.index.place_or_new(instance);
                self.index.instance_mut(place)?.retained.remove(topic);
            }
            Op::Evict { instance, up_to } => {
                let place = self.index.place_or_new(instance);
                let evicted = self.evicted.entry(place).or_default();
                *evicted = up_to.max(*evicted);
            }
            Op::Record {
                owner,
                revision,
                span,
            } => {
                self.index.next.revision = self.index.next.revision.max(revision.checked_add(1)?);
                let location = at(span)?;
                let (session, bodies) = self.session(owner)?;
                session.set_record(Some(Record { revision, location }), bodies);
            }
            Op::Discard { owner } => {
                let (instance, session) = self.place(owner)?;
                self.late.remove(&(instance, session));
                self.index.instance_mut(instance)?.remove(session);
                self.owners.clear();
            }
            Op::Forget { instance } => {
                if let Some(place) = self.index.place(instance) {
                    self.evicted.remove(&place);
                    self.late.retain(|(other, _), _| *other != place);
                }
                self.index.forget(instance);
                self.owners.clear();
            }
            Op::Start { segment } => self.start = self.start.max(segment),
        }
        Some(())
    }

    fn body(&mut self, id: u64) -> Handle {
        let bodies = &mut self.index.bodies;
        *self
            .bodies
            .entry(id)
            .or_insert_with(|| bodies.insert(id, Location::default()))
    }

    fn entry(&mut self, owner: Owner<'_>, entry: op::Entry) -> Option<()> {
        self.index.next.seq = self.index.next.seq.max(entry.seq.checked_add(1)?);
        let body = match entry.state {
            State::Released(_) => Handle::NONE,
            _ => self.body(entry.body),
        };
        let place = self.place(owner)?;
        let new = Entry::new(
            entry.seq,
            entry.stored_at,
            entry.qos,
            entry.retain,
            entry.state,
            body,
        );
        let (session, _) = self.session(owner)?;
        let inbox = session.inbox.get_or_insert_default();
        if let Some(late) = inbox.put(new, &entry.ids) {
            let late_of_place = self.late.entry(place).or_default();
            late_of_place.insert(late.seq, (late, entry.ids));
        }
        Some(())
    }

    fn set_state(&mut self, owner: Owner<'_>, seq: u64, state: State) {
        if let Some((entry, _)) = self.late(owner).and_then(|late| late.get_mut(&seq)) {
            entry.set_state(state);
        } else if let Some(inbox) = self.inbox(owner) {
            inbox.set_state(seq, state);
        }
    }

    fn release(&mut self, owner: Owner<'_>, seq: u64) {
        let released = |entry: &Entry| match entry.state() {
            State::Sent(packet_id) => Some(State::Released(packet_id)),
            State::Waiting | State::Released(_) => None,
        };
        if let Some((entry, _)) = self.late(owner).and_then(|late| late.get_mut(&seq)) {
            if let Some(state) = released(entry) {
                entry.set_state(state);
                entry.body = Handle::NONE;
            }
        } else if let Some(inbox) = self.inbox(owner)
            && let Some(state) = inbox.get(seq).and_then(released)
        {
            inbox.drop_body(seq);
            inbox.set_state(seq, state);
        }
    }

    /// Where a session is, which is made if there is none.
    fn place(&mut self, owner: Owner<'_>) -> Option<Place> {
        if let Some(Some(place)) = self.owners.get(owner.number) {
            return Some(*place);
        }
        let instance = self.index.place_or_new(owner.instance);
        let found = self.index.instance_mut(instance)?;
        let place = (instance, found.place_or_new(owner.client, || owner.client.into()));
        if self.owners.len() <= owner.number {
            self.owners.resize(owner.number + 1, None);
        }
        *self.owners.get_mut(owner.number)? = Some(place);
        Some(place)
    }

    fn session(&mut self, owner: Owner<'_>) -> Option<(&mut Session, &mut Bodies)> {
        let (instance, session) = self.place(owner)?;
        let instance = self.index.instances.get_mut(instance as usize)?;
        Some((
            instance.sessions.get_mut(session as usize)?,
            &mut self.index.bodies,
        ))
    }

    fn inbox(&mut self, owner: Owner<'_>) -> Option<&mut Inbox> {
        self.session(owner)?.0.inbox.as_deref_mut()
    }

    fn late(&mut self, owner: Owner<'_>) -> Option<&mut Late> {
        if self.late.is_empty() {
            return None;
        }
        let place = self.place(owner)?;
        self.late.get_mut(&place)
    }

    /// All frames are read.
    pub(in super::super) fn finish(mut self) -> Replayed {
        self.bodies = FxHashMap::default();
        self.index.bodies.forget_wants();
        let Index {
            instances, bodies, ..
        } = &mut self.index;
        let mut without_body = 0;
        for (place, instance) in instances {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            let evicted = self.evicted.get(&place).copied().unwrap_or(0);
            for (at, session) in &mut instance.sessions {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                let late = self.late.remove(&(place, at)).unwrap_or_default();
                without_body += settle(session, late, evicted, bodies);
            }
            without_body += settle_retained(instance, bodies);
            let sessions = instance.sessions.iter();
            let empty: Vec<usize> = sessions
                .filter_map(|(at, session)| session.is_empty().then_some(at))
                .collect();
            for at in empty {
                instance.remove(u32::try_from(at).unwrap_or(u32::MAX));
            }
            instance.reorder();
        }
        self.index.bodies.sweep();
        Replayed {
            index: self.index,
            start: self.start,
            without_body,
        }
    }
}

/// Puts a session's late entries in their places and drops what had to go; how many have a body that is nowhere.
fn settle(session: &mut Session, late: Late, evicted: u64, bodies: &mut Bodies) -> usize {
    session.want_all(bodies);
    let names = session.names;
    let Some(inbox) = &mut session.inbox else { return 0 };
    if !late.is_empty() {
        inbox.merge(late);
    }
    let mut entries = inbox.take();
    let mut without_body = 0;
    entries.retain(|entry| {
        if !entry.has_body() {
            return true;
        }
        let is_there = bodies.get(entry.body).is_some_and(|body| body.location.len > 0);
        let is_wanted = entry.seq > evicted;
        without_body += usize::from(is_wanted && !is_there);
        is_wanted && is_there
    });
    inbox.replace(entries);
    for entry in inbox.entries() {
        Session::want_entry(names, entry, inbox.ids(entry), bodies);
    }
    if inbox.is_empty() {
        session.inbox = None;
    }
    without_body
}

/// Wants the bodies of retained messages; how many are nowhere.
fn settle_retained(instance: &mut Instance, bodies: &mut Bodies) -> usize {
    let names = instance.id.as_str().len();
    let mut missing = Vec::new();
    for (topic, handle) in instance.retained.iter() {
        if bodies.get(*handle).is_some_and(|body| body.location.len > 0) {
            bodies.want(names + topic.len());
            bodies.hold(*handle);
        } else {
            missing.push(topic.clone());
        }
    }
    for topic in &missing {
        instance.retained.remove(topic);
    }
    missing.len()
}
