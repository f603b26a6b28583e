//! `[store]`: where sessions, offline and retained messages are kept, and what an acknowledgement promises.

use std::time::Duration;

use serde::Deserialize;

use super::humane;

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// "embedded": on the disk, in `store` in `server.data`. "memory": as long as the process lives. Default: "embedded".
    pub engine: Engine,
    /// When what is acknowledged is on the disk itself. "always": before the acknowledgement; many share one sync.
    /// "interval": every `fsync_interval`; a machine that loses power may lose what was acknowledged in between. "never":
    /// when the system sees fit, and every 16 MiB; a killed process loses nothing, a machine that loses power may. Default: "always".
    pub fsync: FsyncPolicy,
    /// Default: "200ms".
    #[serde(with = "humane::duration")]
    pub fsync_interval: Duration,
    /// How long a connected client may take to acknowledge a message before it is written to the disk; its publisher waits
    /// so long. "0s" writes at once. Default: "20ms".
    #[serde(with = "humane::duration")]
    pub grace: Duration,
    /// Size of a file of the log. Default: "64MiB".
    #[serde(with = "humane::size")]
    pub segment: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            engine: Engine::Embedded,
            fsync: FsyncPolicy::Always,
            fsync_interval: Duration::from_millis(200),
            grace: Duration::from_millis(20),
            segment: 64 << 20,
        }
    }
}

/// See [`StoreConfig::engine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// On the disk.
    Embedded,
    /// In memory.
    Memory,
}

/// See [`StoreConfig::fsync`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FsyncPolicy {
    /// Before each acknowledgement.
    Always,
    /// Every so often.
    Interval,
    /// When the system sees fit.
    Never,
}
