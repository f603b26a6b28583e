//! Credentials: what operators give to devices and programs so that they can say who they are, and what they take back.
//!
//! They are records of the registry. This module says which kinds there are and what their fields are called, makes ids and
//! secrets, and issues tokens. Who a client is, policies find out, by the same records: `registry.get(instance, kind, name)`.
//!
//! | kind | name | fields |
//! | --- | --- | --- |
//! | `access_key` | AccessKeyId | `secret`, `created` |
//! | `device_credential` | client id | `access_key_id`, `secret`, `created`, `updated` |
//! | `token_key` | `current` | `secret` (32 bytes in base64), `created` |
//! | `revoked_token` | SHA-256 of the token, in hexadecimal | `expires` |
//! | `identity` | `USER/NAME`, `CLIENT/NAME/CLIENT_ID` | `type`, `username`, `client_id`, `sign_mode`, `secret` |
//! | `permission` | `TYPE/IDENTITY/FILTER` | `type`, `identity`, `topic`, `effect`, `action` |
//! | `black_list` | client id | `created` |
//! | `ca_register_code` | `current` | `code`, `created` |
//! | `ca_certificate` | serial number | `name`, `pem`, `fingerprint`, `verification_pem`, `status`, `valid_begin`, `valid_end`, `registration_code`, `created` |
//! | `device_certificate` | `CA/SERIAL` | `pem`, `name`, `status`, `valid_begin`, `valid_end`, `created` |
//!
//! Times are milliseconds since 1970; those of certificates are texts. Serial numbers are as `openssl x509 -serial` prints them, and
//! `status` is `"1"` for active and `"0"` for inactive, as the product has it.
//!
//! *Invariant*: nothing outside of `hooks` knows what a credential looks like, and `Debug` shows no secret.

mod access_keys;
mod authorities;
mod black_list;
mod certificates;
mod devices;
mod forms;
mod identities;
mod permissions;
mod secret;
mod tokens;
mod x509;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use access_keys::Key;
pub use authorities::{CaCertificate, registered, trusted};
pub use black_list::BlackListed;
pub use certificates::{DeviceCertificate, NewCertificate, Status, chain_serial, is_new, rests_on};
pub use devices::Device;
pub use identities::{Identity, IdentityKey, IdentityType, SignMode};
pub use permissions::{Effect, Permission, PermissionKey, PermitAction};
pub use secret::Secret;
pub use tokens::{Token, TokenRequest, forget_expired};

use crate::store::registry::{Expect, Record, RecordKey, Registry, RegistryError};
use crate::time::Millis;

/// Kinds of records.
pub mod kind {
    /// A key of a program or of all devices.
    pub const ACCESS_KEY: &str = "access_key";
    /// The key of one device.
    pub const DEVICE_CREDENTIAL: &str = "device_credential";
    /// What tokens are signed with.
    pub const TOKEN_KEY: &str = "token_key";
    /// A token that does not hold any more.
    pub const REVOKED_TOKEN: &str = "revoked_token";
    /// A user name, or a user name with a client id, and its password.
    pub const IDENTITY: &str = "identity";
    /// What an identity may do.
    pub const PERMISSION: &str = "permission";
    /// A client that may not connect.
    pub const BLACK_LIST: &str = "black_list";
    /// What the certificate has to say by which an authority is registered.
    pub const CA_REGISTER_CODE: &str = "ca_register_code";
    /// The certificate of an authority that vouches for devices.
    pub const CA_CERTIFICATE: &str = "ca_certificate";
    /// The certificate of a device.
    pub const DEVICE_CERTIFICATE: &str = "device_certificate";
}

/// Why something was not done: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// What was asked makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// There is nothing of that name.
    #[error("{0}")]
    Missing(String),
    /// There is such a thing already.
    #[error("{0}")]
    Exists(String),
    /// It could not be written.
    #[error("{0}")]
    Failed(String),
}

type Done<T> = Result<T, CredentialError>;

/// Which of a kind to list, in the order of their names.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// The beginning of their names.
    pub prefix: &'a str,
    /// Only those behind this name.
    pub after: Option<&'a str>,
    /// How many at most.
    pub most: usize,
    /// With their secrets.
    pub secrets: bool,
}

/// Some of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// They.
    pub rows: Vec<T>,
    /// Behind which name the next ones are; left out at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same of what each is made into.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(make).collect(),
            next: self.next,
        }
    }
}

/// The credentials of one instance.
#[derive(Clone, Copy)]
pub struct Credentials<'r> {
    registry: &'r Registry,
    instance: &'r str,
    now: Millis,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials of {}", self.instance)
    }
}

impl<'r> Credentials<'r> {
    /// Those of `instance`, as they are `now`.
    #[must_use]
    pub fn of(registry: &'r Registry, instance: &'r str, now: Millis) -> Self {
        Self {
            registry,
            instance,
            now,
        }
    }

    /// How many there are of each kind that operators see.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, usize); 7] {
        [
            ("keys", kind::ACCESS_KEY),
            ("credentials", kind::DEVICE_CREDENTIAL),
            ("identities", kind::IDENTITY),
            ("permissions", kind::PERMISSION),
            ("blacklisted", kind::BLACK_LIST),
            ("authorities", kind::CA_CERTIFICATE),
            ("certificates", kind::DEVICE_CERTIFICATE),
        ]
        .map(|(called, kind)| (called, self.registry.count(self.instance, kind)))
    }

    fn key(&self, kind: &str, name: &str) -> RecordKey {
        RecordKey::new(self.instance, kind, name)
    }

    /// Writes a record. `there` is the sentence for a record that is there and should not be, or the other way round.
    async fn put(
        &self,
        kind: &str,
        name: &str,
        value: Map<String, Value>,
        expect: Expect,
        there: &str,
    ) -> Done<()> {
        let written = self.registry.put(self.key(kind, name), value, expect).await;
        written.map_err(|error| match error {
            RegistryError::Exists(_) => CredentialError::Exists(there.to_owned()),
            RegistryError::Absent(_) => CredentialError::Missing(there.to_owned()),
            error => failed(&error),
        })
    }

    async fn remove(&self, kind: &str, name: &str, missing: impl FnOnce() -> String) -> Done<()> {
        let removed = self.registry.remove(self.key(kind, name)).await;
        removed.map_err(|error| match error {
            RegistryError::Absent(_) => CredentialError::Missing(missing()),
            error => failed(&error),
        })
    }

    /// Some records of a kind, as `read` makes them; what it cannot read is left out.
    fn page<T>(&self, kind: &str, which: &Which<'_>, read: impl Fn(&str, &Record) -> Option<T>) -> Page<T> {
        let most = which.most.max(1);
        // No name is empty, so behind nothing is the beginning.
        let after = which.after.unwrap_or_default().max(which.prefix);
        let after = Some(after).filter(|after| !after.is_empty());
        let mut found = self
            .registry
            .list(self.instance, kind, after, most.saturating_add(1));
        found.retain(|(name, _)| name.starts_with(which.prefix));
        let more = found.len() > most;
        found.truncate(most);
        let last = found.last().map(|(name, _)| name.to_string());
        Page {
            rows: found
                .iter()
                .filter_map(|(name, record)| read(name, record))
                .collect(),
            next: last.filter(|_| more),
        }
    }
}

fn failed(error: &RegistryError) -> CredentialError {
    CredentialError::Failed(format!("nothing was changed: {error}"))
}

fn wrong(what: impl Into<String>) -> CredentialError {
    CredentialError::Wrong(what.into())
}

/// A record of these fields.
fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    fields.collect()
}

/// A structure as a record.
fn record_of(from: &impl Serialize) -> Done<Map<String, Value>> {
    match serde_json::to_value(from) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(CredentialError::Failed(
            "it cannot be written as a record".to_owned(),
        )),
    }
}

/// A record as a structure.
fn read_as<T: for<'de> Deserialize<'de>>(record: &Record) -> Option<T> {
    serde_json::from_value(Value::Object(record.value.clone())).ok()
}

/// A text that somebody typed, as a sentence shows it.
fn quoted(text: &str) -> String {
    format!("`{}`", text.as_bytes().escape_ascii())
}
