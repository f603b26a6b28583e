//! Subscriptions that the policies no longer allow are taken back, at a limited rate and without a reconnect.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Weak;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::slot::Slot;
use super::{ConnId, Shard, Whose};
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
    /// Asks again about the subscriptions of one session, or of many that are connected.
    pub(super) fn withdraw_later(&mut self, whose: Whose) {
        if self.subscribe_is_free() {
            return;
        }
        let instance = match whose {
            Whose::Session(key) => {
                let at = self.by_key.get(&key).copied();
                if let Some(asking) = at.and_then(|at| self.ask_again(at)) {
                    self.when_done(asking, Self::withdraw);
                }
                return;
            }
            Whose::Instance(instance) => Some(instance),
            Whose::Everybody => None,
        };
        let is_of = |key: &SessionKey| instance.as_ref().is_none_or(|of| *of == key.instance);
        let ids: Vec<ConnId> = self
            .slots
            .iter()
            .filter_map(|(at, slot)| match slot {
                Slot::Live(live) if !live.session.subscriptions.is_empty() && is_of(&live.key) => {
                    Some(ConnId {
                        slot: u32::try_from(at).ok()?,
                        number: live.conn.number,
                    })
                }
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

    /// Asks about the subscriptions of the session in `at`; nothing if it has none, or if it is being asked about: then it
    /// is again, afterwards.
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
        if let Some(again) = self.asking.get_mut(&id.number) {
            *again = true;
            return None;
        }
        self.asking.insert(id.number, false);
        let me = self.me.clone();
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
                let _turn = aside.turn().await;
                if is_over(&me, id, &client, aside.generation()) {
                    break;
                }
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

    /// The answers are there.
    fn withdraw(&mut self, asked: Asked) {
        let id = asked.id;
        let again = self.asking.remove(&id.number) == Some(true);
        self.take_back(asked);
        let live = self.live(id.slot);
        if again
            && live.is_some_and(|live| live.conn.number == id.number)
            && let Some(asking) = self.ask_again(id.slot)
        {
            self.when_done(asking, Self::withdraw);
        }
    }

    /// Takes back what a connection is no longer allowed to have.
    fn take_back(&mut self, asked: Asked) {
        let Asked {
            id,
            client,
            generation,
            said,
        } = asked;
        let subscriber = self.subscriber(id.slot);
        for about in said {
            let Said {
                filter,
                qos,
                decision,
                before,
            } = about;
            if !self.is_about(id, &client, generation) {
                return;
            }
            let Some(live) = self.live(id.slot) else { return };
            if !matches!(decision, SubscribeDecision::Allow(_)) && live.session.subscriptions.remove(&filter)
            {
                live.tenant.index.unsubscribe(subscriber, &filter);
                live.tenant.usage.subscriptions.leave(1);
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

    /// Whether what was asked is still about somebody: not if another connection has come in its place, it has another
    /// login by now, or another generation serves, which looks for itself.
    fn is_about(&self, id: ConnId, client: &Arc<Client>, generation: u64) -> bool {
        let same = match self.slots.get(id.slot as usize) {
            Some(Slot::Live(live)) => live.conn.number == id.number && Arc::ptr_eq(&live.client, client),
            _ => false,
        };
        same && self.hooks.generation().number() == generation
    }
}

/// Whether nobody wants to know any more. While the shard is borrowed this is still the turn that asks.
fn is_over(shard: &Weak<RefCell<Shard>>, id: ConnId, client: &Arc<Client>, generation: u64) -> bool {
    shard.upgrade().is_none_or(|shard| {
        shard
            .try_borrow()
            .is_ok_and(|shard| !shard.is_about(id, client, generation))
    })
}
