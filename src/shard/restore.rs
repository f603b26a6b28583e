//! The sessions that the store has from an earlier process come back, before anybody can connect.

use std::sync::Arc;

use super::slot::{Absent, Slot};
use super::timers::Due;
use super::will::PendingWill;
use super::{Shard, ShardRef};
use crate::hooks::Client;
use crate::instance::SessionKey;
use crate::router::Presence;
use crate::store::{StoreError, Stored};

/// So many sessions are asked for at a time.
const AT_ONCE: usize = 256;

/// Takes back the sessions that live on this shard: their subscriptions, wills, and when they end. Answers with how many.
///
/// # Errors
/// The store's.
pub async fn restore(shard: &ShardRef, keys: &[SessionKey]) -> Result<usize, StoreError> {
    let (store, now) = {
        let shard = shard.borrow();
        (Arc::clone(&shard.shared.store), shard.shared.clock.now())
    };
    let mut restored = 0;
    for some in keys.chunks(AT_ONCE) {
        // All are asked for before the first answer is waited for.
        let loads: Vec<_> = some.iter().map(|key| (key, store.load(key, now))).collect();
        for (key, load) in loads {
            let Some(stored) = load.await? else { continue };
            let mut shard = shard.borrow_mut();
            shard.begin_turn();
            restored += usize::from(shard.restore_one(key, stored));
            shard.end_turn();
        }
    }
    Ok(restored)
}

impl Shard {
    /// Whether it is still there: its instance is, and its time is not over.
    fn restore_one(&mut self, key: &SessionKey, stored: Stored) -> bool {
        let Some(tenant) = self.shared.tenants.get(&key.instance) else {
            // Nobody can reach it. It goes with its instance, whose end was cut short.
            tracing::warn!(session = %key, "a stored session is of an instance that there is not; it stays unused");
            return false;
        };
        let tenant = self.own_tenant(&tenant);
        let Stored { record, revision, .. } = stored;
        let was_connected = record.left_at.is_none();
        let left_at = record.left_at.unwrap_or(self.now);
        let expires_at = record
            .expiry_seconds
            .map(|seconds| left_at.plus_seconds(u64::from(seconds)));
        let client = Client::from_stored(key.instance.text(), Arc::clone(&key.client_id), &record.client);
        let presence = Arc::new(Presence::default());
        presence.set_persistent(true);
        let will = record.will.clone().map(|will| {
            let due = will.due.unwrap_or(self.now.plus_seconds(u64::from(will.delay)));
            PendingWill::from_store(will, due)
        });
        let subscriptions = record.subscriptions.len();
        let absent = Absent {
            key: key.clone(),
            tenant: std::rc::Rc::clone(&tenant),
            presence: Arc::clone(&presence),
            client,
            expires_at,
            revision,
            subscriptions,
            will,
        };
        let due = absent.will.as_ref().map(|will| will.due);
        let at = self.occupy(key.clone(), Slot::Absent(Box::new(absent)));
        let subscriber = self.subscriber(at);
        for (filter, options) in &record.subscriptions {
            // They were allowed when they were made.
            let _all = tenant
                .index
                .subscribe_within(subscriber, filter, *options, &presence, usize::MAX);
        }
        tenant.usage.subscriptions.come_back(subscriptions as u64);
        self.metrics.subscriptions.add(subscriptions as u64);
        self.metrics.sessions.add(1);
        self.metrics.sessions_offline.add(1);
        self.shared.count_persistent(self.id, 1);
        for deadline in [due, expires_at].into_iter().flatten() {
            self.timers.set(deadline, Due::Absent(subscriber));
        }
        if was_connected && (expires_at.is_some() || due.is_some()) {
            // Its connection ended with the process before: from now on that is known.
            let mut record = record;
            record.left_at = Some(left_at);
            if let (Some(will), Some(due)) = (&mut record.will, due) {
                will.due = Some(due);
            }
            self.save(key, revision, record, None);
        }
        true
    }
}
