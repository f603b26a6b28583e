//! What a turn leaves for the store, and the acknowledgements that wait for it.
//!
//! A message for somebody on this shard who is not there is acknowledged to its publisher when the store has it, and not
//! before. All such messages of a turn go to the store in one batch. For a receiver on another shard the mailbox is as
//! safe as the memory store is; a durable store will need that shard's word first (see ARCHITECTURE.md, "Settling").

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::slot::Slot;
use super::{Shard, Tenant};
use crate::codec::ReasonCode;
use crate::instance::InstanceId;
use crate::message::{Message, Publication};
use crate::metrics::DropReason;
use crate::router::{Matches, SubscriberId};
use crate::session::Close;
use crate::store::{Append, InboxSeq, Page, StoreError};
use crate::topic::TopicName;

/// How many messages are read from an inbox at a time.
const PAGE: usize = 256;

/// The work of a turn that has to be durable before somebody is told so.
#[derive(Default)]
pub(super) struct Unsettled {
    appends: Vec<Append>,
    retains: Vec<(InstanceId, TopicName, Option<Arc<Message>>)>,
    /// Who waits: publisher, packet id, and what to say.
    waiting: Vec<(SubscriberId, u16, ReasonCode)>,
}

impl Unsettled {
    /// How much there is; grows with everything that is put in.
    pub(super) fn len(&self) -> usize {
        self.appends.len() + self.retains.len()
    }

    pub(super) fn append(&mut self, append: Append) {
        self.appends.push(append);
    }

    /// The publisher gets its acknowledgement when everything put in so far has settled.
    pub(super) fn acknowledge_later(&mut self, publisher: SubscriberId, packet_id: u16, reason: ReasonCode) {
        self.waiting.push((publisher, packet_id, reason));
    }
}

impl Shard {
    /// Keeps a publication as its topic's retained message; an empty one takes it away [MQTT-3.3.1-6].
    /// A message for one client has no topic to be kept for.
    pub(super) fn retain(&mut self, tenant: &Tenant, publication: &Publication<'_>, matches: &Matches) {
        if !publication.retain || matches.p2p.is_some() {
            return;
        }
        let message = (!publication.payload.is_empty()).then(|| publication.share());
        let most = self.limit(tenant, "retained_messages", tenant.limits.retained_messages);
        if message.is_some() && self.shared.store.retained_in(&tenant.id) >= most {
            // Full: the message is delivered and not kept. Replacing one would need to know whether there is one.
            self.metrics.messages_dropped.add(DropReason::RetainedFull, 1);
            return;
        }
        let instance = tenant.id.clone();
        self.unsettled
            .retains
            .push((instance, publication.topic.clone(), message));
    }

    /// Hands the turn's work to the store, and tells those who wait when it is done.
    pub(super) fn settle_turn(&mut self) {
        if self.unsettled.len() == 0 {
            return;
        }
        let Unsettled {
            appends,
            retains,
            waiting,
        } = std::mem::take(&mut self.unsettled);
        let shared = Arc::clone(&self.shared);
        let now = self.now;
        let work = async move {
            for (instance, topic, message) in retains {
                shared.store.retain(&instance, &topic, message).await?;
            }
            if appends.is_empty() {
                Ok(0)
            } else {
                shared.store.append(appends, now).await
            }
        };
        self.when_done(work, move |shard, result| shard.settled(waiting, result));
    }

    fn settled(&mut self, waiting: Vec<(SubscriberId, u16, ReasonCode)>, result: Result<usize, StoreError>) {
        match result {
            Ok(evicted) => self
                .metrics
                .messages_dropped
                .add(DropReason::OfflineFull, evicted as u64),
            Err(error) => {
                // Not stored, so not acknowledged. A client sends again only when it comes again: so it has to go.
                tracing::error!(%error, messages = waiting.len(), "the store did not take messages; their publishers are disconnected");
                return self.close_unsettled(&waiting);
            }
        }
        for (publisher, packet_id, reason) in waiting {
            if let Some(Slot::Live(live)) = self.slot(publisher) {
                live.session.settle(packet_id, reason);
                self.mark_dirty(publisher.slot);
            }
        }
    }

    fn close_unsettled(&mut self, waiting: &[(SubscriberId, u16, ReasonCode)]) {
        for (publisher, packet_id, _) in waiting {
            if let Some(Slot::Live(live)) = self.slot(*publisher) {
                live.session.forget_received(*packet_id);
                let what = "the message could not be stored";
                self.close(
                    publisher.slot,
                    &Close::new(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, what),
                );
            }
        }
    }

    /// Reads on in the inbox of a session whose memory has run empty.
    pub(super) fn read_inbox(&mut self, at: u32) {
        let subscriber = self.subscriber(at);
        let Some(live) = self.live(at) else { return };
        let key = live.key.clone();
        let (shared, now) = (Arc::clone(&self.shared), self.now);
        let work = async move {
            let page = shared.store.read(&key, InboxSeq(0), PAGE, now).await?;
            if let Some((last, _)) = page.deliveries.last() {
                shared.store.acknowledge(&key, *last).await?;
            }
            Ok(page)
        };
        self.when_done(work, move |shard, page| shard.inbox_read(subscriber, page));
    }

    fn inbox_read(&mut self, subscriber: SubscriberId, page: Result<Page, StoreError>) {
        let page = match page {
            Ok(page) => page,
            Err(error) => return tracing::error!(%error, "an inbox could not be read"),
        };
        let unfinished = !self.unsettled.appends.is_empty();
        let deliveries = page.deliveries.into_iter().map(|(_, delivery)| delivery);
        let deliveries: Vec<_> = if self.hooks.wants_deliveries() {
            deliveries
                .filter_map(|delivery| self.delivery_asked(subscriber, delivery))
                .collect()
        } else {
            deliveries.collect()
        };
        if let Some(Slot::Live(live)) = self.slot(subscriber) {
            // What this turn has still to store is newer than the page: then the inbox is not empty yet.
            let more = page.more || unfinished;
            live.session.take_from_inbox(deliveries.into_iter(), more);
            // One page a flush, and no recursion: pages may hold nothing that can be sent.
            if live.session.has_queued() || live.session.spilled {
                self.mark_dirty(subscriber.slot);
            }
        }
    }

    /// Does `then` with what `work` comes to: at once if it is done at once, else in a turn of its own.
    pub(super) fn when_done<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T) + 'static,
    ) {
        let mut work = Box::pin(work);
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return then(self, done);
        }
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            let done = work.await;
            if let Some(shard) = me.upgrade() {
                let mut shard = shard.borrow_mut();
                shard.begin_turn();
                then(&mut shard, done);
                shard.end_turn();
            }
        });
    }
}
