//! Settings: plain data, read from a file, the environment and the command line.
//!
//! Each layer covers the one before: defaults, the file, `DUNLIN_SECTION__KEY` variables, `--set section.key=value`. All that is
//! wrong is reported at once, each with its line or the variable's name and what to write.
//!
//! Invariant: no other module reads a file or a variable for a setting, and none has a limit as a constant.

pub mod backends;
mod check;
mod de;
pub mod hooks;
pub mod humane;
mod limits;
mod listeners;
mod load;
mod mqtt;
mod problem;
mod server;
pub mod tls;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use hooks::{HookDefaults, PolicyEntry, WatchSettings};
pub use limits::Limits;
pub use listeners::{ClientAuth, Endpoint, Listener, ListenerConfig, ListenerKind, TlsConfig, TlsIdentity};
pub use mqtt::MqttConfig;
pub use problem::{ConfigError, Problem};
pub use server::{AdminConfig, InstanceConfig, LogConfig, LogFormat, ServerConfig};

/// The configuration that ships with Dunlin: the demo instance. Served when there is no file.
pub const BUILT_IN: &str = include_str!("../../dunlin.toml");

/// The socket of `dunlin ctl`, in the data folder.
const ADMIN_SOCKET: &str = "dunlin.sock";

/// Everything that can be set.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`: shards, data folder, stopping.
    pub server: ServerConfig,
    /// `[listeners.NAME]` as written; [`Config::listeners`] gives those to open.
    pub listeners: BTreeMap<String, ListenerConfig>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[mqtt]`.
    pub mqtt: MqttConfig,
    /// `[instance]`.
    pub instance: InstanceConfig,
    /// `[policy_defaults]`: what holds when no policy decides.
    pub policy_defaults: HookDefaults,
    /// `[policy_watch]`: when new policies are rolled back.
    pub policy_watch: WatchSettings,
    /// `[[policy]]`: the chain, in its order.
    pub policy: Vec<PolicyEntry>,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// Where it was read from.
    #[serde(skip)]
    pub source: Source,
}

/// Says only where it is from: a policy's settings hold secrets, and whoever logs a `Config` means no harm.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// Where a [`Config`] was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: all defaults.
    #[default]
    Defaults,
    /// This file.
    File(PathBuf),
    /// [`BUILT_IN`]. The files that it names need not exist.
    BuiltIn,
}

impl Config {
    /// Reads the file `path`; without one `./dunlin.toml`, or else [`BUILT_IN`]. `env` is searched for `DUNLIN_SECTION__KEY`;
    /// each of `overrides` is `KEY=VALUE`, the key dotted, the value TOML or a bare word. Relative paths in a file are relative
    /// to the file, those from elsewhere to the working directory.
    ///
    /// # Errors
    /// All problems at once, when there is any.
    pub fn load<I, K, V>(path: Option<&Path>, overrides: &[String], env: I) -> Result<Config, ConfigError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let env = env.into_iter().collect::<Vec<_>>();
        let env = env.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        load::load(path, overrides, env).map_err(ConfigError::new)
    }

    /// The socket of `dunlin ctl`, if there is to be one.
    pub fn admin_socket(&self) -> Option<PathBuf> {
        match &self.admin.socket {
            None => Some(self.server.data.join(ADMIN_SOCKET)),
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(path.clone()),
        }
    }

    /// The listeners to open, in the order of their names.
    pub fn listeners(&self) -> Vec<Listener> {
        self.listeners
            .iter()
            .filter_map(|(name, listener)| listener.resolve(name))
            .collect()
    }
}
