//! `control` and `expiring`: what a policy tells a client about its login, and a client about it to a policy.

use super::publish::PublishEvent;
use super::{Chain, Subject};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Said, control_answer};
use crate::hooks::lua::convert::Converter;
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::message::{Message, Shown};
use crate::hooks::lua::state::PolicyState;
use crate::hooks::verdict::Controlled;
use dunlin_plugin_api::Hook;
use mlua::Function;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

impl Chain {
    /// Whether a policy owns this `$SYS` topic.
    pub fn owns(&self, topic: &str) -> bool {
        topic.starts_with("$SYS/")
            && self
                .asked(Hook::Control)
                .any(|entry| entry.policy.declares.owns.iter().any(|owned| **owned == *topic))
    }

    /// A publish to a topic that a policy owns. The first that owns it answers; nobody else sees the message.
    pub async fn control(&self, client: &Arc<Client>, event: PublishEvent) -> Controlled {
        let topic = event.topic.clone();
        let subject = Subject {
            hook: Hook::Control,
            client: Some(client),
            about: &topic,
        };
        let owner = self
            .asked(Hook::Control)
            .find(|entry| entry.policy.declares.owns.contains(&topic));
        let Some(entry) = owner else {
            return Controlled::default();
        };
        let shown = Shown::of(event);
        let held = Rc::new(RefCell::new(Some(shown.clone())));
        let begin = |state: &PolicyState, function: &Function| {
            let sandbox = state.sandbox();
            let message = sandbox.lua.create_userdata(Message {
                shown: held.clone(),
                limits: sandbox.limits.clone(),
            });
            let message = message.map_err(|error| Fault::from_lua(&error, None))?;
            state.with_context(client, |ctx| state.ask_waiting(function, (ctx, message)))
        };
        let answer = entry
            .ask_waiting(
                subject,
                begin,
                |state, said| read(Hook::Control, state, said),
                |desk| desk.control(client, &shown),
            )
            .await;
        held.take();
        answer.unwrap_or_default()
    }

    /// A login that ends soon, or has ended. What the policies say adds up.
    pub async fn expiring(&self, client: &Arc<Client>, expires_at: f64, ended: bool) -> Controlled {
        let subject = Subject {
            hook: Hook::Expiring,
            client: Some(client),
            about: "",
        };
        let mut all = Controlled::default();
        for entry in self.asked(Hook::Expiring) {
            let begin = |state: &PolicyState, function: &Function| {
                state.with_context(client, |ctx| {
                    state.ask_waiting(function, (ctx, expires_at, ended))
                })
            };
            let answer = entry
                .ask_waiting(
                    subject,
                    begin,
                    |state, said| read(Hook::Expiring, state, said),
                    |desk| desk.expiring(client, expires_at, ended),
                )
                .await;
            if let Ok(answer) = answer {
                all.merge(answer);
            }
        }
        all
    }
}

fn read(hook: Hook, state: &PolicyState, said: &Said) -> Result<Controlled, Fault> {
    let sandbox = state.sandbox();
    control_answer(hook, said, &|value| {
        Converter::small(&sandbox.lua, &sandbox.limits).make_json(value)
    })
}
