//! Subscriptions that the policies no longer allow are taken back, at a limited rate and without a reconnect.

use std::sync::Arc;
use std::time::Duration;

use super::slot::Slot;
use super::{ConnId, Shard};
use crate::hooks::{SubscribeDecision, SubscribeRequest};
use crate::instance::SessionKey;
use crate::topic::TopicFilter;

/// So many sessions are asked about in one go: about a millisecond of a policy's time.
const SESSIONS: usize = 64;
/// And so long is waited before the next: looking through all sessions is to take a tenth of the shard at most.
const PAUSE: Duration = Duration::from_millis(10);

impl Shard {
    /// Asks again about the subscriptions of one session, or of all that are connected.
    pub(super) fn withdraw_later(&mut self, whose: Option<SessionKey>) {
        if let Some(key) = whose {
            if let Some(at) = self.by_key.get(&key).copied() {
                self.withdraw(at);
            }
            return;
        }
        if self.subscribe_is_free() {
            return;
        }
        let ids: Vec<ConnId> = self
            .slots
            .iter()
            .filter_map(|(at, slot)| match slot {
                Slot::Live(live) if !live.session.subscriptions.is_empty() => Some(ConnId {
                    slot: u32::try_from(at).ok()?,
                    number: live.conn.number,
                }),
                _ => None,
            })
            .collect();
        let generation = self.hooks.generation().number();
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            for some in ids.chunks(SESSIONS) {
                let Some(shard) = me.upgrade() else { return };
                {
                    let mut shard = shard.borrow_mut();
                    if shard.hooks.generation().number() != generation {
                        // A newer generation has its own opinion, and looks for itself.
                        return;
                    }
                    shard.begin_turn();
                    for id in some {
                        let same = shard
                            .live(id.slot)
                            .is_some_and(|live| live.conn.number == id.number);
                        if same {
                            shard.withdraw(id.slot);
                        }
                    }
                    shard.end_turn();
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Takes back what the session in `at` is no longer allowed to have.
    fn withdraw(&mut self, at: u32) {
        let subscriber = self.subscriber(at);
        let Some(live) = self.live(at) else { return };
        let client = Arc::clone(&live.client);
        let held: Vec<(TopicFilter, crate::codec::QoS)> = live
            .session
            .subscriptions
            .iter()
            .map(|(filter, options)| (filter.clone(), options.qos))
            .collect();
        for (filter, qos) in held {
            let request = SubscribeRequest {
                filter: filter.filter(),
                qos,
                share: filter.share_name(),
            };
            let decision = self.hooks.authorize_subscribe(&client, &request).decision;
            if matches!(decision, SubscribeDecision::Allow(_)) {
                continue;
            }
            let Some(live) = self.live(at) else { return };
            if live.session.subscriptions.remove(&filter) {
                self.shared.index.unsubscribe(subscriber, &filter);
                self.metrics.subscriptions.sub(1);
                tracing::info!(
                    client_id = &*client.client_id,
                    filter = filter.filter(),
                    "a subscription is no longer allowed and was withdrawn"
                );
            }
        }
    }
}
