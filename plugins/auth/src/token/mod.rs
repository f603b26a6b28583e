//! Tokens: `scripts/auth_token.lua` tells what they are, and `docs/policies/auth_token.md` in full.

mod held;
mod text;

use crate::filter::covers;
use crate::keys::{Kept, Keys};
use crate::sign::{hex, sha256};
use crate::username::Named;
use crate::{BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED, deny};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dunlin_plugin_api::prelude::*;
use held::{Attrs, LEAD, Tokens};
use serde_json::{Value, json};
use text::{Bad, Kind, Reader, is_revoked};

/// Where clients bring new tokens.
pub(crate) const UPLOAD: &str = "$SYS/uploadToken";
const EXPIRES: &str = "$SYS/tokenExpireNotice";
const INVALID: &str = "$SYS/tokenInvalidNotice";

/// What is said to a password of another form.
const FORM: &str =
    "token code 1: the password is not R|<token>, W|<token> or RW|<token>, at most one of each";

/// What tokens are looked at with.
pub(crate) struct Desk<'a> {
    pub(crate) host: &'a Host,
    pub(crate) keys: &'a Keys,
}

/// What a client wants to do.
#[derive(Clone, Copy)]
pub(crate) enum Wish<'a> {
    Publish(&'a str),
    Subscribe(&'a str),
}

fn why(code: i8, kind: Kind) -> String {
    let what = match code {
        -1 => "its access key is gone",
        2 => "it has expired",
        3 => "it was revoked",
        4 => "it is not for this instance or topic",
        5 => "it is of another type",
        8 => "its signature is wrong",
        _ => "it is no token",
    };
    format!("token code {code} ({}): {what}", kind.word())
}

fn invalid(code: i8, kind: Kind) -> NewMessage {
    let payload = json!({ "code": code, "type": kind.word() });
    NewMessage::new(INVALID, payload.to_string())
}

/// Tells keys apart, and says nothing about one: a key is 32 random bytes.
fn fingerprint(key: &[u8]) -> String {
    hex(sha256(key).get(..8).unwrap_or_default())
}

impl Desk<'_> {
    /// Now, in milliseconds, but not before the broker's own clock says so.
    fn now(&self, at_least: f64) -> i64 {
        let now = i64::try_from(self.host.now().as_millis()).unwrap_or(i64::MAX);
        now.max((at_least * 1000.0).round() as i64)
    }

    /// What the instance signs tokens with.
    fn token_key(&self, instance: &str) -> Result<Option<Vec<u8>>, Refused> {
        let record = self.host.registry_get(instance, "token_key", "current")?;
        let secret = record.as_ref().and_then(|record| record.get("secret")?.as_str());
        let key = secret.and_then(|secret| STANDARD.decode(secret).ok());
        Ok(key.filter(|key| !key.is_empty()))
    }

    fn reader<'r>(&'r self, instance: &'r str, key: Option<&'r [u8]>) -> Reader<'r> {
        Reader {
            host: self.host,
            instance,
            key,
            now: self.now(0.0),
        }
    }

    pub(crate) fn decide(
        &self,
        client: &Client<'_>,
        named: &Named<'_>,
        password: &[u8],
    ) -> Result<Login, Error> {
        if named.instance != client.instance() {
            return Ok(deny(NOT_AUTHORIZED, "no such instance"));
        }
        // With a key that does not exist all signatures are wrong: nobody learns which keys there are.
        let known = self.keys.find(self.host, client.instance(), named.key)?;
        let key = self.token_key(client.instance())?;
        let reader = self.reader(client.instance(), key.as_deref().filter(|_| known.is_some()));
        let tokens = match reader.read_all(password) {
            Ok(tokens) => tokens,
            Err((_, Bad::Host(refused))) => return Err(refused.into()),
            Err((None, Bad::Code(_))) => return Ok(deny(BAD_USER_NAME_OR_PASSWORD, FORM)),
            Err((Some(kind), Bad::Code(code))) => {
                let forged = matches!(code, 1 | 8);
                let answer = if forged {
                    BAD_USER_NAME_OR_PASSWORD
                } else {
                    NOT_AUTHORIZED
                };
                return Ok(deny(answer, &why(code, kind)));
            }
        };
        let attrs = Attrs {
            access_key: named.key.to_owned(),
            token_key: fingerprint(key.as_deref().unwrap_or_default()),
            tokens,
            over: false,
        };
        Ok(Login::Allow(Grant {
            expires_at: Some(attrs.tokens.next_look(self.now(0.0))),
            depends: attrs.records(known == Some(Kept::Registry)),
            attrs: serde_json::to_value(attrs)?,
            ..Grant::default()
        }))
    }

    /// What is wrong with a token that was good when it came.
    fn trouble(&self, instance: &str, attrs: &Attrs, at: i64, kind: Kind) -> Result<Option<i8>, Refused> {
        let Some(token) = attrs.tokens.of(kind) else {
            return Ok(None);
        };
        let key = self.token_key(instance)?;
        if self.keys.find(self.host, instance, &attrs.access_key)?.is_none() {
            return Ok(Some(-1));
        }
        if key.is_none_or(|key| fingerprint(&key) != attrs.token_key) {
            return Ok(Some(8));
        }
        if is_revoked(self.host, instance, &token.id)? {
            return Ok(Some(3));
        }
        Ok((token.expires <= at).then_some(2))
    }

    pub(crate) fn expiring(&self, event: &Expiring<'_>) -> Result<Controlling, Error> {
        let Some(attrs) = Attrs::of(&event.client).filter(|attrs| !attrs.over) else {
            return Ok(Controlling::Pass); // another policy's client; or it knows why it has to go
        };
        let lead = if event.ended { 0.0 } else { LEAD as f64 / 1000.0 };
        let at = self.now(event.expires_at - lead);
        let mut messages = Vec::new();
        for kind in Kind::ALL {
            if event.ended
                && let Some(code) = self.trouble(event.client.instance(), &attrs, at, kind)?
            {
                messages.push(invalid(code, kind));
            }
        }
        if !messages.is_empty() {
            return Ok(Controlling::Do(Controlled {
                messages,
                ..Controlled::default()
            }));
        }
        let mut renewed = attrs;
        for (kind, token) in renewed.tokens.all_mut() {
            if !token.warned && token.expires - LEAD <= at {
                token.warned = true;
                let notice = json!({ "expireTime": token.expires, "type": kind.word() });
                messages.push(NewMessage::new(EXPIRES, notice.to_string()));
            }
        }
        Ok(Controlling::Do(Controlled {
            expires_at: Some(renewed.tokens.next_look(at)),
            attrs: (!messages.is_empty())
                .then(|| serde_json::to_value(&renewed))
                .transpose()?,
            messages,
            ..Controlled::default()
        }))
    }

    pub(crate) fn control(&self, event: &Control<'_>) -> Result<Controlling, Error> {
        let client = &event.client;
        let Some(mut attrs) = Attrs::of(client).filter(|attrs| !attrs.over) else {
            // It came with other credentials, which no token prolongs; or it is on its way out.
            return Ok(Controlling::Pass);
        };
        let known = self.keys.find(self.host, client.instance(), &attrs.access_key)?;
        let key = self.token_key(client.instance())?;
        let reader = self.reader(client.instance(), key.as_deref().filter(|_| known.is_some()));
        let says = serde_json::from_slice::<Value>(event.message.payload()).unwrap_or_default();
        let brought = says
            .get("token")
            .and_then(Value::as_str)
            .zip(says.get("type").and_then(Value::as_str).and_then(Kind::named));
        let read = match brought {
            Some((text, kind)) => reader
                .read(kind, text.as_bytes())
                .map_err(|bad| (kind, bad))
                .map(|token| (kind, token)),
            None => Err((Kind::Both, Bad::Code(1))),
        };
        match read {
            Ok((kind, token)) => {
                *attrs.tokens.slot(kind) = Some(token);
                Ok(Controlling::Do(Controlled {
                    expires_at: Some(attrs.tokens.next_look(self.now(0.0))),
                    depends: Some(attrs.records(known == Some(Kept::Registry))),
                    attrs: Some(serde_json::to_value(attrs)?),
                    ..Controlled::default()
                }))
            }
            Err((_, Bad::Host(refused))) => Err(refused.into()),
            Err((kind, Bad::Code(code))) => {
                // It ends at once, behind this message.
                attrs.over = true;
                Ok(Controlling::Do(Controlled {
                    messages: vec![invalid(code, kind)],
                    expires_at: Some(self.now(0.0) as f64 / 1000.0),
                    attrs: Some(serde_json::to_value(attrs)?),
                    ..Controlled::default()
                }))
            }
        }
    }

    /// Whether one of the client's tokens fits; otherwise it is told, and disconnected.
    pub(crate) fn ask(&self, client: &Client<'_>, wish: Wish<'_>) -> Access {
        let Some(attrs) = Attrs::of(client) else {
            return Access::Next;
        };
        let (kinds, about) = match wish {
            Wish::Publish(topic) => ([Kind::Write, Kind::Both], topic),
            Wish::Subscribe(filter) => ([Kind::Read, Kind::Both], filter),
        };
        let fits = |tokens: &Tokens, kind| {
            let resources = tokens.of(kind).map(|token| token.resources.as_slice());
            resources.is_some_and(|list| list.iter().any(|resource| covers(resource, about)))
        };
        if !attrs.over && kinds.iter().any(|kind| fits(&attrs.tokens, *kind)) {
            return Access::Allow;
        }
        let has = |kind: &Kind| attrs.tokens.of(*kind).is_some();
        let ours = kinds.into_iter().find(has);
        let (code, kind) = match (ours, Kind::ALL.into_iter().find(has)) {
            (Some(kind), _) => (4, kind),
            (None, any) => (5, any.unwrap_or(Kind::Both)),
        };
        if !attrs.over {
            // Who does not get it is disconnected all the same.
            let _sent = self
                .host
                .send(client.instance(), client.client_id(), &invalid(code, kind));
        }
        Access::Disconnect {
            reason: why(code, kind),
        }
    }
}
