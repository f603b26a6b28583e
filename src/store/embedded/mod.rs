//! The store that needs nothing installed: an append-only log in the data folder, and an index of it in memory.
//!
//! ```text
//! <data>/store/LOCK  VERSION  0000000001.log  0000000002.log  ...
//! ```
//!
//! All changes pass one queue to one thread, the [`writer`], which makes them in the [`index`], writes what they came to as
//! a frame of the [`log`], and answers when that is as certain as [`Fsync`] asks for. Bodies and records stay on the disk; the index
//! knows where. Whoever reads looks at the index himself, if all that his thread has asked for is done, else in his turn behind that;
//! the bytes are read by a thread of its own, the [`reader`]. [`recovery`] makes the index from the log.
//!
//! *Invariant*: what was acknowledged is there after any crash, and a disk that is full or fails keeps acknowledgements waiting and
//! nothing else.

mod check;
mod compact;
mod disk;
mod folder;
mod format;
mod index;
mod log;
mod look;
mod queue;
mod reader;
mod recovery;
mod shared;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use self::check::{Fault, InstanceStats, Repaired, Report, Stats, check, stats};
use self::disk::Disk;
use self::log::Log;
use self::queue::{Answer, Request};
use self::shared::{Shared, State};
use self::writer::Writer;
use super::durable::{
    Change, Committed, Counts, Health, InboxLimits, InboxSeq, Page, Revision, SessionRecord, Store,
    StoreError, StoreFuture, Stored,
};
use crate::instance::{InstanceId, SessionKey};
use crate::message::Message;
use crate::time::Millis;
use crate::topic::TopicFilter;

/// When what was written is made certain to outlast the machine's power. It outlasts the process in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before it is acknowledged.
    #[default]
    Always,
    /// Every so often; what was acknowledged since then may be lost.
    Interval(Duration),
    /// When much has gathered.
    Never,
}

/// How a store is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When what was written is made certain.
    pub fsync: Fsync,
    /// A segment is full when it has so many bytes. The log has twice the bytes that are wanted, and two segments. From 4 KiB to
    /// 1 GiB.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: Fsync::Always,
            segment_bytes: 64 << 20,
        }
    }
}

/// Keeps what outlives connections in the data folder.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held until the threads have ended.
    _taken: Option<folder::Taken>,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// The store of this data folder, read into memory. Makes what is not there.
    ///
    /// # Errors
    /// Another process has it; it is damaged, or of a newer version; the folder cannot be read or written. A sentence says
    /// what to do.
    pub fn open(data: &Path, options: Options) -> Result<Self, StoreError> {
        folder::check_unfinished_repair(data)?;
        let taken = folder::take(data)?;
        let disk = folder::disk(&taken.path);
        folder::check_version(&disk)?;
        Self::on(Arc::new(disk), options, Some(taken))
    }

    fn on(disk: Arc<dyn Disk>, options: Options, taken: Option<folder::Taken>) -> Result<Self, StoreError> {
        let recovered = recovery::recover(&*disk)?;
        let shared = Arc::new(Shared::default());
        *shared.state.lock() = recovered.state;
        let segment_bytes = options.segment_bytes.clamp(4 << 10, 1 << 30);
        let log = Log::new(disk, Arc::clone(&shared), segment_bytes, recovered.end);
        let writer = Writer::new(Arc::clone(&shared), log, options.fsync, segment_bytes);
        let store = Self {
            shared,
            threads: Mutex::default(),
            _taken: taken,
        };
        store.spawn("store-write", move |_| writer.run())?;
        store.spawn("store-read", reader::run)?;
        Ok(store)
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let ending = Ending(&shared);
            work(&shared);
            drop(ending);
        });
        let thread =
            thread.map_err(|error| StoreError::Failed(format!("a thread cannot be started: {error}")))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Does what is asked for already, syncs it, and ends the threads. What is asked for later fails. Blocks.
    pub fn close(&self) {
        self.shared.queue.close();
        for thread in self.threads.lock().drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    /// How many bodies could not be read since the start.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.shared.unreadable.load(Ordering::Relaxed)
    }

    /// Puts a request into the queue, now; the future waits for its answer.
    fn ask<T: Send + 'static>(
        &self,
        bytes: usize,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> StoreFuture<'static, T> {
        let (answer, answered) = oneshot::channel();
        self.shared.queue.push(request(answer), bytes);
        Box::pin(async { answered.await.unwrap_or_else(|_| Err(closed())) })
    }

    /// Looks at the state: at once if all is done in it that this thread has asked for, else when it is. `look` gets the
    /// end of a channel for its answer.
    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State, Answer<T>) -> Option<reader::Job> + Send + 'static,
    ) -> StoreFuture<'static, T> {
        let (answer, answered) = oneshot::channel();
        let state = self.shared.state.lock();
        if state.applied >= self.shared.queue.mine() && !self.shared.queue.is_closed() {
            let job = look(&state, answer);
            drop(state);
            if let Some(job) = job {
                self.shared.jobs.push(job);
            }
        } else {
            drop(state);
            let look = Box::new(move |state: &State| look(state, answer));
            self.shared.queue.push(Request::Look(look), 0);
        }
        Box::pin(async { answered.await.unwrap_or_else(|_| Err(closed())) })
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sees to it that nobody waits for a thread that has ended, however it did.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.jobs.close();
    }
}

fn closed() -> StoreError {
    StoreError::Failed("it is closed".into())
}

impl Store for EmbeddedStore {
    fn commit(&self, batch: Vec<Change>, now: Millis) -> StoreFuture<'_, Committed> {
        let bytes = writer::size(&batch);
        self.ask(bytes, |answer| Request::Commit { batch, now, answer })
    }

    fn read<'a>(
        &'a self,
        session: &'a SessionKey,
        after: InboxSeq,
        max: usize,
        now: Millis,
    ) -> StoreFuture<'a, Page> {
        let session = session.clone();
        self.look(move |state, answer| look::page(state, session, after, max, now, answer))
    }

    fn discard<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, ()> {
        let session = session.clone();
        self.ask(0, |answer| Request::Discard { session, answer })
    }

    fn load<'a>(&'a self, session: &'a SessionKey, now: Millis) -> StoreFuture<'a, Option<Stored>> {
        let session = session.clone();
        self.look(move |state, answer| look::session(state, &session, now, answer))
    }

    fn save<'a>(
        &'a self,
        session: &'a SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> StoreFuture<'a, Revision> {
        let session = session.clone();
        let record = Box::new(record);
        self.ask(0, |answer| Request::Save {
            session,
            record,
            expected,
            answer,
        })
    }

    fn sessions(&self) -> StoreFuture<'_, Vec<SessionKey>> {
        self.look(look::sessions)
    }

    fn instances(&self) -> StoreFuture<'_, Vec<InstanceId>> {
        self.look(look::instances)
    }

    fn retained<'a>(
        &'a self,
        instance: &'a InstanceId,
        filter: &'a TopicFilter,
        now: Millis,
    ) -> StoreFuture<'a, Vec<Arc<Message>>> {
        let (instance, filter) = (instance.clone(), filter.clone());
        self.look(move |state, answer| look::retained(state, &instance, &filter, now, answer))
    }

    fn limit_inboxes(&self, instance: &InstanceId, limits: InboxLimits) {
        let instance = instance.clone();
        self.shared.queue.push(Request::Limit { instance, limits }, 0);
    }

    fn forget_instance<'a>(&'a self, instance: &'a InstanceId) -> StoreFuture<'a, ()> {
        let instance = instance.clone();
        self.ask(0, |answer| Request::Forget { instance, answer })
    }

    fn tidy(&self, now: Millis) -> StoreFuture<'_, Vec<(InstanceId, usize)>> {
        self.ask(0, |answer| Request::Tidy { now, answer })
    }

    fn sync(&self) -> StoreFuture<'_, ()> {
        self.ask(0, |answer| Request::Sync { answer })
    }

    fn retained_in(&self, instance: &InstanceId) -> usize {
        let state = self.shared.state.lock();
        let found = state.index.instance(instance.as_str());
        found.map_or(0, |instance| instance.retained.len())
    }

    fn counts(&self, instance: &InstanceId, now: Millis) -> Counts {
        let state = self.shared.state.lock();
        let found = state.index.instance(instance.as_str());
        found.map_or(Counts::default(), |instance| Counts {
            retained: instance.retained.len(),
            offline: instance.offline(now.0),
            stored: instance.len(),
        })
    }

    fn retained_count(&self) -> usize {
        self.shared.state.lock().index.retained()
    }

    fn offline_count(&self) -> usize {
        self.shared.state.lock().index.len()
    }

    fn health(&self) -> Health {
        Health {
            waiting: self.shared.queue.waiting(),
            trouble: self.shared.trouble.words(),
        }
    }
}
