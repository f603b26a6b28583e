//! Threads that take turns at a bounded queue, and that can be ended within a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Workers.
#[derive(Debug)]
pub(crate) struct Workers<T> {
    /// `None` once they were stopped.
    queue: Mutex<Option<SyncSender<T>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// How many wait in the queue.
    waiting: Arc<AtomicUsize>,
    most: usize,
}

impl<T: Send + 'static> Workers<T> {
    /// Starts so many threads, each of which does `work` on what is given.
    pub(crate) fn start(
        name: &str,
        threads: usize,
        most: usize,
        work: impl Fn(T) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let most = most.max(1);
        let (queue, given) = sync_channel(most);
        let given = Arc::new(Mutex::new(given));
        let work = Arc::new(work);
        let waiting = Arc::new(AtomicUsize::new(0));
        let started: std::io::Result<Vec<_>> = (0..threads)
            .map(|_| {
                let (given, work, waiting) = (Arc::clone(&given), Arc::clone(&work), Arc::clone(&waiting));
                Builder::new().name(name.to_owned()).spawn(move || {
                    while let Some(item) = next(&given) {
                        waiting.fetch_sub(1, Ordering::Relaxed);
                        work(item);
                    }
                })
            })
            .collect();
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            threads: Mutex::new(started?),
            waiting,
            most,
        })
    }

    /// Whether something could be given now.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < self.most
    }

    /// Gives something to do; it comes back when there is no room, or nobody to do it.
    pub(crate) fn give(&self, item: T) -> Option<T> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = &*queue else { return Some(item) };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match queue.try_send(item) {
            Ok(()) => None,
            Err(TrySendError::Full(item) | TrySendError::Disconnected(item)) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Some(item)
            }
        }
    }

    /// Takes nothing more, has what waits done, and ends the threads. How many were not done by then.
    pub(crate) fn stop(&self, deadline: Duration) -> usize {
        let end = Instant::now() + deadline;
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        while Instant::now() < end && threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let (done, left): (Vec<_>, Vec<_>) = threads.drain(..).partition(JoinHandle::is_finished);
        // A worker that panicked has told the log.
        done.into_iter().for_each(|thread| drop(thread.join()));
        left.len()
    }
}

fn next<T>(given: &Mutex<Receiver<T>>) -> Option<T> {
    given.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
