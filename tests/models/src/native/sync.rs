//! The locks, atomics and threads that try every order of events, with the faces of those that the broker has.
//!
//! `Arc` is the standard library's here, too: that it counts rightly is not what is tried. So loom does not see the order that comes
//! with it, and the models look at what is read and written in one order, not at who may see what.

pub(super) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use std::ops::{Deref, DerefMut};
use std::time::Instant;

#[derive(Default)]
pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

/// `None` only while a condition is waited for.
pub(super) struct Guard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> Guard<'_, T> {
        Guard(Some(free(self.0.lock())))
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap_or_else(|| unreachable!())
    }
}

/// Nobody panics in a lock unless the model has failed.
fn free<G>(locked: std::sync::LockResult<G>) -> G {
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(super) struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(super) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    pub(super) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
        free(self.0.read())
    }

    pub(super) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        free(self.0.write())
    }
}

#[derive(Default)]
pub(super) struct Condvar(loom::sync::Condvar);

pub(super) struct Waited {
    timed_out: bool,
}

impl Waited {
    pub(super) fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Condvar {
    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(super) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        guard.0 = guard.0.take().map(|held| free(self.0.wait(held)));
    }

    /// Time does not pass in a model: what lies in the past is over at once, and what lies ahead never comes.
    pub(super) fn wait_until<T>(&self, guard: &mut Guard<'_, T>, until: Instant) -> Waited {
        let timed_out = until <= Instant::now();
        if !timed_out {
            self.wait(guard);
        }
        Waited { timed_out }
    }
}

pub(super) mod thread {
    pub(in super::super) use loom::thread::{JoinHandle, spawn};

    /// One with room for what logs a line.
    pub(in super::super) struct Builder(loom::thread::Builder);

    impl Builder {
        pub(in super::super) fn new() -> Self {
            // In words.
            Self(loom::thread::Builder::new().stack_size(0x4000))
        }

        pub(in super::super) fn name(self, name: String) -> Self {
            Self(self.0.name(name))
        }

        pub(in super::super) fn spawn<F: FnOnce() + Send + 'static>(
            self,
            run: F,
        ) -> std::io::Result<JoinHandle<()>> {
            self.0.spawn(run)
        }
    }
}
