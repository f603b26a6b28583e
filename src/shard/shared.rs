//! What all shards share, and nobody changes while the broker runs.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::Control;
use crate::hooks::HookMetrics;
use crate::instance::{InstanceId, SessionKey};
use crate::router::SubscriptionIndex;
use crate::session::Settings;
use crate::store::Store;
use crate::time::Clock;

/// Limits that hold before and beside a session's own [`Settings`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// From accepting a connection to its CONNECT being whole.
    pub connect_timeout: Duration,
    /// Bytes of a CONNECT packet: all that a stranger can make the broker hold.
    pub connect_packet_size: usize,
    /// Connections of one shard that have no session yet.
    pub connecting: usize,
    /// Bytes of a client id.
    pub client_id_length: usize,
    /// Bytes of a topic name or filter.
    pub topic_length: usize,
    /// Levels of a topic name or filter.
    pub topic_levels: usize,
    /// Retained messages of the instance.
    pub retained_messages: usize,
    /// Sessions of one shard, with and without a connection.
    pub sessions: usize,
}

impl Limits {
    /// Is a topic name, or a filter without `$share/NAME/`, within the limits that MQTT itself does not set?
    #[must_use]
    pub fn admit_topic(&self, topic: &str) -> bool {
        topic.len() <= self.topic_length && topic.split('/').count() <= self.topic_levels
    }
}

/// The surroundings of a shard.
pub struct Shared {
    /// The time.
    pub clock: Clock,
    /// The one tenant there is for now.
    pub instance: InstanceId,
    /// What sessions may do.
    pub settings: Settings,
    /// What connections may do.
    pub limits: Limits,
    /// Who is subscribed to what, on all shards.
    pub index: Arc<SubscriptionIndex>,
    /// What outlives connections.
    pub store: Arc<dyn Store>,
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
}

impl Shared {
    /// Where the session of `key` lives.
    #[must_use]
    pub fn home(&self, key: &SessionKey) -> u16 {
        key.home(&self.home_seed, self.controls.len())
    }

    /// Sends to the control lane of a shard. A shard that is gone has nothing to be told.
    pub fn control(&self, shard: u16, message: Control) {
        if let Some(lane) = self.controls.get(usize::from(shard)) {
            let _gone = lane.send(message);
        }
    }
}
