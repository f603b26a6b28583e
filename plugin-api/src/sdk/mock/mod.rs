//! A host in memory, for unit tests without a broker.
//!
//! It calls the plugin through the same functions as a broker. A hook that answers later is waited for, five seconds at most.

mod calls;
mod client;
mod decode;
mod rules;
mod table;
mod told;

pub use client::{MockClient, MockConnect};
pub use table::{Kicked, Logged, Metric, Published};

use super::answers::State;
use super::export::Declared;
use super::host::{Host, Level};
use super::instance::make;
use super::logging::HostLayer;
use super::plugin::Plugin;
use crate::abi::{self, Buffer, Declaration, OnUnloadEvent, Prefixed, Setup, Slice, VTable, read_prefix};
use crate::describe::Waits;
use crate::{Hook, HookSet};
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use table::World;
use tracing_subscriber::layer::SubscriberExt;

/// Why a call did not give an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The hook failed; what it said, or what the log says.
    Error(String),
    /// The hook panicked.
    Panic,
    /// The hook promised an answer and did not give it within five seconds.
    Timeout,
    /// The answer is none that the hook may give.
    Wrong(String),
    /// The plugin's `HOOKS` do not name the hook, so that a broker would never call it.
    NotDeclared,
    /// The hook answered later, but `WAITS` does not name it.
    MayNotWait,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(why) => write!(f, "the hook failed: {why}"),
            Failure::Panic => f.write_str("the hook panicked"),
            Failure::Timeout => f.write_str("the hook did not complete its ticket"),
            Failure::Wrong(what) => write!(f, "not an answer of the hook: {what}"),
            Failure::NotDeclared => f.write_str("the plugin's HOOKS do not name this hook"),
            Failure::MayNotWait => f.write_str("the hook answered later, but WAITS does not name it"),
        }
    }
}

impl std::error::Error for Failure {}

/// A plugin that was not built with this crate: one in C, or an old one.
#[derive(Debug)]
pub enum Foreign {}

/// What is called.
struct Subject {
    table: VTable,
    hooks: HookSet,
    waits: HookSet,
    payload: HookSet,
}

impl Subject {
    /// # Safety
    /// `declaration` must be null or what the ABI says of a declaration.
    unsafe fn read(declaration: *const Declaration) -> Result<Subject, String> {
        // SAFETY: the caller vouches for the pointer.
        let declaration = unsafe { read_prefix(declaration) }
            .filter(|declaration| declaration.magic == abi::MAGIC)
            .ok_or("it shows no declaration of a Dunlin plugin")?;
        let (major, newer) = (declaration.abi_major, declaration.abi_minor > abi::ABI_MINOR);
        if major != abi::ABI_MAJOR {
            return Err(format!("it is for ABI major {major}, not {}", abi::ABI_MAJOR));
        }
        if declaration.min_minor > abi::ABI_MINOR.into() {
            return Err(format!("it needs ABI minor {}", declaration.min_minor));
        }
        // SAFETY: the same.
        let table = unsafe { read_prefix(declaration.vtable) }.ok_or("it has no table")?;
        if table.create.is_none() || table.destroy.is_none() {
            return Err("it has no `create` or no `destroy`".to_owned());
        }
        // What a newer minor has besides, the plugin can do without: its `min_minor` says so.
        let flags = abi::FLAG_THREADS | abi::FLAG_THREAD_LOCALS | abi::FLAG_UNLOADABLE;
        if !newer && declaration.flags & !flags != 0 {
            return Err("it has unknown flags".to_owned());
        }
        let known = if newer {
            (1 << Hook::ALL.len()) - 1
        } else {
            u64::MAX
        };
        let set = |bits: u64| {
            HookSet::from_bits(bits & known).ok_or_else(|| format!("it has unknown hooks: {bits:#x}"))
        };
        for hook in set(declaration.hooks)?.iter() {
            if !table.has(hook) {
                return Err(format!("it has `{hook}` and no function for it"));
            }
        }
        for hook in set(declaration.waits)?.iter() {
            if hook.description().waits == Waits::Never {
                return Err(format!("`{hook}` cannot wait"));
            }
        }
        if !newer {
            // SAFETY: the caller vouches for the declaration, and so for its lists.
            unsafe { rules::check(&declaration) }?;
        }
        Ok(Subject {
            table,
            hooks: set(declaration.hooks)?,
            waits: set(declaration.waits)?,
            payload: set(declaration.payload)?,
        })
    }
}

type Create = unsafe extern "C" fn(*const abi::Host, *const Setup, *mut Buffer) -> *mut c_void;

/// A plugin in a host in memory. Dropping it quiesces and destroys the plugin.
pub struct MockHost<P = Foreign> {
    instance: *mut c_void,
    table: Box<abi::Host>,
    world: Arc<World>,
    plugin: Subject,
    of: PhantomData<fn(P)>,
}

// SAFETY: a plugin is shared by threads; the table is not written to; the world is locked.
unsafe impl<P> Send for MockHost<P> {}
// SAFETY: the same.
unsafe impl<P> Sync for MockHost<P> {}

impl<P> fmt::Debug for MockHost<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockHost").finish_non_exhaustive()
    }
}

impl<P: Plugin> MockHost<P> {
    /// Creates the plugin with these settings, a JSON object, and has it try itself.
    ///
    /// # Errors
    /// What a broker's log would say when it refuses the load.
    pub fn new(settings: &str) -> Result<Self, String> {
        Self::reloaded(settings, None)
    }

    /// The same, with what the generation before handed over.
    ///
    /// # Errors
    /// As [`MockHost::new`].
    pub fn reloaded(settings: &str, previous: Option<&State>) -> Result<Self, String> {
        // SAFETY: the declaration was just made, and what it refers to is never freed.
        let plugin = unsafe { Subject::read(Self::declared().as_ptr()) }?;
        // Not the table's `create`: that one leads logs and panics of the whole process to its host.
        unsafe extern "C" fn create<P: Plugin>(
            host: *const abi::Host,
            setup: *const Setup,
            error: *mut Buffer,
        ) -> *mut c_void {
            // SAFETY: the mock host calls as the ABI says.
            unsafe { make::<P>(host, setup, error, false) }
        }
        Self::begin(plugin, create::<P>, settings, previous)
    }

    /// What the plugin's entry symbol would answer.
    #[must_use]
    pub fn declared() -> Declared {
        Declared::of::<P>("mock", "0")
    }
}

impl MockHost<Foreign> {
    /// Creates the plugin that a library's entry symbol declares.
    ///
    /// # Safety
    /// `declaration` must be what the symbol answered, and the library must stay loaded. Its code is trusted.
    ///
    /// # Errors
    /// As [`MockHost::new`].
    pub unsafe fn load(declaration: *const Declaration, settings: &str) -> Result<Self, String> {
        // SAFETY: the caller vouches for the declaration.
        let plugin = unsafe { Subject::read(declaration) }?;
        let create = plugin.table.create.ok_or("there is no `create`")?;
        Self::begin(plugin, create, settings, None)
    }
}

impl<P> MockHost<P> {
    fn begin(
        plugin: Subject,
        create: Create,
        settings: &str,
        previous: Option<&State>,
    ) -> Result<Self, String> {
        let world = Arc::new(World::new(settings));
        let mut host = Self {
            instance: std::ptr::null_mut(),
            table: Box::new(table::table(&world)),
            world,
            plugin,
            of: PhantomData,
        };
        let setup = Setup {
            previous_version: previous.map_or(0, |state| state.version),
            policy: Slice::text("mock"),
            settings: Slice::text(settings),
            previous: previous.map_or(Slice::NONE, |state| Slice::of(&state.bytes)),
            ..Setup::blank()
        };
        let mut memory = vec![0; 4096];
        let mut error = Buffer::in_memory(&mut memory);
        let table = &raw const *host.table;
        // SAFETY: all three are good for the call, and the table for as long as the instance.
        host.instance = host.with_tracing(|| unsafe { create(table, &raw const setup, &raw mut error) });
        if host.instance.is_null() {
            return Err(said(&error, &memory));
        }
        let mut error = Buffer::in_memory(&mut memory);
        let status = host.with_tracing(|| match host.plugin.table.self_test {
            // SAFETY: the instance was made above.
            Some(test) => unsafe { test(host.instance, &raw mut error) },
            None => abi::OK,
        });
        if status != abi::OK {
            return Err(said(&error, &memory));
        }
        host.world.serve(true);
        Ok(host)
    }

    /// What the plugin hands over to the next generation.
    #[must_use]
    pub fn export_state(&self) -> Option<State> {
        let export = self.plugin.table.export_state?;
        let ticket = self.world.open();
        // SAFETY: the instance lives as long as `self`.
        match self.with_tracing(|| unsafe { export(self.instance, ticket) }) {
            abi::ANSWERED => self.world.wait(ticket).map(|outcome| State {
                version: outcome.state_version,
                bytes: outcome.state.unwrap_or_default(),
            }),
            _ => None,
        }
    }

    /// Unloads the plugin as a broker does. How many of its threads did not stop.
    pub fn unload(mut self) -> usize {
        self.end()
    }

    /// What the plugin logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<Logged> {
        self.world.with(|inner| inner.logs.clone())
    }

    /// Whether some line of the log has this level and contains this text.
    #[must_use]
    pub fn logged(&self, level: Level, text: &str) -> bool {
        self.logs()
            .iter()
            .any(|line| line.level == level as u32 && line.text.contains(text))
    }

    /// What the plugin published and sent so far.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        self.world.with(|inner| inner.published.clone())
    }

    /// Whom the plugin had kicked so far.
    #[must_use]
    pub fn kicked(&self) -> Vec<Kicked> {
        self.world.with(|inner| inner.kicked.clone())
    }

    /// Whose subscriptions the plugin had asked about again: instance, and client or `None` for all.
    #[must_use]
    pub fn reauthorized(&self) -> Vec<(String, Option<String>)> {
        self.world.with(|inner| inner.reauthorized.clone())
    }

    /// What the plugin counted and measured so far, in order.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.world.with(|inner| inner.metrics.clone())
    }

    /// How often a ticket was completed that was not open: twice, too late, or never given.
    #[must_use]
    pub fn stale_completions(&self) -> usize {
        self.world.with(|inner| inner.stale)
    }

    /// Puts a session where [`Host::session`] finds it.
    pub fn add_session(&self, client_id: &str, session: super::Session) {
        self.world
            .with(|inner| inner.sessions.insert(client_id.to_owned(), session));
    }

    /// Puts a record into the registry, or takes it out with `null`. The instance of a [`MockClient`] is `default` unless it says another.
    pub fn set_record(&self, instance: &str, kind: &str, name: &str, value: serde_json::Value) {
        let key = (instance.to_owned(), kind.to_owned(), name.to_owned());
        self.world.with(|inner| match value.is_null() {
            true => inner.records.remove(&key),
            false => inner.records.insert(key, value),
        });
    }

    /// The host as the plugin sees it, for looking into the key-value store and the like, also after the plugin's end.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        Some(self.own_host())
    }

    fn own_host(&self) -> Host {
        Host::owning(*self.table, self.world.clone())
    }

    /// Moves the clock, and calls the timers whose time has come.
    pub fn advance(&self, by: Duration) {
        self.with_tracing(|| self.world.advance(by));
    }

    /// Runs `call` with `tracing` leading to this host's log on this thread.
    fn with_tracing<R>(&self, call: impl FnOnce() -> R) -> R {
        let subscriber = tracing_subscriber::registry().with(HostLayer::new(self.own_host()));
        tracing::subscriber::with_default(subscriber, call)
    }

    fn end(&mut self) -> usize {
        let instance = std::mem::replace(&mut self.instance, std::ptr::null_mut());
        if instance.is_null() {
            return 0;
        }
        let table = self.plugin.table;
        self.world.serve(false);
        let event = OnUnloadEvent {
            hook: crate::Hook::OnUnload as u32,
            reason: abi::UNLOAD_STOPPING,
            ..OnUnloadEvent::blank()
        };
        let left = self.with_tracing(|| {
            if let Some(on_unload) = table.on_unload {
                // SAFETY: the instance lives.
                unsafe { on_unload(instance, &raw const event, 0) };
            }
            // SAFETY: the instance lives, and no hook is running: they have `self` borrowed.
            let left = table
                .quiesce
                .map_or(0, |quiesce| unsafe { quiesce(instance, 5000) });
            if let (0, Some(destroy)) = (left, table.destroy) {
                // SAFETY: nothing of it runs any more, and nobody has the pointer.
                unsafe { destroy(instance) };
            }
            left
        });
        if left != 0 {
            // Threads of the plugin may still call: what they call stays.
            std::mem::forget(std::mem::replace(&mut self.table, Box::new(abi::Host::blank())));
            std::mem::forget(Arc::clone(&self.world));
        }
        usize::try_from(left).unwrap_or(1)
    }
}

impl<P> Drop for MockHost<P> {
    fn drop(&mut self) {
        self.end();
    }
}

fn said(error: &Buffer, memory: &[u8]) -> String {
    let said = memory.get(..error.length.min(memory.len())).unwrap_or_default();
    String::from_utf8_lossy(said).into_owned()
}
