//! What a plugin asked to be told later: timers, and what is known of a session. One thread an instance, begun with the first of
//! them, so that a plugin that dawdles in a call of its own holds up nobody else's.
//!
//! *Invariant*: each errand is run or given back, once, and all of them before the instance is quiesced. (`tests/models`
//! tries this in every order of events.)
#![allow(unsafe_code, reason = "what a plugin gave to be called is called here")]

use super::sync::{Condvar, Mutex, thread};
use crate::hooks::host::SessionFacts;
use dunlin_plugin_api::abi::{ABSENT, NOT_SERVING, OK, Prefixed, SessionInfo};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many may wait: more is a plugin that has lost count.
const MOST: usize = 65_536;

type Call = Option<unsafe extern "C" fn(*mut c_void)>;
type Found = unsafe extern "C" fn(*mut c_void, i32, *const SessionInfo);

/// A plugin's data, which it gave for any thread.
#[derive(Clone, Copy)]
struct Data(*mut c_void);

// SAFETY: the ABI has the host call back on a thread of its own.
unsafe impl Send for Data {}

struct Timer {
    call: Call,
    release: Call,
    data: Data,
}

struct Asked {
    found: Found,
    data: Data,
}

enum Errand {
    Timer(Timer),
    /// An answer is there: to which question, and what.
    Session(u64, Option<SessionFacts>),
}

#[derive(Default)]
struct State {
    /// By when they are due, and how-manieth they are.
    due: BTreeMap<(Instant, u64), Errand>,
    /// Questions about sessions, by their number.
    asked: HashMap<u64, Asked>,
    next: u64,
    begun: bool,
    ended: bool,
    /// The thread is in a call of the plugin.
    calling: bool,
}

/// Those of one instance.
#[derive(Default)]
pub(super) struct Errands {
    state: Mutex<State>,
    changed: Condvar,
}

/// Why an errand was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Untaken {
    /// There are too many.
    Full,
    /// The instance ends.
    Ended,
}

impl Errands {
    /// Has `call(data)` called after `delay`, and then or instead `release(data)`.
    pub(super) fn timer(
        self: &Arc<Self>,
        delay: Duration,
        call: Call,
        release: Call,
        data: *mut c_void,
    ) -> Result<(), Untaken> {
        let now = Instant::now();
        // An end that no clock reaches: in a hundred years.
        let due = now
            .checked_add(delay)
            .or_else(|| now.checked_add(Duration::from_secs(3_153_600_000)))
            .unwrap_or(now);
        let data = Data(data);
        self.add(due, Errand::Timer(Timer { call, release, data }))
    }

    /// Remembers a question about a session: its number.
    pub(super) fn ask(&self, found: Found, data: *mut c_void) -> Result<u64, Untaken> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(Untaken::Ended);
        }
        if state.asked.len() >= MOST {
            return Err(Untaken::Full);
        }
        state.next += 1;
        let number = state.next;
        let data = Data(data);
        state.asked.insert(number, Asked { found, data });
        Ok(number)
    }

    /// Forgets a question that could not be put; `false` when it has been answered already.
    pub(super) fn forget(&self, number: u64) -> bool {
        self.state.lock().asked.remove(&number).is_some()
    }

    /// The answer to a question is there. A question that is over is none.
    pub(super) fn answer(self: &Arc<Self>, number: u64, facts: Option<SessionFacts>) {
        let _ended = self.add(Instant::now(), Errand::Session(number, facts));
    }

    fn add(self: &Arc<Self>, due: Instant, errand: Errand) -> Result<(), Untaken> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(Untaken::Ended);
        }
        if state.due.len() >= MOST {
            return Err(Untaken::Full);
        }
        if !state.begun {
            let errands = self.clone();
            let thread = thread::Builder::new()
                .name("plugin-errands".into())
                .spawn(move || errands.run());
            if thread.is_err() {
                return Err(Untaken::Full);
            }
            state.begun = true;
        }
        state.next += 1;
        let number = state.next;
        state.due.insert((due, number), errand);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn run(&self) {
        let mut state = self.state.lock();
        while !state.ended {
            let Some(first) = state.due.first_entry() else {
                self.changed.wait(&mut state);
                continue;
            };
            let (due, _) = *first.key();
            if due > Instant::now() {
                self.changed.wait_until(&mut state, due);
                continue;
            }
            let errand = first.remove();
            let asked = match &errand {
                Errand::Session(number, _) => state.asked.remove(number),
                Errand::Timer(_) => None,
            };
            state.calling = true;
            drop(state);
            match errand {
                Errand::Timer(timer) => {
                    timer.call();
                    timer.release();
                }
                Errand::Session(_, facts) => {
                    if let Some(asked) = asked {
                        asked.tell(facts);
                    }
                }
            }
            state = self.state.lock();
            state.calling = false;
            self.changed.notify_all();
        }
    }

    /// No more of them: those that wait are given back. `false` when one that runs does not come back within `patience`; it
    /// may then still be in its call.
    pub(super) fn end(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        state.ended = true;
        let due = std::mem::take(&mut state.due);
        let asked = std::mem::take(&mut state.asked);
        self.changed.notify_all();
        while state.calling && !self.changed.wait_until(&mut state, until).timed_out() {}
        let came_back = !state.calling;
        drop(state);
        // Also when one does not come back: the others are due before `quiesce` all the same.
        for errand in due.into_values() {
            if let Errand::Timer(timer) = errand {
                timer.release();
            }
        }
        for asked in asked.into_values() {
            asked.refuse();
        }
        came_back
    }
}

impl Timer {
    fn call(&self) {
        if let Some(call) = self.call {
            // SAFETY: the plugin gave both for this, and has not been quiesced: `end` waits for this call.
            unsafe { call(self.data.0) };
        }
    }

    fn release(self) {
        if let Some(release) = self.release {
            // SAFETY: the same, and once: this consumes it.
            unsafe { release(self.data.0) };
        }
    }
}

impl Asked {
    fn tell(self, facts: Option<SessionFacts>) {
        match facts {
            Some(facts) => {
                let info = SessionInfo {
                    connected: facts.connected.into(),
                    subscriptions: facts.subscriptions,
                    queued: facts.queued,
                    ..SessionInfo::blank()
                };
                // SAFETY: the plugin gave both for this, and it is called once: this consumes it.
                unsafe { (self.found)(self.data.0, OK, &raw const info) }
            }
            // SAFETY: the same.
            None => unsafe { (self.found)(self.data.0, ABSENT, std::ptr::null()) },
        }
    }

    fn refuse(self) {
        // SAFETY: the same.
        unsafe { (self.found)(self.data.0, NOT_SERVING, std::ptr::null()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    unsafe extern "C" fn count(data: *mut c_void) {
        // SAFETY: the tests give a counter that outlives its errands.
        unsafe { &*data.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
    }

    unsafe extern "C" fn dawdle(data: *mut c_void) {
        std::thread::sleep(Duration::from_millis(200));
        // SAFETY: the same.
        unsafe { count(data) };
    }

    unsafe extern "C" fn found(data: *mut c_void, status: i32, _: *const SessionInfo) {
        // SAFETY: the same.
        unsafe { &*data.cast::<AtomicU32>() }.store(status as u32, Ordering::SeqCst);
    }

    fn at(counter: &AtomicU32) -> *mut c_void {
        std::ptr::from_ref(counter).cast_mut().cast()
    }

    #[test]
    fn timers_come_in_their_order_and_what_is_left_is_given_back_once() {
        let errands = Arc::<Errands>::default();
        let (called, released) = (AtomicU32::new(0), AtomicU32::new(0));
        errands
            .timer(Duration::from_millis(5), Some(count), None, at(&called))
            .unwrap();
        for delay in [Duration::from_secs(60), Duration::MAX] {
            errands.timer(delay, None, Some(count), at(&released)).unwrap();
        }
        while called.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert!(errands.end(Duration::from_secs(5)));
        assert_eq!(released.load(Ordering::SeqCst), 2);
        let late = errands.timer(Duration::ZERO, Some(count), None, at(&called));
        assert_eq!(late, Err(Untaken::Ended));
    }

    #[test]
    fn a_call_that_runs_is_waited_for() {
        let errands = Arc::<Errands>::default();
        let called = AtomicU32::new(0);
        errands
            .timer(Duration::ZERO, Some(dawdle), None, at(&called))
            .unwrap();
        while !errands.state.lock().calling {
            std::thread::yield_now();
        }
        assert!(!errands.end(Duration::from_millis(1)));
        assert!(errands.end(Duration::from_secs(5)));
        assert_eq!(called.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_question_is_answered_once_whoever_comes_first() {
        let errands = Arc::<Errands>::default();
        let said = AtomicU32::new(77);
        let number = errands.ask(found, at(&said)).unwrap();
        assert!(errands.forget(number) && !errands.forget(number));
        errands.answer(number, None);
        let number = errands.ask(found, at(&said)).unwrap();
        errands.answer(number, None);
        while said.load(Ordering::SeqCst) == 77 {
            std::thread::yield_now();
        }
        assert_eq!(said.load(Ordering::SeqCst), ABSENT as u32);
        errands.ask(found, at(&said)).unwrap();
        assert!(errands.end(Duration::from_secs(5)));
        assert_eq!(said.load(Ordering::SeqCst), NOT_SERVING as u32);
    }
}
