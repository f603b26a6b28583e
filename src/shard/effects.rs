//! What scripts ask the broker to do, done at the end of a turn: publish, send to one client, end a connection, ask again.

use std::sync::Arc;
use std::time::Duration;

use super::inspect::{ClientsQuery, Inspect};
use super::slot::Slot;
use super::{Control, Shard, ShardRef, Shared, Whose};
use crate::codec::ReasonCode;
use crate::hooks::{Effect, NewMessage, SessionFacts, SessionSeen, SessionsQuery, Wish};
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Origin, Publication};
use crate::session::Close;
use crate::topic::TopicName;
use tokio::sync::oneshot;

/// So much of it is done in a turn: about half a millisecond of work.
const A_TURN: usize = 32;
/// And so long lies between two such turns, where nothing else makes one.
const PAUSE: Duration = Duration::from_millis(1);

impl Shard {
    /// Does what scripts have asked for in this turn.
    pub(super) fn run_effects(&mut self) {
        for effect in self.hooks.take_effects(A_TURN) {
            self.run_effect(effect);
        }
    }

    /// Does one thing that a policy has asked for.
    pub(super) fn run_effect(&mut self, Effect { instance, wish }: Effect) {
        let named = instance.map(InstanceId::from);
        let instance = named.as_ref().unwrap_or(self.shared.tenants.default_id()).clone();
        match wish {
            Wish::Publish(message) => {
                if let Some(tenant) = self.shared.tenants.get(&instance) {
                    self.publish_new(&tenant, message);
                }
            }
            Wish::P2p { client_id, message } => {
                let key = SessionKey { instance, client_id };
                self.send_to_client(key, message);
            }
            Wish::Kick {
                client_id,
                code,
                reason,
            } => {
                let key = SessionKey { instance, client_id };
                let home = self.shared.home(&key);
                self.shared.control(home, Control::Kick(key, code, reason, None));
            }
            Wish::Sessions(query, reply) => {
                let shared = Arc::clone(&self.shared);
                let work = async move { reply.send(sessions(&shared, &instance, query).await) };
                tokio::task::spawn_local(work);
            }
            Wish::Reauthorize { client_id } => match client_id {
                Some(client_id) => {
                    let key = SessionKey { instance, client_id };
                    let home = self.shared.home(&key);
                    self.shared
                        .control(home, Control::Reauthorize(Whose::Session(key)));
                }
                None => {
                    let whose = named.map_or(Whose::Everybody, Whose::Instance);
                    for shard in 0..u16::try_from(self.shared.controls.len()).unwrap_or(u16::MAX) {
                        self.shared.control(shard, Control::Reauthorize(whose.clone()));
                    }
                }
            },
            Wish::Session(client_id, reply) => {
                let key = SessionKey { instance, client_id };
                let home = self.shared.home(&key);
                self.shared.control(home, Control::Session(key, reply));
            }
        }
    }

    /// What is known of a session that would live here.
    pub(super) fn session_facts(&self, key: &SessionKey) -> Option<SessionFacts> {
        let at = self.by_key.get(key)?;
        match self.slots.get(*at as usize)? {
            Slot::Live(live) => Some(SessionFacts {
                connected: true,
                subscriptions: live.session.subscriptions.len() as u64,
                queued: live.session.queued_len() as u64,
            }),
            // What waits in the store is not counted.
            Slot::Absent(absent) => Some(SessionFacts {
                connected: false,
                subscriptions: absent.subscriptions as u64,
                queued: 0,
            }),
        }
    }

    /// A message for one client, wherever its session lives.
    pub(super) fn send_to_client(&mut self, key: SessionKey, message: NewMessage) {
        let home = self.shared.home(&key);
        if home == self.id {
            self.send_to_key(&key, &message);
        } else {
            self.shared.control(home, Control::P2p(key, Box::new(message)));
        }
    }

    /// The same for a session that lives here. Nobody of that name: nobody gets it.
    pub(super) fn send_to_key(&mut self, key: &SessionKey, message: &NewMessage) {
        match self.by_key.get(key).copied() {
            Some(at) => self.send_to(at, message),
            None => self
                .metrics
                .messages_dropped
                .add(crate::metrics::DropReason::NoSubscriber, 1),
        }
    }

    /// A message for the session in `at`, whatever it is subscribed to.
    pub(super) fn send_to(&mut self, at: u32, message: &NewMessage) {
        let Ok(topic) = TopicName::new(&message.topic) else {
            return;
        };
        let forward = super::wire_properties::write(&message.properties);
        let id = self.ids.next_id();
        let mut publication = Publication::new(id, &topic, &message.payload, message.qos, Origin::Script);
        publication.forward = &forward;
        publication.expires_at = self
            .slots
            .get(at as usize)
            .and_then(|slot| self.expires_at(slot.tenant(), message.properties.message_expiry));
        let delivery = Delivery {
            message: publication.share(),
            qos: message.qos,
            retain: false,
            subscription_ids: Box::default(),
        };
        self.deliver_one(self.subscriber(at), &delivery);
    }

    /// Ends the connection of a session that lives here; whether there was one.
    pub(super) fn kick(&mut self, key: &SessionKey, code: ReasonCode, reason: &str) -> bool {
        let Some(at) = self.by_key.get(key).copied() else {
            return false;
        };
        if !matches!(self.slots.get(at as usize), Some(Slot::Live(_))) {
            return false;
        }
        self.close(at, &Close::new(code, reason.to_owned()));
        true
    }
}

/// Asks all shards, slice by slice, until there are as many as were asked for.
async fn sessions(shared: &Shared, instance: &InstanceId, query: SessionsQuery) -> Vec<SessionSeen> {
    let mut found = Vec::new();
    for shard in 0..u16::try_from(shared.controls.len()).unwrap_or(u16::MAX) {
        let mut next = Some(0);
        while let Some(from) = next.filter(|_| found.len() < query.most) {
            let query = ClientsQuery {
                instance: Some(instance.clone()),
                from,
                prefix: Arc::clone(&query.prefix),
                connected: query.connected,
                most: query.most - found.len(),
            };
            let (reply, answer) = oneshot::channel();
            shared.control(shard, Control::Inspect(Inspect::Clients(query, reply)));
            // A shard that stops has nobody.
            let Ok(slice) = answer.await else { break };
            next = slice.next;
            found.extend(slice.clients.into_iter().map(|listed| SessionSeen {
                connected: listed.since.is_some(),
                client: listed.client,
                subscriptions: listed.subscriptions,
            }));
        }
    }
    found
}

/// Does what scripts ask for outside of a turn, as tasks and timers do; for as long as the shard lives.
pub async fn run(shard: ShardRef) {
    let bell = shard.borrow().hooks.effects().bell();
    loop {
        bell.notified().await;
        {
            let mut shard = shard.borrow_mut();
            if shard.hooks.has_effects() {
                shard.begin_turn();
                shard.end_turn();
            }
        }
        // Others first, where there is more. Yielding is not enough: tokio looks at the sockets only after 61 tasks.
        tokio::time::sleep(PAUSE).await;
    }
}
