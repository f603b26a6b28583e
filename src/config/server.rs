//! The process itself: `[server]`, `[endpoints]`, `[admin]`, `[log]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::humane;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Shards, each one thread. Default: 0, which is one for each CPU that the process may use (affinity mask and cgroup).
    pub shards: usize,
    /// Whether each shard stays on one CPU. Default: false.
    pub pin: bool,
    /// The folder for everything that outlives the process. Default: "data", beside the configuration file.
    pub data: PathBuf,
    /// How long a stop waits for clients to be told and queues to be flushed. Default: "10s".
    #[serde(with = "humane::duration")]
    pub drain_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            pin: false,
            data: PathBuf::from("data"),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl ServerConfig {
    /// How many shards to run: `shards`, or what the process may use. `available_parallelism` of the standard library counts
    /// the affinity mask and the cgroup's quota.
    pub fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            shards => shards,
        }
    }
}

/// `[endpoints]`: the host names under which instances are reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointsConfig {
    /// An instance's public endpoint is `ID.DOMAIN`, its internal one `ID-internal-vpc.DOMAIN`. Default: "mqtt.localhost",
    /// which every machine takes for itself.
    pub domain: String,
    /// Host names of the broker that name no instance. Default: "localhost". IP addresses never name one.
    pub hosts: Vec<String>,
    /// What becomes of a client that asks for a host name (TLS server name, WebSocket host) that nobody has: "refuse", or
    /// "ignore". Default: "refuse".
    pub unknown_host: UnknownHost,
}

impl Default for EndpointsConfig {
    fn default() -> Self {
        Self {
            domain: "mqtt.localhost".to_owned(),
            hosts: vec!["localhost".to_owned()],
            unknown_host: UnknownHost::Refuse,
        }
    }
}

/// See [`EndpointsConfig::unknown_host`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownHost {
    /// It is refused.
    Refuse,
    /// It is taken for a host name that names no instance.
    Ignore,
}

/// `[admin]`: metrics and health over HTTP, and the socket of `dunlin ctl`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Whether the port for metrics and health is opened. Default: true.
    pub enabled: bool,
    /// IP address and port. Default: "127.0.0.1:9883".
    #[serde(with = "humane::address")]
    pub bind: SocketAddr,
    /// Whether `bind` may be an address that other machines reach: nothing asks them who they are. Default: false.
    pub allow_remote: bool,
    /// The Unix socket that `dunlin ctl` speaks to. A relative one in a file is relative to the file; "none" is none at all.
    /// Default: "dunlin.sock" in `server.data`.
    pub socket: Option<PathBuf>,
    /// Connections at once, of the port and of the socket each; more wait. Default: 32.
    #[serde(with = "humane::limit")]
    pub connections: usize,
    /// How long a client may take over a request and its answer. Default: "10s".
    #[serde(with = "humane::duration")]
    pub request_timeout: Duration,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 9883)),
            allow_remote: false,
            socket: None,
            connections: 32,
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What is logged: "error", "warn", "info", "debug", "trace" or "off", also per module: "info,dunlin::hooks=debug".
    /// Default: "info".
    pub level: String,
    /// How it is written. Default: "text".
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
