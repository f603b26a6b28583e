//! The limits of one call: wall-clock time and steps, held by the one mechanism that Luau cannot step around.
//!
//! Luau calls an interrupt at every function call, every turn of a loop and every step of a pattern match. There is no
//! watchdog thread: the interrupt counts, and looks at the clock now and then. The deadline belongs to the call, so a
//! late kill cannot hit the next one; and once a call is stopped every further interrupt stops it again, so a `pcall`
//! cannot swallow the end.
//!
//! A clock read costs about as much as ten steps, hence not at every interrupt. But between two interrupts a script can
//! make one library call over all the data it holds. So when a state holds much more memory than after its load, or a
//! library call announces much work ([`Limits::work`]), the clock is read at every interrupt for the rest of the call.
//!
//! The memory limit holds while the script runs and not a moment longer. With a limit set, `mlua` protects each string
//! that is made for the script against running out of it, which costs more than the call itself. So the limit is set
//! at the first interrupt of a call, when the arguments are made, and host functions ask for room before they make
//! something ([`Limits::room`]).

use mlua::{Lua, LuaString, VmState};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::time::{Duration, Instant};

/// Interrupts between two looks at the memory.
const STRIDE: u32 = 8;
/// Looks at the memory between two looks at the clock.
const LOOKS: u32 = 8;
/// The look at the memory that looks at the clock for the first time: most calls are over before it.
const FIRST_LOOK: u32 = 4;
/// What a small object of Luau takes at most besides its contents, in bytes.
pub(crate) const SMALL_OBJECT: usize = 128;
/// Work, in bytes touched, after which a call is watched closely.
const MUCH_WORK: usize = 64 << 10;

/// Why a call was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It ran longer than its budget.
    Time,
    /// It took more steps than allowed.
    Steps,
}

/// The limits of a state and the running call's use of them.
#[derive(Debug)]
pub(crate) struct Limits {
    budget: Cell<Duration>,
    max_steps: Cell<u64>,
    running: Cell<bool>,
    stopped: Cell<Option<Stop>>,
    started: Cell<Option<Instant>>,
    countdown: Cell<u32>,
    stride: Cell<u32>,
    looks: Cell<u32>,
    steps: Cell<u64>,
    close_above: Cell<usize>,
    /// Where the script was when it was stopped, as `scripts/acl.lua:12`.
    place: RefCell<Option<String>>,
    memory: usize,
    /// Whether the memory limit is set.
    armed: Cell<bool>,
    /// The coroutine of the running call, when that call may wait.
    waits: Cell<*const c_void>,
}

impl Limits {
    /// Limits of a state that may use `memory` bytes.
    pub(crate) fn new(memory: usize) -> Self {
        Self {
            budget: Cell::new(Duration::ZERO),
            max_steps: Cell::new(u64::MAX),
            running: Cell::new(false),
            stopped: Cell::new(None),
            started: Cell::new(None),
            countdown: Cell::new(STRIDE),
            stride: Cell::new(STRIDE),
            looks: Cell::new(0),
            steps: Cell::new(0),
            close_above: Cell::new(usize::MAX),
            place: RefCell::new(None),
            memory,
            armed: Cell::new(false),
            waits: Cell::new(ptr::null()),
        }
    }

    /// Sets the memory use from which on a call is watched closely.
    pub(crate) fn watch_closely_above(&self, bytes: usize) {
        self.close_above.set(bytes);
    }

    /// Begins a call. The clock is not read here: most calls are over before the first look at it.
    #[inline]
    pub(crate) fn begin(&self, budget: Duration, max_steps: Option<u64>) {
        self.budget.set(budget);
        self.max_steps.set(max_steps.unwrap_or(u64::MAX));
        self.stopped.set(None);
        self.started.set(None);
        self.steps.set(0);
        self.looks.set(0);
        self.stride.set(STRIDE);
        self.countdown.set(1);
        self.running.set(true);
    }

    /// Ends a call; says whether it was stopped, even if it went on to return something.
    #[inline]
    pub(crate) fn end(&self, lua: &Lua) -> Option<Stop> {
        self.running.set(false);
        self.waits.set(ptr::null());
        if self.armed.replace(false) {
            // Luau keeps its memory in a way that can always be limited.
            let _ = lua.set_memory_limit(0);
        }
        self.stopped.get()
    }

    /// Says that the call which has just begun may wait, and in which coroutine it runs.
    pub(crate) fn waits_in(&self, coroutine: *const c_void) {
        self.waits.set(coroutine);
    }

    /// Whether the running call may wait here. `called` is the function that wants to.
    ///
    /// # Errors
    /// A sentence that says what to do about it.
    pub(crate) fn may_wait(&self, lua: &Lua, called: &str) -> mlua::Result<()> {
        let waits = self.waits.get();
        if waits.is_null() {
            return Err(mlua::Error::runtime(format!(
                "{called} waits, and this hook does not; name the hook in `waits = {{ \"...\" }}` of the policy, or move the call into task.spawn(function() ... end)"
            )));
        }
        if waits != lua.current_thread().to_pointer() {
            return Err(mlua::Error::runtime(format!(
                "{called} waits, which it cannot do inside a coroutine of the script; use task.spawn"
            )));
        }
        Ok(())
    }

    /// What Luau's interrupt does.
    #[inline]
    pub(crate) fn interrupt(&self, lua: &Lua) -> mlua::Result<VmState> {
        let left = self.countdown.get() - 1;
        self.countdown.set(left);
        if left > 0 {
            return Ok(VmState::Continue);
        }
        if self.running.get() && !self.armed.get() {
            self.countdown.set(STRIDE);
            return self.arm(lua);
        }
        self.look(lua)
    }

    fn arm(&self, lua: &Lua) -> mlua::Result<VmState> {
        self.armed.set(true);
        lua.set_memory_limit(self.memory)?;
        Ok(VmState::Continue)
    }

    /// Makes something of about so many bytes for the script, without the limit but within it.
    ///
    /// # Errors
    /// When there is no room for it, and what `make` returns.
    pub(crate) fn room<R>(
        &self,
        lua: &Lua,
        bytes: usize,
        make: impl FnOnce() -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        if !self.armed.get() {
            return make();
        }
        if lua.used_memory().saturating_add(bytes) > self.memory {
            return Err(mlua::Error::MemoryError("not enough memory".into()));
        }
        lua.set_memory_limit(0)?;
        let made = make();
        lua.set_memory_limit(self.memory)?;
        made
    }

    /// A string for the script.
    pub(crate) fn string(&self, lua: &Lua, bytes: impl AsRef<[u8]>) -> mlua::Result<LuaString> {
        let bytes = bytes.as_ref();
        self.room(lua, bytes.len() + SMALL_OBJECT, || lua.create_string(bytes))
    }

    #[cold]
    fn look(&self, lua: &Lua) -> mlua::Result<VmState> {
        let stride = self.stride.get();
        self.countdown.set(stride);
        if !self.running.get() {
            return Ok(VmState::Continue);
        }
        self.steps.set(self.steps.get() + u64::from(stride));
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        if stride > 1 && lua.used_memory() > self.close_above.get() {
            self.watch_closely();
        }
        if looks == FIRST_LOOK || looks.is_multiple_of(LOOKS) || self.stride.get() == 1 {
            self.check_clock();
        }
        if self.steps.get() > self.max_steps.get() {
            self.stop(Stop::Steps);
        }
        let Some(stop) = self.stopped.get() else {
            return Ok(VmState::Continue);
        };
        if self.place.borrow().is_none() {
            *self.place.borrow_mut() = place(lua);
        }
        Err(self.error(stop))
    }

    /// Announces a library call over so many bytes: host functions and the guarded parts of the standard library are
    /// not interrupted, so they are weighed before they start.
    ///
    /// # Errors
    /// When the call's time is over already.
    pub(crate) fn work(&self, bytes: usize) -> mlua::Result<()> {
        if !self.running.get() || (bytes < MUCH_WORK && self.stopped.get().is_none()) {
            return Ok(());
        }
        self.watch_closely();
        self.check_clock();
        self.stopped.get().map_or(Ok(()), |stop| Err(self.error(stop)))
    }

    fn watch_closely(&self) {
        self.stride.set(1);
        self.countdown.set(1);
    }

    fn check_clock(&self) {
        let now = Instant::now();
        match self.started.get() {
            None => self.started.set(Some(now)),
            Some(started) if now - started > self.budget.get() => self.stop(Stop::Time),
            Some(_) => {}
        }
    }

    fn stop(&self, why: Stop) {
        if self.stopped.get().is_none() {
            self.stopped.set(Some(why));
            *self.place.borrow_mut() = None;
        }
        self.watch_closely();
    }

    /// The error that a stopped call ends with.
    pub(crate) fn error(&self, stop: Stop) -> mlua::Error {
        let place = self.place.borrow();
        let place = place
            .as_deref()
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
        mlua::Error::runtime(match stop {
            Stop::Time => format!(
                "{place}the call took longer than its budget of {:?}",
                self.budget.get()
            ),
            Stop::Steps => format!(
                "{place}the call took more than its {} instructions",
                self.max_steps.get()
            ),
        })
    }
}

/// Where the innermost function of a script is: the interrupt itself has no traceback.
fn place(lua: &Lua) -> Option<String> {
    (0..16).find_map(|level| {
        lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let file = source
                .short_src
                .filter(|file| file != super::PRELUDE && !file.starts_with('['))?;
            frame.current_line().map(|line| format!("{file}:{line}"))
        })?
    })
}
