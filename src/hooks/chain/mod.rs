//! The chain on one shard: every hook is a plain call that answers at once.

mod authorize;
mod entry;
mod login;
mod observers;
mod publish;

pub use authorize::{PublishRequest, SubscribeRequest};
pub use login::{AuthContinueRequest, AuthRequest};
pub use publish::PublishEvent;

use super::cache::CacheRule;
use super::counters::HookMetrics;
use super::error::LoadError;
use super::generation::Generation;
use super::observe::EventQueue;
use dunlin_plugin_api::{Hook, HookSet};
use entry::Entry;
use std::sync::Arc;

/// A generation in a shard: a Lua state for each entry, and the events that wait for observers.
///
/// It lives on the shard's thread and is not `Send`. A swap builds a second one beside it ([`ShardHooks::instantiate`]),
/// hands over what waits ([`ShardHooks::adopt`]) and drops the first.
pub struct ShardHooks {
    generation: Arc<Generation>,
    wants: HookSet,
    entries: Vec<Entry>,
    events: EventQueue,
    metrics: Arc<HookMetrics>,
}

impl ShardHooks {
    /// Builds the states of `generation` for shard number `shard`. Takes about a millisecond an entry, and at most the
    /// entry's `load_budget`. `events` is how many events may wait for observers.
    ///
    /// # Errors
    /// When a policy does not load here, although it did when the generation was checked.
    pub fn instantiate(
        generation: &Arc<Generation>,
        metrics: &Arc<HookMetrics>,
        shard: u16,
        events: usize,
    ) -> Result<Self, LoadError> {
        let entries = generation
            .chain()
            .iter()
            .map(|policy| Entry::build(policy, metrics, shard));
        Ok(Self {
            wants: generation.hooks(),
            entries: entries.collect::<Result<_, _>>()?,
            events: EventQueue::new(events),
            metrics: metrics.clone(),
            generation: generation.clone(),
        })
    }

    /// Takes over the events that still wait in the generation before this one.
    pub fn adopt(&mut self, mut before: ShardHooks) {
        for event in before.events.take_all() {
            self.observe(event);
        }
    }

    /// Whether any policy has `hook`: one bit test.
    #[inline]
    pub fn wants(&self, hook: Hook) -> bool {
        self.wants.contains(hook)
    }

    /// The generation that answers here.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// How answers of `authorize_publish` and `authorize_subscribe` may be cached, if they may.
    #[inline]
    pub fn cache(&self, hook: Hook) -> Option<CacheRule> {
        self.generation.cache(hook)
    }
}
