//! The thread that writes. It takes all that waits, makes a frame of it, writes that, and syncs it if anybody waits for that. While
//! it does, more comes to wait: the slower the disk, the more share a sync.

mod apply;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Fsync;
use super::compact::Compactor;
use super::format::draft::Draft;
use super::log::{GivenUp, Log};
use super::queue::{Answer, Request, Ticketed};
use super::shared::Shared;
use crate::store::durable::StoreError;
#[cfg(test)]
pub(super) use apply::is_lazy;
pub(super) use apply::size;
use apply::{Apply, Recent};

/// A frame takes no further batch once it is so long.
const FRAME: usize = 4 << 20;
/// Lazy changes are synced after this time if nothing else is.
const LAZY: Duration = Duration::from_secs(1);
/// So many bytes of old segments are looked at in a turn, at least.
const STEP: usize = 256 << 10;
/// What is not synced is kept in memory; so much of it at most, whatever the policy.
const UNSYNCED: usize = 16 << 20;

/// Resolves a future, if what it waited for was done.
type Resolve = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The writer's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    log: Log,
    compactor: Compactor,
    fsync: Fsync,
    requests: VecDeque<Ticketed>,
    recent: Recent,
    /// What waits for the write, and what for the sync.
    lazy: Vec<Resolve>,
    durable: Vec<Resolve>,
    /// Bytes of the requests of which they are.
    bytes: usize,
    /// Somebody wants to know that it is on the disk, whatever the policy.
    must_sync: Vec<Answer<()>>,
    /// When the last sync was.
    synced_at: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, log: Log, fsync: Fsync, segment_bytes: u64) -> Self {
        Self {
            shared,
            log,
            compactor: Compactor::new(segment_bytes),
            fsync,
            requests: VecDeque::new(),
            recent: Recent::default(),
            lazy: Vec::new(),
            durable: Vec::new(),
            bytes: 0,
            must_sync: Vec::new(),
            synced_at: Instant::now(),
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let result = self.work();
        // Whoever waits still is told by the end of his channel, or by this.
        let error = match result {
            Ok(()) => StoreError::Failed("it is closed".into()),
            Err(given_up) => {
                tracing::error!(
                    bytes = self.shared.queue.waiting(),
                    "the store was closed before the disk took what there was to write"
                );
                given_up.into()
            }
        };
        for resolve in self.lazy.drain(..).chain(self.durable.drain(..)) {
            resolve(Err(error.clone()));
        }
    }

    fn work(&mut self) -> Result<(), GivenUp> {
        self.log.start()?;
        loop {
            let patience = self.patience();
            let open = self.shared.queue.take(&mut self.requests, patience);
            self.turn()?;
            if !open && self.requests.is_empty() {
                self.log.sync()?;
                return self.say_goodbye();
            }
        }
    }

    /// A frame that says that all before it is synced: without it, the last ones could not be told from such as were lost.
    fn say_goodbye(&mut self) -> Result<(), GivenUp> {
        let draft = self.log.draft()?;
        self.log.write(draft)?;
        self.log.sync()
    }

    /// How long to wait for something to do.
    fn patience(&self) -> Option<Duration> {
        if !self.requests.is_empty() || self.compactor.is_copying() {
            return Some(Duration::ZERO);
        }
        if !self.log.is_unsynced() {
            return None;
        }
        let after = self.interval()?;
        Some(
            after
                .saturating_sub(self.synced_at.elapsed())
                .max(Duration::from_millis(1)),
        )
    }

    /// How long something may stay unsynced for which nobody waits.
    fn interval(&self) -> Option<Duration> {
        match self.fsync {
            Fsync::Always => Some(LAZY),
            Fsync::Interval(interval) => Some(interval),
            Fsync::Never => None,
        }
    }

    /// One frame.
    fn turn(&mut self) -> Result<(), GivenUp> {
        let before = self.log.written();
        let mut draft = self.log.draft()?;
        while draft.len() < FRAME
            && let Some(request) = self.requests.pop_front()
        {
            self.take(request, &mut draft);
        }
        self.write(draft)?;
        for resolve in self.lazy.drain(..) {
            resolve(Ok(()));
        }
        self.sync_if_wanted()?;
        for resolve in self.durable.drain(..) {
            resolve(Ok(()));
        }
        self.shared.queue.answered(std::mem::take(&mut self.bytes));
        let written = self.log.written() - before;
        self.give_room_back(usize::try_from(written).unwrap_or(usize::MAX))
    }

    /// Goes on with the oldest segment: faster than the log grows, whatever of it is wanted.
    fn give_room_back(&mut self, written: usize) -> Result<(), GivenUp> {
        let budget = STEP.max(written.saturating_mul(3));
        self.compactor.step(&mut self.log, &self.shared, budget)?;
        if self.compactor.awaits_sync() {
            self.sync()?;
            self.compactor.begin(&self.log, &self.shared);
        }
        Ok(())
    }

    /// Syncs, for everybody.
    fn sync(&mut self) -> Result<(), GivenUp> {
        self.log.sync()?;
        self.synced_at = Instant::now();
        self.compactor.synced(&mut self.log, &self.shared);
        // Whoever is told that all is on the disk finds that nothing waits.
        self.shared.queue.answered(std::mem::take(&mut self.bytes));
        for answer in self.must_sync.drain(..) {
            // Whoever does not wait any more is not told.
            let _ = answer.send(Ok(()));
        }
        Ok(())
    }

    fn write(&mut self, draft: Draft) -> Result<(), GivenUp> {
        if draft.is_empty() {
            return Ok(());
        }
        if !self.log.is_unsynced() {
            self.synced_at = Instant::now();
        }
        self.log.write(draft)
    }

    fn sync_if_wanted(&mut self) -> Result<(), GivenUp> {
        let waited_for = matches!(self.fsync, Fsync::Always) && !self.durable.is_empty();
        let is_due = self
            .interval()
            .is_some_and(|interval| self.synced_at.elapsed() >= interval);
        let is_much = self.log.unsynced_bytes() > UNSYNCED;
        let is_wanted = waited_for || is_due || is_much || !self.must_sync.is_empty();
        if is_wanted { self.sync() } else { Ok(()) }
    }

    /// Does what is asked for in memory, and puts into the frame what is to be known of it.
    fn take(&mut self, ticketed: Ticketed, draft: &mut Draft) {
        let Ticketed {
            request,
            ticket,
            bytes,
        } = ticketed;
        self.bytes += bytes;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        let mut apply = Apply::new(&mut state.index, draft, &mut self.recent);
        match request {
            Request::Commit { batch, now, answer } => {
                let is_lazy = batch.iter().all(apply::is_lazy);
                let done = apply.batch(&batch, now);
                self.resolve(is_lazy || done.is_err(), answer, done);
            }
            Request::Save {
                session,
                record,
                expected,
                answer,
            } => {
                let saved = apply.save(&session, &record, expected);
                self.resolve(saved.is_err(), answer, saved);
            }
            Request::Discard { session, answer } => {
                apply.discard(&session);
                self.resolve(false, answer, Ok(()));
            }
            Request::Forget { instance, answer } => {
                apply.forget(&instance);
                self.resolve(false, answer, Ok(()));
            }
            Request::Tidy { now, answer } => {
                let evicted = apply.tidy(now);
                self.resolve(true, answer, Ok(evicted));
            }
            Request::Limit { instance, limits } => apply.limit(&instance, limits),
            Request::LetGo { session, seqs } => apply.let_go(&session, &seqs),
            Request::LetGoRetained { instance, expired } => apply.let_go_retained(&instance, &expired),
            Request::Look(look) => {
                if let Some(job) = look(&state) {
                    shared.jobs.push(job);
                }
            }
            Request::Sync { answer } => self.must_sync.push(answer),
        }
        state.applied = ticket;
    }

    fn resolve<T: Send + 'static>(
        &mut self,
        is_lazy: bool,
        answer: Answer<T>,
        result: Result<T, StoreError>,
    ) {
        let resolve = Box::new(move |written: Result<(), StoreError>| {
            // Whoever does not wait any more is not told.
            let _ = answer.send(written.and(result));
        });
        if is_lazy {
            self.lazy.push(resolve);
        } else {
            self.durable.push(resolve);
        }
    }
}
