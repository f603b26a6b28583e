//! `task`: what a script does beside its hooks. A task belongs to its generation: it runs while that one serves, rests
//! while it is kept warm for a rollback, and ends with it.

use super::Host;
use super::arguments::wrong;
use crate::hooks::lua::fair::{Fair, IN_BACKGROUND};
use crate::hooks::lua::waiting::Waiting;
use mlua::{Function, Lua, MultiValue, Table, Value};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How many tasks a state may have at once.
const MOST: usize = 1000;
/// The shortest time between two runs of `task.every`.
const SHORTEST: Duration = Duration::from_millis(10);
/// So much time lies between two log lines about tasks that fail.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// A task that has not begun.
type Begin = Box<dyn FnOnce()>;

/// The tasks of one state.
#[derive(Default)]
pub(crate) struct Tasks {
    active: Cell<bool>,
    resumed: Notify,
    /// Asked for while the script was loaded, when nothing may run yet.
    pending: RefCell<Vec<Begin>>,
    running: RefCell<Vec<AbortHandle>>,
    ticking: RefCell<Option<AbortHandle>>,
    logged: Cell<Option<Instant>>,
}

impl Tasks {
    /// Lets tasks run, or has them rest at their next turn.
    pub(crate) fn set_active(&self, active: bool) {
        self.active.set(active);
        if active {
            for begin in self.pending.take() {
                begin();
            }
            self.resumed.notify_waiters();
        }
    }

    /// Ends all of them.
    pub(crate) fn end(&self) {
        self.end_tasks();
        if let Some(ticks) = self.ticking.take() {
            ticks.abort();
        }
    }

    /// Ends what the script began, because its state is gone; ticks go on in the next one.
    pub(crate) fn end_tasks(&self) {
        self.pending.borrow_mut().clear();
        for task in self.running.take() {
            task.abort();
        }
    }

    /// Runs `work` on this thread for as long as the generation lives.
    pub(crate) fn run(&self, work: impl Future<Output = ()> + 'static) {
        let mut running = self.running.borrow_mut();
        running.retain(|task| !task.is_finished());
        running.push(tokio::task::spawn_local(work).abort_handle());
    }

    /// Runs the ticks of the policy, once.
    pub(crate) fn tick(&self, work: impl Future<Output = ()> + 'static) {
        let ticks = tokio::task::spawn_local(work).abort_handle();
        if let Some(before) = self.ticking.replace(Some(ticks)) {
            before.abort();
        }
    }

    /// Whether they run.
    pub(crate) fn is_ticking(&self) -> bool {
        self.ticking.borrow().is_some()
    }

    /// Waits until the generation serves.
    pub(crate) async fn active(&self) {
        while !self.active.get() {
            self.resumed.notified().await;
        }
    }

    fn begin(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) -> mlua::Result<()> {
        let finished = self
            .running
            .borrow()
            .iter()
            .filter(|task| task.is_finished())
            .count();
        if self.running.borrow().len() - finished + self.pending.borrow().len() >= MOST {
            return Err(mlua::Error::runtime(format!(
                "task: there are {MOST} tasks already"
            )));
        }
        if self.active.get() {
            self.run(work);
        } else {
            // Weakly, or the tasks would own themselves.
            let tasks = Rc::downgrade(self);
            self.pending.borrow_mut().push(Box::new(move || {
                if let Some(tasks) = tasks.upgrade() {
                    tasks.run(work);
                }
            }));
        }
        Ok(())
    }

    fn failed(&self, policy: &str, fault: &crate::hooks::lua::fault::Fault) {
        if self
            .logged
            .get()
            .is_none_or(|logged| logged.elapsed() >= LOG_EVERY)
        {
            self.logged.set(Some(Instant::now()));
            tracing::warn!(policy, "a task failed: {fault}");
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let clock = host.clock.clone();
    host.waiting(lua, &module, "sleep", "task.sleep", move |_, seconds: Value| {
        let clock = clock.clone();
        async move {
            let pause = duration(&seconds, "task.sleep")?;
            if clock.is_stopped() {
                // A test's time goes on by what is slept.
                clock.set(clock.now() + pause);
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
    })?;
    let held = host.clone();
    let spawn = lua.create_function(move |lua, (function, arguments): (Value, MultiValue)| {
        let function = function_of(&function, "task.spawn", 1)?;
        let (host, lua) = (held.clone(), lua.clone());
        let instance = held.asked.instance();
        held.tasks.begin(async move {
            host.call(&lua, &function, instance, arguments).await;
        })
    })?;
    module.raw_set("spawn", spawn)?;
    let held = host.clone();
    let every = lua.create_function(move |lua, (seconds, function): (Value, Value)| {
        let pause = duration(&seconds, "task.every")?.max(SHORTEST);
        let function = function_of(&function, "task.every", 2)?;
        let (host, lua) = (held.clone(), lua.clone());
        let instance = held.asked.instance();
        held.tasks.begin(async move {
            loop {
                tokio::time::sleep(pause).await;
                host.tasks.active().await;
                host.call(&lua, &function, instance.clone(), MultiValue::new())
                    .await;
            }
        })
    })?;
    module.raw_set("every", every)?;
    module.set_readonly(true);
    Ok(module)
}

impl Host {
    /// Calls a function of the script as a task: each stretch between two waits has the whole budget. It is about whom the call was
    /// about that began it.
    async fn call(&self, lua: &Lua, function: &Function, instance: Option<Arc<str>>, arguments: MultiValue) {
        let call = Waiting::<()>::task(lua, self, function, instance, arguments);
        let ended = match call {
            Ok(call) => Fair::new(IN_BACKGROUND, call).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ended {
            self.tasks.failed(&self.policy, &fault);
        }
    }
}

fn duration(value: &Value, called: &str) -> mlua::Result<Duration> {
    let seconds = value.as_number().or_else(|| value.as_integer().map(|n| n as f64));
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| wrong(value, called, 1, "seconds", "a number of seconds, 0 or more"))
}

fn function_of(value: &Value, called: &str, n: usize) -> mlua::Result<Function> {
    match value {
        Value::Function(function) => Ok(function.clone()),
        other => Err(wrong(other, called, n, "function", "a function")),
    }
}
