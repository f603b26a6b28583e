//! Subscriptions that the policies no longer allow are taken back, at a limited rate and without a reconnect.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::slot::Slot;
use super::{ConnId, Shard};
use crate::codec::QoS;
use crate::hooks::{Client, SubscribeDecision, SubscribeRequest};
use crate::instance::SessionKey;
use crate::topic::TopicFilter;

/// So many sessions are asked about in one go: about a millisecond of a policy's time.
const SESSIONS: usize = 64;
/// And so many filters of one session.
const FILTERS: usize = 64;
/// And so long is waited before the next: looking through all sessions is to take a tenth of the shard at most.
const PAUSE: Duration = Duration::from_millis(10);

/// What the policies say of the subscriptions of one connection.
struct Asked {
    id: ConnId,
    client: Arc<Client>,
    generation: u64,
    said: Vec<Said>,
}

/// And of one of them.
struct Said {
    filter: TopicFilter,
    qos: QoS,
    decision: SubscribeDecision,
    /// What the generation before says, while this one is being watched.
    before: Option<SubscribeDecision>,
}

impl Shard {
    /// Asks again about the subscriptions of one session, or of all that are connected.
    pub(super) fn withdraw_later(&mut self, whose: Option<SessionKey>) {
        if self.subscribe_is_free() {
            return;
        }
        if let Some(key) = whose {
            let at = self.by_key.get(&key).copied();
            if let Some(asking) = at.and_then(|at| self.ask_again(at)) {
                self.when_done(asking, Self::withdraw);
            }
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
                let mut asking = JoinSet::new();
                {
                    let Some(shard) = me.upgrade() else { return };
                    let mut shard = shard.borrow_mut();
                    if shard.hooks.generation().number() != generation {
                        // A newer generation has its own opinion, and looks for itself.
                        return;
                    }
                    for id in some {
                        let live = shard.live(id.slot);
                        if live.is_some_and(|live| live.conn.number == id.number)
                            && let Some(work) = shard.ask_again(id.slot)
                        {
                            asking.spawn_local(work);
                        }
                    }
                }
                while let Some(asked) = asking.join_next().await {
                    let (Some(shard), Ok(asked)) = (me.upgrade(), asked) else {
                        continue;
                    };
                    let mut shard = shard.borrow_mut();
                    shard.begin_turn();
                    shard.withdraw(asked);
                    shard.end_turn();
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Asks again about the subscriptions of the session in `at`, unless a generation is being watched: then all are asked
    /// about when it has proved itself, or has gone.
    pub(super) fn withdraw_unless_watched(&mut self, at: u32) {
        if self.subscribe_is_free() || self.hooks.chain_before().is_some() {
            return;
        }
        if let Some(asking) = self.ask_again(at) {
            self.when_done(asking, Self::withdraw);
        }
    }

    /// Asks about the subscriptions of the session in `at`; nothing if it has none.
    fn ask_again(&mut self, at: u32) -> Option<impl Future<Output = Asked> + use<>> {
        let aside = self.aside();
        let live = self.live(at)?;
        let id = ConnId {
            slot: at,
            number: live.conn.number,
        };
        let client = Arc::clone(&live.client);
        let held: Vec<(TopicFilter, QoS)> = live
            .session
            .subscriptions
            .iter()
            .map(|(filter, options)| (filter.clone(), options.qos))
            .collect();
        if held.is_empty() {
            return None;
        }
        Some(async move {
            let mut said = Vec::with_capacity(held.len());
            for (filter, qos) in held {
                if !said.is_empty() && said.len().is_multiple_of(FILTERS) {
                    tokio::time::sleep(PAUSE).await;
                }
                let request = SubscribeRequest {
                    filter: filter.filter(),
                    qos,
                    share: filter.share_name(),
                };
                let (decision, before) = aside.subscribe(&client, &request).await;
                said.push(Said {
                    filter,
                    qos,
                    decision,
                    before,
                });
            }
            Asked {
                id,
                client,
                generation: aside.generation(),
                said,
            }
        })
    }

    /// Takes back what a connection is no longer allowed to have.
    fn withdraw(&mut self, asked: Asked) {
        let Asked {
            id,
            client,
            generation,
            said,
        } = asked;
        if self.hooks.generation().number() != generation {
            // Another one serves by now, and looks for itself.
            return;
        }
        let subscriber = self.subscriber(id.slot);
        for about in said {
            let Said {
                filter,
                qos,
                decision,
                before,
            } = about;
            // Whoever has come in its place, or has another login by now, was not asked about.
            let live = self.live(id.slot).filter(|live| live.conn.number == id.number);
            let Some(live) = live.filter(|live| Arc::ptr_eq(&live.client, &client)) else {
                return;
            };
            if !matches!(decision, SubscribeDecision::Allow(_)) && live.session.subscriptions.remove(&filter)
            {
                self.shared.index.unsubscribe(subscriber, &filter);
                self.metrics.subscriptions.sub(1);
                tracing::info!(
                    client_id = &*client.client_id,
                    filter = filter.filter(),
                    "a subscription is no longer allowed and was withdrawn"
                );
            }
            let request = SubscribeRequest {
                filter: filter.filter(),
                qos,
                share: filter.share_name(),
            };
            self.hooks.compare_subscribe(&client, &request, &decision, before);
        }
    }
}
