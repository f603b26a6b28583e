//! The embedded store, as the configuration wants it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, FsyncPolicy};
use crate::store::Store;
use crate::store::embedded::{EmbeddedStore, Fsync, Options};

/// Where it is in the data folder.
const FOLDER: &str = "store";

/// The folder of the store.
#[must_use]
pub fn store_folder(config: &Config) -> PathBuf {
    config.server.data.join(FOLDER)
}

pub(super) fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let fsync = match config.store.fsync {
        FsyncPolicy::Always => Fsync::Always,
        FsyncPolicy::Interval => Fsync::Interval(config.store.fsync_interval),
        FsyncPolicy::Never => Fsync::Never,
    };
    let options = Options {
        fsync,
        segment_bytes: config.store.segment as u64,
    };
    Ok(Arc::new(EmbeddedStore::open(&store_folder(config), options)?))
}
