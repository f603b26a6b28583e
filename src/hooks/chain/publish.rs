//! `publish`: a message that may be published, before it is routed. A patch is a patch, and the chain goes on with it.

use super::ShardHooks;
use crate::codec::QoS;
use crate::config::hooks::TransformFallback;
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Change, change};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::message::{Message, Shown};
use crate::hooks::lua::sandbox::Sandbox;
use crate::hooks::verdict::{Patch, Properties, Published, Transform};
use bytes::Bytes;
use dunlin_plugin_api::Hook;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A message as the `publish` hook sees it. Its parts are shared with the message itself.
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
}

impl ShardHooks {
    /// What becomes of a message that `client` publishes. The event is consumed: it is what patches are applied to, for
    /// the entries that come after.
    pub fn publish(&mut self, client: &Arc<Client>, event: PublishEvent) -> Published {
        const HOOK: Hook = Hook::Publish;
        let PublishEvent {
            topic,
            payload,
            qos,
            retain,
            properties,
        } = event;
        let mut shown = Shown {
            topic,
            payload,
            qos,
            retain,
            properties,
        };
        let mut patched: Option<Box<Patch>> = None;
        let mut more = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.has(HOOK)) {
            let answer = entry.ask(HOOK, |state, function| {
                let message = Rc::new(RefCell::new(Some(shown.clone())));
                let result = state.with_context(client, |ctx| {
                    let Sandbox { lua, limits, .. } = state.sandbox();
                    let shown = lua.create_userdata(Message {
                        shown: message.clone(),
                        limits: limits.clone(),
                    });
                    let shown = shown.map_err(|error| Fault::from_lua(&error, None))?;
                    change(HOOK.name(), &state.ask(function, (ctx, shown))?)
                });
                message.borrow_mut().take();
                result
            });
            match answer {
                Ok(Change::Pass) => {}
                Ok(Change::Patch(patch, messages)) => {
                    shown.apply(&patch);
                    more.extend(messages);
                    patched.get_or_insert_default().merge(*patch);
                }
                Ok(Change::Drop(reason)) => {
                    entry.count_denied();
                    let reason = reason.unwrap_or_else(|| entry.denied.clone());
                    return Published {
                        transform: Transform::Drop(reason),
                        more,
                    };
                }
                Err(failed) => match failed.fallback.transform {
                    TransformFallback::Pass => {}
                    TransformFallback::Drop => {
                        return Published {
                            transform: Transform::Drop(entry.failed.clone()),
                            more,
                        };
                    }
                },
            }
        }
        Published {
            transform: patched.map_or(Transform::Pass, Transform::Patch),
            more,
        }
    }
}

impl Shown {
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
