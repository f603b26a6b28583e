//! What an operator asks a shard: who is connected, why a policy answers as it does, what a client does right now.
//!
//! *Invariant*: no question stalls a shard. Clients are listed in slices, one a turn; whoever wants all of them asks again.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::control::Reply;
use super::slot::Slot;
use super::{ChannelId, Shard, TraceLine};
use crate::codec::QoS;
use crate::hooks::{Client, Explanation, PublishRequest, SubscribeRequest};
use crate::instance::{InstanceId, SessionKey};
use crate::message::Origin;
use crate::time::Millis;
use crate::topic::{TopicFilter, TopicName};

/// How many places one slice looks at: each costs a comparison and at most the count of a reference.
const SLICE: usize = 512;

/// A question to a shard.
pub enum Inspect {
    /// Who has a session.
    Clients(ClientsQuery, Reply<ClientsSlice>),
    /// Why a client may or may not do something; `None` when there is no session of that key.
    Explain(SessionKey, Action, Reply<Option<Explanation>>),
    /// Tell what happens to a client, until nobody listens any more. With a filter only what is about such topics.
    Trace(SessionKey, Option<TopicFilter>, Sender<TraceLine>),
    /// Somebody does not listen any more.
    Untrace(SessionKey),
}

/// Which clients are asked for.
pub struct ClientsQuery {
    /// Only those of this instance.
    pub instance: Option<InstanceId>,
    /// Where to begin: 0, or where the slice before ended.
    pub from: usize,
    /// The beginning of their client ids.
    pub prefix: Arc<str>,
    /// Only those that are connected, or only those that are not.
    pub connected: Option<bool>,
    /// How many at most.
    pub most: usize,
}

/// Some of a shard's clients.
pub struct ClientsSlice {
    /// They.
    pub clients: Vec<ListedClient>,
    /// Where to go on; `None` at the end.
    pub next: Option<usize>,
}

/// A client that has a session.
pub struct ListedClient {
    /// Who it is.
    pub client: Arc<Client>,
    /// Since when it is connected; `None` when it is not.
    pub since: Option<Millis>,
    /// Its connection, if it has one.
    pub channel: Option<ChannelId>,
    /// How many subscriptions it has.
    pub subscriptions: usize,
    /// Messages sent to it and not acknowledged.
    pub inflight: usize,
    /// Messages that wait for it in memory; those in the store are not counted.
    pub queued: usize,
}

/// What a client might do.
pub enum Action {
    /// Publish a message.
    Publish {
        /// Where to.
        topic: TopicName,
        /// With which Quality of Service.
        qos: QoS,
        /// Whether to be retained.
        retain: bool,
        /// Bytes of payload.
        size: usize,
    },
    /// Subscribe.
    Subscribe {
        /// To what.
        filter: TopicFilter,
        /// With which Quality of Service.
        qos: QoS,
    },
}

impl Shard {
    pub(super) fn inspect(&mut self, question: Inspect) {
        match question {
            Inspect::Clients(query, reply) => {
                let _nobody_waits = reply.send(self.clients(&query));
            }
            Inspect::Explain(key, action, reply) => self.explain(&key, action, reply),
            Inspect::Trace(key, topic, lines) => self.trace(key, topic, lines),
            Inspect::Untrace(key) => self.untrace(&key),
        }
    }

    fn clients(&self, query: &ClientsQuery) -> ClientsSlice {
        // As many as there are generations, there ever were slots.
        let end = query.from.saturating_add(SLICE).min(self.generations.len());
        let mut clients = Vec::new();
        for at in query.from..end {
            if clients.len() >= query.most {
                return ClientsSlice {
                    clients,
                    next: Some(at),
                };
            }
            let listed = match self.slots.get(at) {
                Some(Slot::Live(live)) if query.connected != Some(false) => ListedClient {
                    client: Arc::clone(&live.client),
                    since: Some(live.conn.since),
                    channel: Some(self.channel(live.conn.number)),
                    subscriptions: live.session.subscriptions.len(),
                    inflight: live.session.inflight_len(),
                    queued: live.session.queued_len(),
                },
                Some(Slot::Absent(absent)) if query.connected != Some(true) => ListedClient {
                    client: Arc::clone(&absent.client),
                    since: None,
                    channel: None,
                    subscriptions: absent.subscriptions,
                    inflight: 0,
                    queued: 0,
                },
                _ => continue,
            };
            let instance = query.instance.as_ref().map(InstanceId::as_str);
            if listed.client.client_id.starts_with(&*query.prefix)
                && instance.is_none_or(|instance| *listed.client.instance == *instance)
            {
                clients.push(listed);
            }
        }
        ClientsSlice {
            clients,
            next: (end < self.generations.len()).then_some(end),
        }
    }

    /// Policies may wait, so the answer comes by a task of its own.
    fn explain(&self, key: &SessionKey, action: Action, reply: Reply<Option<Explanation>>) {
        let slot = self.by_key.get(key).and_then(|at| self.slots.get(*at as usize));
        let client = match slot {
            Some(Slot::Live(live)) => Arc::clone(&live.client),
            Some(Slot::Absent(absent)) => Arc::clone(&absent.client),
            None => return drop(reply.send(None)),
        };
        let chain = Rc::clone(self.hooks.chain());
        tokio::task::spawn_local(async move {
            let explanation = match &action {
                Action::Publish {
                    topic,
                    qos,
                    retain,
                    size,
                } => {
                    let request = PublishRequest {
                        topic: topic.as_str(),
                        qos: *qos,
                        retain: *retain,
                        origin: Origin::Client,
                        payload: &vec![0; *size],
                    };
                    chain.explain_publish(&client, &request).await
                }
                Action::Subscribe { filter, qos } => {
                    let request = SubscribeRequest {
                        filter: filter.filter(),
                        qos: *qos,
                        share: filter.share_name(),
                    };
                    chain.explain_subscribe(&client, &request).await
                }
            };
            let _nobody_waits = reply.send(Some(explanation));
        });
    }
}
