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

use crate::config::backends::{HttpSettings, RedisSettings, SqlSettings};
use std::future::Future;
use std::io;
use std::sync::OnceLock;

pub(crate) use backends::Backends;
use dashmap::DashMap;
pub(crate) use http::{HttpAnswer, HttpClient, HttpRequest};
pub(crate) use kv::{Kv, KvError, KvValue};
pub(crate) use meters::{Meter, Wanted};
pub use meters::{Meters, MetersOf};
use pools::Pools;
pub(crate) use redis::RedisServer;
pub(crate) use sql::{Database, SqlAnswer, SqlValue};
use std::sync::Arc;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads for slow computing, such as a password hash: about what a machine can do without starving the shards.
const COMPUTING: usize = 2;

/// What all policies of the process share.
#[derive(Debug, Default)]
pub struct Services {
    worker: OnceLock<Worker>,
    /// By policy; the shared space has an empty name, which no policy can have.
    spaces: DashMap<Arc<str>, Arc<Kv>>,
    meters: Meters,
    /// Clients and pools: a reload that changes nothing about a backend keeps its connections.
    https: Pools<HttpSettings, HttpClient>,
    redises: Pools<RedisSettings, RedisServer>,
    databases: Pools<SqlSettings, Database>,
    /// Slow computing that waits or runs.
    computing: std::sync::atomic::AtomicUsize,
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
            .max_blocking_threads(COMPUTING)
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
    /// The values of the policy of this name; an empty name is the space that all share.
    pub(crate) fn kv(&self, space: &str) -> Arc<Kv> {
        if let Some(known) = self.spaces.get(space) {
            return known.clone();
        }
        self.spaces.entry(space.into()).or_default().clone()
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

    /// Computes something slow off every thread that serves clients. What has begun is finished, although nobody waits.
    ///
    /// # Errors
    /// Too much waits already, the runtime does not start, or the work panicked.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        use std::sync::atomic::Ordering::Relaxed;
        if self.computing.fetch_add(1, Relaxed) >= COMPUTING_WAITS {
            self.computing.fetch_sub(1, Relaxed);
            return Err(io::Error::other("busy: too much is being computed already"));
        }
        let done = match self.handle() {
            Ok(handle) => handle.spawn_blocking(work).await.map_err(io::Error::other),
            Err(error) => Err(error),
        };
        self.computing.fetch_sub(1, Relaxed);
        done
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
}
