//! The sessions of all instances.

use hashbrown::HashMap;

use super::super::durable::{
    Change, Committed, InboxLimits, InboxSeq, Page, Revision, SessionRecord, StoreError, Stored,
};
use super::instance::Instance;
use crate::instance::{InstanceId, SessionKey};
use crate::message::Delivery;
use crate::time::Millis;

/// Sessions by instance.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_instance: HashMap<InstanceId, Instance>,
    /// The last number that a message was given. One row over all sessions, so that none is given twice whatever is
    /// forgotten in between.
    last_seq: u64,
    /// The last revision, likewise: who holds one of a record that is gone cannot take it for one that came later.
    last_revision: u64,
}

impl Sessions {
    /// Makes one change; retained messages are somebody else's.
    pub(super) fn apply(&mut self, change: Change, now: Millis, done: &mut Committed) {
        match change {
            Change::Append {
                session,
                delivery,
                sent,
            } => {
                let (seq, evicted) = self.append(&session, delivery, sent, now);
                done.seqs.push(seq);
                add(&mut done.evicted, &session.instance, evicted);
            }
            Change::Acknowledge { session, from, up_to } => {
                if let Some(instance) = self.by_instance.get_mut(&session.instance) {
                    instance.acknowledge(&session.client_id, from, up_to);
                }
            }
            Change::Sent {
                session,
                seq,
                packet_id,
            } => {
                if let Some(instance) = self.by_instance.get_mut(&session.instance) {
                    instance.sent(&session.client_id, seq, packet_id);
                }
            }
            Change::Released { session, seq } => {
                if let Some(instance) = self.by_instance.get_mut(&session.instance) {
                    instance.released(&session.client_id, seq);
                }
            }
            Change::Received { session, packet_id } => {
                let instance = self.by_instance.entry(session.instance).or_default();
                instance.received(&session.client_id, packet_id);
            }
            Change::Forgotten { session, packet_id } => {
                if let Some(instance) = self.by_instance.get_mut(&session.instance) {
                    instance.forgotten(&session.client_id, packet_id);
                }
            }
            Change::Retain { .. } => {}
        }
    }

    fn append(
        &mut self,
        session: &SessionKey,
        delivery: Delivery,
        sent: Option<u16>,
        now: Millis,
    ) -> (InboxSeq, usize) {
        let Some(instance) = self.by_instance.get_mut(&session.instance) else {
            return (InboxSeq(0), 0);
        };
        let last_seq = &mut self.last_seq;
        instance.append(&session.client_id, delivery, sent, now, || {
            *last_seq += 1;
            *last_seq
        })
    }

    pub(super) fn read(&self, session: &SessionKey, after: InboxSeq, max: usize, now: Millis) -> Page {
        match self.by_instance.get(&session.instance) {
            Some(instance) => instance.read(&session.client_id, after, max, now),
            None => Page {
                upto: after,
                ..Page::default()
            },
        }
    }

    /// The instances of which there is anything.
    pub(super) fn instances(&self) -> Vec<InstanceId> {
        self.by_instance.keys().cloned().collect()
    }

    pub(super) fn discard(&mut self, session: &SessionKey) {
        if let Some(instance) = self.by_instance.get_mut(&session.instance) {
            instance.discard(&session.client_id);
        }
    }

    pub(super) fn load(&self, session: &SessionKey, now: Millis) -> Option<Stored> {
        let instance = self.by_instance.get(&session.instance)?;
        instance.load(&session.client_id, now)
    }

    pub(super) fn save(
        &mut self,
        session: &SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> Result<Revision, StoreError> {
        let last_revision = &mut self.last_revision;
        let instance = self.by_instance.entry(session.instance.clone()).or_default();
        instance.save(&session.client_id, record, expected, || {
            *last_revision += 1;
            Revision(*last_revision)
        })
    }

    /// Those that have a record.
    pub(super) fn recorded(&self) -> Vec<SessionKey> {
        let all = self.by_instance.iter().flat_map(|(id, instance)| {
            instance.recorded().map(|client_id| SessionKey {
                instance: id.clone(),
                client_id: client_id.clone(),
            })
        });
        all.collect()
    }

    pub(super) fn limit(&mut self, instance: &InstanceId, limits: InboxLimits) {
        self.by_instance
            .entry(instance.clone())
            .or_default()
            .limit(limits);
    }

    pub(super) fn forget(&mut self, instance: &InstanceId) {
        self.by_instance.remove(instance);
    }

    /// Lets go what is too old; how many of which instance.
    pub(super) fn tidy(&mut self, now: Millis) -> Vec<(InstanceId, usize)> {
        let mut evicted = Vec::new();
        for (id, instance) in &mut self.by_instance {
            add(&mut evicted, id, instance.tidy(now));
        }
        evicted
    }

    /// How many messages of an instance are offline messages by now, and how many there are.
    pub(super) fn counts(&self, instance: &InstanceId, now: Millis) -> (usize, usize) {
        let instance = self.by_instance.get(instance);
        instance.map_or((0, 0), |instance| (instance.offline(now), instance.len()))
    }

    /// How many messages lie in inboxes.
    pub(super) fn len(&self) -> usize {
        self.by_instance.values().map(Instance::len).sum()
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
