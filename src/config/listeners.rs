//! `[listeners.NAME]`: where Dunlin accepts connections.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::humane;

/// One `[listeners.NAME]` as it was written. [`Config::listeners`](super::Config::listeners) gives what it means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerConfig {
    /// Whether it is opened. Default: true.
    pub enabled: bool,
    /// What it speaks. Default: the listener's own name, which must then be a kind.
    pub kind: Option<ListenerKind>,
    /// IP address and port; port 0 lets the system pick. Every kind but `unix` needs it.
    #[serde(with = "humane::address::optional")]
    pub bind: Option<SocketAddr>,
    /// The socket's path, for `unix` alone. A relative one in a file is relative to the file.
    pub path: Option<PathBuf>,
    /// The socket's rights in octal, for `unix` alone. Default: "0660".
    #[serde(with = "humane::file_mode")]
    pub mode: u32,
    /// The certificate chain (PEM), for `tls` and `wss`. Default: none; Dunlin then signs one itself, for trying out.
    pub cert: Option<PathBuf>,
    /// The private key (PEM) of `cert`.
    pub key: Option<PathBuf>,
    /// The authorities that client certificates are checked against: a file (PEM), or "registered" for those that operators
    /// register with `dunlin ctl ca`.
    pub client_ca: Option<ClientCa>,
    /// Whether clients show a certificate. Default: "none".
    pub client_auth: ClientAuth,
    /// The id of the instance that its clients belong to. Default: none; host or user name say it.
    pub instance: Option<String>,
    /// How many connections this listener holds at once. Default: "unlimited" (`limits.connections` still holds).
    #[serde(with = "humane::limit")]
    pub connections: usize,
    /// How many new connections a second this listener takes. Default: "unlimited" (`limits.connection_rate` still holds).
    #[serde(with = "humane::limit")]
    pub connection_rate: u32,
    /// How many connections the system may hold that are not accepted yet. Default: 4096.
    pub backlog: u32,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            kind: None,
            bind: None,
            path: None,
            mode: 0o660,
            cert: None,
            key: None,
            client_ca: None,
            client_auth: ClientAuth::None,
            instance: None,
            connections: usize::MAX,
            connection_rate: u32::MAX,
            backlog: 4096,
        }
    }
}

impl ListenerConfig {
    /// What the listener called `name` speaks: `kind`, or else the name itself.
    pub fn kind(&self, name: &str) -> Option<ListenerKind> {
        self.kind
            .or_else(|| ListenerKind::ALL.into_iter().find(|kind| kind.as_str() == name))
    }

    /// The listener to open; `None` when it is off or lacks what its kind needs.
    pub(super) fn resolve(&self, name: &str) -> Option<Listener> {
        if !self.enabled {
            return None;
        }
        let kind = self.kind(name)?;
        let endpoint = match kind {
            ListenerKind::Unix => Endpoint::Unix {
                path: self.path.clone()?,
                mode: self.mode,
            },
            _ => Endpoint::Tcp(self.bind?),
        };
        let tls = kind.is_tls().then(|| TlsConfig {
            identity: self
                .cert
                .clone()
                .zip(self.key.clone())
                .map(|(cert, key)| TlsIdentity { cert, key }),
            client_ca: self.client_ca.clone(),
            client_auth: self.client_auth,
        });
        Some(Listener {
            name: name.to_owned(),
            kind,
            endpoint,
            tls,
            instance: self.instance.clone(),
            connections: self.connections,
            connection_rate: self.connection_rate,
            backlog: self.backlog,
        })
    }
}

/// What a listener speaks beneath MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerKind {
    /// MQTT over TCP.
    Tcp,
    /// MQTT over TLS.
    Tls,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket over TLS.
    Wss,
    /// MQTT over a Unix socket.
    Unix,
}

impl ListenerKind {
    /// Every kind.
    pub const ALL: [ListenerKind; 5] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss, Self::Unix];

    /// The word for it in the configuration, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "unix",
        }
    }

    /// Whether TLS is beneath.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether WebSocket is beneath.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// Whether a TLS client shows a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// It is not asked for one.
    #[default]
    None,
    /// It may show one; one that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// Who vouches for client certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum ClientCa {
    /// The authorities of this file (PEM).
    File(PathBuf),
    /// The authorities that are registered and active, in any instance.
    Registered,
}

impl ClientCa {
    /// The word for [`ClientCa::Registered`]. A file of this name is written `./registered`.
    pub const REGISTERED: &str = "registered";

    /// The file, if it is one.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(file) => Some(file),
            Self::Registered => None,
        }
    }
}

impl From<PathBuf> for ClientCa {
    fn from(written: PathBuf) -> Self {
        match written.as_os_str() == Self::REGISTERED {
            true => Self::Registered,
            false => Self::File(written),
        }
    }
}

/// A listener to open, complete and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its name in the configuration, logs and metrics.
    pub name: String,
    /// What it speaks.
    pub kind: ListenerKind,
    /// Where it is bound.
    pub endpoint: Endpoint,
    /// TLS settings, for the kinds that have it.
    pub tls: Option<TlsConfig>,
    /// The id of the instance that its clients belong to.
    pub instance: Option<String>,
    /// How many connections it holds at once; `usize::MAX` is unlimited.
    pub connections: usize,
    /// How many new connections a second it takes; `u32::MAX` is unlimited.
    pub connection_rate: u32,
    /// The length of the system's queue of connections not accepted yet.
    pub backlog: u32,
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate and key; `None`: Dunlin signs a certificate itself, and says so.
    pub identity: Option<TlsIdentity>,
    /// The authorities for client certificates; they are there whenever `client_auth` is not `None`.
    pub client_ca: Option<ClientCa>,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
}

/// The server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}
