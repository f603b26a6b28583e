//! `authorize_publish` and `authorize_subscribe`: the first deny ends it, a yes needs at least one allow, and when all say
//! next the default decides. No policy can overrule another's deny. Rules that came with the login vote first.

use super::entry::{Entry, Failed};
use super::stale::{Remembered, Whom};
use super::{Chain, ShardHooks, Subject};
use crate::codec::{QoS, ReasonCode};
use crate::config::hooks::{AnswerFallback, Verdict};
use crate::hooks::acl::Action;
use crate::hooks::cache::{CacheRule, Inputs};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Vote, publish_vote, subscribe_vote};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::state::PolicyState;
use crate::hooks::native::{Desk, Reply};
use crate::hooks::verdict::{Answer, Denial, PublishDecision, SubscribeDecision};
use crate::message::Origin;
use dunlin_plugin_api::Hook;
use mlua::{AnyUserData, IntoLuaMulti};
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
    /// Whether the client publishes it, or it is its will: policies say which they are asked about.
    pub origin: Origin,
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

impl ShardHooks {
    /// May `client` publish this?
    #[inline]
    pub fn authorize_publish(
        &mut self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
    ) -> Answer<PublishDecision> {
        let answer = self.chain.authorize_publish(client, request);
        if let Some(second) = self.second_at_once(Hook::AuthorizePublish) {
            let before = |chain: &Chain| chain.authorize_publish(client, request).decision;
            second.publish(client, request, &answer.decision, before);
        }
        answer
    }

    /// The same, of an answer that was waited for: what the chain before said to it, if it was asked.
    pub fn compare_publish(
        &mut self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
        said: &PublishDecision,
        before: Option<PublishDecision>,
    ) {
        if let (Some(second), Some(before)) = (&mut self.second, before) {
            second.publish(client, request, said, |_| before);
        }
    }

    /// May `client` subscribe to this filter, and at which QoS?
    pub fn authorize_subscribe(
        &mut self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
    ) -> Answer<SubscribeDecision> {
        let answer = self.chain.authorize_subscribe(client, request);
        if let Some(second) = self.second_at_once(Hook::AuthorizeSubscribe) {
            let before = |chain: &Chain| chain.authorize_subscribe(client, request).decision;
            second.subscribe(client, request, &answer.decision, before);
        }
        answer
    }

    /// As [`ShardHooks::compare_publish`].
    pub fn compare_subscribe(
        &mut self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
        said: &SubscribeDecision,
        before: Option<SubscribeDecision>,
    ) {
        if let (Some(second), Some(before)) = (&mut self.second, before) {
            second.subscribe(client, request, said, |_| before);
        }
    }
}

impl Chain {
    pub(super) fn authorize_publish(
        &self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
    ) -> Answer<PublishDecision> {
        const HOOK: Hook = Hook::AuthorizePublish;
        let subject = Subject {
            hook: HOOK,
            client: Some(client),
            about: request.topic,
        };
        let mut tally = self.publish_tally(client, request);
        for entry in self.asked_about(request.origin) {
            if tally.is_decided() {
                break;
            }
            let vote = entry.ask(
                subject,
                |state, function| {
                    state.with_context(client, |ctx| {
                        let arguments = publish_arguments(entry, state, ctx, request)?;
                        publish_vote(HOOK.name(), &state.ask(function, arguments)?)
                    })
                },
                |desk| publish_call(entry, desk, client, request),
            );
            tally.count(entry, publish_vote_or_stale(entry, client, request, vote));
        }
        self.publish_answer(tally)
    }

    /// The same, for a chain in which an entry waits.
    pub async fn authorize_publish_waiting(
        &self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
    ) -> Answer<PublishDecision> {
        const HOOK: Hook = Hook::AuthorizePublish;
        let subject = Subject {
            hook: HOOK,
            client: Some(client),
            about: request.topic,
        };
        let mut tally = self.publish_tally(client, request);
        for entry in self.asked_about(request.origin) {
            if tally.is_decided() {
                break;
            }
            let begin = |state: &PolicyState, function: &mlua::Function| {
                state.with_context(client, |ctx| {
                    state.ask_waiting(function, publish_arguments(entry, state, ctx, request)?)
                })
            };
            let vote = entry
                .ask_waiting(
                    subject,
                    begin,
                    |_, said| publish_vote(HOOK.name(), said),
                    |desk| publish_call(entry, desk, client, request),
                )
                .await;
            tally.count(entry, publish_vote_or_stale(entry, client, request, vote));
        }
        self.publish_answer(tally)
    }

    pub(super) fn authorize_subscribe(
        &self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
    ) -> Answer<SubscribeDecision> {
        const HOOK: Hook = Hook::AuthorizeSubscribe;
        let subject = Subject {
            hook: HOOK,
            client: Some(client),
            about: request.filter,
        };
        let mut tally = self.subscribe_tally(client, request);
        for entry in self.asked(HOOK) {
            if tally.is_decided() {
                break;
            }
            let vote = entry.ask(
                subject,
                |state, function| {
                    state.with_context(client, |ctx| {
                        let arguments = subscribe_arguments(entry, ctx, request);
                        subscribe_vote(HOOK.name(), &state.ask(function, arguments)?)
                    })
                },
                |desk| subscribe_call(entry, desk, client, request),
            );
            tally.count(entry, subscribe_vote_or_stale(entry, client, request, vote));
        }
        self.subscribe_answer(tally)
    }

    /// The same, for a chain in which an entry waits.
    pub async fn authorize_subscribe_waiting(
        &self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
    ) -> Answer<SubscribeDecision> {
        const HOOK: Hook = Hook::AuthorizeSubscribe;
        let subject = Subject {
            hook: HOOK,
            client: Some(client),
            about: request.filter,
        };
        let mut tally = self.subscribe_tally(client, request);
        for entry in self.asked(HOOK) {
            if tally.is_decided() {
                break;
            }
            let begin = |state: &PolicyState, function: &mlua::Function| {
                state.with_context(client, |ctx| {
                    state.ask_waiting(function, subscribe_arguments(entry, ctx, request))
                })
            };
            let vote = entry
                .ask_waiting(
                    subject,
                    begin,
                    |_, said| subscribe_vote(HOOK.name(), said),
                    |desk| subscribe_call(entry, desk, client, request),
                )
                .await;
            tally.count(entry, subscribe_vote_or_stale(entry, client, request, vote));
        }
        self.subscribe_answer(tally)
    }

    /// The entries that are asked about publishing messages of this origin.
    pub(super) fn asked_about(&self, origin: Origin) -> impl Iterator<Item = &Entry> {
        const HOOK: Hook = Hook::AuthorizePublish;
        let entries = self.asked(HOOK);
        entries.filter(move |entry| entry.policy.declares.wants_origin(HOOK, origin))
    }

    fn publish_tally(&self, client: &Client, request: &PublishRequest<'_>) -> Tally<()> {
        let mut tally = Tally::new(self.generation.cache(Hook::AuthorizePublish));
        if let Some(acl) = client.acl() {
            tally.rules_say(
                acl.decide(Action::Publish, request.topic)
                    .map(|allowed| (allowed, ())),
            );
        }
        tally
    }

    fn subscribe_tally(&self, client: &Client, request: &SubscribeRequest<'_>) -> Tally<QoS> {
        let mut tally = Tally::new(self.generation.cache(Hook::AuthorizeSubscribe));
        if let Some(acl) = client.acl() {
            let said = acl.decide(Action::Subscribe, request.filter);
            tally.rules_say(said.map(|allowed| (allowed, QoS::ExactlyOnce)));
        }
        tally
    }

    fn publish_answer(&self, tally: Tally<()>) -> Answer<PublishDecision> {
        let decision = match tally.outcome {
            Outcome::Allowed(()) => PublishDecision::Allow,
            Outcome::Denied(reason) => PublishDecision::Deny(reason),
            Outcome::Disconnected(reason) => PublishDecision::Disconnect(reason),
            Outcome::Undecided => match self.generation.defaults().authorize_publish {
                Verdict::Allow => PublishDecision::Allow,
                Verdict::Deny => PublishDecision::Deny(Denial::from("no policy allows it")),
            },
        };
        Answer {
            decision,
            cache: tally.cache,
        }
    }

    fn subscribe_answer(&self, tally: Tally<QoS>) -> Answer<SubscribeDecision> {
        let decision = match tally.outcome {
            // The answer may be kept for other QoS than the one asked for, so it is the highest allowed, not less.
            Outcome::Allowed(highest) => SubscribeDecision::Allow(highest),
            Outcome::Denied(reason) => SubscribeDecision::Deny(reason),
            Outcome::Disconnected(reason) => SubscribeDecision::Disconnect(reason),
            Outcome::Undecided => match self.generation.defaults().authorize_subscribe {
                Verdict::Allow => SubscribeDecision::Allow(QoS::ExactlyOnce),
                Verdict::Deny => SubscribeDecision::Deny(Denial::from("no policy allows it")),
            },
        };
        Answer {
            decision,
            cache: tally.cache,
        }
    }
}

/// The same question to a plugin.
#[inline]
pub(super) fn publish_call(
    entry: &Entry,
    desk: &Desk,
    client: &Client,
    request: &PublishRequest<'_>,
) -> Result<Reply<Vote<()>>, Fault> {
    const HOOK: Hook = Hook::AuthorizePublish;
    let declares = &entry.policy.declares;
    desk.authorize_publish(
        client,
        request,
        declares.shown(HOOK),
        declares.payload.contains(HOOK),
    )
}

pub(super) fn subscribe_call(
    entry: &Entry,
    desk: &Desk,
    client: &Client,
    request: &SubscribeRequest<'_>,
) -> Result<Reply<Vote<QoS>>, Fault> {
    let shown = entry.policy.declares.shown(Hook::AuthorizeSubscribe);
    desk.authorize_subscribe(client, request, shown)
}

pub(super) fn publish_arguments<'a>(
    entry: &Entry,
    state: &PolicyState,
    ctx: &'a AnyUserData,
    request: &PublishRequest<'a>,
) -> Result<impl IntoLuaMulti + use<'a>, Fault> {
    let shown = entry.policy.declares.shown(Hook::AuthorizePublish);
    let wants_payload = entry.policy.declares.payload.contains(Hook::AuthorizePublish);
    let payload = wants_payload
        .then(|| state.sandbox().lua.create_string(request.payload))
        .transpose()
        .map_err(|error| Fault::from_lua(&error, None))?;
    Ok((
        ctx,
        shown.contains(Inputs::TOPIC).then_some(request.topic),
        shown.contains(Inputs::QOS).then_some(request.qos as u8),
        shown.contains(Inputs::RETAIN).then_some(request.retain),
        shown.contains(Inputs::SIZE).then_some(request.payload.len()),
        payload,
    ))
}

pub(super) fn subscribe_arguments<'a>(
    entry: &Entry,
    ctx: &'a AnyUserData,
    request: &SubscribeRequest<'a>,
) -> impl IntoLuaMulti + use<'a> {
    let shown = entry.policy.declares.shown(Hook::AuthorizeSubscribe);
    (
        ctx,
        shown.contains(Inputs::TOPIC).then_some(request.filter),
        shown.contains(Inputs::QOS).then_some(request.qos as u8),
        request.share.filter(|_| shown.contains(Inputs::SHARE)),
    )
}

/// The vote, or the last one about the same where the policy failed and wants that.
fn publish_vote_or_stale(
    entry: &Entry,
    client: &Client,
    request: &PublishRequest<'_>,
    vote: Result<Vote<()>, Failed>,
) -> Result<Vote<()>, Failed> {
    let key = || (Whom(client), request.topic, request.qos as u8, request.retain);
    match vote {
        Ok(vote) => {
            entry.remember(key, || Remembered::Publish(vote.clone()));
            Ok(vote)
        }
        Err(failed) if failed.fallback.answer == AnswerFallback::Stale => match entry.recall(key()) {
            Some(Remembered::Publish(vote)) => Ok(vote),
            _ => Err(failed),
        },
        Err(failed) => Err(failed),
    }
}

fn subscribe_vote_or_stale(
    entry: &Entry,
    client: &Client,
    request: &SubscribeRequest<'_>,
    vote: Result<Vote<QoS>, Failed>,
) -> Result<Vote<QoS>, Failed> {
    let key = || (Whom(client), request.filter, request.qos as u8, request.share);
    match vote {
        Ok(vote) => {
            entry.remember(key, || Remembered::Subscribe(vote.clone()));
            Ok(vote)
        }
        Err(failed) if failed.fallback.answer == AnswerFallback::Stale => match entry.recall(key()) {
            Some(Remembered::Subscribe(vote)) => Ok(vote),
            _ => Err(failed),
        },
        Err(failed) => Err(failed),
    }
}

/// How a question ended, or stands.
enum Outcome<T> {
    Allowed(T),
    Denied(Denial),
    Disconnected(Arc<str>),
    Undecided,
}

/// The votes so far.
struct Tally<T> {
    outcome: Outcome<T>,
    cache: Option<CacheRule>,
}

impl<T: Limit> Tally<T> {
    fn new(cache: Option<CacheRule>) -> Self {
        Self {
            outcome: Outcome::Undecided,
            cache,
        }
    }

    /// Whether nothing that is still to come can change the outcome.
    #[inline]
    fn is_decided(&self) -> bool {
        matches!(self.outcome, Outcome::Denied(_) | Outcome::Disconnected(_))
    }

    /// What the rules of the login say. They depend on the topic, so an answer that is kept has to as well.
    fn rules_say(&mut self, said: Option<(bool, T)>) {
        match said {
            Some((true, limit)) => self.outcome = Outcome::Allowed(limit),
            Some((false, _)) => {
                self.outcome = Outcome::Denied(Denial::from("denied by the rules of its login"))
            }
            None => {}
        }
    }

    #[inline]
    fn count(&mut self, entry: &Entry, vote: Result<Vote<T>, Failed>) {
        let vote = vote.unwrap_or_else(|failed| {
            // A failure is over when the policy is well again, not when a time has passed.
            self.cache = None;
            match failed.fallback.answer {
                AnswerFallback::Allow => Vote::Allow(T::HIGHEST),
                AnswerFallback::Next => Vote::Next,
                AnswerFallback::Deny | AnswerFallback::Stale => Vote::Deny(None, Some(entry.failed.clone())),
            }
        });
        match vote {
            Vote::Allow(limit) => {
                let before = std::mem::replace(&mut self.outcome, Outcome::Undecided);
                self.outcome = Outcome::Allowed(match before {
                    Outcome::Allowed(before) => T::both(before, limit),
                    _ => limit,
                });
            }
            Vote::Next => {}
            Vote::Deny(code, reason) => {
                entry.count_denied();
                let code = code.unwrap_or(ReasonCode::NOT_AUTHORIZED);
                let reason = reason.unwrap_or_else(|| entry.denied.clone());
                self.outcome = Outcome::Denied(Denial { code, reason });
            }
            Vote::Disconnect(reason) => {
                entry.count_denied();
                self.outcome = Outcome::Disconnected(reason.unwrap_or_else(|| entry.denied.clone()));
            }
        }
    }
}

/// What comes with a yes.
trait Limit {
    /// The yes that limits nothing.
    const HIGHEST: Self;

    /// What two yeses come to.
    fn both(one: Self, other: Self) -> Self;
}

impl Limit for () {
    const HIGHEST: Self = ();

    fn both((): (), (): ()) {}
}

impl Limit for QoS {
    const HIGHEST: Self = QoS::ExactlyOnce;

    fn both(one: Self, other: Self) -> Self {
        one.min(other)
    }
}
