//! The embedded store, as the configuration wants it.

use std::sync::Arc;

use crate::config::{Config, FsyncPolicy};
use crate::store::Store;
use crate::store::embedded::{EmbeddedStore, Fsync, Options};

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
    Ok(Arc::new(EmbeddedStore::open(&config.server.data, options)?))
}
