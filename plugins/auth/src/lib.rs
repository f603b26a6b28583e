//! Signature credentials: a client signs its client id with a secret that it shares with the broker.
//!
//! ```text
//! user name   Signature|<AccessKeyId>|<InstanceId>
//! password    base64(HMAC-SHA1(AccessKeySecret, client id))
//! ```
//!
//! ```toml
//! [[policy]]
//! name = "auth"
//! plugin = "libauth.so"
//! settings.instance = "mqtt-demo"             # the instance that clients of this broker name
//! settings.keys = { demo = "demo-secret" }    # access key ids and their secrets
//! ```
//!
//! It is `scripts/auth.lua`, compiled: `tests/policy/auth_cases.json` holds both to the same answers, reasons and refusals.

mod keys;
mod settings;
#[cfg(test)]
mod tests;

use dunlin_plugin_api::prelude::*;
use keys::Keys;
use serde_json::{Value, json};

const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
const NOT_AUTHORIZED: u8 = 0x87;

/// The plugin.
#[derive(Debug)]
pub struct Auth {
    instance: String,
    keys: Keys,
}

fn deny(code: u8, reason: &str) -> Login {
    Login::Deny {
        code: Some(code),
        reason: reason.to_owned(),
    }
}

impl Auth {
    fn decide(&self, client_id: &str, username: Option<&str>, password: Option<&[u8]>) -> Login {
        let Some(rest) = username.and_then(|name| name.strip_prefix("Signature|")) else {
            return Login::Next; // not ours; perhaps another policy knows it
        };
        let Some((key, instance)) = rest.split_once('|').filter(|(_, last)| !last.contains('|')) else {
            return deny(
                BAD_USER_NAME_OR_PASSWORD,
                "the user name is not Signature|<AccessKeyId>|<InstanceId>",
            );
        };
        if instance != self.instance {
            return deny(NOT_AUTHORIZED, "no such instance");
        }
        if !self.keys.signed(key, client_id, password.unwrap_or_default()) {
            return deny(BAD_USER_NAME_OR_PASSWORD, "the signature is wrong");
        }
        Login::Allow(Grant {
            attrs: json!({ "access_key": key }),
            ..Grant::default()
        })
    }
}

impl Plugin for Auth {
    // By hand: the sentences for wrong settings are those of the script.
    type Settings = Value;
    const HOOKS: &'static [Hook] = &[Hook::Authenticate];

    fn create(_host: Host, setup: Setup<Value>) -> Result<Self, Error> {
        let (instance, secrets) = settings::read(&setup.settings)?;
        let keys = Keys::new(&secrets)?;
        Ok(Self { instance, keys })
    }

    fn authenticate(&self, event: &Authenticate<'_>, _: &Later<'_, Login>) -> Answer<Login> {
        self.decide(event.client.client_id(), event.username, event.password)
            .into()
    }
}

export_plugin!(Auth);
