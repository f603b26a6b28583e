//! The store that forgets when the process ends. It keeps the contract in full otherwise: order, cap, age, revisions.

mod inbox;

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use super::{
    Append, Counts, InboxLimits, InboxSeq, Page, Revision, SessionRecord, Store, StoreError, StoreFuture,
};
use crate::instance::{InstanceId, SessionKey};
use crate::message::Message;
use crate::time::Millis;
use crate::topic::tree::TopicTree;
use crate::topic::{TopicFilter, TopicName};
use inbox::Inboxes;

/// Sessions, inboxes and retained messages in this process's memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Inboxes by instance. One lock a batch, so the shards meet here once a turn and not once a message.
    inboxes: Mutex<HashMap<InstanceId, Inboxes>>,
    /// Session records, by session.
    records: Mutex<HashMap<SessionKey, (SessionRecord, Revision)>>,
    /// Retained messages, by instance. Read on SUBSCRIBE, written on a retained PUBLISH.
    retained: RwLock<HashMap<InstanceId, TopicTree<Arc<Message>>>>,
    /// Kept beside the lock, for metrics.
    retained_count: AtomicUsize,
}

impl MemoryStore {
    fn with_inboxes<R>(&self, instance: &InstanceId, work: impl FnOnce(&mut Inboxes) -> R) -> R {
        work(inboxes_of(&mut self.inboxes.lock(), instance))
    }
}

/// The inboxes of an instance. One that nobody gave limits is not there any more, and keeps nothing.
fn inboxes_of<'a>(all: &'a mut HashMap<InstanceId, Inboxes>, instance: &InstanceId) -> &'a mut Inboxes {
    all.entry(instance.clone()).or_default()
}

impl Store for MemoryStore {
    fn append(&self, batch: Vec<Append>, now: Millis) -> StoreFuture<'_, usize> {
        let mut all = self.inboxes.lock();
        let mut evicted = 0;
        for Append { session, delivery } in batch {
            let inboxes = inboxes_of(&mut all, &session.instance);
            evicted += inboxes.append(&session.client_id, delivery, now);
        }
        Box::pin(ready(Ok(evicted)))
    }

    fn read<'a>(
        &'a self,
        session: &'a SessionKey,
        after: InboxSeq,
        max: usize,
        now: Millis,
    ) -> StoreFuture<'a, Page> {
        let page = self.with_inboxes(&session.instance, |i| i.read(&session.client_id, after, max, now));
        Box::pin(ready(Ok(page)))
    }

    fn acknowledge<'a>(&'a self, session: &'a SessionKey, up_to: InboxSeq) -> StoreFuture<'a, ()> {
        self.with_inboxes(&session.instance, |i| i.acknowledge(&session.client_id, up_to));
        Box::pin(ready(Ok(())))
    }

    fn discard<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.records.lock().remove(session);
        self.with_inboxes(&session.instance, |i| i.discard(&session.client_id));
        Box::pin(ready(Ok(())))
    }

    fn load<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, Option<(SessionRecord, Revision)>> {
        Box::pin(ready(Ok(self.records.lock().get(session).cloned())))
    }

    fn save<'a>(
        &'a self,
        session: &'a SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> StoreFuture<'a, Revision> {
        let mut records = self.records.lock();
        let current = records
            .get(session)
            .map_or(Revision(0), |(_, revision)| *revision);
        if current != expected {
            return Box::pin(ready(Err(StoreError::Stale)));
        }
        let next = Revision(current.0 + 1);
        records.insert(session.clone(), (record, next));
        Box::pin(ready(Ok(next)))
    }

    fn retain<'a>(
        &'a self,
        instance: &'a InstanceId,
        topic: &'a TopicName,
        message: Option<Arc<Message>>,
    ) -> StoreFuture<'a, ()> {
        let mut all = self.retained.write();
        let tree = all.entry(instance.clone()).or_default();
        let before = tree.len();
        match message {
            Some(message) => drop(tree.insert(topic, message)),
            None => drop(tree.remove(topic)),
        }
        // Added before subtracted, so that the count never dips below zero in between.
        self.retained_count.fetch_add(tree.len(), Ordering::Relaxed);
        self.retained_count.fetch_sub(before, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn retained<'a>(
        &'a self,
        instance: &'a InstanceId,
        filter: &'a TopicFilter,
        now: Millis,
    ) -> StoreFuture<'a, Vec<Arc<Message>>> {
        let mut found = Vec::new();
        if let Some(tree) = self.retained.read().get(instance) {
            tree.matching(filter, |_, message| {
                if message.remaining_expiry(now).is_ok() {
                    found.push(Arc::clone(message));
                }
            });
        }
        Box::pin(ready(Ok(found)))
    }

    fn limit_inboxes(&self, instance: &InstanceId, limits: InboxLimits) {
        self.with_inboxes(instance, |inboxes| inboxes.limit(limits));
    }

    fn forget_instance<'a>(&'a self, instance: &'a InstanceId) -> StoreFuture<'a, ()> {
        self.records.lock().retain(|key, _| key.instance != *instance);
        self.inboxes.lock().remove(instance);
        if let Some(tree) = self.retained.write().remove(instance) {
            self.retained_count.fetch_sub(tree.len(), Ordering::Relaxed);
        }
        Box::pin(ready(Ok(())))
    }

    fn retained_in(&self, instance: &InstanceId) -> usize {
        self.retained.read().get(instance).map_or(0, TopicTree::len)
    }

    fn counts(&self, instance: &InstanceId) -> Counts {
        Counts {
            retained: self.retained_in(instance),
            offline: self.inboxes.lock().get(instance).map_or(0, Inboxes::len),
        }
    }

    fn retained_count(&self) -> usize {
        self.retained_count.load(Ordering::Relaxed)
    }

    fn offline_count(&self) -> usize {
        self.inboxes.lock().values().map(Inboxes::len).sum()
    }
}
