//! What compiled plugins have the broker do: it goes to a shard, by its control lane.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::hooks::{Broker, Effect, Wish};
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
            _ => 0,
        };
        let shard = u16::try_from(shard).unwrap_or_default();
        self.0.control(shard, Control::Effect(Box::new(effect), place));
    }
}
