//! Hooks that see a whole message: `publish`, `will`, `route`, `deliver`, `offline`, `p2p`. A patch is a patch, and the
//! chain goes on with it.

use super::entry::{Entry, Failed, Subject};
use super::{Chain, ShardHooks};
use crate::codec::QoS;
use crate::config::hooks::{AnswerFallback, TransformFallback};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Change, Vote, change, p2p_vote, route_change};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::message::{Message, Shown};
use crate::hooks::lua::state::PolicyState;
use crate::hooks::verdict::{Delivered, NewMessage, Patch, Properties, Published, Routed, Transform};
use crate::message::{MessageId, Origin};
use bytes::Bytes;
use dunlin_plugin_api::Hook;
use mlua::{AnyUserData, Function};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A message as hooks see it. Its parts are shared with the message itself.
#[derive(Debug, Clone)]
pub struct PublishEvent {
    /// The topic name.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// The QoS.
    pub qos: QoS,
    /// The RETAIN flag.
    pub retain: bool,
    /// The properties that travel with it.
    pub properties: Arc<Properties>,
    /// Where it comes from.
    pub origin: Origin,
    /// Its name; zero before it has one.
    pub id: MessageId,
}

impl ShardHooks {
    /// What becomes of a message that `client` publishes. The event is consumed: it is what patches are applied to, for
    /// the entries that come after.
    pub fn publish(&mut self, client: Option<&Arc<Client>>, event: PublishEvent) -> Published {
        self.chain.change(Hook::Publish, client, event)
    }

    /// What becomes of a will, before it is published.
    pub fn will(&mut self, client: &Arc<Client>, event: PublishEvent) -> Published {
        self.chain.change(Hook::Will, Some(client), event)
    }

    /// What one receiver gets of a message.
    pub fn deliver(&mut self, receiver: &Arc<Client>, event: PublishEvent) -> Delivered {
        let published = self.chain.change(Hook::Deliver, Some(receiver), event);
        match published.transform {
            Transform::Pass => Delivered::Pass,
            Transform::Patch(patch) => Delivered::Patch(patch),
            Transform::Drop(reason) => Delivered::Skip(reason),
        }
    }

    /// Whether a message waits for a client that is not connected.
    pub fn offline(&mut self, absent: &Arc<Client>, event: PublishEvent) -> Delivered {
        let published = self.chain.change(Hook::Offline, Some(absent), event);
        match published.transform {
            Transform::Drop(reason) => Delivered::Skip(reason),
            Transform::Pass | Transform::Patch(_) => Delivered::Pass,
        }
    }

    /// Where else a message goes, or that it goes nowhere. `client` is who published it, if a client did.
    pub fn route(&mut self, client: Option<&Arc<Client>>, event: PublishEvent, receivers: usize) -> Routed {
        self.chain.route(client, event, receivers)
    }

    /// May `client` send this message to the client `target`?
    ///
    /// # Errors
    /// Why not.
    pub fn p2p(
        &mut self,
        client: Option<&Arc<Client>>,
        target: &str,
        event: PublishEvent,
    ) -> Result<(), Arc<str>> {
        self.chain.p2p(client, target, event)
    }
}

impl Chain {
    fn change(&self, hook: Hook, client: Option<&Arc<Client>>, event: PublishEvent) -> Published {
        let mut changes = Changes::new(event);
        for entry in self.asked(hook) {
            if !entry.policy.declares.wants_origin(hook, changes.shown.origin) && has_origins(hook) {
                continue;
            }
            let topic = changes.shown.topic.clone();
            let subject = Subject {
                hook,
                client: client.map(|client| &**client),
                about: &topic,
            };
            let answer = entry.ask(
                subject,
                |state, function| {
                    with_message(state, client, &changes.shown, |ctx, message| {
                        change(hook, &state.ask(function, (ctx, message))?)
                    })
                },
                |desk| desk.change(hook, client.map(|client| &**client), &changes.shown),
            );
            if changes.count(hook, entry, answer) {
                break;
            }
        }
        changes.end()
    }

    /// The `publish` hook of a chain in which an entry waits.
    pub async fn publish_waiting(&self, client: &Arc<Client>, event: PublishEvent) -> Published {
        const HOOK: Hook = Hook::Publish;
        let mut changes = Changes::new(event);
        for entry in self.asked(HOOK) {
            if !entry.policy.declares.wants_origin(HOOK, changes.shown.origin) {
                continue;
            }
            let topic = changes.shown.topic.clone();
            let subject = Subject {
                hook: HOOK,
                client: Some(client),
                about: &topic,
            };
            // The script may read the message until its call ends.
            let held = Rc::new(RefCell::new(Some(changes.shown.clone())));
            let begin = |state: &PolicyState, function: &Function| {
                let message = userdata(state, &held)?;
                state.with_context(client, |ctx| state.ask_waiting(function, (ctx, message)))
            };
            let answer = entry
                .ask_waiting(
                    subject,
                    begin,
                    |_, said| change(HOOK, said),
                    |desk| desk.change(HOOK, Some(client), &changes.shown),
                )
                .await;
            held.take();
            if changes.count(HOOK, entry, answer) {
                break;
            }
        }
        changes.end()
    }

    fn route(&self, client: Option<&Arc<Client>>, event: PublishEvent, receivers: usize) -> Routed {
        const HOOK: Hook = Hook::Route;
        let shown = Shown::of(event);
        let mut routed = Routed::default();
        let subject = Subject {
            hook: HOOK,
            client: client.map(|client| &**client),
            about: &shown.topic,
        };
        for entry in self.asked(HOOK) {
            if !entry.policy.declares.wants_origin(HOOK, shown.origin) {
                continue;
            }
            let answer = entry.ask(
                subject,
                |state, function| {
                    with_message(state, client, &shown, |ctx, message| {
                        route_change(&state.ask(function, (ctx, message, receivers))?)
                    })
                },
                |desk| desk.route(client.map(|client| &**client), &shown, receivers),
            );
            match answer {
                Ok(more) => {
                    if let Some(reason) = &more.drop {
                        entry.count_denied();
                        routed.drop = Some(Some(reason.clone().unwrap_or_else(|| entry.denied.clone())));
                        return routed;
                    }
                    routed.topics.extend(more.topics);
                    routed.clients.extend(more.clients);
                }
                Err(failed) if failed.fallback.transform == TransformFallback::Drop => {
                    routed.drop = Some(Some(entry.failed.clone()));
                    return routed;
                }
                Err(_) => {}
            }
        }
        routed
    }

    fn p2p(&self, client: Option<&Arc<Client>>, target: &str, event: PublishEvent) -> Result<(), Arc<str>> {
        const HOOK: Hook = Hook::P2p;
        let shown = Shown::of(event);
        let subject = Subject {
            hook: HOOK,
            client: client.map(|client| &**client),
            about: target,
        };
        for entry in self.asked(HOOK) {
            let vote = entry.ask(
                subject,
                |state, function| {
                    with_message(state, client, &shown, |ctx, message| {
                        p2p_vote(&state.ask(function, (ctx, target, message))?)
                    })
                },
                |desk| desk.p2p(client.map(|client| &**client), target, &shown),
            );
            let denied = match vote {
                Ok(Vote::Allow(()) | Vote::Next) => continue,
                Ok(Vote::Deny(_, reason) | Vote::Disconnect(reason)) => {
                    entry.count_denied();
                    reason.unwrap_or_else(|| entry.denied.clone())
                }
                Err(failed) => match failed.fallback.answer {
                    AnswerFallback::Allow | AnswerFallback::Next => continue,
                    AnswerFallback::Deny | AnswerFallback::Stale => entry.failed.clone(),
                },
            };
            return Err(denied);
        }
        Ok(())
    }
}

/// Whether a policy can say about which origins it wants to be asked in this hook.
fn has_origins(hook: Hook) -> bool {
    matches!(hook, Hook::Publish | Hook::Deliver | Hook::Offline)
}

/// Calls `with` with a `ctx` (nil without a client) and a `msg` that is emptied when the call ends.
fn with_message<R>(
    state: &PolicyState,
    client: Option<&Arc<Client>>,
    shown: &Shown,
    with: impl FnOnce(Option<&AnyUserData>, AnyUserData) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let held = Rc::new(RefCell::new(Some(shown.clone())));
    let message = userdata(state, &held)?;
    let result = match client {
        Some(client) => state.with_context(client, |ctx| with(Some(ctx), message)),
        None => with(None, message),
    };
    held.take();
    result
}

fn userdata(state: &PolicyState, held: &Rc<RefCell<Option<Shown>>>) -> Result<AnyUserData, Fault> {
    let sandbox = state.sandbox();
    let made = sandbox.lua.create_userdata(Message {
        shown: held.clone(),
        limits: sandbox.limits.clone(),
    });
    made.map_err(|error| Fault::from_lua(&error, None))
}

/// A message and what the entries have made of it so far.
struct Changes {
    shown: Shown,
    patched: Option<Box<Patch>>,
    more: Vec<NewMessage>,
    dropped: Option<Arc<str>>,
}

impl Changes {
    fn new(event: PublishEvent) -> Self {
        Self {
            shown: Shown::of(event),
            patched: None,
            more: Vec::new(),
            dropped: None,
        }
    }

    /// Takes in what one entry said; whether that was the last word.
    fn count(&mut self, hook: Hook, entry: &Entry, answer: Result<Change, Failed>) -> bool {
        match answer {
            Ok(Change::Pass) => {}
            Ok(Change::Patch(patch, messages)) => {
                self.shown.apply(&patch);
                self.more.extend(messages);
                self.patched.get_or_insert_default().merge(*patch);
            }
            Ok(Change::Drop(reason)) => {
                entry.count_denied();
                self.dropped = Some(reason.unwrap_or_else(|| entry.denied.clone()));
            }
            Err(failed) => match failed.fallback.transform {
                // An absent client's message is kept whatever happens to the policy.
                TransformFallback::Drop if hook == Hook::Offline => {}
                TransformFallback::Pass => {}
                TransformFallback::Drop => self.dropped = Some(entry.failed.clone()),
            },
        }
        self.dropped.is_some()
    }

    fn end(self) -> Published {
        let transform = match (self.dropped, self.patched) {
            (Some(reason), _) => Transform::Drop(reason),
            (None, Some(patch)) => Transform::Patch(patch),
            (None, None) => Transform::Pass,
        };
        Published {
            transform,
            more: self.more,
        }
    }
}

impl Shown {
    pub(super) fn of(event: PublishEvent) -> Self {
        let PublishEvent {
            topic,
            payload,
            qos,
            retain,
            properties,
            origin,
            id,
        } = event;
        Self {
            topic,
            payload,
            qos,
            retain,
            properties,
            origin,
            id,
        }
    }

    fn apply(&mut self, patch: &Patch) {
        if let Some(topic) = &patch.topic {
            self.topic = topic.clone();
        }
        if let Some(payload) = &patch.payload {
            self.payload = payload.clone();
        }
        self.qos = patch.qos.unwrap_or(self.qos);
        self.retain = patch.retain.unwrap_or(self.retain);
        if let Some(properties) = &patch.properties {
            self.properties = Arc::new(properties.clone());
        }
    }
}

impl Patch {
    /// Puts `later` on top.
    fn merge(&mut self, later: Patch) {
        self.topic = later.topic.or(self.topic.take());
        self.payload = later.payload.or(self.payload.take());
        self.qos = later.qos.or(self.qos);
        self.retain = later.retain.or(self.retain);
        self.properties = later.properties.or(self.properties.take());
    }
}
