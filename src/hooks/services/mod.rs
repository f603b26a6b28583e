//! What the policies of all shards share: a runtime for what waits, and what outlives a generation.
//!
//! A shard's thread runs Lua and nothing that takes long. What does (http, sql, redis, argon2) is sent to a runtime of its
//! own and awaited from there ([`Services::run`], [`Services::compute`]), so a dead backend holds up only the client
//! that asked.
//!
//! *Invariant*: nothing here is started before it is first used; a broker whose policies do not wait has no such threads.

mod backends;
mod gate;
mod http;
mod kv;
mod meters;
mod places;
mod pools;
mod redis;
mod sql;
mod tls;

use super::host::Broker;
use super::native::Plugins;
use crate::config::backends::{HttpSettings, RedisSettings, SqlSettings};
use crate::store::registry::Registry;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) use backends::Backends;
use dashmap::DashMap;
pub(crate) use http::{HttpAnswer, HttpClient, HttpRequest};
pub(crate) use kv::{Kv, KvError, KvTotals, KvValue, Space};
pub(crate) use meters::{Meter, Wanted};
pub use meters::{Meters, MetersOf};
use pools::Pools;
pub(crate) use redis::RedisServer;
pub(crate) use sql::{Database, SqlAnswer, SqlValue};
use std::sync::Arc;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

/// How much slow computing, such as a password hash, is done at once: about what a machine can do without starving the
/// shards.
const COMPUTING: usize = 2;
/// Further threads, for looking up the names of backends: a storm of logins must not hold that up.
const NAMES: usize = 4;

/// What all policies of the process share.
#[derive(Debug, Default)]
pub struct Services {
    worker: OnceLock<Worker>,
    spaces: DashMap<Space, Arc<Kv>>,
    meters: Meters,
    /// Clients and pools: a reload that changes nothing about a backend keeps its connections.
    https: Pools<HttpSettings, HttpClient>,
    redises: Pools<RedisSettings, RedisServer>,
    databases: Pools<SqlSettings, Database>,
    computing: Computing,
    /// What the process holds of compiled plugins.
    plugins: Plugins,
    /// Who does what they ask for.
    broker: OnceLock<Box<dyn Broker>>,
    /// What operators have set up.
    registry: OnceLock<Arc<Registry>>,
}

/// The thread that drives the sockets of backends. One is plenty: it moves bytes, it computes nothing. (A runtime of
/// several threads would also make each of tokio's sockets 8 bytes larger, those of the devices too.)
#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(COMPUTING + NAMES)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("services".into())
            .spawn(move || {
                let _sender_gone = runtime.block_on(stopped);
                // Nothing waits for backends at the end.
                runtime.shutdown_background();
            })?;
        Ok(Self { handle, _stop: stop })
    }
}

/// How much slow computing may wait: at a tenth of a second for each, who comes later would be gone before its turn.
const COMPUTING_WAITS: usize = 64;

impl Services {
    /// The values of this space.
    pub(crate) fn kv(&self, space: Space) -> Arc<Kv> {
        let new = || Arc::new(Kv::new(&space));
        self.spaces.entry(space.clone()).or_insert_with(new).clone()
    }

    /// What each space of values holds, by policy and module.
    pub(crate) fn kv_totals(&self) -> BTreeMap<(String, &'static str), KvTotals> {
        let of = |space: &Space| match space {
            Space::Of(policy) => (policy.to_string(), "kv"),
            Space::State(policy) => (policy.to_string(), "state"),
            Space::Shared => (String::new(), "kv.shared"),
        };
        self.spaces
            .iter()
            .map(|space| (of(space.key()), space.totals()))
            .collect()
    }

    /// The compiled plugins of the process.
    pub(crate) fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// From now on copies of plugins lie in this folder for the moment that it takes to map them.
    pub fn keep_plugins_in(&self, folder: &Path) {
        self.plugins.keep_copies_in(folder);
    }

    /// Waits until the plugins have ended that can; `false` when that takes longer than `patience`.
    pub fn plugins_have_ended(&self, patience: Duration) -> bool {
        self.plugins.have_ended(patience)
    }

    /// From now on plugins can have things done.
    pub fn serve(&self, broker: Box<dyn Broker>) {
        let _only_once = self.broker.set(broker);
    }

    /// Who does what plugins ask for; nobody in tests of policies.
    pub(crate) fn broker(&self) -> Option<&dyn Broker> {
        self.broker.get().map(|broker| &**broker)
    }

    /// The registry that policies read: to be said before the first of them is loaded, or they read an empty one.
    pub fn read_registry(&self, registry: &Arc<Registry>) {
        let _only_once = self.registry.set(Arc::clone(registry));
    }

    /// What operators have set up.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.registry.get_or_init(Arc::default)
    }

    /// The policies' own metrics.
    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The runtime, started at the first use.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn handle(&self) -> io::Result<Handle> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker.handle.clone());
        }
        let worker = Worker::start()?;
        // If another shard was faster, its worker stays and ours stops.
        Ok(self.worker.get_or_init(|| worker).handle.clone())
    }

    /// Runs `work` on the services' runtime; the caller's thread goes on. When the caller is dropped (its call was given
    /// up), so is the work.
    ///
    /// # Errors
    /// The runtime does not start, or the work panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let mut task = AbortOnDrop(self.handle()?.spawn(work));
        (&mut task.0).await.map_err(io::Error::other)
    }

    /// Computes something slow off every thread that serves clients. When the caller is dropped, what has not begun is left
    /// out; what has begun is finished, although nobody waits.
    ///
    /// # Errors
    /// Too much waits already, the runtime does not start, or the work panicked.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let waits = self.computing.waits.clone();
        if Arc::strong_count(&waits) > COMPUTING_WAITS + 1 {
            return Err(io::Error::other("busy: too much is being computed already"));
        }
        // The semaphore is never closed.
        let turn = self.computing.turns.clone().acquire_owned().await;
        let turn = turn.map_err(io::Error::other)?;
        let mut task = AbortOnDrop(self.handle()?.spawn_blocking(move || {
            // They are given back when the work is done, whatever has become of the caller.
            let _held = (waits, turn);
            work()
        }));
        (&mut task.0).await.map_err(io::Error::other)
    }
}

/// The queue before slow computing.
#[derive(Debug)]
struct Computing {
    turns: Arc<Semaphore>,
    /// One clone for each that waits or runs, besides this.
    waits: Arc<()>,
}

impl Default for Computing {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(COMPUTING)),
            waits: Arc::default(),
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn work_is_done_elsewhere_and_ends_with_who_asked() {
        let services = Arc::new(Services::default());
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let here = std::thread::current().id();
        let there = runtime
            .block_on(services.run(async { std::thread::current().id() }))
            .unwrap();
        assert_ne!(here, there);
        let ran = Arc::new(AtomicBool::new(false));
        let told = ran.clone();
        runtime.block_on(async {
            let work = services.run(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                told.store(true, Ordering::Relaxed);
            });
            let _late = tokio::time::timeout(Duration::from_millis(5), work).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
        assert!(!ran.load(Ordering::Relaxed));
        assert_eq!(runtime.block_on(services.compute(|| 7)).unwrap(), 7);
    }

    #[test]
    fn a_storm_of_slow_work_is_refused_and_leaves_nothing_behind() {
        let services = Services::default();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let slow = || services.compute(|| std::thread::sleep(Duration::from_millis(200)));
        runtime.block_on(async {
            // All of them are asked once, which queues them; then their callers give up.
            let mut storm: Vec<_> = (0..COMPUTING_WAITS + 5).map(|_| Box::pin(slow())).collect();
            let mut busy = 0;
            for work in &mut storm {
                let asked = tokio::time::timeout(Duration::ZERO, work).await;
                busy +=
                    usize::from(asked.is_ok_and(|done| done.unwrap_err().to_string().starts_with("busy")));
            }
            assert_eq!(busy, 5);
            drop(storm);
            let start = std::time::Instant::now();
            while Arc::strong_count(&services.computing.waits) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                // Left out, not worked off: that would take six seconds.
                assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
            }
            slow().await.unwrap();
        });
    }
}
