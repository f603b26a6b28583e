//! The chain on one shard: hooks that are plain calls and answer at once, and hooks that wait.

mod action;
mod authorize;
mod clock;
mod connecting;
mod control;
mod entry;
mod explain;
mod login;
mod observers;
mod pace;
mod publish;
mod second;
mod stale;
mod subscribing;
mod succession;
mod ticks;

pub use authorize::{PublishRequest, SubscribeRequest};
pub use explain::{EntrySaid, Explanation};
pub use login::{AuthContinueRequest, AuthRequest};
pub use publish::PublishEvent;

use super::cache::CacheRule;
use super::counters::HookMetrics;
use super::error::LoadError;
use super::generation::Generation;
use super::host::{Effect, Effects, Host};
use super::lua::state::PolicyState;
use super::observe::EventQueue;
use super::watch::Watch;
use dunlin_plugin_api::{Hook, HookSet};
use entry::Entry;
pub(crate) use entry::Subject;
use second::SecondOpinion;
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The shard on which `on_tick` runs.
const TICKING: u16 = 0;

/// A generation on one shard: a Lua state for each entry. It lives on the shard's thread and is not `Send`.
///
/// A call that waits holds on to it, and so ends in the generation in which it began.
pub struct Chain {
    generation: Arc<Generation>,
    wants: HookSet,
    /// Whether a PUBLISH may have to wait, or belongs to a policy.
    beside: bool,
    /// Whether policies have a say about single deliveries.
    deliveries: bool,
    entries: Vec<Entry>,
    /// How many of them are slow here.
    slow: Rc<Cell<usize>>,
}

#[cfg(test)]
impl Chain {
    /// For all scripts it is this time from now on.
    pub(in crate::hooks) fn set_time(&self, since_1970: std::time::Duration) {
        for entry in &self.entries {
            entry.host().clock.set(since_1970);
        }
    }
}

impl Chain {
    fn instantiate(
        generation: &Arc<Generation>,
        metrics: &HookMetrics,
        shard: u16,
        effects: &Rc<Effects>,
    ) -> Result<Self, LoadError> {
        let slow = Rc::default();
        let entries = generation.chain().iter().map(|policy| {
            let host = Host::on_shard(policy, effects);
            Entry::build(policy, metrics, shard, host, &slow)
        });
        Ok(Self {
            wants: generation.hooks(),
            deliveries: [Hook::AuthorizeDeliver, Hook::Deliver, Hook::Offline]
                .iter()
                .any(|hook| generation.hooks().contains(*hook)),
            beside: !generation.waits().is_empty() || generation.hooks().contains(Hook::Control),
            entries: entries.collect::<Result<_, _>>()?,
            slow,
            generation: generation.clone(),
        })
    }

    /// The generation that it is.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// The entries that have `hook`, in the order of the chain.
    #[inline]
    fn asked(&self, hook: Hook) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.has(hook))
    }

    /// It serves from now on, on this shard.
    fn activate(self: &Rc<Self>, shard: u16) {
        self.set_active(true);
        if shard == TICKING {
            ticks::begin(self);
        }
    }

    /// Lets its tasks and timers run, or puts them aside.
    fn set_active(&self, active: bool) {
        for entry in &self.entries {
            entry.set_active(active);
        }
    }

    /// It serves no more: tasks and timers end, and policies are told in `on_unload`.
    fn retire(&self, reason: &str) {
        for entry in &self.entries {
            entry.retire(reason);
        }
    }
}

/// Chains that serve no more.
pub struct Retired(Vec<Rc<Chain>>);

impl Retired {
    /// Ends their tasks, tells their policies, and drops their states.
    pub fn end(self) {
        for chain in self.0 {
            chain.retire("replaced");
        }
    }
}

/// A limit, as an entry sets it for an instance: entry, instance, name of the limit.
type Limited = (Arc<str>, Arc<str>, Arc<str>);

/// The policies of a shard: the chain that answers, and what belongs to it over all its generations.
///
/// A swap builds a second chain beside the first ([`ShardHooks::prepare`]), puts it in its place ([`ShardHooks::swap`]),
/// and keeps the one before warm until the new one has proved itself ([`ShardHooks::settle`], [`ShardHooks::roll_back`]).
pub struct ShardHooks {
    chain: Rc<Chain>,
    /// The chain before, while the new one is being watched.
    second: Option<SecondOpinion>,
    events: EventQueue,
    effects: Rc<Effects>,
    metrics: Arc<HookMetrics>,
    shard: u16,
    /// Calls of observers that are waiting for something.
    telling: Rc<Cell<usize>>,
    /// What policies last said of limits, by policy and limit.
    limits: HashMap<Limited, Option<f64>>,
    /// Whether any client here came in with rules of its own.
    has_acl: bool,
}

impl ShardHooks {
    /// Builds the states of `generation` for shard number `shard`. Takes about a millisecond an entry, and at most the
    /// entry's `load_budget`. `events` is how many events may wait for observers. Nothing runs by itself until
    /// [`ShardHooks::activate`].
    ///
    /// # Errors
    /// When a policy does not load here, although it did when the generation was checked.
    pub fn instantiate(
        generation: &Arc<Generation>,
        metrics: &Arc<HookMetrics>,
        shard: u16,
        events: usize,
    ) -> Result<Self, LoadError> {
        let effects = Rc::new(Effects::of_shard());
        Ok(Self {
            chain: Rc::new(Chain::instantiate(generation, metrics, shard, &effects)?),
            second: None,
            events: EventQueue::new(events),
            effects,
            metrics: metrics.clone(),
            shard,
            telling: Rc::default(),
            limits: HashMap::new(),
            has_acl: false,
        })
    }

    /// It serves from now on: tasks and timers that loading asked for begin. Must run in a `LocalSet`.
    pub fn activate(&self) {
        self.chain.activate(self.shard);
    }

    fn take_over(&mut self, next: Rc<Chain>) -> Rc<Chain> {
        let shard = self.shard;
        succession::take_over(
            &mut self.chain,
            next,
            |next| next.activate(shard),
            |before| before.set_active(false),
        )
    }

    /// Builds the states of `generation` beside those that serve.
    ///
    /// # Errors
    /// When a policy does not load here, although it did when the generation was checked.
    pub fn prepare(&self, generation: &Arc<Generation>) -> Result<Rc<Chain>, LoadError> {
        Chain::instantiate(generation, &self.metrics, self.shard, &self.effects).map(Rc::new)
    }

    /// Serves with `next` from now on. With `watch` the chain before stays warm, and is asked for its opinion when the
    /// new one denies something. What it answers with serves no more and is to be retired ([`Retired::end`]), which takes
    /// its time.
    #[must_use]
    pub fn swap(&mut self, next: Rc<Chain>, watch: Option<&Arc<Watch>>) -> Retired {
        let before = self.take_over(next);
        let retired = match (watch, self.second.take()) {
            (Some(watch), None) => {
                self.second = Some(SecondOpinion::new(before, watch));
                Retired(Vec::new())
            }
            (Some(watch), Some(second)) => {
                // The one in between never proved itself, so there is no going back to it.
                self.second = Some(SecondOpinion::new(second.chain().clone(), watch));
                Retired(vec![before])
            }
            (None, second) => {
                let second = second.map(|second| second.chain().clone());
                Retired(std::iter::once(before).chain(second).collect())
            }
        };
        self.watched_by(watch);
        retired
    }

    /// The new chain has proved itself: the one before is retired.
    pub fn settle(&mut self) {
        if let Some(second) = self.second.take() {
            self.watched_by(None);
            second.chain().retire("replaced");
        }
    }

    /// The new chain has failed: the one before serves again. `false` when there is none.
    pub fn roll_back(&mut self) -> bool {
        let Some(second) = self.second.take() else {
            return false;
        };
        self.watched_by(None);
        let failed = self.take_over(second.chain().clone());
        failed.retire("rolled back");
        true
    }

    /// The broker stops: policies are told.
    pub fn stop(&mut self) {
        self.settle();
        self.chain.retire("stopping");
    }

    fn watched_by(&self, watch: Option<&Arc<Watch>>) {
        for entry in &self.chain.entries {
            entry.watched_by(watch.cloned());
        }
    }

    /// Whether any policy has `hook`: one bit test.
    #[inline]
    pub fn wants(&self, hook: Hook) -> bool {
        self.chain.wants.contains(hook)
    }

    /// Whether an answer of `hook` may have to be waited for: for a backend, or because a policy is slow.
    #[inline]
    pub fn waits(&self, hook: Hook) -> bool {
        let chain = &self.chain;
        chain.generation.waits().contains(hook)
            || chain.slow.get() > 0 && chain.asked(hook).any(Entry::is_slow)
    }

    /// Whether policies have a say about single deliveries.
    #[inline]
    pub fn wants_deliveries(&self) -> bool {
        self.chain.deliveries
    }

    /// Whether a PUBLISH may have to leave the straight path: to wait, or to a policy that owns its topic.
    #[inline]
    pub fn wants_beside_the_path(&self) -> bool {
        self.chain.beside || self.chain.slow.get() > 0
    }

    /// The chain that answers, to be held by a call that waits.
    pub fn chain(&self) -> &Rc<Chain> {
        &self.chain
    }

    /// The chain before, while the new one is being watched.
    pub fn chain_before(&self) -> Option<Rc<Chain>> {
        self.second.as_ref().map(|second| second.chain().clone())
    }

    /// The generation that answers here.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.chain.generation
    }

    /// How answers of `authorize_publish` and `authorize_subscribe` may be cached, if they may.
    #[inline]
    pub fn cache(&self, hook: Hook) -> Option<CacheRule> {
        self.chain.generation.cache(hook)
    }

    /// What scripts have asked the broker to do, at most so much; the rest rings again.
    pub fn take_effects(&mut self, most: usize) -> Vec<Effect> {
        self.effects.take(most)
    }

    /// Whether scripts have asked for anything.
    #[inline]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Rings when a script outside of a shard's turn asks for something.
    pub fn effects(&self) -> &Rc<Effects> {
        &self.effects
    }

    /// Whether any client came in with rights of its own, since the start.
    #[inline]
    pub fn grants_rights(&self) -> bool {
        self.has_acl
    }
}
