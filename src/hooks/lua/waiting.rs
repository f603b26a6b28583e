//! A call that waits: a coroutine that is put aside while a backend works, and resumed on the shard's thread.

use super::asked::Asked;
use super::fault::Fault;
use super::limits::Limits;
use super::sandbox::Sandbox;
use crate::hooks::host::Host;
use mlua::thread::AsyncThread;
use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua};
use std::ffi::c_void;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A running coroutine. It keeps its state alive, so a call ends in the generation in which it began. Dropping it gives
/// the call up, and what it waits for as well.
pub(crate) struct Waiting<R> {
    thread: AsyncThread<R>,
    coroutine: *const c_void,
    lua: Lua,
    limits: Rc<Limits>,
    asked: Rc<Asked>,
    /// The instance of whom it is about, if that is anybody.
    instance: Option<Arc<str>>,
    /// What is left of the time that it may compute.
    budget: Duration,
    steps: Option<u64>,
    /// Whether each stretch between two waits has the whole budget.
    renews: bool,
    /// Whether functions that wait may be called.
    may_wait: bool,
}

impl<R: FromLuaMulti> Waiting<R> {
    pub(super) fn begin(
        sandbox: &Sandbox,
        through: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<Self, Fault> {
        let (lua, host) = (&sandbox.lua, &sandbox.host);
        Self::new(lua, host, through, budget, steps, arguments)
    }

    /// A call that nobody waits for, and that may go on as long as its generation. It is about a client of `instance`, if it is
    /// about anybody.
    pub(crate) fn task(
        lua: &Lua,
        host: &Host,
        function: &Function,
        instance: Option<Arc<str>>,
        arguments: impl IntoLuaMulti,
    ) -> Result<Self, Fault> {
        let call = Self::new(lua, host, function, host.budget, host.steps, arguments)?;
        Ok(Self {
            renews: true,
            instance,
            ..call
        })
    }

    fn new(
        lua: &Lua,
        host: &Host,
        function: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<Self, Fault> {
        let broken = |error| Fault::from_lua(&error, None);
        let thread = lua.create_thread(function.clone()).map_err(broken)?;
        let coroutine = thread.to_pointer();
        Ok(Self {
            thread: thread.into_async(arguments).map_err(broken)?,
            coroutine,
            lua: lua.clone(),
            limits: host.limits.clone(),
            asked: host.asked.clone(),
            instance: host.asked.instance(),
            budget,
            steps,
            renews: false,
            may_wait: true,
        })
    }

    /// The same for a hook that does not wait, asked off the straight path: functions that wait are refused as on it.
    pub(crate) fn that_waits(mut self, may_wait: bool) -> Self {
        self.may_wait = may_wait;
        self
    }
}

impl<R: FromLuaMulti> Future for Waiting<R> {
    type Output = Result<R, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let began = Instant::now();
        self.limits.begin(self.budget, self.steps);
        if self.may_wait {
            self.limits.waits_in(self.coroutine);
        }
        let asked = self.asked.clone();
        let _about = self
            .instance
            .as_ref()
            .map(|instance| asked.about_one_of(instance));
        let thread = &mut self.thread;
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(thread).poll(cx)));
        let stopped = self.limits.end(&self.lua);
        if !self.renews {
            self.budget = self.budget.saturating_sub(began.elapsed());
        }
        match (polled, stopped) {
            (Ok(Poll::Pending), None) if self.may_wait => Poll::Pending,
            (Ok(Poll::Pending), None) => Poll::Ready(Err(Fault::answer(
                "the hook yields, and nobody would resume it: it does not wait",
            ))),
            (Ok(Poll::Ready(Ok(value))), None) => Poll::Ready(Ok(value)),
            (Ok(Poll::Ready(Err(error))), stopped) => Poll::Ready(Err(Fault::from_lua(&error, stopped))),
            // It caught the error that should have ended it, and returned or waits on.
            (Ok(_), Some(stop)) => Poll::Ready(Err(Fault::from_lua(&self.limits.error(stop), Some(stop)))),
            (Err(panic), _) => Poll::Ready(Err(Fault::panicked(panic.as_ref()))),
        }
    }
}
