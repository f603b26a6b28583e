//! Tickets: the right to answer one call, once, from any thread.
//!
//! A ticket's number says which slot it belongs to and the how-manieth call of that slot it is for, so a number that was
//! answered before, came too late, or was made up, meets a slot that has moved on. Who asks owns a slot for as long as
//! he has calls to make, and opens and closes it without a lock; only an answer that is really given takes one.
//!
//! The state of a slot is one word: the number of the call, and whether it is closed, open or filled.
//!
//! ```text
//!            open: store            complete: exchange, answer written under the lock
//! closed(n) ───────────> open(n+1) ─────────────────────────────> filled(n+1)
//!     ^                      │ close: exchange, no answer              │ close: exchange, answer taken under the lock
//!     └──────────────────────┴─────────────────────────────────────────┘
//! ```
//!
//! *Invariant*: of one call, `complete` succeeds at most once, and only between `open` and `close`; what it gave is what
//! `close` takes. (`tests/models` tries this in every order of events.)

use super::sync::{AtomicU32, AtomicU64, Mutex, Ordering, RwLock};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// How many bits of a number name the slot: a million calls may wait at once.
const SLOT_BITS: u32 = 20;
const SLOTS: u64 = 1 << SLOT_BITS;
/// The calls of a slot are counted up to this, which is what a number has room for, and then from 1 again.
const LAST_CALL: u64 = (1 << (u64::BITS - SLOT_BITS)) - 1;

/// What a call's state says besides its number.
const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const FILLED: u64 = 2;
const STATE_BITS: u32 = 2;

const fn word(call: u64, state: u64) -> u64 {
    call << STATE_BITS | state
}

/// A place for one answer at a time.
struct Slot<T> {
    state: AtomicU64,
    /// What is asked, for whoever reads the answer.
    what: AtomicU32,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    answer: Option<T>,
    /// Who waits for it.
    waker: Option<Waker>,
}

/// All slots of one instance.
pub(super) struct Tickets<T> {
    slots: RwLock<Vec<Arc<Slot<T>>>>,
    free: Mutex<Vec<u32>>,
}

/// A slot that somebody owns. When it is dropped it goes back, closed.
pub(super) struct Lane<T> {
    slot: Arc<Slot<T>>,
    index: u32,
    /// The number of the last call.
    call: u64,
    of: Arc<Tickets<T>>,
}

/// Why an answer was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stale;

impl<T> Tickets<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            slots: RwLock::new(Vec::new()),
            free: Mutex::new(Vec::new()),
        })
    }

    /// A slot for calls to come; `None` when a million of them are taken.
    pub(super) fn lane(self: &Arc<Self>) -> Option<Lane<T>> {
        let free = self.free.lock().pop();
        if let Some(index) = free {
            let slot = self.slots.read().get(index as usize)?.clone();
            let call = slot.state.load(Ordering::Relaxed) >> STATE_BITS;
            return Some(Lane {
                slot,
                index,
                call,
                of: self.clone(),
            });
        }
        let slot = Arc::new(Slot {
            state: AtomicU64::new(word(0, CLOSED)),
            what: AtomicU32::new(0),
            held: Mutex::new(Held {
                answer: None,
                waker: None,
            }),
        });
        let mut slots = self.slots.write();
        let index = u32::try_from(slots.len())
            .ok()
            .filter(|index| u64::from(*index) < SLOTS)?;
        slots.push(slot.clone());
        Some(Lane {
            slot,
            index,
            call: 0,
            of: self.clone(),
        })
    }

    /// What is asked by the call of this number, as long as it is open.
    pub(super) fn asked(&self, number: u64) -> Option<u32> {
        let (slot, call) = self.slot(number)?;
        // Whoever sees what the next call asks sees then that this one is over.
        let what = slot.what.load(Ordering::Acquire);
        (slot.state.load(Ordering::Acquire) == word(call, OPEN)).then_some(what)
    }

    /// Answers the call of this number.
    ///
    /// # Errors
    /// It is not open: never was, answered before, or too late.
    pub(super) fn complete(&self, number: u64, answer: T) -> Result<(), Stale> {
        let (slot, call) = self.slot(number).ok_or(Stale)?;
        // The lock comes first: whoever sees `filled` and takes it finds the answer there.
        let mut held = slot.held.lock();
        let (open, filled) = (word(call, OPEN), word(call, FILLED));
        let exchanged = slot
            .state
            .compare_exchange(open, filled, Ordering::AcqRel, Ordering::Relaxed);
        if exchanged.is_err() {
            return Err(Stale);
        }
        held.answer = Some(answer);
        let waker = held.waker.take();
        drop(held);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    fn slot(&self, number: u64) -> Option<(Arc<Slot<T>>, u64)> {
        let index = usize::try_from(number % SLOTS).ok()?;
        let slot = self.slots.read().get(index)?.clone();
        Some((slot, number >> SLOT_BITS))
    }
}

impl<T> Lane<T> {
    /// Begins a call that asks `what`: its ticket, which is never 0.
    #[inline]
    pub(super) fn open(&mut self, what: u32) -> u64 {
        self.call = if self.call == LAST_CALL { 1 } else { self.call + 1 };
        self.slot.what.store(what, Ordering::Release);
        self.slot.state.store(word(self.call, OPEN), Ordering::Release);
        self.call << SLOT_BITS | u64::from(self.index)
    }

    /// Ends the call: its answer, if one was given. Later ones are stale.
    #[inline]
    pub(super) fn close(&mut self) -> Option<T> {
        let before = self.slot.state.swap(word(self.call, CLOSED), Ordering::AcqRel);
        if before == word(self.call, FILLED) {
            return self.slot.held.lock().answer.take();
        }
        None
    }

    /// The answer, when it is there; then the call has ended.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<T> {
        let mut held = self.slot.held.lock();
        match held.answer.take() {
            Some(answer) => {
                self.slot.state.store(word(self.call, CLOSED), Ordering::Release);
                Poll::Ready(answer)
            }
            None => {
                held.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        self.close();
        self.slot.held.lock().waker = None;
        self.of.free.lock().push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_slot_begin_again() {
        let tickets = Tickets::new();
        let mut lane = tickets.lane().unwrap();
        lane.call = LAST_CALL - 1;
        for _ in 0..3 {
            let ticket = lane.open(7);
            assert_ne!(ticket, 0);
            assert_eq!(tickets.complete(ticket, 1), Ok(()));
            assert_eq!(lane.close(), Some(1));
        }
    }
}
