//! Reload: files are watched, a changed set is loaded beside the one that serves, and every shard swaps or none does.
//! While a new generation is young it is watched, and rolled back when it is worse than the one before.

mod files;
mod history;
mod incident;
mod reloader;
mod settings;
mod status;

pub use files::{WatchMode, changed};
pub use history::{PolicyRecord, Record, Trigger};
pub use reloader::Reloader;
pub use settings::{ChainSource, ReloadSettings, Shards};
pub use status::{Refused, ReloadStatus, RolledBack};
