//! Enhanced authentication: AUTH packets on the way in, and again while connected.

use std::rc::Rc;
use std::sync::Arc;

use super::Shard;
use crate::codec::{self, Auth, ReasonCode};
use crate::hooks::{AuthContinueRequest, AuthDecision, AuthRequest, Chain, Client, Hook, PendingAuth};
use crate::session::Close;

/// The method that a connection authenticated with, and the exchange that is going on, if any.
pub struct Reauthentication {
    method: String,
    pending: Option<PendingAuth>,
    /// How many changes of records there were when the exchange began.
    seen: u64,
}

impl Reauthentication {
    /// What CONNECT agreed to; nothing if it named no method.
    pub(super) fn agreed(method: Option<String>) -> Option<Box<Self>> {
        method.map(|method| {
            Box::new(Self {
                method,
                pending: None,
                seen: 0,
            })
        })
    }
}

impl Shard {
    /// The policies, for calls that wait while others go on.
    pub fn policies(&self) -> Rc<Chain> {
        Rc::clone(self.hooks.chain())
    }

    /// Whether any policy wants to see CONNECT before it is decided about.
    pub fn wants_connect(&self) -> bool {
        self.hooks.wants(Hook::Connect)
    }

    /// The policies have decided about a login: another opinion is asked while a new generation is being watched.
    pub fn second_opinion(&mut self, client: &Arc<Client>, said: &AuthDecision) -> Option<Rc<Chain>> {
        self.hooks.second_opinion(client, said)
    }

    /// That opinion.
    pub fn compare_login(&mut self, request: &AuthRequest<'_>, before: &AuthDecision, said: &AuthDecision) {
        self.hooks.compare_login(request, before, said);
    }

    /// AUTH from a client that is in: it begins to authenticate again, or goes on with that (4.12.1).
    pub(super) fn on_auth(&mut self, at: u32, auth: &Auth) -> Result<(), Close> {
        let seen = self.records_seen();
        let Some(live) = self.live(at) else { return Ok(()) };
        let Some(agreed) = live.reauthentication.as_mut() else {
            // [MQTT-4.12.0-6]
            return Err(protocol_error("AUTH without an Authentication Method in CONNECT"));
        };
        if auth.method != agreed.method {
            // [MQTT-4.12.1-1]
            return Err(protocol_error(
                "AUTH with another Authentication Method than CONNECT",
            ));
        }
        let method = agreed.method.clone();
        let pending = agreed.pending.take();
        if pending.is_none() {
            agreed.seen = seen;
        }
        let seen = agreed.seen;
        if pending.is_none() && auth.reason != ReasonCode::RE_AUTHENTICATE {
            return Err(protocol_error("AUTH goes on with an exchange that nobody began"));
        }
        let client = Arc::clone(&live.client);
        let chain = Rc::clone(self.hooks.chain());
        let data = auth.data.clone();
        let work = async move {
            let request = AuthContinueRequest {
                client: &client,
                method: &method,
                data: data.as_deref(),
                pending: pending.as_ref(),
            };
            let decision = chain.auth_continue(&request).await;
            (method, decision)
        };
        self.park(at, work, move |shard, at, (method, decision)| {
            shard.answer_auth(at, &method, decision, seen)
        })
    }

    /// The exchange began after `seen` changes of records.
    fn answer_auth(&mut self, at: u32, method: &str, decision: AuthDecision, seen: u64) -> Result<(), Close> {
        self.mark_dirty(at);
        let Some(live) = self.live(at) else { return Ok(()) };
        let limits = live.session.link.limits(live.session.version);
        let out = live.session.outbox.buffer();
        match decision {
            AuthDecision::Continue(challenge) => {
                let reason = ReasonCode::CONTINUE_AUTHENTICATION;
                codec::auth(out, limits, reason, method, Some(&challenge.data), None);
                if let Some(agreed) = live.reauthentication.as_mut() {
                    agreed.pending = Some(challenge.pending);
                }
            }
            AuthDecision::Allow(grant) => {
                codec::auth(
                    out,
                    limits,
                    ReasonCode::SUCCESS,
                    method,
                    grant.data.as_deref(),
                    None,
                );
                let client = live.client.granted(&grant);
                self.is_now(at, client);
                self.login_expires(at, grant.expires_at);
                self.rests_on(at, grant.depends, seen);
            }
            // [MQTT-4.12.1-2]. The policy names a code of CONNACK.
            AuthDecision::Deny { code, reason } => {
                return Err(Close::new(code.in_disconnect(), reason.to_string()));
            }
        }
        Ok(())
    }
}

impl Shard {
    /// From now on the client in `at` is this one to the policies: it has another login, or its login brings something else.
    pub(super) fn is_now(&mut self, at: u32, client: Arc<Client>) {
        self.hooks.is_in(&client);
        let Some(live) = self.live(at) else { return };
        live.client = client;
        // What was kept for the old one is void.
        live.kept.clear();
        live.memo = None;
        // It may have lost what the old one had.
        self.withdraw_unless_watched(at);
    }
}

fn protocol_error(what: &'static str) -> Close {
    Close::new(ReasonCode::PROTOCOL_ERROR, what)
}
