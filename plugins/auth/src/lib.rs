//! Every credential of the product: signatures, tokens, device credentials, custom authentication.
//!
//! ```text
//! user name                                                      password
//! Signature|<AccessKeyId>|<InstanceId>                           base64(HMAC-SHA1(AccessKeySecret, client id))
//! Token|<AccessKeyId>|<InstanceId>                               R|<token>, W|<token>, RW|<token>, joined with |
//! DeviceCredential|<DeviceAccessKeyId>|<InstanceId>              base64(HMAC-SHA1(DeviceAccessKeySecret, client id))
//! any other without a |                                          the identity's secret, or a signature by it
//! ```
//!
//! ```toml
//! [[policy]]
//! name = "auth"
//! plugin = "libauth.so"
//! settings.keys = "registry"                                 # or, for one instance, keys beside those of the registry:
//! # settings.instance = "mqtt-demo"
//! # settings.keys = { demo = "demo-secret" }
//! # settings.modes = ["Signature", "Token", "DeviceCredential", "Custom"]    # all, if nothing is said
//! # settings.refresh = 10                                    # seconds until a new permission is in force, at most
//! # settings.certificates = { username_required = true }     # off, if nothing is said; see scripts/auth_certificate.lua
//! ```
//!
//! It is `scripts/auth_certificate.lua` if there are `certificates`, `auth.lua`, `auth_token.lua`, `auth_device.lua` and `auth_custom.lua` in this order, compiled: the tables of
//! `tests/policy` hold both to the same answers, reasons, attributes and notices.

mod certificate;
mod custom;
mod device;
mod filter;
mod keys;
mod settings;
mod sign;
#[cfg(test)]
mod tests;
mod token;
mod username;

use certificate::Certificates;
use dunlin_plugin_api::prelude::*;
use keys::{Kept, Keys};
use serde_json::{Value, json};
use token::Wish;
use username::{Mode, Named};

const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
const NOT_AUTHORIZED: u8 = 0x87;

/// The plugin.
#[derive(Debug)]
pub struct Auth {
    host: Host,
    modes: Vec<Mode>,
    keys: Keys,
    refresh: f64,
    salt: Salt,
    certificates: Option<Certificates>,
}

/// What proofs of identities are made with: random, and the same for as long as there are clients that have such a proof.
struct Salt(String);

/// Nothing of it, for logs.
impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

fn deny(code: u8, reason: &str) -> Login {
    Login::Deny {
        code: Some(code),
        reason: reason.to_owned(),
    }
}

/// An answer, or the failure of the hook.
fn answer<T>(answer: Result<T, Error>) -> Answer<T> {
    answer.map_or_else(Answer::failed, Answer::Now)
}

impl Salt {
    /// That of the version before, or a new one.
    fn of(previous: Option<&State>, host: &Host) -> Result<Self, Error> {
        let before = previous.filter(|state| state.version == 0);
        let before = before.and_then(|state| serde_json::from_slice::<Value>(&state.bytes).ok());
        if let Some(salt) = keys::field(before.as_ref(), "salt") {
            return Ok(Self(salt.to_owned()));
        }
        let mut bytes = [0; 32];
        host.random(&mut bytes)?;
        Ok(Self(sign::hex(&bytes)))
    }
}

impl Auth {
    fn decide(&self, client: &Client<'_>, username: &str, password: &[u8]) -> Result<Login, Error> {
        for mode in &self.modes {
            if *mode == Mode::Custom && !username.contains('|') {
                return self.custom().decide(client, username, password);
            }
            let Some(rest) = mode.rest(username).filter(|_| *mode != Mode::Custom) else {
                continue;
            };
            let Some(named) = Named::parse(rest) else {
                return Ok(deny(BAD_USER_NAME_OR_PASSWORD, mode.form()));
            };
            return match mode {
                Mode::Token => self.tokens().decide(client, &named, password),
                Mode::Device => device::decide(&self.host, client, &named, password),
                _ => self.signature(client, &named, password),
            };
        }
        Ok(Login::Next) // not ours; perhaps another policy knows it
    }

    fn signature(&self, client: &Client<'_>, named: &Named<'_>, password: &[u8]) -> Result<Login, Error> {
        if !self.keys.are_of(named.instance) && named.instance != client.instance() {
            return Ok(deny(NOT_AUTHORIZED, "no such instance"));
        }
        let signed = self
            .keys
            .signed(&self.host, client, named.instance, named.key, password)?;
        let Some(kept) = signed else {
            return Ok(deny(BAD_USER_NAME_OR_PASSWORD, "the signature is wrong"));
        };
        let record = (kept == Kept::Registry).then(|| format!("access_key/{}", named.key));
        Ok(Login::Allow(Grant {
            attrs: json!({ "access_key": named.key }),
            depends: record.into_iter().collect(),
            ..Grant::default()
        }))
    }

    fn tokens(&self) -> token::Desk<'_> {
        token::Desk {
            host: &self.host,
            keys: &self.keys,
        }
    }

    fn custom(&self) -> custom::Desk<'_> {
        custom::Desk {
            host: &self.host,
            salt: &self.salt.0,
            refresh: self.refresh,
        }
    }
}

impl Plugin for Auth {
    // By hand: the sentences for wrong settings are those of the scripts.
    type Settings = Value;
    const HOOKS: &'static [Hook] = &[
        Hook::Connect,
        Hook::Authenticate,
        Hook::Expiring,
        Hook::Control,
        Hook::AuthorizePublish,
        Hook::AuthorizeSubscribe,
    ];
    const OWNS: &'static [&'static str] = &[token::UPLOAD];
    // New tokens make a new client of it, for which nothing is kept.
    const CACHE: &'static [Cache] = &[
        Cache {
            hook: Hook::AuthorizePublish,
            ttl: 60,
            by: &["topic"],
        },
        Cache {
            hook: Hook::AuthorizeSubscribe,
            ttl: 60,
            by: &["filter"],
        },
    ];

    fn create(host: Host, setup: Setup<Value>) -> Result<Self, Error> {
        let settings = settings::read(&setup.settings)?;
        Ok(Self {
            modes: settings.modes,
            keys: Keys::new(settings.instance, &settings.keys)?,
            refresh: settings.refresh,
            certificates: settings.certificates,
            salt: Salt::of(setup.previous.as_ref(), &host)?,
            host,
        })
    }

    fn export_state(&self) -> Option<State> {
        let salt = json!({ "salt": self.salt.0 });
        Some(State {
            version: 0,
            bytes: salt.to_string().into_bytes(),
        })
    }

    /// The third part of the user name says which instance the client is of.
    fn connect(&self, event: &Connect<'_>, _: &Later<'_, Connecting>) -> Answer<Connecting> {
        let username = event.connect.username.unwrap_or_default();
        let instance = self.modes.iter().find_map(|mode| mode.instance(username));
        match instance {
            None => Connecting::Pass.into(),
            Some(instance) => Connecting::Patch(ConnectPatch {
                instance: Some(instance.to_owned()),
                ..ConnectPatch::default()
            })
            .into(),
        }
    }

    fn authenticate(&self, event: &Authenticate<'_>, _: &Later<'_, Login>) -> Answer<Login> {
        let by_certificate = self.certificates.map(|all| all.decide(&self.host, &event.client));
        match (by_certificate.transpose().map(Option::flatten), event.username) {
            (Err(error), _) => Answer::failed(error),
            (Ok(Some(decided)), _) => decided.into(),
            (Ok(None), None) => Login::Next.into(),
            (Ok(None), Some(username)) => {
                answer(self.decide(&event.client, username, event.password.unwrap_or_default()))
            }
        }
    }

    fn expiring(&self, event: &Expiring<'_>, _: &Later<'_, Controlling>) -> Answer<Controlling> {
        if let Some(certificates) = self.certificates {
            match certificates.expiring(&self.host, event) {
                Ok(Controlling::Pass) => {}
                said => return answer(said),
            }
        }
        match self.tokens().expiring(event) {
            Ok(Controlling::Pass) => answer(self.custom().expiring(event)),
            said => answer(said),
        }
    }

    fn control(&self, event: &Control<'_>, _: &Later<'_, Controlling>) -> Answer<Controlling> {
        answer(self.tokens().control(event))
    }

    fn authorize_publish(&self, event: &AuthorizePublish<'_>, _: &Later<'_, Access>) -> Answer<Access> {
        self.tokens()
            .ask(&event.client, Wish::Publish(event.topic))
            .into()
    }

    fn authorize_subscribe(&self, event: &AuthorizeSubscribe<'_>, _: &Later<'_, Access>) -> Answer<Access> {
        self.tokens()
            .ask(&event.client, Wish::Subscribe(event.filter))
            .into()
    }
}

export_plugin!(Auth);
