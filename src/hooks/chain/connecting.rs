//! `connect` and `connack`: before a client is asked who it is, and before it is told that it is in. `limit` besides.

use super::{Chain, ShardHooks, Subject};
use crate::codec::{Connect, ReasonCode};
use crate::hooks::client::Client;
use crate::hooks::lua::connect::{connack_change, connack_table, connect_change, connect_table};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::state::PolicyState;
use crate::hooks::sendable;
use crate::hooks::verdict::{Connack, ConnackPatch, ConnectChange};
use dunlin_plugin_api::Hook;
use mlua::{Function, Value};
use std::sync::Arc;

impl Chain {
    /// What becomes of a CONNECT. Patches are applied to `connect` and `client` on the way; anything else ends it.
    pub async fn connect(&self, client: &mut Arc<Client>, connect: &mut Connect) -> ConnectChange {
        const HOOK: Hook = Hook::Connect;
        let about = connect.username.clone().unwrap_or_default();
        for entry in self.asked(HOOK) {
            let subject = Subject {
                hook: HOOK,
                client: Some(client),
                about: &about,
            };
            let begin = |state: &PolicyState, function: &Function| {
                let table = connect_table(&state.sandbox().lua, connect);
                let table = table.map_err(|error| Fault::from_lua(&error, None))?;
                state.with_context(client, |ctx| state.ask_waiting(function, (ctx, table)))
            };
            let answer = entry
                .ask_waiting(
                    subject,
                    begin,
                    |_, said| connect_change(said),
                    |desk| desk.connect(client, connect),
                )
                .await;
            match answer {
                Ok(ConnectChange::Pass) => {}
                Ok(ConnectChange::Patch(mut patch)) => {
                    if let Some(instance) = patch.instance.take() {
                        // What a stranger wrote into its user name must not count as the policy's failure.
                        if sendable::instance(&instance).is_err() {
                            entry.count_denied();
                            return ConnectChange::Reject {
                                code: ReasonCode::NOT_AUTHORIZED,
                                reason: "what the client names cannot be an instance".into(),
                            };
                        }
                        *client = client.of_instance(instance);
                    }
                    patch.apply(connect);
                }
                Ok(end) => {
                    entry.count_denied();
                    return end;
                }
                Err(failed) if failed.fallback.lets_connect() => {}
                Err(_) => {
                    return ConnectChange::Reject {
                        code: ReasonCode::SERVER_UNAVAILABLE,
                        reason: entry.failed.clone(),
                    };
                }
            }
        }
        ConnectChange::Pass
    }
}

impl ShardHooks {
    /// What the client is told besides in CONNACK.
    pub fn connack(&mut self, client: &Arc<Client>, connack: &Connack<'_>) -> ConnackPatch {
        const HOOK: Hook = Hook::Connack;
        let subject = Subject {
            hook: HOOK,
            client: Some(client),
            about: "",
        };
        let mut all = ConnackPatch::default();
        for entry in self.chain.asked(HOOK) {
            let answer = entry.ask(
                subject,
                |state, function| {
                    let table = connack_table(&state.sandbox().lua, connack);
                    let table = table.map_err(|error| Fault::from_lua(&error, None))?;
                    state.with_context(client, |ctx| connack_change(&state.ask(function, (ctx, table))?))
                },
                |desk| desk.connack(client, connack),
            );
            // A failure changes nothing: the client is in.
            if let Ok(patch) = answer {
                all.merge(patch);
            }
        }
        all
    }

    /// How high this limit is for the instance, if a policy says so; the first that does decides.
    pub fn limit(&mut self, instance: &str, name: &str) -> Option<f64> {
        const HOOK: Hook = Hook::Limit;
        let subject = Subject {
            hook: HOOK,
            client: None,
            about: name,
        };
        self.chain.asked(HOOK).find_map(|entry| {
            let answer = entry.ask(
                subject,
                |state, function| {
                    let said = state.ask(function, (instance, name))?;
                    match &said.other {
                        Value::Nil => Ok(None),
                        other => other
                            .as_number()
                            .or_else(|| other.as_integer().map(|n| n as f64))
                            .filter(|n| *n >= 0.0)
                            .map(Some)
                            .ok_or_else(|| Fault::answer("limit returns a number, 0 or more, or nothing")),
                    }
                },
                |desk| desk.limit(instance, name),
            );
            let key = (entry.policy.name().clone(), Arc::from(instance), Arc::from(name));
            match answer {
                Ok(limit) => {
                    self.limits.insert(key, limit);
                    limit
                }
                // It keeps its last value while the policy fails.
                Err(_) => self.limits.get(&key).copied().flatten(),
            }
        })
    }
}
