//! Enhanced authentication: AUTH packets on the way in, and again while connected.

use std::sync::Arc;

use super::Shard;
use crate::codec::{self, Auth, Connect, ReasonCode};
use crate::hooks::{AuthContinueRequest, AuthDecision, AuthRequest, Client, PendingAuth};
use crate::session::Close;

/// The method that a connection authenticated with, and the exchange that is going on, if any.
pub struct Reauthentication {
    method: String,
    pending: Option<PendingAuth>,
}

impl Reauthentication {
    /// What CONNECT agreed to; nothing if it named no method.
    pub(super) fn agreed(method: Option<String>) -> Option<Box<Self>> {
        method.map(|method| {
            Box::new(Self {
                method,
                pending: None,
            })
        })
    }
}

impl Shard {
    /// Asks the policies whether a client may come in.
    pub fn authenticate(&mut self, client: &Arc<Client>, connect: &Connect) -> AuthDecision {
        self.hooks.authenticate(&AuthRequest {
            client,
            password: connect.password.as_deref(),
            method: connect.properties.authentication_method.as_deref(),
            data: connect.properties.authentication_data.as_deref(),
        })
    }

    /// Asks the policies about the client's next step in an exchange that began with CONNECT.
    pub fn auth_continue(
        &mut self,
        client: &Arc<Client>,
        method: &str,
        data: Option<&[u8]>,
        pending: &PendingAuth,
    ) -> AuthDecision {
        self.hooks.auth_continue(&AuthContinueRequest {
            client,
            method,
            data,
            pending: Some(pending),
        })
    }

    /// AUTH from a client that is in: it begins to authenticate again, or goes on with that (4.12.1).
    pub(super) fn on_auth(&mut self, at: u32, auth: &Auth) -> Result<(), Close> {
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
        if pending.is_none() && auth.reason != ReasonCode::RE_AUTHENTICATE {
            return Err(protocol_error("AUTH goes on with an exchange that nobody began"));
        }
        let client = Arc::clone(&live.client);
        let decision = self.hooks.auth_continue(&AuthContinueRequest {
            client: &client,
            method: &method,
            data: auth.data.as_deref(),
            pending: pending.as_ref(),
        });
        self.answer_auth(at, &method, decision)
    }

    fn answer_auth(&mut self, at: u32, method: &str, decision: AuthDecision) -> Result<(), Close> {
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
                // New attributes make a new client to the policies: what was kept for the old one is void.
                live.client = live.client.with_attrs(grant.attrs);
                live.kept.clear();
                live.memo = None;
            }
            // [MQTT-4.12.1-2]
            AuthDecision::Deny { code, reason } => return Err(Close::new(code, reason.to_string())),
        }
        Ok(())
    }
}

fn protocol_error(what: &'static str) -> Close {
    Close::new(ReasonCode::PROTOCOL_ERROR, what)
}
