//! A tenant of the broker: its own topics, client ids, sessions and limits.
//!
//! *Invariant*: nothing of one instance is ever seen from another: every key that a session, a message or a subscription is
//! found by carries the instance.

pub mod fresh;
mod quota;
mod usage;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

pub use crate::names;
pub use quota::{Purse, Quota, weight};
pub use usage::{Count, Hit, Total, Usage};

/// The id of an instance, such as `mqtt-cn-dunlindemo`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// An id of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, shared.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Arc<str>> for InstanceId {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session is found by: a client id belongs to one session of its instance [MQTT-3.1.3-2].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The tenant.
    pub instance: InstanceId,
    /// The client id, in the client's own words.
    pub client_id: Arc<str>,
}

impl SessionKey {
    /// The shard that this session lives on, for as long as the process runs: takeover of a client id is local.
    /// The hasher is seeded, so that strangers cannot choose client ids that all meet on one core.
    #[must_use]
    pub fn home(&self, seed: &impl BuildHasher, shards: usize) -> u16 {
        let shards = u64::try_from(shards.max(1)).unwrap_or(1);
        u16::try_from(seed.hash_one(self) % shards).unwrap_or(0)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.client_id)
    }
}
