//! `authenticate` and `auth_continue`: the first entry that says allow or deny decides.

use super::entry::{Entry, Failed};
use super::stale::{Remembered, Whom};
use super::{Chain, ShardHooks, Subject};
use crate::codec::ReasonCode;
use crate::config::hooks::{AnswerFallback, Verdict};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{LoginVote, Said, login_vote};
use crate::hooks::lua::convert::Converter;
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::state::PolicyState;
use crate::hooks::verdict::{AuthDecision, Challenge, Grant, PendingAuth};
use dunlin_plugin_api::Hook;
use mlua::{Function, LuaString, Value};
use std::rc::Rc;
use std::sync::Arc;

/// A CONNECT whose sender is to be authenticated. Its user name is the client's.
#[derive(Debug, Clone, Copy)]
pub struct AuthRequest<'a> {
    /// Who connects, as far as is known.
    pub client: &'a Arc<Client>,
    /// The password of the CONNECT: binary data, as MQTT has it.
    pub password: Option<&'a [u8]>,
    /// Authentication Method (5.0).
    pub method: Option<&'a str>,
    /// Authentication Data (5.0).
    pub data: Option<&'a [u8]>,
}

/// An AUTH packet: the client's answer to a challenge, or the begin of a re-authentication.
#[derive(Debug, Clone, Copy)]
pub struct AuthContinueRequest<'a> {
    /// Who sent it.
    pub client: &'a Arc<Client>,
    /// Authentication Method; the one of the CONNECT [MQTT-4.12.0-5].
    pub method: &'a str,
    /// Authentication Data.
    pub data: Option<&'a [u8]>,
    /// Where the exchange stands, from [`Challenge::pending`]; `None` when a re-authentication begins.
    pub pending: Option<&'a PendingAuth>,
}

impl ShardHooks {
    /// Whom to ask besides, about a login that the new generation denied; see [`ShardHooks::compare_login`].
    pub fn second_opinion(&mut self, client: &Arc<Client>, said: &AuthDecision) -> Option<Rc<Chain>> {
        self.second.as_mut()?.about_login(client, said)
    }

    /// A client is in, by CONNECT or anew: from now on it is this one to every hook.
    pub fn is_in(&mut self, client: &Client) {
        self.has_acl |= client.has_rights();
    }

    /// What the generation before says of the same login.
    pub fn compare_login(&mut self, request: &AuthRequest<'_>, before: &AuthDecision, said: &AuthDecision) {
        if let Some(second) = &mut self.second {
            second.login(request, before, said);
        }
    }
}

impl Chain {
    /// May this client come in?
    pub async fn authenticate(&self, request: &AuthRequest<'_>) -> AuthDecision {
        const HOOK: Hook = Hook::Authenticate;
        if request.method.is_some() && !self.wants.contains(Hook::AuthContinue) {
            return unknown_method();
        }
        let username = request.client.username.as_deref();
        let subject = Subject {
            hook: HOOK,
            client: Some(request.client),
            about: username.unwrap_or_default(),
        };
        for entry in self.asked(HOOK) {
            let begin = |state: &PolicyState, function: &Function| {
                state.with_context(request.client, |ctx| {
                    let password = string(state, request.password)?;
                    let data = string(state, request.data)?;
                    state.ask_waiting(function, (ctx, username, password, request.method, data))
                })
            };
            let vote = entry
                .ask_waiting(
                    subject,
                    begin,
                    |state, said| read_vote(HOOK, state, said),
                    |desk| desk.authenticate(request),
                )
                .await;
            if let Some(decision) = decide(entry, login_or_stale(entry, request, vote)) {
                return decision;
            }
        }
        self.undecided(request.method)
    }

    /// The next step of an exchange: the entry that began it goes on with it. At the begin of a re-authentication the
    /// entries are asked in order.
    pub async fn auth_continue(&self, request: &AuthContinueRequest<'_>) -> AuthDecision {
        const HOOK: Hook = Hook::AuthContinue;
        let owner = request.pending.map(|pending| &pending.policy);
        let subject = Subject {
            hook: HOOK,
            client: Some(request.client),
            about: request.method,
        };
        for entry in self.asked(HOOK) {
            if owner.is_some_and(|owner| owner != entry.policy.name()) {
                continue;
            }
            let begin = |state: &PolicyState, function: &Function| {
                state.with_context(request.client, |ctx| {
                    let data = string(state, request.data)?;
                    let kept = match request.pending {
                        None => Value::Nil,
                        Some(pending) => Converter::new(&state.sandbox().lua, &state.sandbox().limits)
                            .make_lua(&pending.state)
                            .map_err(|error| Fault::from_lua(&error, None))?,
                    };
                    state.ask_waiting(function, (ctx, request.method, data, kept))
                })
            };
            let vote = entry
                .ask_waiting(
                    subject,
                    begin,
                    |state, said| read_vote(HOOK, state, said),
                    |desk| desk.auth_continue(request),
                )
                .await;
            if let Some(decision) = decide(entry, vote) {
                return decision;
            }
        }
        // An exchange that no one knows how to end is no login, whatever the default says about those who just connect.
        AuthDecision::Deny {
            code: ReasonCode::NOT_AUTHORIZED,
            reason: "no policy continues this exchange".into(),
        }
    }

    fn undecided(&self, method: Option<&str>) -> AuthDecision {
        if method.is_some() {
            return unknown_method();
        }
        match self.generation.defaults().authenticate {
            Verdict::Allow => AuthDecision::Allow(Grant::default()),
            Verdict::Deny => AuthDecision::Deny {
                code: ReasonCode::NOT_AUTHORIZED,
                reason: "no policy knows these credentials".into(),
            },
        }
    }
}

/// The vote, or the last one about the same credentials where the policy failed and wants that.
fn login_or_stale(
    entry: &Entry,
    request: &AuthRequest<'_>,
    vote: Result<LoginVote, Failed>,
) -> Result<LoginVote, Failed> {
    let key = || {
        (
            Whom(request.client),
            request.password,
            request.method,
            request.data,
        )
    };
    match vote {
        // A step of an exchange is no decision.
        Ok(LoginVote::Continue(..)) => vote,
        Ok(vote) => {
            entry.remember(key, || Remembered::Login(vote.clone()));
            Ok(vote)
        }
        Err(failed) if failed.fallback.answer == AnswerFallback::Stale => match entry.recall(key()) {
            Some(Remembered::Login(vote)) => Ok(vote),
            _ => Err(failed),
        },
        Err(failed) => Err(failed),
    }
}

/// [MQTT-4.12.0-1]: whoever names a method is not let in by one that nobody here knows, whatever the default says.
fn unknown_method() -> AuthDecision {
    AuthDecision::Deny {
        code: ReasonCode::BAD_AUTHENTICATION_METHOD,
        reason: "no policy knows this authentication method".into(),
    }
}

fn string(state: &PolicyState, bytes: Option<&[u8]>) -> Result<Option<LuaString>, Fault> {
    let made = bytes
        .map(|bytes| state.sandbox().lua.create_string(bytes))
        .transpose();
    made.map_err(|error| Fault::from_lua(&error, None))
}

fn read_vote(hook: Hook, state: &PolicyState, said: &Said) -> Result<LoginVote, Fault> {
    let sandbox = state.sandbox();
    login_vote(hook.name(), said, &|value| {
        Converter::small(&sandbox.lua, &sandbox.limits).make_json(value)
    })
}

/// What an entry's vote decides; `None` to ask the next.
fn decide(entry: &Entry, vote: Result<LoginVote, Failed>) -> Option<AuthDecision> {
    match vote {
        Ok(LoginVote::Allow(grant)) => Some(AuthDecision::Allow(*grant)),
        Ok(LoginVote::Deny(code, reason)) => {
            entry.count_denied();
            Some(AuthDecision::Deny {
                code,
                reason: reason.unwrap_or_else(|| entry.denied.clone()),
            })
        }
        Ok(LoginVote::Continue(data, state)) => {
            let pending = PendingAuth {
                policy: entry.policy.name().clone(),
                state,
            };
            Some(AuthDecision::Continue(Challenge { data, pending }))
        }
        Ok(LoginVote::Next) => None,
        Err(failed) => match failed.fallback.answer {
            AnswerFallback::Allow => Some(AuthDecision::Allow(Grant::default())),
            AnswerFallback::Next => None,
            // The client did nothing wrong that we know of: it may come again.
            AnswerFallback::Deny | AnswerFallback::Stale => {
                entry.count_denied();
                Some(AuthDecision::Deny {
                    code: ReasonCode::SERVER_UNAVAILABLE,
                    reason: entry.failed.clone(),
                })
            }
        },
    }
}
