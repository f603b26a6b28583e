//! Clients to test with.

use super::super::answers::ConnectWill;
use crate::abi::{Context, OptInt, Prefixed, Slice, SliceList, Tls};

/// A client. It speaks MQTT 5 and comes from 192.0.2.1; its methods say otherwise.
#[derive(Debug, Clone)]
pub struct MockClient {
    client_id: String,
    username: Option<String>,
    group: Option<(String, String)>,
    instance: String,
    peer: String,
    listener: String,
    protocol_version: u32,
    attrs: Option<String>,
    tls: Option<MockTls>,
}

/// The certificate of a client.
#[derive(Debug, Clone, Default)]
struct MockTls {
    cn: String,
    san: Vec<String>,
    serial: String,
    fingerprint: String,
    ca_serial: Option<String>,
    valid_until: Option<i64>,
}

impl MockClient {
    /// A client with this client id.
    #[must_use]
    pub fn new(client_id: &str) -> Self {
        let group = client_id
            .split_once("@@@")
            .map(|(group, device)| (group.to_owned(), device.to_owned()));
        Self {
            client_id: client_id.to_owned(),
            username: None,
            group,
            instance: "default".to_owned(),
            peer: "192.0.2.1:50000".to_owned(),
            listener: "mqtt".to_owned(),
            protocol_version: 5,
            attrs: None,
            tls: None,
        }
    }

    /// With this user name.
    #[must_use]
    pub fn username(mut self, username: &str) -> Self {
        self.username = Some(username.to_owned());
        self
    }

    /// In this instance.
    #[must_use]
    pub fn instance(mut self, instance: &str) -> Self {
        instance.clone_into(&mut self.instance);
        self
    }

    /// From there.
    #[must_use]
    pub fn peer(mut self, peer: &str) -> Self {
        peer.clone_into(&mut self.peer);
        self
    }

    /// Through this listener.
    #[must_use]
    pub fn listener(mut self, listener: &str) -> Self {
        listener.clone_into(&mut self.listener);
        self
    }

    /// 3 (MQTT 3.1), 4 (3.1.1) or 5.
    #[must_use]
    pub fn protocol_version(mut self, version: u32) -> Self {
        self.protocol_version = version;
        self
    }

    /// With what `authenticate` granted: a JSON object.
    #[must_use]
    pub fn attrs(mut self, attrs: &serde_json::Value) -> Self {
        self.attrs = Some(attrs.to_string());
        self
    }

    /// With a certificate: its common name, alternative names, and fingerprint.
    #[must_use]
    pub fn certificate(mut self, cn: &str, san: &[&str], fingerprint: &str) -> Self {
        let san = san.iter().map(|name| (*name).to_owned()).collect();
        self.tls = Some(MockTls {
            cn: cn.to_owned(),
            san,
            serial: "01".to_owned(),
            fingerprint: fingerprint.to_owned(),
            ..MockTls::default()
        });
        self
    }

    /// With a certificate of this serial number, signed by the authority with that one, which is registered in its instance.
    #[must_use]
    pub fn signed(mut self, serial: &str, ca_serial: &str, valid_until: i64) -> Self {
        let tls = self.tls.take().unwrap_or_default();
        self.tls = Some(MockTls {
            serial: serial.to_owned(),
            ca_serial: Some(ca_serial.to_owned()),
            valid_until: Some(valid_until),
            ..tls
        });
        self
    }

    pub(super) fn with<R>(&self, then: impl FnOnce(*const Context) -> R) -> R {
        let optional = |text: Option<&String>| text.map_or(Slice::NONE, |text| Slice::text(text));
        let names: Vec<Slice> = match &self.tls {
            Some(tls) => tls.san.iter().map(|name| Slice::text(name)).collect(),
            None => Vec::new(),
        };
        let tls = self.tls.as_ref().map(|tls| Tls {
            cn: Slice::text(&tls.cn),
            san: SliceList::of(&names),
            serial: Slice::text(&tls.serial),
            fingerprint: Slice::text(&tls.fingerprint),
            ca_serial: optional(tls.ca_serial.as_ref()),
            valid_until: tls.valid_until.map_or(OptInt::NONE, OptInt::some),
            ..Tls::blank()
        });
        let context = Context {
            protocol_version: self.protocol_version,
            client_id: Slice::text(&self.client_id),
            username: optional(self.username.as_ref()),
            group_id: optional(self.group.as_ref().map(|(group, _)| group)),
            device_id: optional(self.group.as_ref().map(|(_, device)| device)),
            instance: Slice::text(&self.instance),
            peer: Slice::text(&self.peer),
            listener: Slice::text(&self.listener),
            tls: tls.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            attrs: optional(self.attrs.as_ref()),
            ..Context::blank()
        };
        then(&raw const context)
    }
}

/// What a CONNECT asks for.
#[derive(Debug, Clone, Default)]
pub struct MockConnect {
    /// The client id; empty when the broker is to choose one.
    pub client_id: String,
    /// The user name.
    pub username: Option<String>,
    /// Clean Start.
    pub clean_start: bool,
    /// Keep Alive, in seconds.
    pub keep_alive: u16,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// Receive Maximum, in messages.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// The will.
    pub will: Option<ConnectWill>,
}
