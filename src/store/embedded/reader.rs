//! Reads what lies on the disk, on a thread of its own: that holds up neither who asks nor what is written.

mod fetch;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::disk::DiskFile;
use super::index::{Handle, Location};
use super::shared::Shared;
use crate::message::Message;
use crate::store::durable::SessionRecord;

/// Something to be read.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) at: Location,
    /// Whose body it is, to find where it has gone meanwhile.
    pub(super) body: Option<(Handle, u64)>,
}

/// The files that things lie in: they stay open until all is read, whatever becomes of them meanwhile.
pub(super) type Files = BTreeMap<u32, Arc<dyn DiskFile>>;

/// What was read.
#[derive(Debug)]
pub(super) enum Fetched {
    Message(Arc<Message>),
    Record(SessionRecord),
    /// It cannot be read, which has been told.
    Lost,
}

/// What is done with what was read, in the order in which it was asked for.
pub(super) type Finish = Box<dyn FnOnce(Vec<Fetched>, &Shared) + Send>;

/// Things to be read together.
pub(super) struct Job {
    /// The frame that has to be written before.
    pub(super) needs: u64,
    pub(super) fetches: Vec<Fetch>,
    pub(super) files: Files,
    pub(super) finish: Finish,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Job");
        shown.field("needs", &self.needs).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Inside {
    ready: VecDeque<Job>,
    /// Those that need what is not written yet.
    parked: Vec<Job>,
    /// The last frame that is written.
    written: u64,
    closed: bool,
}

/// What waits to be read.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    inside: Mutex<Inside>,
    wake: Condvar,
}

impl Jobs {
    pub(super) fn push(&self, job: Job) {
        let mut inside = self.inside.lock();
        if inside.closed {
            return;
        }
        if job.needs > inside.written {
            inside.parked.push(job);
        } else {
            inside.ready.push_back(job);
            self.wake.notify_one();
        }
    }

    /// All frames up to this one are written.
    pub(super) fn written(&self, frame: u64) {
        let mut inside = self.inside.lock();
        inside.written = frame;
        if inside.parked.is_empty() {
            return;
        }
        let parked = std::mem::take(&mut inside.parked);
        for job in parked {
            if job.needs > frame {
                inside.parked.push(job);
            } else {
                inside.ready.push_back(job);
            }
        }
        self.wake.notify_one();
    }

    /// What is ready is still read; the rest never will be.
    pub(super) fn close(&self) {
        let mut inside = self.inside.lock();
        inside.closed = true;
        inside.parked.clear();
        self.wake.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut inside = self.inside.lock();
        loop {
            if let Some(job) = inside.ready.pop_front() {
                return Some(job);
            }
            if inside.closed {
                return None;
            }
            self.wake.wait(&mut inside);
        }
    }
}

/// Does jobs until there will be none any more.
pub(super) fn run(shared: &Shared) {
    while let Some(job) = shared.jobs.next() {
        let fetched = fetch::all(job.fetches, &job.files, shared);
        (job.finish)(fetched, shared);
    }
}
