//! The store that forgets when the process ends. It keeps the contract in full otherwise: order, cap, age, revisions.

mod inbox;
mod instance;
mod retained;
mod sessions;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::durable::{
    Change, Committed, Counts, Health, InboxLimits, InboxSeq, Page, Revision, SessionRecord, Store,
    StoreFuture, Stored,
};
use crate::instance::{InstanceId, SessionKey};
use crate::message::Message;
use crate::time::Millis;
use crate::topic::TopicFilter;
use retained::Retained;
use sessions::Sessions;

/// Sessions, inboxes and retained messages in this process's memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// One lock a batch, so the shards meet here once a turn and not once a message.
    sessions: Mutex<Sessions>,
    /// Read on SUBSCRIBE, written on a retained PUBLISH. Who takes both locks takes this one second.
    retained: RwLock<Retained>,
}

impl Store for MemoryStore {
    fn commit(&self, batch: Vec<Change>, now: Millis) -> StoreFuture<'_, Committed> {
        let mut sessions = self.sessions.lock();
        // Kept from the first that needs it to the end of the batch, which nobody is to see half done.
        let mut retained = None;
        let mut done = Committed::default();
        for change in batch {
            match change {
                Change::Retain {
                    instance,
                    topic,
                    message,
                } => retained
                    .get_or_insert_with(|| self.retained.write())
                    .set(&instance, &topic, message),
                change => sessions.apply(change, now, &mut done),
            }
        }
        Box::pin(ready(Ok(done)))
    }

    fn read<'a>(
        &'a self,
        session: &'a SessionKey,
        after: InboxSeq,
        max: usize,
        now: Millis,
    ) -> StoreFuture<'a, Page> {
        Box::pin(ready(Ok(self.sessions.lock().read(session, after, max, now))))
    }

    fn discard<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.sessions.lock().discard(session);
        Box::pin(ready(Ok(())))
    }

    fn load<'a>(&'a self, session: &'a SessionKey, now: Millis) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(ready(Ok(self.sessions.lock().load(session, now))))
    }

    fn save<'a>(
        &'a self,
        session: &'a SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> StoreFuture<'a, Revision> {
        Box::pin(ready(self.sessions.lock().save(session, record, expected)))
    }

    fn sessions(&self) -> StoreFuture<'_, Vec<SessionKey>> {
        Box::pin(ready(Ok(self.sessions.lock().recorded())))
    }

    fn instances(&self) -> StoreFuture<'_, Vec<InstanceId>> {
        let mut all = self.sessions.lock().instances();
        all.extend(self.retained.read().instances());
        all.sort();
        all.dedup();
        Box::pin(ready(Ok(all)))
    }

    fn retained<'a>(
        &'a self,
        instance: &'a InstanceId,
        filter: &'a TopicFilter,
        now: Millis,
    ) -> StoreFuture<'a, Vec<Arc<Message>>> {
        let found = self.retained.read().matching(instance, filter, now);
        Box::pin(ready(Ok(found)))
    }

    fn limit_inboxes(&self, instance: &InstanceId, limits: InboxLimits) {
        self.sessions.lock().limit(instance, limits);
    }

    fn forget_instance<'a>(&'a self, instance: &'a InstanceId) -> StoreFuture<'a, ()> {
        let mut sessions = self.sessions.lock();
        sessions.forget(instance);
        self.retained.write().forget(instance);
        Box::pin(ready(Ok(())))
    }

    fn tidy(&self, now: Millis) -> StoreFuture<'_, Vec<(InstanceId, usize)>> {
        Box::pin(ready(Ok(self.sessions.lock().tidy(now))))
    }

    fn sync(&self) -> StoreFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn retained_in(&self, instance: &InstanceId) -> usize {
        self.retained.read().len_of(instance)
    }

    fn counts(&self, instance: &InstanceId, now: Millis) -> Counts {
        let (offline, stored) = self.sessions.lock().counts(instance, now);
        Counts {
            retained: self.retained_in(instance),
            offline,
            stored,
        }
    }

    fn retained_count(&self) -> usize {
        self.retained.read().len()
    }

    fn offline_count(&self) -> usize {
        self.sessions.lock().len()
    }

    fn health(&self) -> Health {
        Health::default()
    }
}
