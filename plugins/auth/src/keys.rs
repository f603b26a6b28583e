//! Access keys: those of the settings, and those of the registry.

use crate::sign::{Signer, equal};
use dunlin_plugin_api::prelude::*;
use hmac::digest::InvalidLength;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// Where a key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the settings: it stays as long as they do.
    Settings,
    /// In the registry: it may change.
    Registry,
}

/// The keys of the settings; a signer for each id.
pub(crate) struct Keys {
    /// Whose keys these are.
    instance: Option<String>,
    known: HashMap<String, Signer>,
    /// Signs for ids that nobody has.
    unknown: Signer,
}

/// Nothing of a secret, for logs.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

/// The longest name that a record can have, in bytes.
pub(crate) const LONGEST_NAME: usize = 512;

/// A record of the registry. Nobody is asked for a name that none can have: a client may come with any.
///
/// # Errors
/// The registry cannot be read.
pub(crate) fn record(host: &Host, instance: &str, kind: &str, name: &str) -> Result<Option<Value>, Refused> {
    match name.len() {
        1..=LONGEST_NAME => host.registry_get(instance, kind, name),
        _ => Ok(None),
    }
}

/// The text of a record's field, unless it is empty.
pub(crate) fn field<'a>(record: Option<&'a Value>, name: &str) -> Option<&'a str> {
    record?.get(name)?.as_str().filter(|text| !text.is_empty())
}

impl Keys {
    /// # Errors
    /// See [`Signer::new`].
    pub(crate) fn new(instance: Option<String>, secrets: &[(String, String)]) -> Result<Self, InvalidLength> {
        let known = secrets
            .iter()
            .map(|(id, secret)| Ok((id.clone(), Signer::new(secret)?)));
        Ok(Self {
            instance,
            known: known.collect::<Result<_, _>>()?,
            unknown: Signer::new("none")?,
        })
    }

    /// Whether they are of this instance.
    pub(crate) fn are_of(&self, instance: &str) -> bool {
        self.instance.as_deref() == Some(instance)
    }

    /// Whether there is a key of this id in the instance, and where.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn find(&self, host: &Host, instance: &str, id: &str) -> Result<Option<Kept>, Refused> {
        let found = record(host, instance, "access_key", id)?;
        let own = self.are_of(instance) && self.known.contains_key(id);
        let kept = field(found.as_ref(), "secret").is_some();
        Ok(match (own, kept) {
            (true, _) => Some(Kept::Settings),
            (false, true) => Some(Kept::Registry),
            (false, false) => None,
        })
    }

    /// Whether `password` is what the key `id` of the instance `named` signs the client's id with, and where that key is kept.
    ///
    /// A key that does not exist takes as long as a wrong signature and gets the same answer: nobody learns which keys there are.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn signed(
        &self,
        host: &Host,
        client: &Client<'_>,
        named: &str,
        id: &str,
        password: &[u8],
    ) -> Result<Option<Kept>, Error> {
        let found = match named == client.instance() {
            true => record(host, named, "access_key", id)?,
            false => None,
        };
        let own = self.known.get(id).filter(|_| self.are_of(named));
        let kept = field(found.as_ref(), "secret").map(Signer::new).transpose()?;
        let (signer, place) = match (own, &kept) {
            (Some(own), _) => (own, Some(Kept::Settings)),
            (None, Some(kept)) => (kept, Some(Kept::Registry)),
            (None, None) => (&self.unknown, None),
        };
        let right = equal(signer.sign(client.client_id()).as_bytes(), password);
        Ok(place.filter(|_| right))
    }
}
