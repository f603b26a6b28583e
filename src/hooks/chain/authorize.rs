//! `authorize_publish` and `authorize_subscribe`: the first deny ends it, a yes needs at least one allow, and when all say
//! next the default decides. No policy can overrule another's deny.

use super::ShardHooks;
use super::entry::{Entry, Failed};
use crate::codec::{QoS, ReasonCode};
use crate::config::hooks::{AnswerFallback, Verdict};
use crate::hooks::cache::{CacheRule, Inputs};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Vote, publish_vote, subscribe_vote};
use crate::hooks::lua::fault::Fault;
use crate::hooks::verdict::{Answer, Denial, PublishDecision, SubscribeDecision};
use dunlin_plugin_api::Hook;
use std::sync::Arc;

/// A PUBLISH before it is let through.
#[derive(Debug, Clone, Copy)]
pub struct PublishRequest<'a> {
    /// The topic name, with a topic alias already resolved.
    pub topic: &'a str,
    /// Its QoS.
    pub qos: QoS,
    /// Its RETAIN flag.
    pub retain: bool,
    /// Its payload; handed on only to policies that declare it.
    pub payload: &'a [u8],
}

/// One filter of a SUBSCRIBE.
#[derive(Debug, Clone, Copy)]
pub struct SubscribeRequest<'a> {
    /// The filter, without a share prefix.
    pub filter: &'a str,
    /// The maximum QoS that the client asks for.
    pub qos: QoS,
    /// The share name of a shared subscription.
    pub share: Option<&'a str>,
}

/// How a question ended.
enum Outcome<T> {
    Allowed(T),
    Denied(Denial),
    Disconnected(Arc<str>),
    Undecided,
}

impl ShardHooks {
    /// May `client` publish this?
    pub fn authorize_publish(
        &mut self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
    ) -> Answer<PublishDecision> {
        const HOOK: Hook = Hook::AuthorizePublish;
        let (outcome, cache) = self.authorize(
            HOOK,
            |(), ()| (),
            |entry| {
                let shown = entry.policy.declares.shown(HOOK);
                let payload = entry.policy.declares.payload.contains(HOOK);
                entry.ask(HOOK, |state, function| {
                    state.with_context(client, |ctx| {
                        let payload = payload
                            .then(|| state.sandbox().lua.create_string(request.payload))
                            .transpose();
                        let arguments = (
                            ctx,
                            shown.contains(Inputs::TOPIC).then_some(request.topic),
                            shown.contains(Inputs::QOS).then_some(request.qos as u8),
                            shown.contains(Inputs::RETAIN).then_some(request.retain),
                            shown.contains(Inputs::SIZE).then_some(request.payload.len()),
                            payload.map_err(|error| Fault::from_lua(&error, None))?,
                        );
                        publish_vote(HOOK.name(), &state.ask(function, arguments)?)
                    })
                })
            },
        );
        let decision = match outcome {
            Outcome::Allowed(()) => PublishDecision::Allow,
            Outcome::Denied(reason) => PublishDecision::Deny(reason),
            Outcome::Disconnected(reason) => PublishDecision::Disconnect(reason),
            Outcome::Undecided => match self.generation.defaults().authorize_publish {
                Verdict::Allow => PublishDecision::Allow,
                Verdict::Deny => PublishDecision::Deny(Denial::from("no policy allows it")),
            },
        };
        Answer { decision, cache }
    }

    /// May `client` subscribe to this filter, and at which QoS?
    pub fn authorize_subscribe(
        &mut self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
    ) -> Answer<SubscribeDecision> {
        const HOOK: Hook = Hook::AuthorizeSubscribe;
        let (outcome, cache) = self.authorize(HOOK, QoS::min, |entry| {
            let shown = entry.policy.declares.shown(HOOK);
            entry.ask(HOOK, |state, function| {
                state.with_context(client, |ctx| {
                    let arguments = (
                        ctx,
                        shown.contains(Inputs::TOPIC).then_some(request.filter),
                        shown.contains(Inputs::QOS).then_some(request.qos as u8),
                        request.share.filter(|_| shown.contains(Inputs::SHARE)),
                    );
                    subscribe_vote(HOOK.name(), &state.ask(function, arguments)?)
                })
            })
        });
        let decision = match outcome {
            // The answer may be kept for other QoS than the one asked for, so it is the highest allowed, not less.
            Outcome::Allowed(highest) => SubscribeDecision::Allow(highest),
            Outcome::Denied(reason) => SubscribeDecision::Deny(reason),
            Outcome::Disconnected(reason) => SubscribeDecision::Disconnect(reason),
            Outcome::Undecided => match self.generation.defaults().authorize_subscribe {
                Verdict::Allow => SubscribeDecision::Allow(QoS::ExactlyOnce),
                Verdict::Deny => SubscribeDecision::Deny(Denial::from("no policy allows it")),
            },
        };
        Answer { decision, cache }
    }

    /// Asks the entries in order and combines their votes; `both` combines two yeses.
    fn authorize<T: Limit>(
        &mut self,
        hook: Hook,
        both: impl Fn(T, T) -> T,
        mut ask: impl FnMut(&mut Entry) -> Result<Vote<T>, Failed>,
    ) -> (Outcome<T>, Option<CacheRule>) {
        let mut cache = self.generation.cache(hook);
        let mut allowed: Option<T> = None;
        for entry in self.entries.iter_mut().filter(|entry| entry.has(hook)) {
            let vote = ask(entry).unwrap_or_else(|failed| {
                // A failure is over when the policy is well again, not when a time has passed.
                cache = None;
                match failed.fallback.answer {
                    AnswerFallback::Allow => Vote::Allow(T::HIGHEST),
                    AnswerFallback::Next => Vote::Next,
                    AnswerFallback::Deny => Vote::Deny(None, Some(entry.failed.clone())),
                }
            });
            match vote {
                Vote::Allow(limit) => {
                    allowed = Some(match allowed {
                        Some(before) => both(before, limit),
                        None => limit,
                    });
                }
                Vote::Next => {}
                Vote::Deny(code, reason) => {
                    entry.count_denied();
                    let code = code.unwrap_or(ReasonCode::NOT_AUTHORIZED);
                    let reason = reason.unwrap_or_else(|| entry.denied.clone());
                    return (Outcome::Denied(Denial { code, reason }), cache);
                }
                Vote::Disconnect(reason) => {
                    entry.count_denied();
                    return (
                        Outcome::Disconnected(reason.unwrap_or_else(|| entry.denied.clone())),
                        cache,
                    );
                }
            }
        }
        (allowed.map_or(Outcome::Undecided, Outcome::Allowed), cache)
    }
}

/// What comes with a yes.
trait Limit {
    /// The yes that limits nothing.
    const HIGHEST: Self;
}

impl Limit for () {
    const HIGHEST: Self = ();
}

impl Limit for QoS {
    const HIGHEST: Self = QoS::ExactlyOnce;
}
