//! What a reloader works with: the shards, the chain and where it is written.

use crate::config::hooks::{HookDefaults, PolicyEntry, WatchMode, WatchSettings};
use crate::hooks::error::LoadError;
use crate::hooks::generation::Generation;
use crate::hooks::services::Services;
use crate::hooks::watch::Watch;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// All shards, as the reloader sees them. Calls come from the reloader's thread and wait for the shards; a shard that is
/// gone must be an error, not a wait for ever.
pub trait Shards: Send {
    /// Has every shard build its states of `generation` beside those that serve.
    ///
    /// # Errors
    /// The first shard's that could not; [`Shards::abort`] follows.
    fn prepare(&self, generation: Arc<Generation>) -> Result<(), LoadError>;

    /// Has every shard serve what it prepared, and returns when all do: how long the swap took on the slowest. With
    /// `watch` the generation before stays warm.
    ///
    /// # Errors
    /// When a shard is gone, or has nothing prepared of that number.
    fn activate(&self, number: u64, watch: Option<Arc<Watch>>) -> Result<Duration, LoadError>;

    /// Has every shard drop what it prepared.
    fn abort(&self, number: u64);

    /// The generation that is being watched is good.
    fn settle(&self);

    /// The generation that is being watched is bad: has every shard serve the one before, and returns when all do.
    ///
    /// # Errors
    /// When a shard is gone.
    fn roll_back(&self) -> Result<(), LoadError>;
}

/// What a reloader loads, and how it notices changes.
#[derive(Debug, Clone)]
pub struct ReloadSettings {
    /// The chain.
    pub entries: Vec<PolicyEntry>,
    /// What decides when no policy does.
    pub defaults: HookDefaults,
    /// What relative paths are relative to.
    pub base: PathBuf,
    /// How to notice changes.
    pub watch: WatchMode,
    /// How a new generation is watched.
    pub watching: WatchSettings,
    /// Where incident reports and the log of policies go; `None` for nowhere.
    pub data: Option<PathBuf>,
    /// What the policies of all generations share.
    pub services: Arc<Services>,
    /// The folder that plugins are dropped into; it need not exist.
    pub plugins: Option<PathBuf>,
    /// Where the chain is written; `None` for one that does not change.
    pub chain: Option<Arc<dyn ChainSource>>,
}

/// Where a chain is written, such as dunlin.toml.
pub trait ChainSource: Send + Sync + fmt::Debug {
    /// The file.
    fn file(&self) -> &Path;

    /// Reads it anew: entries, and what decides when no policy does.
    ///
    /// # Errors
    /// All that is wrong with it; then the chain stays as it is.
    fn read(&self) -> Result<(Vec<PolicyEntry>, HookDefaults), Vec<LoadError>>;
}
