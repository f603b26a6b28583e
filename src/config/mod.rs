//! Settings: plain data, read from a file, the environment and the command line.
//!
//! Each layer covers the one before: defaults, the file, `DUNLIN_SECTION__KEY` variables, `--set section.key=value`. All that is
//! wrong is reported at once, each with its line or the variable's name and what to write.
//!
//! Invariant: no other module reads a file or a variable for a setting, and none has a limit as a constant.

pub mod backends;
mod check;
mod de;
mod differences;
pub mod hooks;
pub mod humane;
mod instance;
mod limits;
mod listeners;
mod load;
mod mqtt;
mod problem;
mod product;
mod server;
mod store;
mod terms;
pub mod tls;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use differences::{Difference, SetBy};
pub use hooks::{HookDefaults, PolicyEntry, WatchSettings};
pub use instance::{Edition, InstanceConfig};
pub use limits::Limits;
pub use listeners::{
    ClientAuth, ClientCa, Endpoint, Listener, ListenerConfig, ListenerKind, TlsConfig, TlsIdentity,
};
pub use mqtt::MqttConfig;
pub use problem::{ConfigError, Problem};
pub use product::{
    Characters, ClientIds, Duplicate, Lifetime, OnExcess, OnRefusal, ParentTopics, ProductConfig,
};
pub use server::{AdminConfig, EndpointsConfig, LogConfig, LogFormat, ServerConfig, UnknownHost};
pub use store::{Engine, FsyncPolicy, StoreConfig};
pub use terms::Terms;

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
    /// `[store]`: sessions, offline and retained messages.
    pub store: StoreConfig,
    /// `[listeners.NAME]` as written; [`Config::listeners`] gives those to open.
    pub listeners: BTreeMap<String, ListenerConfig>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[mqtt]`.
    pub mqtt: MqttConfig,
    /// `[product]`.
    pub product: ProductConfig,
    /// `[instance]`: the one that clients reach who name none.
    pub instance: InstanceConfig,
    /// `[instances.ID]`: others.
    pub instances: BTreeMap<String, InstanceConfig>,
    /// `[endpoints]`: the names under which instances are reached.
    pub endpoints: EndpointsConfig,
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
    /// How it was read, to read it again.
    #[serde(skip)]
    layers: Layers,
    /// The sections that instances have settings of their own for.
    #[serde(skip)]
    sections: terms::Written,
    /// Every setting outside of the chain as it was written, by its name: what another reading can be compared by.
    #[serde(skip)]
    written: BTreeMap<String, String>,
}

/// What a configuration is made of besides its file.
#[derive(Clone, Default)]
struct Layers {
    overrides: Vec<String>,
    env: Vec<(OsString, OsString)>,
}

impl Layers {
    fn of<I, K, V>(overrides: &[String], env: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let own = |(name, value): (K, V)| (name.as_ref().to_owned(), value.as_ref().to_owned());
        Self {
            overrides: overrides.to_vec(),
            env: env.into_iter().map(own).collect(),
        }
    }
}

/// A setting that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name, such as `limits.packet_size`.
    pub name: String,
    /// What it was, as written; `None` when it was not written.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
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
        load::load(path, Layers::of(overrides, env)).map_err(ConfigError::new)
    }

    /// The same for who needs two settings of it and not the rest: what is wrong has its default.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn load_leniently<I, K, V>(
        path: Option<&Path>,
        overrides: &[String],
        env: I,
    ) -> Result<Config, ConfigError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let read = load::assemble(path, Layers::of(overrides, env));
        read.map(|(config, _)| config).map_err(ConfigError::new)
    }

    /// Reads the same file again, under the same environment and overrides; `None` when there is no file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn again(&self) -> Option<Result<Config, ConfigError>> {
        let Source::File(file) = &self.source else {
            return None;
        };
        Some(load::load(Some(file), self.layers.clone()).map_err(ConfigError::new))
    }

    /// The settings outside of the chain (`policy`, `policy_defaults`) in which `newer` differs.
    pub fn changes(&self, newer: &Config) -> Vec<Changed> {
        let names: BTreeSet<&String> = self.written.keys().chain(newer.written.keys()).collect();
        let changed = names.into_iter().map(|name| Changed {
            name: name.clone(),
            old: self.written.get(name).cloned(),
            new: newer.written.get(name).cloned(),
        });
        changed.filter(|changed| changed.old != changed.new).collect()
    }

    /// What holds for an instance of this edition. `id` finds the tables that the configuration has for it; `own` are settings
    /// that an operator made while the broker ran, such as `limits.tps` and `100`.
    ///
    /// # Errors
    /// The settings that are wrong, each with a sentence.
    pub fn terms<'s>(
        &self,
        id: &str,
        edition: Edition,
        own: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Result<Terms, Vec<String>> {
        let place = if id == self.instance.id {
            Some(load::path_of(&["instance"]))
        } else {
            self.instances
                .contains_key(id)
                .then(|| load::path_of(&["instances", id]))
        };
        self.sections.terms(edition, place.as_deref(), own)
    }

    /// The instances that the configuration names, by id; the one of `[instance]` first.
    pub fn named_instances(&self) -> impl Iterator<Item = (&str, &InstanceConfig)> {
        let others = self
            .instances
            .iter()
            .map(|(id, instance)| (id.as_str(), instance));
        std::iter::once((self.instance.id.as_str(), &self.instance)).chain(others)
    }

    /// The socket of `dunlin ctl`, if there is to be one.
    pub fn admin_socket(&self) -> Option<PathBuf> {
        match &self.admin.socket {
            None => Some(self.server.data.join(ADMIN_SOCKET)),
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(path.clone()),
        }
    }

    /// Where compiled plugins lie that are only named.
    pub fn plugins(&self) -> PathBuf {
        self.server.data.join("plugins")
    }

    /// The listeners to open, in the order of their names.
    pub fn listeners(&self) -> Vec<Listener> {
        self.listeners
            .iter()
            .filter_map(|(name, listener)| listener.resolve(name))
            .collect()
    }
}
