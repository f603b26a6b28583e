//! A client as a session record keeps it, so that its will can be published in its name after a restart.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::acl::{Acl, Rule};
use super::client::{Client, ClientParts, TlsInfo};
use crate::codec::ProtocolVersion;

/// What of a client its key does not say.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<Arc<str>>,
    peer: Arc<str>,
    listener: Arc<str>,
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsInfo>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    attrs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acl: Option<Vec<Vec<String>>>,
}

impl Client {
    /// The client for a session record.
    #[must_use]
    pub fn to_stored(&self) -> Bytes {
        let kept = Kept {
            username: self.username.clone(),
            peer: Arc::clone(&self.peer),
            listener: Arc::clone(&self.listener),
            version: self.protocol_version as u8,
            tls: self.tls.as_deref().cloned(),
            attrs: self.attrs().clone(),
            acl: self.acl().map(Acl::written),
        };
        serde_json::to_vec(&kept).unwrap_or_default().into()
    }

    /// The client of a session record. What cannot be read of it is as if it had never been said.
    pub fn from_stored(instance: Arc<str>, client_id: Arc<str>, stored: &[u8]) -> Arc<Self> {
        let kept: Kept = serde_json::from_slice(stored).unwrap_or_default();
        let parts = ClientParts {
            instance,
            client_id,
            username: kept.username,
            peer: kept.peer,
            listener: kept.listener,
            tls: kept.tls.map(Arc::new),
            protocol_version: match kept.version {
                0 => ProtocolVersion::V31,
                2 => ProtocolVersion::V5,
                _ => ProtocolVersion::V311,
            },
        };
        let rules = kept.acl.map(|rules| {
            let parse = |rule: &Vec<String>| match rule.as_slice() {
                [effect, action, filter] => Rule::parse(effect, action, filter).ok(),
                _ => None,
            };
            // Rules that cannot be read must not leave the client with more than it had.
            let parsed: Option<Vec<Rule>> = rules.iter().map(parse).collect();
            Arc::new(Acl::new(parsed.unwrap_or_default()))
        });
        Self::new(parts).renewed(Some(kept.attrs), rules)
    }
}
