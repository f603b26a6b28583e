//! A store that takes its time to answer.

use std::sync::Arc;

use dunlin::instance::{InstanceId, SessionKey};
use dunlin::message::Message;
use dunlin::store::durable::{
    Change, Committed, Counts, Health, InboxLimits, InboxSeq, Page, Revision, SessionRecord, Store,
    StoreFuture, Stored,
};
use dunlin::time::Millis;
use dunlin::topic::TopicFilter;

/// Does at once what it is told, and says so later.
pub struct Late<S>(pub S);

fn late<'a, T: Send + 'a>(answer: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
    Box::pin(async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        answer.await
    })
}

impl<S: Store> Store for Late<S> {
    fn commit(&self, batch: Vec<Change>, now: Millis) -> StoreFuture<'_, Committed> {
        late(self.0.commit(batch, now))
    }

    fn read<'a>(
        &'a self,
        session: &'a SessionKey,
        after: InboxSeq,
        max: usize,
        now: Millis,
    ) -> StoreFuture<'a, Page> {
        late(self.0.read(session, after, max, now))
    }

    fn discard<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, ()> {
        late(self.0.discard(session))
    }

    fn load<'a>(&'a self, session: &'a SessionKey, now: Millis) -> StoreFuture<'a, Option<Stored>> {
        late(self.0.load(session, now))
    }

    fn save<'a>(
        &'a self,
        session: &'a SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> StoreFuture<'a, Revision> {
        late(self.0.save(session, record, expected))
    }

    fn sessions(&self) -> StoreFuture<'_, Vec<SessionKey>> {
        late(self.0.sessions())
    }

    fn instances(&self) -> StoreFuture<'_, Vec<InstanceId>> {
        late(self.0.instances())
    }

    fn retained<'a>(
        &'a self,
        instance: &'a InstanceId,
        filter: &'a TopicFilter,
        now: Millis,
    ) -> StoreFuture<'a, Vec<Arc<Message>>> {
        late(self.0.retained(instance, filter, now))
    }

    fn limit_inboxes(&self, instance: &InstanceId, limits: InboxLimits) {
        self.0.limit_inboxes(instance, limits);
    }

    fn forget_instance<'a>(&'a self, instance: &'a InstanceId) -> StoreFuture<'a, ()> {
        late(self.0.forget_instance(instance))
    }

    fn tidy(&self, now: Millis) -> StoreFuture<'_, Vec<(InstanceId, usize)>> {
        late(self.0.tidy(now))
    }

    fn sync(&self) -> StoreFuture<'_, ()> {
        late(self.0.sync())
    }

    fn retained_in(&self, instance: &InstanceId) -> usize {
        self.0.retained_in(instance)
    }

    fn counts(&self, instance: &InstanceId, now: Millis) -> Counts {
        self.0.counts(instance, now)
    }

    fn retained_count(&self) -> usize {
        self.0.retained_count()
    }

    fn offline_count(&self) -> usize {
        self.0.offline_count()
    }

    fn health(&self) -> Health {
        self.0.health()
    }
}
