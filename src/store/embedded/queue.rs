//! What waits for the writer, in the order of the calls.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::reader::Job;
use super::shared::State;
use crate::instance::{InstanceId, SessionKey};
use crate::store::durable::{Change, Committed, InboxLimits, Revision, SessionRecord, StoreError};
use crate::time::Millis;
use crate::topic::TopicName;

/// Tickets are given in one row over all stores, so that a thread needs to remember one only.
static TICKETS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The last ticket that this thread drew, of whatever store.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// About what a request takes besides messages.
const REQUEST: usize = 128;

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A look at the state.
pub(super) type Look = Box<dyn FnOnce(&State) -> Option<Job> + Send>;

/// Something to be done.
pub(super) enum Request {
    Commit {
        batch: Vec<Change>,
        now: Millis,
        answer: Answer<Committed>,
    },
    Save {
        session: SessionKey,
        record: Box<SessionRecord>,
        expected: Revision,
        answer: Answer<Revision>,
    },
    Discard {
        session: SessionKey,
        answer: Answer<()>,
    },
    Forget {
        instance: InstanceId,
        answer: Answer<()>,
    },
    Tidy {
        now: Millis,
        answer: Answer<Vec<(InstanceId, usize)>>,
    },
    Limit {
        instance: InstanceId,
        limits: InboxLimits,
    },
    /// Messages that have expired: these places of an inbox.
    LetGo {
        session: SessionKey,
        seqs: Vec<u64>,
    },
    /// Retained messages that have expired, by their topics and bodies.
    LetGoRetained {
        instance: InstanceId,
        expired: Vec<(TopicName, u64)>,
    },
    /// Looks at the state; what has to be read then is the reader's job.
    Look(Look),
    Sync {
        answer: Answer<()>,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request")
    }
}

/// A request with its place in the order, and about as many bytes as it holds.
#[derive(Debug)]
pub(super) struct Ticketed {
    pub(super) request: Request,
    pub(super) ticket: u64,
    pub(super) bytes: usize,
}

#[derive(Debug, Default)]
struct Inside {
    requests: VecDeque<Ticketed>,
    /// Nothing is taken any more.
    closed: bool,
    /// The writer has nothing to do and waits to be woken.
    idle: bool,
}

/// The queue. It has no bound of its own: who fills it looks at [`waiting`](Self::waiting).
#[derive(Debug, Default)]
pub(super) struct Queue {
    inside: Mutex<Inside>,
    wake: Condvar,
    /// Bytes of what is queued or not answered yet.
    waiting: AtomicUsize,
    /// The last ticket that was given for this queue.
    last: AtomicU64,
}

impl Queue {
    /// Puts a request behind all others, with messages of so many bytes. If the queue is closed it is dropped, and so is its answer.
    pub(super) fn push(&self, request: Request, bytes: usize) {
        let mut inside = self.inside.lock();
        if inside.closed {
            return;
        }
        let ticket = TICKETS.fetch_add(1, Ordering::Relaxed) + 1;
        self.last.store(ticket, Ordering::Relaxed);
        LAST.set(ticket);
        let bytes = bytes + REQUEST;
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        inside.requests.push_back(Ticketed {
            request,
            ticket,
            bytes,
        });
        if inside.idle {
            inside.idle = false;
            self.wake.notify_one();
        }
    }

    /// The ticket up to which the state has to be for this thread to see in it all that it has asked for.
    pub(super) fn mine(&self) -> u64 {
        LAST.get().min(self.last.load(Ordering::Relaxed))
    }

    /// Moves all that waits behind what `into` has. If nothing does, waits for it, `patience` at most. Answers with
    /// whether the queue is open still.
    pub(super) fn take(&self, into: &mut VecDeque<Ticketed>, patience: Option<Duration>) -> bool {
        let mut inside = self.inside.lock();
        if inside.requests.is_empty() && !inside.closed && patience != Some(Duration::ZERO) {
            inside.idle = true;
            match patience {
                Some(patience) => {
                    self.wake.wait_for(&mut inside, patience);
                }
                None => self.wake.wait(&mut inside),
            }
            inside.idle = false;
        }
        into.append(&mut inside.requests);
        !inside.closed
    }

    /// So many bytes are answered for.
    pub(super) fn answered(&self, bytes: usize) {
        let less = |waiting: usize| Some(waiting.saturating_sub(bytes));
        let _ = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes nothing more; what waits is still done.
    pub(super) fn close(&self) {
        self.inside.lock().closed = true;
        self.wake.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inside.lock().closed
    }

    /// Takes nothing more, and drops what waits: there is nobody any more who could do it.
    pub(super) fn abandon(&self) {
        let mut inside = self.inside.lock();
        inside.closed = true;
        inside.requests.clear();
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Waits for so long, or until the queue is closed.
    pub(super) fn sleep(&self, time: Duration) {
        let mut inside = self.inside.lock();
        if !inside.closed {
            self.wake.wait_for(&mut inside, time);
        }
    }
}
