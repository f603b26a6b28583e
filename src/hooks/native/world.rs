//! What an instance can reach: the surroundings behind the `ctx` of its host table.
//!
//! *Invariant*: a world is never freed. A plugin that calls after its end, from a thread that it has kept or through a logger that
//! it has installed, meets a closed door and not freed memory. What is in it is emptied when the instance ends.

use super::desk::Completed;
use super::errands::Errands;
use super::lines::Lines;
use super::sync::{AtomicBool, AtomicUsize, Mutex, Ordering::Relaxed};
use super::table;
use super::tickets::Tickets;
use crate::hooks::services::Services;
use dunlin_plugin_api::abi::Host;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many things a plugin may have asked of the broker that are not done yet.
const ASKED: usize = 4096;

pub(super) struct World {
    /// The name of its entry.
    pub(super) policy: Arc<str>,
    /// Its file, as errors call it.
    pub(super) file: Arc<str>,
    /// Its settings, as JSON.
    pub(super) settings: Mutex<Arc<str>>,
    /// The generation that it was made for.
    pub(super) generation: u64,
    services: Weak<Services>,
    tickets: Arc<Tickets<Completed>>,
    pub(super) errands: Arc<Errands>,
    /// On how many shards its chain serves.
    serving: AtomicUsize,
    ended: AtomicBool,
    places: Arc<Semaphore>,
    /// How much it may still write to the log.
    pub(super) lines: Lines,
    pub(super) began: Instant,
}

impl World {
    /// A world for an instance to come, and the host table that leads to it. Both stay for ever.
    pub(super) fn new(
        policy: &Arc<str>,
        file: &Arc<str>,
        settings: &str,
        generation: u64,
        services: &Arc<Services>,
    ) -> (&'static World, &'static HostTable) {
        let world: &'static World = Box::leak(Box::new(World {
            policy: policy.clone(),
            file: file.clone(),
            settings: Mutex::new(settings.into()),
            generation,
            services: Arc::downgrade(services),
            tickets: Tickets::new(),
            errands: Arc::default(),
            serving: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(ASKED)),
            lines: Lines::default(),
            began: Instant::now(),
        }));
        let table = Box::leak(Box::new(HostTable(table::of(world))));
        (world, table)
    }

    pub(super) fn tickets(&self) -> &Arc<Tickets<Completed>> {
        &self.tickets
    }

    /// What all policies share, until the instance ends.
    pub(super) fn services(&self) -> Option<Arc<Services>> {
        if self.ended.load(Relaxed) {
            return None;
        }
        self.services.upgrade()
    }

    /// A chain that it belongs to begins or ceases to serve on one shard.
    pub(super) fn served_by(&self, begins: bool) {
        if begins {
            self.serving.fetch_add(1, Relaxed);
        } else {
            self.serving.fetch_sub(1, Relaxed);
        }
    }

    /// Whether it may change the world outside.
    pub(super) fn serves(&self) -> bool {
        self.serving.load(Relaxed) > 0 && !self.ended.load(Relaxed)
    }

    /// The right to ask one thing more of the broker.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// From now on its host functions refuse all but the log.
    pub(super) fn end(&self) {
        self.ended.store(true, Relaxed);
        *self.settings.lock() = "".into();
    }
}

/// A host table, whose `ctx` is a world that stays for ever.
pub(super) struct HostTable(pub(super) Host);

// SAFETY: it is only read, and what it points to is made for all threads.
#[allow(
    unsafe_code,
    reason = "a table of functions that may be called from any thread"
)]
unsafe impl Send for HostTable {}
// SAFETY: the same.
#[allow(
    unsafe_code,
    reason = "a table of functions that may be called from any thread"
)]
unsafe impl Sync for HostTable {}
