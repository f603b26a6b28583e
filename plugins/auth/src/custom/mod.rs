//! Custom authentication: `scripts/auth_custom.lua` tells what it is, and `docs/policies/auth_custom.md` in full.

mod rights;

use crate::keys::{LONGEST_NAME, field, record};
use crate::sign::{Signer, equal, hex, hmac_sha256, sha256};
use crate::{BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED, deny};
use dunlin_plugin_api::prelude::*;
use rights::Rights;
use serde::Deserialize;
use serde_json::{Value, json};

const BANNED: u8 = 0x8A;
const QUOTA_EXCEEDED: u8 = 0x97;

/// The broker takes 256 rules of a client's own and 64 records that a login rests on.
const MOST_RULES: usize = 256;
const MOST_RECORDS: usize = 64;
/// The broker asks so many seconds before a login ends. Nothing is lost if the question fails then: it asks at the end again.
const LEAD: f64 = 300.0;

/// What identities are looked at with.
pub(crate) struct Desk<'a> {
    pub(crate) host: &'a Host,
    /// Proofs are made with it.
    pub(crate) salt: &'a str,
    /// After so many seconds permissions are looked at again.
    pub(crate) refresh: f64,
}

/// Whom an identity is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    User,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::Client => "CLIENT",
            Kind::User => "USER",
        }
    }
}

/// An identity that can let somebody in.
struct Identity {
    kind: Kind,
    secret: String,
    /// The password is the secret, and not a signature.
    as_it_is: bool,
}

/// The attributes of a client of ours.
#[derive(Deserialize)]
struct Attrs {
    #[serde(rename = "identity")]
    _identity: String,
    proof: String,
    rules: String,
}

impl Identity {
    /// What the record says, if it is of this kind and for them.
    fn read(record: &Value, kind: Kind) -> Option<Self> {
        let as_it_is = match record.get("sign_mode")?.as_str()? {
            "ORIGIN" => true,
            "SIGNED" => false,
            _ => return None,
        };
        let secret = field(Some(record), "secret")?.to_owned();
        Some(Self {
            kind,
            secret,
            as_it_is,
        })
    }

    /// Tells whether it is still what it was, and says nothing of its secret to whoever sees the attributes.
    fn proof(&self, salt: &str) -> Result<String, Error> {
        let mode = if self.as_it_is { "ORIGIN" } else { "SIGNED" };
        let all = format!("{}|{mode}|{}", self.kind.word(), self.secret);
        let digest = hmac_sha256(salt.as_bytes(), all.as_bytes())?;
        Ok(hex(digest.get(..16).unwrap_or_default()))
    }
}

impl Desk<'_> {
    /// The identity for this user name and client. One of the client's own hides that of the user, whatever it is worth.
    fn find(&self, client: &Client<'_>, username: &str) -> Result<Option<Identity>, Refused> {
        for kind in [Kind::Client, Kind::User] {
            let name = match kind {
                Kind::Client => format!("CLIENT/{username}/{}", client.client_id()),
                Kind::User => format!("USER/{username}"),
            };
            let Some(record) = record(self.host, client.instance(), "identity", &name)? else {
                continue;
            };
            // A name may be read in several ways, where there are slashes in it.
            let is = |name: &str, text: &str| record.get(name).and_then(Value::as_str) == Some(text);
            let is_theirs = kind == Kind::User || is("client_id", client.client_id());
            if is("type", kind.word()) && is("username", username) && is_theirs {
                return Ok(Identity::read(&record, kind));
            }
        }
        Ok(None)
    }

    pub(crate) fn decide(
        &self,
        client: &Client<'_>,
        username: &str,
        password: &[u8],
    ) -> Result<Login, Error> {
        // Who does not exist takes as long as a wrong password and gets the same answer. Digests are compared: the length of
        // a secret is a secret, too.
        let found = self.find(client, username)?;
        let secret = found.as_ref().map_or("none", |identity| identity.secret.as_str());
        let signed = Signer::new(secret)?.sign(client.client_id());
        let right = match &found {
            Some(identity) if identity.as_it_is => identity.secret.as_str(),
            _ => signed.as_str(),
        };
        let equal = equal(&sha256(right.as_bytes()), &sha256(password));
        let Some(identity) = found.filter(|_| equal) else {
            let what = "the user name or the password is wrong";
            return Ok(deny(BAD_USER_NAME_OR_PASSWORD, what));
        };
        Ok(match self.login(client, username, &identity)? {
            Ok(grant) => Login::Allow(grant),
            Err((code, what)) => deny(code, &what),
        })
    }

    /// What a login brings, or a code and why there is none.
    fn login(
        &self,
        client: &Client<'_>,
        username: &str,
        identity: &Identity,
    ) -> Result<Result<Grant, (u8, String)>, Error> {
        let black = record(self.host, client.instance(), "black_list", client.client_id())?;
        if black.is_some() {
            return Ok(Err((BANNED, "the client id is on the black list".to_owned())));
        }
        let rights = Rights::find(self.host, client, username, identity.kind)?;
        if rights.barred {
            return Ok(Err((NOT_AUTHORIZED, "a permission denies CONNECT".to_owned())));
        }
        if rights.acl.len() > MOST_RULES {
            let most = MOST_RULES - 1;
            let what = format!("there are more than {most} permissions for this client");
            return Ok(Err((QUOTA_EXCEEDED, what)));
        }
        Ok(Ok(Grant {
            attrs: json!({
                "identity": identity.kind.word(),
                "proof": identity.proof(self.salt)?,
                "rules": rights.digest(),
            }),
            depends: records(client, username, &rights.names),
            acl: rights.acl,
            expires_at: Some(self.host.now().as_secs_f64() + LEAD + self.refresh),
            any_client_id: true,
            ..Grant::default()
        }))
    }

    /// Asked every `refresh` seconds, and when a record changed that the login rests on: new permissions hold without a
    /// reconnect, and who may no longer be here goes.
    pub(crate) fn expiring(&self, event: &Expiring<'_>) -> Result<Controlling, Error> {
        let client = &event.client;
        let (Ok(attrs), Some(username)) = (client.attrs::<Attrs>(), client.username()) else {
            return Ok(Controlling::Pass); // another policy's client
        };
        let disconnect = |reason: String| Controlling::Disconnect {
            code: Some(NOT_AUTHORIZED),
            reason,
        };
        let changed = || Ok(disconnect("the identity was changed".to_owned()));
        let Some(identity) = self.find(client, username)? else {
            return changed();
        };
        if identity.proof(self.salt)? != attrs.proof {
            return changed();
        }
        let grant = match self.login(client, username, &identity)? {
            Ok(grant) => grant,
            Err((_, what)) => return Ok(disconnect(what)),
        };
        let is_new = grant.attrs.get("rules").and_then(Value::as_str) != Some(&attrs.rules);
        Ok(Controlling::Do(Controlled {
            expires_at: grant.expires_at,
            attrs: is_new.then_some(grant.attrs),
            acl: is_new.then_some(grant.acl),
            depends: is_new.then_some(grant.depends),
            ..Controlled::default()
        }))
    }
}

/// The records that a login rests on, as many as it may: first those that decide whether there is one.
fn records(client: &Client<'_>, username: &str, permissions: &[String]) -> Vec<String> {
    let id = client.client_id();
    let deciding = [
        ("identity", format!("CLIENT/{username}/{id}")),
        ("identity", format!("USER/{username}")),
        ("black_list", id.to_owned()),
    ];
    let permissions = permissions.iter().map(|name| ("permission", name.clone()));
    let all = deciding.into_iter().chain(permissions);
    let named = all.filter(|(_, name)| name.len() <= LONGEST_NAME);
    named
        .take(MOST_RECORDS)
        .map(|(kind, name)| format!("{kind}/{name}"))
        .collect()
}
