//! What all shards share, and nobody changes while the broker runs.

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::mpsc::{Sender, UnboundedSender};

use super::{Control, Statuses, Tenants};
use crate::hooks::HookMetrics;
use crate::hooks::credentials::NewCertificate;
use crate::instance::{InstanceId, SessionKey};
use crate::message::Message;
use crate::store::Store;
use crate::store::registry::Registry;
use crate::time::Clock;
use crate::topic::tree::TopicTree;

/// Limits that hold over all instances, before and beside a session's own [`Settings`](crate::session::Settings).
#[derive(Clone, Debug)]
pub struct Limits {
    /// From accepting a connection to its CONNECT being whole.
    pub connect_timeout: Duration,
    /// Bytes of a CONNECT packet: all that a stranger can make the broker hold.
    pub connect_packet_size: usize,
    /// Connections of one shard that have no session yet.
    pub connecting: usize,
    /// Sessions of one shard, with and without a connection.
    pub sessions: usize,
}

/// The host names of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// For everybody.
    pub public: Arc<str>,
    /// For the machines beside the broker.
    pub internal: Arc<str>,
    /// What the operator added.
    pub others: Vec<Arc<str>>,
}

impl Endpoints {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let own = [&self.public, &self.internal].into_iter();
        own.chain(&self.others).map(|host| &**host)
    }
}

/// The surroundings of a shard.
pub struct Shared {
    /// The time.
    pub clock: Clock,
    /// The instances.
    pub tenants: Tenants,
    /// What connections may do.
    pub limits: Limits,
    /// What outlives connections.
    pub store: Arc<dyn Store>,
    /// What operators have set up.
    pub registry: Arc<Registry>,
    /// Where parent topics are asked for that are to be made.
    pub wanted_parents: Sender<(InstanceId, Box<str>)>,
    /// Where certificates are told that are to be registered.
    pub wanted_certificates: Sender<NewCertificate>,
    /// Who comes and goes.
    pub statuses: Statuses,
    /// The control lanes to all shards; never behind data.
    pub controls: Vec<UnboundedSender<Control>>,
    /// Counters of the policies.
    pub hook_metrics: Arc<HookMetrics>,
    /// Events that may wait for observers on one shard.
    pub observer_queue: usize,
    /// Entries of a shard's cache of routing results.
    pub match_cache: usize,
    /// Spreads client ids over shards.
    pub home_seed: RandomState,
    /// What the broker tells of itself, as retained messages: of this process, and so not for the store.
    pub of_itself: RwLock<TopicTree<Arc<Message>>>,
    /// Sessions that outlive their connections, by shard. As many entries as `controls`.
    pub persistent: Vec<AtomicI64>,
}

impl Shared {
    /// Where the session of `key` lives.
    #[must_use]
    pub fn home(&self, key: &SessionKey) -> u16 {
        key.home(&self.home_seed, self.controls.len())
    }

    /// Whether a message for somebody on this shard may have to be kept.
    #[inline]
    #[must_use]
    pub fn has_persistent(&self, shard: u16) -> bool {
        self.persistent
            .get(usize::from(shard))
            .is_none_or(|count| count.load(Ordering::Relaxed) != 0)
    }

    /// So many more sessions of this shard outlive their connections.
    pub(super) fn count_persistent(&self, shard: u16, more: i64) {
        if let Some(count) = self.persistent.get(usize::from(shard))
            && more != 0
        {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Sends to the control lane of a shard. A shard that is gone has nothing to be told.
    pub fn control(&self, shard: u16, message: Control) {
        if let Some(lane) = self.controls.get(usize::from(shard)) {
            let _gone = lane.send(message);
        }
    }
}
