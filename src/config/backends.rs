//! Backends that a policy may use: `[policy.http]`, `[policy.redis.NAME]`, `[policy.sql.NAME]`.

use super::humane;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Where `http` may connect, and within which limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Places: `"api.example.com"`, `"api.example.com:8443"`, `"*.example.com"`, `"10.0.0.0/8"`, `"127.0.0.1:*"`. Nothing
    /// listed, nothing allowed. A name leads to public addresses only; others have to be listed as well.
    pub allow: Vec<String>,
    /// How long a request may take, its answer included.
    #[serde(with = "humane::duration")]
    pub timeout: Duration,
    /// How large what is sent may be, in bytes.
    #[serde(with = "humane::size")]
    pub request: usize,
    /// How large an answer may be, in bytes.
    #[serde(with = "humane::size")]
    pub response: usize,
    /// How many redirects are followed; each place has to be allowed.
    pub redirects: usize,
    /// How many requests may be under way at once.
    pub in_flight: usize,
    /// Certificates of authorities to trust besides those of the system, in PEM. Relative to the configuration file.
    pub ca: Option<PathBuf>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            timeout: Duration::from_secs(3),
            request: 1 << 20,
            response: default_response(),
            redirects: 0,
            in_flight: 256,
            ca: None,
        }
    }
}

/// A Redis server.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `"redis://127.0.0.1:6379/0"`; `${NAME}` stands for a variable of the environment.
    pub url: String,
    /// How long a command may take, connecting included.
    #[serde(default = "RedisSettings::default_timeout", with = "humane::duration")]
    pub timeout: Duration,
    /// How many commands may be under way at once.
    #[serde(default = "default_in_flight")]
    pub in_flight: usize,
    /// How large an answer may be, in bytes.
    #[serde(default = "default_response", with = "humane::size")]
    pub response: usize,
    /// The certificates of authorities to trust for `rediss://`, in PEM. Relative to the configuration file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

impl RedisSettings {
    fn default_timeout() -> Duration {
        Duration::from_secs(1)
    }
}

/// A database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlSettings {
    /// `"postgres://..."`, `"mysql://..."` or `"sqlite://file"`; `${NAME}` stands for a variable of the environment.
    pub url: String,
    /// How long a statement may take, connecting included.
    #[serde(default = "SqlSettings::default_timeout", with = "humane::duration")]
    pub timeout: Duration,
    /// How many connections there may be.
    #[serde(default = "SqlSettings::default_pool")]
    pub pool: u32,
    /// How many rows an answer may have.
    #[serde(default = "SqlSettings::default_rows")]
    pub rows: usize,
    /// How large an answer may be, in bytes.
    #[serde(default = "default_response", with = "humane::size")]
    pub response: usize,
    /// The certificates of authorities to trust, in PEM, for a server that must show one. Relative to the configuration
    /// file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How many statements may be under way or wait for a connection.
    #[serde(default = "default_in_flight")]
    pub in_flight: usize,
}

impl SqlSettings {
    fn default_timeout() -> Duration {
        Duration::from_secs(3)
    }

    fn default_pool() -> u32 {
        8
    }

    fn default_rows() -> usize {
        1000
    }
}

fn default_in_flight() -> usize {
    256
}

fn default_response() -> usize {
    1 << 20
}

/// URLs hold passwords: whoever prints settings means no harm.
macro_rules! show_without_url {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("timeout", &self.timeout).finish_non_exhaustive()
            }
        }
    )*};
}

show_without_url!(RedisSettings SqlSettings);
