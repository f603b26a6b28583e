//! Session records on their way to the store: one at a time for each session, the newest wins, and who waits is told.
//!
//! A subscription is stored before its SUBACK. What a session has while its record is being written is written next, however
//! many changes there were; a CONNECT for it waits until nothing is under way.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::slot::Slot;
use super::{Shard, Tenant};
use crate::instance::SessionKey;
use crate::router::{SubscriberId, SubscriptionIndex};
use crate::store::{Revision, SessionRecord, StoreError};

/// What is done when a record is stored, with whether it was.
type Then = Box<dyn FnOnce(&mut Shard, bool)>;

/// Records that are being written, by session.
#[derive(Default)]
pub(super) struct Saves(HashMap<SessionKey, Save, FxBuildHasher>);

struct Save {
    /// Which version the store has, or will have when the write under way is done.
    revision: Revision,
    /// Who waits for the write under way.
    waiting: Vec<Then>,
    /// What is to be written next, and who waits for that.
    next: Option<(SessionRecord, Vec<Then>)>,
    /// The session ends when nothing is under way any more.
    end: Option<Ending>,
}

/// A session whose subscriptions are still in the index.
struct Ending {
    subscriber: SubscriberId,
    index: Arc<SubscriptionIndex>,
}

impl Ending {
    fn unsubscribe(&self, record: &SessionRecord) {
        for (filter, _) in &record.subscriptions {
            self.index.unsubscribe(self.subscriber, filter);
        }
    }
}

/// So many packets of a client may wait for its record before no more are read.
const CROWD: usize = 16;

impl Saves {
    /// Too many wait for this session's record.
    #[inline]
    pub(super) fn is_crowded(&self, key: &SessionKey) -> bool {
        if self.0.is_empty() {
            return false;
        }
        self.0
            .get(key)
            .and_then(|save| save.next.as_ref())
            .is_some_and(|(_, then)| then.len() >= CROWD)
    }
}

impl Shard {
    /// Writes a session's record, which the store has as `revision` if nothing is under way; does `then` afterwards.
    pub(super) fn save(
        &mut self,
        key: &SessionKey,
        revision: Revision,
        record: SessionRecord,
        then: Option<Then>,
    ) {
        if let Some(save) = self.saves.0.get_mut(key) {
            let next = save
                .next
                .get_or_insert_with(|| (SessionRecord::default(), Vec::new()));
            next.0 = record;
            next.1.extend(then);
            return;
        }
        let save = Save {
            revision,
            waiting: then.into_iter().collect(),
            next: None,
            end: None,
        };
        self.saves.0.insert(key.clone(), save);
        self.write(key.clone(), revision, record);
    }

    fn write(&mut self, key: SessionKey, revision: Revision, record: SessionRecord) {
        // What this turn has changed stands before it.
        self.settle_turn();
        let store = Arc::clone(&self.shared.store);
        let of = key.clone();
        let work = async move { store.save(&of, record, revision).await };
        self.when_done_in_row(work, move |shard, saved| shard.written(&key, saved));
    }

    fn written(&mut self, key: &SessionKey, saved: Result<Revision, StoreError>) {
        let Some(save) = self.saves.0.get_mut(key) else {
            return;
        };
        let ok = saved.is_ok();
        match saved {
            Ok(revision) => save.revision = revision,
            Err(error) => tracing::error!(session = %key, %error, "a session could not be saved"),
        }
        let revision = save.revision;
        let (next, then) = save.next.take().unzip();
        let waiting = std::mem::replace(&mut save.waiting, then.unwrap_or_default());
        if let Some(at) = self.by_key.get(key).copied()
            && let Some(live) = self.live(at)
            && std::mem::take(&mut live.conn.full)
        {
            live.conn.wake();
        }
        match next {
            Some(record) => self.write(key.clone(), revision, record),
            None => self.saved(key, revision),
        }
        for then in waiting {
            then(self, ok);
        }
    }

    /// Nothing is under way for this session any more.
    fn saved(&mut self, key: &SessionKey, revision: Revision) {
        let Some(save) = self.saves.0.remove(key) else {
            return;
        };
        if let Some(ending) = save.end {
            self.forget_session(key, ending);
        } else if let Some(at) = self.by_key.get(key).copied() {
            match self.slots.get_mut(at as usize) {
                Some(Slot::Live(live)) => live.revision = revision,
                Some(Slot::Absent(absent)) => absent.revision = revision,
                None => {}
            }
        }
        self.claim_released.notify_waiters();
    }

    /// A record of any session is being written.
    pub(super) fn saves_wait(&self) -> bool {
        !self.saves.0.is_empty()
    }

    /// A record of this session is being written.
    pub(super) fn is_saving(&self, key: &SessionKey) -> bool {
        self.saves.0.contains_key(key)
    }

    /// The session that had this subscriber id is over: what the store has of it goes, and so do its subscriptions.
    pub(super) fn discard(&mut self, key: &SessionKey, subscriber: SubscriberId, tenant: &Tenant) {
        let index = Arc::clone(&tenant.index);
        let ending = Ending { subscriber, index };
        match self.saves.0.get_mut(key) {
            Some(save) => {
                // Its filters may be in this record alone.
                if let Some((record, _)) = save.next.take() {
                    ending.unsubscribe(&record);
                }
                save.end = Some(ending);
            }
            None => self.forget_session(key, ending),
        }
    }

    fn forget_session(&mut self, key: &SessionKey, ending: Ending) {
        // What this turn still has for its inbox has to be there before the inbox is forgotten.
        self.settle_turn();
        let (store, key, now) = (Arc::clone(&self.shared.store), key.clone(), self.now);
        let work = async move {
            // Both are asked for before anything else can be.
            let loaded = store.load(&key, now);
            let discarded = store.discard(&key);
            if let Some(stored) = loaded.await? {
                ending.unsubscribe(&stored.record);
            }
            discarded.await
        };
        self.when_done(work, |_, done: Result<(), StoreError>| {
            if let Err(error) = done {
                tracing::error!(%error, "an ended session could not be forgotten");
            }
        });
    }
}
