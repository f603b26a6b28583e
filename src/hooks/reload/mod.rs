//! Reload: files are watched, a changed set is loaded beside the one that serves, and every shard swaps or none does.

mod reloader;
mod watch;

pub use reloader::{Refused, ReloadSettings, ReloadStatus, Reloader, Shards};
pub use watch::WatchMode;
