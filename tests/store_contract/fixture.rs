//! A store under test, with short words for what the promises ask it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dunlin::instance::{InstanceId, SessionKey};
use dunlin::message::{Delivery, Message};
use dunlin::store::durable::{
    Change, Committed, InboxLimits, InboxSeq, Revision, SessionRecord, Store, StoreError, Stored,
};
use dunlin::time::Millis;
use dunlin::topic::TopicFilter;
use tokio::task::JoinHandle;

use crate::made::{LIMITS, NOW, append, instance};

/// A store that is about to be open.
pub type Opening = Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send>>;

/// Opens what is there.
type Open = Box<dyn Fn() -> Opening + Send + Sync>;

/// Does something on a thread of its own.
pub fn on_another_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(work)
    })
}

/// A store that is open and empty. The instance `i` has limits that no promise meets by accident.
pub struct Fixture {
    /// There is none for as long as it is being opened again.
    store: Option<Arc<dyn Store>>,
    /// How it is opened again; `None` if it ends with the process.
    again: Option<Open>,
    /// How many bytes it takes on the disk, if that can be told.
    size: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
}

impl Fixture {
    /// One that ends with the process.
    pub fn of_this_process(store: Arc<dyn Store>) -> Self {
        Self::new(Some(store), None)
    }

    fn new(store: Option<Arc<dyn Store>>, again: Option<Open>) -> Self {
        let fixture = Self {
            store,
            again,
            size: None,
        };
        if fixture.store.is_some() {
            fixture.limit(&instance("i"), LIMITS);
        }
        fixture
    }

    /// One that outlives the process: `open` finds what the one before has left.
    pub async fn that_outlives(open: Open) -> Self {
        let store = open().await;
        Self::new(Some(store), Some(open))
    }

    pub fn with_size(mut self, size: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.size = Some(Box::new(size));
        self
    }

    /// The store itself.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().unwrap()
    }

    /// Does it outlive the process?
    pub fn outlives(&self) -> bool {
        self.again.is_some()
    }

    /// How many bytes it takes on the disk, if that can be told.
    pub fn size(&self) -> Option<u64> {
        self.size.as_ref().map(|size| size())
    }

    /// Ends it and opens it again, without limits; nothing if it does not outlive that.
    pub async fn reopen_unlimited(&mut self) {
        let Some(again) = &self.again else { return };
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "somebody else holds the store");
        drop(store);
        self.store = Some(again().await);
    }

    /// Ends it and opens it again; nothing if it does not outlive that.
    pub async fn reopen(&mut self) {
        self.reopen_with(LIMITS).await;
    }

    /// The same, with other limits for the instance `i`.
    pub async fn reopen_with(&mut self, limits: InboxLimits) {
        self.reopen_unlimited().await;
        self.limit(&instance("i"), limits);
    }

    pub fn limit(&self, instance: &InstanceId, limits: InboxLimits) {
        self.store().limit_inboxes(instance, limits);
    }

    pub fn cap(&self, instance: &InstanceId, messages_per_instance: usize) {
        let limits = InboxLimits {
            messages_per_instance,
            ..LIMITS
        };
        self.limit(instance, limits);
    }

    pub async fn commit(&self, batch: Vec<Change>) -> Committed {
        self.commit_at(batch, NOW).await
    }

    pub async fn commit_at(&self, batch: Vec<Change>, now: Millis) -> Committed {
        self.store().commit(batch, now).await.unwrap()
    }

    /// A plain message for an inbox.
    pub async fn append(&self, session: &SessionKey, number: u128) -> InboxSeq {
        self.commit(vec![append(session, number)]).await.seqs[0]
    }

    /// Plain messages for an inbox, in one batch.
    pub async fn append_all(
        &self,
        session: &SessionKey,
        numbers: impl IntoIterator<Item = u128>,
    ) -> Vec<InboxSeq> {
        let batch = numbers.into_iter().map(|number| append(session, number));
        self.commit(batch.collect()).await.seqs
    }

    /// All that waits in an inbox.
    pub async fn read(&self, session: &SessionKey, now: Millis) -> Vec<(InboxSeq, Delivery)> {
        self.read_by(session, 100, now).await
    }

    /// All that waits in an inbox, in pages of `max`. Each is as a page has to be.
    pub async fn read_by(&self, session: &SessionKey, max: usize, now: Millis) -> Vec<(InboxSeq, Delivery)> {
        let mut all = Vec::new();
        let mut after = InboxSeq(0);
        loop {
            let page = self.store().read(session, after, max, now).await.unwrap();
            assert!(page.deliveries.len() <= max);
            let mut last = after;
            for (seq, delivery) in page.deliveries {
                assert!(last < seq, "the places of a page rise");
                last = seq;
                all.push((seq, delivery));
            }
            assert!(last <= page.upto, "a page ends behind what it shows");
            if !page.more {
                return all;
            }
            assert!(
                after < page.upto,
                "if there is more, the next page begins further on"
            );
            after = page.upto;
        }
    }

    /// The numbers of all that waits in an inbox.
    pub async fn numbers(&self, session: &SessionKey) -> Vec<u128> {
        self.numbers_at(session, NOW).await
    }

    pub async fn numbers_at(&self, session: &SessionKey, now: Millis) -> Vec<u128> {
        let all = self.read(session, now).await;
        all.iter().map(|(_, delivery)| delivery.message.id.0).collect()
    }

    pub async fn load(&self, session: &SessionKey) -> Option<Stored> {
        self.load_at(session, NOW).await
    }

    pub async fn load_at(&self, session: &SessionKey, now: Millis) -> Option<Stored> {
        self.store().load(session, now).await.unwrap()
    }

    pub async fn save(
        &self,
        session: &SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> Result<Revision, StoreError> {
        self.store().save(session, record, expected).await
    }

    /// An empty record for a session that has none.
    pub async fn open_session(&self, session: &SessionKey) -> Revision {
        let saved = self.save(session, SessionRecord::default(), Revision(0)).await;
        saved.unwrap()
    }

    pub async fn discard(&self, session: &SessionKey) {
        self.store().discard(session).await.unwrap();
    }

    /// The retained messages of a filter, in the order of their topics.
    pub async fn retained(&self, instance: &InstanceId, filter: &str, now: Millis) -> Vec<Arc<Message>> {
        let filter = TopicFilter::parse(filter).unwrap();
        let mut found = self.store().retained(instance, &filter, now).await.unwrap();
        found.sort_by(|one, other| one.topic.cmp(&other.topic));
        found
    }

    /// Lets go what is too old; how much of an instance it was.
    pub async fn tidy(&self, of: &InstanceId, now: Millis) -> usize {
        let gone = self.store().tidy(now).await.unwrap();
        let of_it = gone.iter().filter(|(instance, _)| instance == of);
        of_it.map(|(_, count)| count).sum()
    }

    /// How many messages an instance has in inboxes.
    pub fn stored(&self, instance: &InstanceId) -> usize {
        self.store().counts(instance, NOW).stored
    }
}
