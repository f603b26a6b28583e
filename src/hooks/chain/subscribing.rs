//! `subscribe` and `unsubscribe`, which rewrite filters, and `authorize_deliver`, which is asked when something matches.

use super::ShardHooks;
use super::entry::Subject;
use crate::codec::SubscribeFilter;
use crate::config::hooks::AnswerFallback;
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Vote, publish_vote};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::filters::{filters_of, filters_table, is_counted, names_of, names_table};
use crate::hooks::native::Reply;
use dunlin_plugin_api::Hook;
use std::sync::Arc;

impl ShardHooks {
    /// The filters of a SUBSCRIBE as policies want them: the first stand for those asked for, in their order, and what is
    /// more is subscribed to besides.
    pub fn subscribe(&mut self, client: &Arc<Client>, filters: Vec<SubscribeFilter>) -> Vec<SubscribeFilter> {
        const HOOK: Hook = Hook::Subscribe;
        let mut filters = filters;
        let asked = filters.len();
        for entry in self.chain.asked(HOOK) {
            let about = filters
                .first()
                .map_or(String::new(), |first| first.filter.clone());
            let subject = Subject {
                hook: HOOK,
                client: Some(client),
                about: &about,
            };
            let answer = entry.ask(
                subject,
                |state, function| {
                    let table = filters_table(&state.sandbox().lua, &filters);
                    let table = table.map_err(|error| Fault::from_lua(&error, None))?;
                    state.with_context(client, |ctx| {
                        filters_of(&state.ask(function, (ctx, table))?, asked)
                    })
                },
                |desk| counted(HOOK, desk.subscribe(client, &filters)?, asked),
            );
            // A failure leaves the filters as they were: `authorize_subscribe` still decides about each.
            if let Ok(Some(rewritten)) = answer {
                filters = rewritten;
            }
        }
        filters
    }

    /// The filters of an UNSUBSCRIBE likewise.
    pub fn unsubscribe(&mut self, client: &Arc<Client>, filters: Vec<String>) -> Vec<String> {
        const HOOK: Hook = Hook::Unsubscribe;
        let mut filters = filters;
        let asked = filters.len();
        for entry in self.chain.asked(HOOK) {
            let about = filters.first().cloned().unwrap_or_default();
            let subject = Subject {
                hook: HOOK,
                client: Some(client),
                about: &about,
            };
            let answer = entry.ask(
                subject,
                |state, function| {
                    let table = names_table(&state.sandbox().lua, &filters);
                    let table = table.map_err(|error| Fault::from_lua(&error, None))?;
                    state.with_context(client, |ctx| names_of(&state.ask(function, (ctx, table))?, asked))
                },
                |desk| counted(HOOK, desk.unsubscribe(client, &filters)?, asked),
            );
            if let Ok(Some(rewritten)) = answer {
                filters = rewritten;
            }
        }
        filters
    }

    /// May this receiver have messages of this topic? Yes, unless a policy denies it.
    pub fn authorize_deliver(&mut self, receiver: &Arc<Client>, topic: &str) -> bool {
        const HOOK: Hook = Hook::AuthorizeDeliver;
        let subject = Subject {
            hook: HOOK,
            client: Some(receiver),
            about: topic,
        };
        self.chain.asked(HOOK).all(|entry| {
            let vote = entry.ask(
                subject,
                |state, function| {
                    state.with_context(receiver, |ctx| {
                        publish_vote(HOOK.name(), &state.ask(function, (ctx, topic))?)
                    })
                },
                |desk| desk.authorize_deliver(receiver, topic),
            );
            let allowed = match vote {
                Ok(Vote::Allow(()) | Vote::Next) => true,
                Ok(Vote::Deny(..) | Vote::Disconnect(_)) => false,
                Err(failed) => matches!(
                    failed.fallback.answer,
                    AnswerFallback::Allow | AnswerFallback::Next
                ),
            };
            if !allowed {
                entry.count_denied();
            }
            allowed
        })
    }
}

/// Whether what a plugin made of the filters still has one for each that was asked for.
fn counted<T>(
    hook: Hook,
    reply: Reply<Option<Vec<T>>>,
    asked: usize,
) -> Result<Reply<Option<Vec<T>>>, Fault> {
    if let Reply::Now(Some(filters)) = &reply {
        is_counted(hook.name(), filters.len(), asked)?;
    }
    Ok(reply)
}
