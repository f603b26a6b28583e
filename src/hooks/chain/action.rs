//! `rule_action`: work for a rule. The rule table that calls it comes later; `dunlin test` and the benches call it now.

use super::{Chain, Subject};
use crate::hooks::lua::action::{outcomes, rule_arguments};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::state::PolicyState;
use crate::hooks::verdict::{ActionOutcome, NewMessage};
use dunlin_plugin_api::Hook;
use mlua::Function;
use serde_json::Value as Json;
use std::time::Duration;

/// Messages of an action that failed come again after so long.
const RETRY: Duration = Duration::from_secs(1);

impl Chain {
    /// Has the entry called `policy` act on `messages` for `rule`; what became of each message, in their order. A failed
    /// call is to be tried again.
    pub async fn rule_action(
        &self,
        policy: &str,
        rule: &Json,
        messages: &[NewMessage],
    ) -> Vec<ActionOutcome> {
        let again = || vec![ActionOutcome::Retry(RETRY); messages.len()];
        let mut asked = self.asked(Hook::RuleAction);
        let Some(entry) = asked.find(|entry| **entry.policy.name() == *policy) else {
            return vec![
                ActionOutcome::DeadLetter(format!("no policy `{policy}` has rule_action").into());
                messages.len()
            ];
        };
        let subject = Subject {
            hook: Hook::RuleAction,
            client: None,
            about: policy,
        };
        let begin = |state: &PolicyState, function: &Function| {
            let arguments = rule_arguments(state.sandbox(), rule, messages);
            state.ask_waiting(
                function,
                arguments.map_err(|error| Fault::from_lua(&error, None))?,
            )
        };
        entry
            .ask_waiting(
                subject,
                begin,
                |_, said| outcomes(said, messages.len()),
                |desk| desk.rule_action(rule, messages),
            )
            .await
            .map_or_else(
                |_| again(),
                // A plugin's empty list says that all are done with.
                |outcomes| match outcomes.len() {
                    0 => vec![ActionOutcome::Done; messages.len()],
                    given if given == messages.len() => outcomes,
                    given => {
                        let wanted = messages.len();
                        tracing::warn!(
                            policy,
                            "rule_action answered {given} results for {wanted} messages"
                        );
                        again()
                    }
                },
            )
    }
}
