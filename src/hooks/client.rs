//! Who a hook is asked about.

use super::acl::Acl;
use super::verdict::Grant;
use crate::codec::ProtocolVersion;
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Separates a group from a device in a client id: `GID_fleet@@@truck-7`.
const GROUP_SEPARATOR: &str = "@@@";

/// What every hook may know of a client: `ctx` in a policy.
///
/// It does not change while the connection lasts, which is what lets an answer be cached beside the connection. The
/// attributes that authentication grants make a new one: [`Client::with_attrs`].
#[derive(Debug)]
pub struct Client {
    serial: u64,
    /// The instance (tenant) it belongs to.
    pub instance: Arc<str>,
    /// Its client id.
    pub client_id: Arc<str>,
    /// The user name of its CONNECT, if it gave one.
    pub username: Option<Arc<str>>,
    /// Where it connects from: `192.0.2.7:51234`, or the path of a Unix socket.
    pub peer: Arc<str>,
    /// The name of the listener that accepted it.
    pub listener: Arc<str>,
    /// What TLS told of it; `None` without TLS.
    pub tls: Option<Arc<TlsInfo>>,
    /// The MQTT version it speaks.
    pub protocol_version: ProtocolVersion,
    attrs: Map<String, Value>,
    /// The attributes as JSON, made when a compiled plugin is first asked.
    attrs_text: OnceLock<Box<str>>,
    acl: Option<Arc<Acl>>,
}

/// What TLS told of a client: its certificate, if it showed one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TlsInfo {
    /// The subject's common name.
    pub cn: Option<String>,
    /// The subject's alternative names.
    pub san: Vec<String>,
    /// The serial number, in hex.
    pub serial: Option<String>,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: Option<String>,
    /// The serial number of the authority that is registered in the client's instance and has signed the certificate, in hex.
    pub ca_serial: Option<String>,
    /// From when on the certificate is valid, in seconds since 1970.
    pub valid_from: Option<i64>,
    /// Until when.
    pub valid_until: Option<i64>,
}

/// The parts of a [`Client`] that are known before authentication.
#[derive(Debug, Clone)]
pub struct ClientParts {
    /// See [`Client::instance`].
    pub instance: Arc<str>,
    /// See [`Client::client_id`].
    pub client_id: Arc<str>,
    /// See [`Client::username`].
    pub username: Option<Arc<str>>,
    /// See [`Client::peer`].
    pub peer: Arc<str>,
    /// See [`Client::listener`].
    pub listener: Arc<str>,
    /// See [`Client::tls`].
    pub tls: Option<Arc<TlsInfo>>,
    /// See [`Client::protocol_version`].
    pub protocol_version: ProtocolVersion,
}

impl Client {
    /// A client that has not been authenticated: it has no attributes yet.
    pub fn new(parts: ClientParts) -> Arc<Self> {
        Arc::new(Self::build(parts, Map::new(), None))
    }

    /// The same client with the attributes that authentication granted; a new `ctx` to every policy.
    pub fn with_attrs(&self, attrs: Map<String, Value>) -> Arc<Self> {
        self.rebuilt(attrs, self.acl.clone())
    }

    /// The same client with what authentication granted: attributes, and rights of its own.
    pub fn granted(self: &Arc<Self>, grant: &Grant) -> Arc<Self> {
        if grant.attrs.is_empty() && self.attrs.is_empty() && grant.acl.is_none() && self.acl.is_none() {
            return self.clone();
        }
        self.rebuilt(grant.attrs.clone(), grant.acl.clone())
    }

    /// The same client with new attributes, new rules of its own, or both.
    pub fn renewed(&self, attrs: Option<Map<String, Value>>, acl: Option<Arc<Acl>>) -> Arc<Self> {
        let attrs = attrs.unwrap_or_else(|| self.attrs.clone());
        self.rebuilt(attrs, acl.or_else(|| self.acl.clone()))
    }

    /// The same client as one of another instance; a new `ctx` to every policy.
    pub fn of_instance(&self, instance: Arc<str>) -> Arc<Self> {
        // Which authorities are registered there, nobody has looked up yet.
        let tls = self.tls.as_deref().map(|tls| {
            let ca_serial = None;
            Arc::new(TlsInfo {
                ca_serial,
                ..tls.clone()
            })
        });
        let parts = ClientParts {
            instance,
            tls,
            ..self.parts()
        };
        Arc::new(Self::build(parts, self.attrs.clone(), self.acl.clone()))
    }

    fn rebuilt(&self, attrs: Map<String, Value>, acl: Option<Arc<Acl>>) -> Arc<Self> {
        Arc::new(Self::build(self.parts(), attrs, acl))
    }

    fn parts(&self) -> ClientParts {
        ClientParts {
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            username: self.username.clone(),
            peer: self.peer.clone(),
            listener: self.listener.clone(),
            tls: self.tls.clone(),
            protocol_version: self.protocol_version,
        }
    }

    fn build(parts: ClientParts, attrs: Map<String, Value>, acl: Option<Arc<Acl>>) -> Self {
        // Tells clients apart for the caches of `ctx`; a u64 does not come round.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let ClientParts {
            instance,
            client_id,
            username,
            peer,
            listener,
            tls,
            protocol_version,
        } = parts;
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            serial,
            instance,
            client_id,
            username,
            peer,
            listener,
            tls,
            protocol_version,
            attrs,
            attrs_text: OnceLock::new(),
            acl,
        }
    }

    /// A number that no other `Client` of this process has.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// What authentication said of it.
    pub fn attrs(&self) -> &Map<String, Value> {
        &self.attrs
    }

    /// The same as the text of a JSON object; `None` when there are none.
    #[inline]
    pub(crate) fn attrs_text(&self) -> Option<&str> {
        if self.attrs.is_empty() {
            return None;
        }
        let text = || serde_json::to_string(&self.attrs).unwrap_or_default().into();
        Some(self.attrs_text.get_or_init(text))
    }

    /// Whether its login brought rights of its own.
    #[inline]
    pub fn has_rights(&self) -> bool {
        self.acl.is_some()
    }

    /// The rules that came with its login.
    #[inline]
    pub(crate) fn acl(&self) -> Option<&Acl> {
        self.acl.as_deref()
    }

    /// Group and device in its client id: what stands before and after `@@@`, if that occurs.
    #[inline]
    pub(crate) fn group(&self) -> Option<(&str, &str)> {
        let id = &*self.client_id;
        // Every call of a plugin asks this: `split_once` prepares a search that costs more than the search.
        let begins = |at: &usize| {
            id.get(*at..)
                .is_some_and(|rest| rest.starts_with(GROUP_SEPARATOR))
        };
        let at = memchr::memchr_iter(b'@', id.as_bytes()).find(begins)?;
        Some((id.get(..at)?, id.get(at + GROUP_SEPARATOR.len()..)?))
    }

    /// The group in its client id.
    pub fn group_id(&self) -> Option<&str> {
        self.group().map(|(group, _)| group)
    }

    /// The device in its client id.
    pub fn device_id(&self) -> Option<&str> {
        self.group().map(|(_, device)| device)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A client for tests, by its client id.
    pub(crate) fn client(client_id: &str) -> Arc<Client> {
        Client::new(ClientParts {
            instance: "mqtt-demo".into(),
            client_id: client_id.into(),
            username: Some("Signature|AK|mqtt-demo".into()),
            peer: "192.0.2.7:51234".into(),
            listener: "tcp".into(),
            tls: None,
            protocol_version: ProtocolVersion::V5,
        })
    }

    #[test]
    fn a_client_id_splits_at_its_first_separator() {
        let split = |id: &str| {
            let client = client(id);
            (
                client.group_id().map(String::from),
                client.device_id().map(String::from),
            )
        };
        assert_eq!(
            split("GID_a@@@b@@@c"),
            (Some("GID_a".into()), Some("b@@@c".into()))
        );
        assert_eq!(split("plain"), (None, None));
        assert_eq!(split("é@b@@@@"), (Some("é@b".into()), Some("@".into())));
        assert_eq!(split("a@@"), (None, None));
        assert_eq!(split("@@@"), (Some("".into()), Some("".into())));
    }

    #[test]
    fn attributes_make_a_new_client() {
        let before = client("a");
        let attrs = serde_json::json!({"role": "meter"}).as_object().unwrap().clone();
        let after = before.with_attrs(attrs);
        assert_eq!(after.attrs()["role"], "meter");
        assert!(before.attrs().is_empty() && before.serial() != after.serial());
    }
}
