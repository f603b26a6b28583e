//! From a topic to everybody who gets what is published there.
//!
//! [`SubscriptionIndex`] is the one structure that all shards share. They rarely meet there: each has a [`MatchCache`]
//! in front of it, whose entries stay right until a subscription changes that could concern them.
//!
//! *Invariant*: a subscription whose SUBACK has been sent is seen by every lookup that begins after that.

mod cache;
mod index;
mod matches;
mod p2p;
mod roster;
mod shared;
mod subscribers;
mod wildcards;

use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::message::SubscriptionOptions;
pub use cache::MatchCache;
pub use index::Full;
pub use index::{SubscriptionIndex, Version};
pub use matches::{Matches, Recipient, Recipients, Wanted};
pub use p2p::{P2pMode, P2pTarget};
pub use shared::{Picked, SharedGroup};

/// Names a session to other shards: where it lives, and which of the sessions that were ever there it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId {
    /// The shard.
    pub shard: u16,
    /// How often the slot had been given away before.
    pub generation: u16,
    /// The slot on that shard.
    pub slot: u32,
}

/// Whether a session is there, readable from any shard.
#[derive(Debug, Default)]
pub struct Presence {
    online: AtomicBool,
    persistent: AtomicBool,
}

impl Presence {
    /// Sets whether it has a connection.
    pub fn set_online(&self, online: bool) {
        self.online.store(online, Ordering::Relaxed);
    }

    /// Sets whether messages can wait for it.
    pub fn set_persistent(&self, persistent: bool) {
        self.persistent.store(persistent, Ordering::Relaxed);
    }

    /// It has a connection.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }

    /// Messages can wait for it.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.persistent.load(Ordering::Relaxed)
    }
}
