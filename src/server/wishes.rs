//! What compiled plugins have the broker do: it goes to a shard, by its control lane.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::hooks::{Broker, Effect, Wish};
use crate::instance::{InstanceId, SessionKey};
use crate::shard::{Control, Shared};

/// The shards, to plugins.
pub(super) struct Wishes(pub(super) Arc<Shared>);

impl std::fmt::Debug for Wishes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wishes")
    }
}

impl Broker for Wishes {
    fn has_instance(&self, id: &str) -> bool {
        self.0.tenants.get_or_default(Some(id)).is_some()
    }

    fn ask(&self, effect: Effect, place: OwnedSemaphorePermit) {
        // Messages of one topic stay in their order, and no shard has to do all of it.
        let shard = match &effect.wish {
            Wish::Publish(message) => {
                let mut hash = DefaultHasher::new();
                message.topic.hash(&mut hash);
                hash.finish() % self.0.controls.len().max(1) as u64
            }
            // Done where the client is, in the order in which it was asked for, and before the client goes if that is asked for next.
            Wish::P2p { client_id, .. } | Wish::Kick { client_id, .. } => {
                let named = effect.instance.clone().map(InstanceId::from);
                let key = SessionKey {
                    instance: named.unwrap_or_else(|| self.0.tenants.default_id().clone()),
                    client_id: Arc::clone(client_id),
                };
                u64::from(self.0.home(&key))
            }
            _ => 0,
        };
        let shard = u16::try_from(shard).unwrap_or_default();
        self.0.control(shard, Control::Effect(Box::new(effect), place));
    }
}
