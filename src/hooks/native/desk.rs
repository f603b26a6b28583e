//! Where a shard asks a plugin: one desk an entry and shard. A call opens a ticket, calls the function, and reads what it
//! returned; a desk also keeps its instance alive, so when the last desk of an instance is gone nobody can be in a call.
#![allow(
    unsafe_code,
    reason = "the functions of a plugin are called here, as its declaration promises they may be"
)]

use super::answer::{Answered, Asked, Said, plain};
use super::instance::Instance;
use super::tickets::Lane;
use crate::hooks::lua::fault::Fault;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::abi::{ANSWERED, ERROR, PANIC, PENDING};
use std::cell::Cell;
use std::ffi::c_void;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a ticket is completed with.
pub(super) type Completed = Result<Answered, Fault>;

/// A function of a plugin for a hook whose event is `E`.
pub(super) type HookFunction<E> = Option<unsafe extern "C" fn(*mut c_void, *const E, u64) -> i32>;

/// An instance, as one entry on one shard asks it.
pub(crate) struct Desk {
    pub(super) instance: Arc<Instance>,
    /// For the calls that are answered at once. One that is not takes the lane along.
    lane: Cell<Option<Lane<Completed>>>,
    /// Whether its chain serves.
    active: Cell<bool>,
}

/// What a call came to.
pub(crate) enum Reply<R> {
    /// An answer.
    Now(R),
    /// The promise of one.
    Later(Late<R>),
}

/// An answer that is still to come. Dropping it gives the call up: what comes then is too late.
pub(crate) struct Late<R> {
    lane: Lane<Completed>,
    hook: Hook,
    answer: PhantomData<fn() -> R>,
}

impl Desk {
    pub(super) fn new(instance: Arc<Instance>) -> Self {
        Self {
            instance,
            lane: Cell::new(None),
            active: Cell::new(false),
        }
    }

    /// Whether the chain that it belongs to serves: while none does, the plugin may not change the world outside.
    pub(crate) fn set_active(&self, active: bool) {
        if self.active.replace(active) != active {
            self.instance.serves(active);
        }
    }

    /// The instance is told why when it ends, if this is the last that it hears.
    pub(crate) fn retire(&self, reason: &str) {
        self.instance.ends_because(reason);
    }

    /// Calls the function of `hook` and reads its answer.
    #[inline]
    pub(super) fn ask<E, R: Said>(
        &self,
        hook: Hook,
        function: HookFunction<E>,
        event: &E,
    ) -> Result<Reply<R>, Fault> {
        let Some(function) = function else {
            return Err(Fault::answer(
                "the plugin has lost a hook that it had when it was checked",
            ));
        };
        let mut lane = self.lane()?;
        let ticket = lane.open(Asked::Hook(hook).number());
        // SAFETY: the declaration says that this is the hook's function; the instance lives as long as the desk, and the event
        // for this call.
        let said = unsafe { function(self.instance.pointer(), std::ptr::from_ref(event), ticket) };
        if said == PENDING {
            return self.later(hook, lane);
        }
        let completed = lane.close();
        self.lane.set(Some(lane));
        let answered = match (said, completed) {
            (ERROR | PANIC, _) | (_, None) if said != ANSWERED => plain(hook, said)?,
            (ANSWERED, Some(completed)) => completed?,
            (ANSWERED, None) => {
                return Err(Fault::answer(format!(
                    "{hook} answered ANSWERED ({ANSWERED}) and completed nothing"
                )));
            }
            (said, _) => {
                return Err(Fault::answer(format!(
                    "{hook} answered {said} and completed its ticket as well; it is one or the other"
                )));
            }
        };
        R::of(answered).map(Reply::Now).ok_or_else(unfit)
    }

    /// Tells an observer: there is nothing to answer, so there is no ticket.
    pub(super) fn tell<E>(&self, function: HookFunction<E>, event: &E) -> Result<(), Fault> {
        let Some(function) = function else {
            return Err(Fault::answer(
                "the plugin has lost a hook that it had when it was checked",
            ));
        };
        // SAFETY: as in `ask`.
        match unsafe { function(self.instance.pointer(), std::ptr::from_ref(event), 0) } {
            ERROR => Err(Fault::answer("the plugin answered that it failed")),
            PANIC => Err(Fault::plugin_panicked(None)),
            _ => Ok(()),
        }
    }

    #[inline]
    fn lane(&self) -> Result<Lane<Completed>, Fault> {
        let lane = self
            .lane
            .take()
            .or_else(|| self.instance.world().tickets().lane());
        lane.ok_or_else(|| Fault::answer("a million of its calls are waiting"))
    }

    #[cold]
    fn later<R>(&self, hook: Hook, lane: Lane<Completed>) -> Result<Reply<R>, Fault> {
        if self.instance.may_wait(hook) {
            return Ok(Reply::Later(Late {
                lane,
                hook,
                answer: PhantomData,
            }));
        }
        Err(Fault::answer(format!(
            "{hook} answered PENDING ({PENDING}), and it cannot wait: in Rust name it in WAITS, in C in `waits`, where it may at all"
        )))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.set_active(false);
    }
}

impl<R> Reply<R> {
    /// The answer, of a call that nobody can wait for.
    ///
    /// # Errors
    /// There is none yet.
    #[inline]
    pub(crate) fn at_once(self) -> Result<R, Fault> {
        match self {
            Reply::Now(answer) => Ok(answer),
            Reply::Later(late) => Err(Fault::answer(format!(
                "{} answered PENDING ({PENDING}) where nobody can wait",
                late.hook
            ))),
        }
    }
}

impl<R: Said> Future for Late<R> {
    type Output = Result<R, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.lane
            .poll(cx)
            .map(|completed| completed.and_then(|answered| R::of(answered).ok_or_else(unfit)))
    }
}

fn unfit() -> Fault {
    Fault::answer("it gave the answer of another hook")
}
