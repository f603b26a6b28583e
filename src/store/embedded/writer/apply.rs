//! Makes changes in the index, and says in the frame what they came to. What came to nothing is not said.

mod bodies;

use std::sync::Arc;

use super::super::format::draft::{Draft, NewEntry};
use super::super::index::{Entry, Evicted, Index, Record, State};
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Message};
use crate::store::durable::{Change, Committed, InboxLimits, InboxSeq, Revision, SessionRecord, StoreError};
use crate::time::Millis;
use crate::topic::TopicName;
pub(super) use bodies::Recent;
pub(in super::super) use bodies::size;

/// More than this at once is refused: what is one batch is one frame, and places in a segment have 32 bits.
const LARGEST_BATCH: usize = 1 << 30;

/// Nobody has to wait for the disk: if it is lost with the power, what happens is what happens when it was not asked for yet.
pub(in super::super) fn is_lazy(change: &Change) -> bool {
    // Not `Forgotten`: a client may use its packet id again as soon as it is told, and the message must not be taken for the old.
    matches!(change, Change::Acknowledge { .. })
}

/// The index and the frame that belong together.
pub(super) struct Apply<'a> {
    index: &'a mut Index,
    draft: &'a mut Draft,
    recent: &'a mut Recent,
}

impl<'a> Apply<'a> {
    pub(super) fn new(index: &'a mut Index, draft: &'a mut Draft, recent: &'a mut Recent) -> Self {
        Self { index, draft, recent }
    }

    pub(super) fn batch(&mut self, batch: &[Change], now: Millis) -> Result<Committed, StoreError> {
        if size(batch) > LARGEST_BATCH {
            return Err(StoreError::Refused(format!(
                "the messages of one batch have more than {LARGEST_BATCH} bytes"
            )));
        }
        self.recent.begin_batch();
        let mut done = Committed::default();
        for change in batch {
            self.change(change, now, &mut done);
        }
        Ok(done)
    }

    fn change(&mut self, change: &Change, now: Millis, done: &mut Committed) {
        match change {
            Change::Append {
                session,
                delivery,
                sent,
            } => {
                let (seq, evicted) = self.append(session, delivery, *sent, now);
                done.seqs.push(seq);
                add(&mut done.evicted, &session.instance, evicted);
            }
            Change::Acknowledge { session, from, up_to } => self.acknowledge(session, from.0, up_to.0),
            Change::Sent {
                session,
                seq,
                packet_id,
            } => {
                let Some((instance, _)) = self.index.parts(session.instance.as_str()) else {
                    return;
                };
                let Some(place) = instance.place(&session.client_id) else {
                    return;
                };
                if instance.sent(place, seq.0, *packet_id)
                    && let Some(whose) = instance.whose(place)
                {
                    self.draft.sent(whose, seq.0, *packet_id);
                }
            }
            Change::Released { session, seq } => {
                let Some((instance, bodies)) = self.index.parts(session.instance.as_str()) else {
                    return;
                };
                let Some(place) = instance.place(&session.client_id) else {
                    return;
                };
                if instance.released(place, seq.0, bodies)
                    && let Some(whose) = instance.whose(place)
                {
                    self.draft.released(whose, seq.0);
                }
            }
            Change::Received { session, packet_id } => self.received(session, *packet_id),
            Change::Forgotten { session, packet_id } => self.forgotten(session, *packet_id),
            Change::Retain {
                instance,
                topic,
                message,
            } => self.retain(instance, topic, message.as_ref()),
        }
    }

    fn append(
        &mut self,
        session: &SessionKey,
        delivery: &Delivery,
        sent: Option<u16>,
        now: Millis,
    ) -> (InboxSeq, usize) {
        let Some(place) = self.index.place(session.instance.as_str()) else {
            return (InboxSeq(0), 0);
        };
        let Index {
            instances,
            bodies,
            next,
            ..
        } = &mut *self.index;
        let Some(instance) = instances.get_mut(place as usize) else {
            return (InboxSeq(0), 0);
        };
        let Some(limits) = instance.limits() else {
            return (InboxSeq(0), 0);
        };
        let cap = limits.messages_per_instance;
        let evicted = instance.make_room(cap.saturating_sub(1), now.0, bodies);
        if evicted.count > 0 {
            self.draft.evict(instance.tenant(), evicted.up_to);
        }
        if cap == 0 {
            return (InboxSeq(0), evicted.count);
        }
        let (body, body_id) = self
            .recent
            .body(&delivery.message, bodies, &mut next.body, self.draft);
        let seq = next.seq;
        next.seq += 1;
        let state = sent.map_or(State::Waiting, State::Sent);
        let entry = Entry::new(seq, now.0, delivery.qos, delivery.retain, state, body);
        let place = instance.place_or_new(&session.client_id, || Arc::clone(&session.client_id));
        if let Some(whose) = instance.whose(place) {
            let new = NewEntry {
                seq,
                stored_at: now.0,
                qos: delivery.qos as u8,
                retain: delivery.retain,
                state,
                body: body_id,
                ids: &delivery.subscription_ids,
            };
            self.draft.entry(whose, &new);
        }
        instance.push(place, entry, &delivery.subscription_ids, bodies);
        (InboxSeq(seq), evicted.count)
    }

    fn acknowledge(&mut self, session: &SessionKey, from: u64, up_to: u64) {
        let Some((instance, bodies)) = self.index.parts(session.instance.as_str()) else {
            return;
        };
        let Some(place) = instance.place(&session.client_id) else {
            return;
        };
        if instance.acknowledge(place, from, up_to, bodies) {
            if let Some(whose) = instance.whose(place) {
                self.draft.acknowledge(whose, from, up_to);
            }
            instance.forget_if_empty(place);
            instance.compact();
        }
    }

    /// Messages that have expired.
    pub(super) fn let_go(&mut self, session: &SessionKey, seqs: &[u64]) {
        for seq in seqs {
            let Some((instance, _)) = self.index.parts(session.instance.as_str()) else {
                return;
            };
            // One that went into flight meanwhile is owed.
            let found = instance.session(&session.client_id);
            let entry = found.and_then(|session| session.entry(*seq));
            if entry.is_some_and(|entry| !entry.is_in_flight()) {
                self.acknowledge(session, *seq, *seq);
            }
        }
    }

    fn received(&mut self, session: &SessionKey, packet_id: u16) {
        let place = self.index.place_or_new(session.instance.as_str());
        let bodies = &mut self.index.bodies;
        let Some(instance) = self.index.instances.get_mut(place as usize) else {
            return;
        };
        let place = instance.place_or_new(&session.client_id, || Arc::clone(&session.client_id));
        let Some(found) = instance.sessions.get_mut(place as usize) else {
            return;
        };
        if found.add_received(packet_id, bodies)
            && let Some(whose) = instance.whose(place)
        {
            self.draft.received(whose, packet_id);
        }
    }

    fn forgotten(&mut self, session: &SessionKey, packet_id: u16) {
        let Some((instance, bodies)) = self.index.parts(session.instance.as_str()) else {
            return;
        };
        let Some(place) = instance.place(&session.client_id) else {
            return;
        };
        let Some(found) = instance.sessions.get_mut(place as usize) else {
            return;
        };
        if found.remove_received(packet_id, bodies) {
            if let Some(whose) = instance.whose(place) {
                self.draft.forgotten(whose, packet_id);
            }
            instance.forget_if_empty(place);
        }
    }

    fn retain(&mut self, id: &InstanceId, topic: &TopicName, message: Option<&Arc<Message>>) {
        let place = match message {
            Some(_) => Some(self.index.place_or_new(id.as_str())),
            None => self.index.place(id.as_str()),
        };
        let Index {
            instances,
            bodies,
            next,
            ..
        } = &mut *self.index;
        let Some(instance) = place.and_then(|place| instances.get_mut(place as usize)) else {
            return;
        };
        match message {
            Some(message) => {
                let (handle, body) = self.recent.body(message, bodies, &mut next.body, self.draft);
                instance.retain(topic, Some(handle), bodies);
                self.draft.retain(instance.tenant(), topic, body);
            }
            None => {
                if instance.retain(topic, None, bodies) {
                    self.draft.unretain(instance.tenant(), topic);
                }
            }
        }
    }

    /// Retained messages that have expired, unless there is another by now.
    pub(super) fn let_go_retained(&mut self, id: &InstanceId, expired: &[(TopicName, u64)]) {
        for (topic, body) in expired {
            let Some((instance, bodies)) = self.index.parts(id.as_str()) else {
                return;
            };
            let handle = instance.retained.get(topic).copied();
            if handle.is_some_and(|handle| bodies.is(handle, *body)) {
                self.retain(id, topic, None);
            }
        }
    }

    pub(super) fn save(
        &mut self,
        session: &SessionKey,
        record: &SessionRecord,
        expected: Revision,
    ) -> Result<Revision, StoreError> {
        let found = self.index.instance(session.instance.as_str());
        let found = found.and_then(|instance| instance.session(&session.client_id));
        let current = found.and_then(|session| session.record());
        if current.map_or(0, |record| record.revision) != expected.0 {
            return Err(StoreError::Stale);
        }
        let revision = self.index.next.revision;
        self.index.next.revision += 1;
        let place = self.index.place_or_new(session.instance.as_str());
        let bodies = &mut self.index.bodies;
        let Some(instance) = self.index.instances.get_mut(place as usize) else {
            return Ok(Revision(revision));
        };
        let place = instance.place_or_new(&session.client_id, || Arc::clone(&session.client_id));
        let Some(whose) = instance.whose(place) else {
            return Ok(Revision(revision));
        };
        let location = self.draft.record(whose, revision, record);
        if let Some(found) = instance.sessions.get_mut(place as usize) {
            found.set_record(Some(Record { revision, location }), bodies);
        }
        Ok(Revision(revision))
    }

    pub(super) fn discard(&mut self, session: &SessionKey) {
        let Some((instance, bodies)) = self.index.parts(session.instance.as_str()) else {
            return;
        };
        let Some(place) = instance.place(&session.client_id) else {
            return;
        };
        if let Some(whose) = instance.whose(place) {
            self.draft.discard(whose);
        }
        instance.discard(place, bodies);
    }

    pub(super) fn forget(&mut self, id: &InstanceId) {
        if let Some((instance, _)) = self.index.parts(id.as_str()) {
            self.draft.forget(instance.tenant());
            self.index.forget(id.as_str());
        }
    }

    pub(super) fn tidy(&mut self, now: Millis) -> Vec<(InstanceId, usize)> {
        let mut all = Vec::new();
        for (_, instance) in &mut self.index.instances {
            let Some(limits) = instance.limits() else { continue };
            let Evicted { count, up_to } =
                instance.make_room(limits.messages_per_instance, now.0, &mut self.index.bodies);
            instance.compact();
            if count > 0 {
                self.draft.evict(instance.tenant(), up_to);
                all.push((instance.id.clone(), count));
            }
        }
        all
    }

    pub(super) fn limit(&mut self, id: &InstanceId, limits: InboxLimits) {
        let place = self.index.place_or_new(id.as_str());
        if let Some(instance) = self.index.instance_mut(place) {
            instance.limit(limits);
        }
    }
}

/// So many more of an instance. A batch has few instances.
fn add(evicted: &mut Vec<(InstanceId, usize)>, instance: &InstanceId, count: usize) {
    if count == 0 {
        return;
    }
    match evicted.iter_mut().find(|(id, _)| id == instance) {
        Some((_, so_far)) => *so_far += count,
        None => evicted.push((instance.clone(), count)),
    }
}
