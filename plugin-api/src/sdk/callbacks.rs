//! What the host is to call back: who asked for a session, and timers.
//!
//! The host is given a number in place of a pointer. When it comes, what it stands for is taken out of a table; a number that
//! comes a second time, or that was taken back, leads nowhere. So whatever a host does, nothing is freed twice and nothing is
//! called that is gone.

use super::caught::caught;
use super::host::Session;
use crate::abi::{self, SessionInfo, read_prefix};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::without_provenance_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who asked for a session.
pub(super) static SESSIONS: Waiting<Box<dyn FnOnce(Option<Session>) + Send>> = Waiting::new();
/// What is to be done when a time has come.
pub(super) static TIMERS: Waiting<Box<dyn FnOnce() + Send>> = Waiting::new();

/// What waits for its number.
pub(super) struct Waiting<T>(Mutex<Numbered<T>>);

struct Numbered<T> {
    last: usize,
    of: BTreeMap<usize, T>,
}

impl<T> Waiting<T> {
    const fn new() -> Self {
        Self(Mutex::new(Numbered {
            last: 0,
            of: BTreeMap::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Numbered<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `ask` give the host a number for `what`. When the host refuses, `what` is dropped, if it did not come all the same.
    pub(super) fn hand_over(&self, what: T, ask: impl FnOnce(*mut c_void) -> i32) -> i32 {
        let number = self.put(what);
        let status = ask(without_provenance_mut(number));
        if status != abi::OK {
            drop(self.take(number));
        }
        status
    }

    fn put(&self, what: T) -> usize {
        let mut numbered = self.lock();
        // Not 0, which looks like nothing, and none that still waits.
        let number = loop {
            numbered.last = numbered.last.wrapping_add(1).max(1);
            if !numbered.of.contains_key(&numbered.last) {
                break numbered.last;
            }
        };
        numbered.of.insert(number, what);
        number
    }

    fn take(&self, number: usize) -> Option<T> {
        self.lock().of.remove(&number)
    }
}

/// The host found a session, or none.
pub(super) unsafe extern "C" fn session_found(data: *mut c_void, status: i32, session: *const SessionInfo) {
    let Some(found) = SESSIONS.take(data.addr()) else {
        return;
    };
    let session = match status {
        // SAFETY: with `OK` the host gives a session that is good for the call.
        abi::OK => unsafe { read_prefix(session) },
        _ => None,
    };
    let session = session.map(|session| Session {
        connected: session.connected != 0,
        subscriptions: session.subscriptions,
        queued: session.queued,
    });
    let _ = caught(|| found(session));
}

/// A time has come.
pub(super) unsafe extern "C" fn timer_due(data: *mut c_void) {
    if let Some(then) = TIMERS.take(data.addr()) {
        let _ = caught(then);
    }
}

/// The host has no more to do with the timer, whether it called it or not.
pub(super) unsafe extern "C" fn timer_released(data: *mut c_void) {
    let _ = caught(|| drop(TIMERS.take(data.addr())));
}

#[cfg(test)]
mod tests;
