//! One life of a plugin: made, tried, asked by all shards at once, and ended when the last of them lets go.
//!
//! An instance is shared by the shards, and by generations in which its file and its settings are the same. It ends by itself: each
//! desk keeps it alive, and whoever drops the last one hands it to a thread that tells it, has it end its threads, and frees it.
//! So no call can be running when it is told that none will come. (`tests/models` tries this in every order of events.)
#![allow(
    unsafe_code,
    reason = "the functions of a plugin's life are called here, in the order that the ABI promises"
)]

use super::answer::{Answered, Asked, HandedOver};
use super::declared::Declared;
use super::image::Image;
use super::lives::Ending;
use super::sync::thread;
use super::world::{HostTable, World};
use super::{Refusal, control};
use dunlin_plugin_api::abi::{
    self, ANSWERED, Buffer, NEXT, OK, OnUnloadEvent, PANIC, Prefixed, Setup, Slice, UNLOAD_REPLACED,
    UNLOAD_ROLLED_BACK, UNLOAD_STOPPING, VTable,
};
use dunlin_plugin_api::{Hook, HookSet, describe::Waits};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How long a sentence of a refusal may be, in bytes.
const ERROR: usize = 4096;
/// How much longer than its deadline `quiesce` may take before it is worth a line.
const SLACK: Duration = Duration::from_millis(100);

/// A pointer of a plugin, which it gave for all threads.
#[derive(Clone, Copy)]
struct Pointer(*mut c_void);

// SAFETY: the ABI: an instance is shared by all threads of the broker.
unsafe impl Send for Pointer {}
// SAFETY: the same.
unsafe impl Sync for Pointer {}

/// How long the parts of a life may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) load: Duration,
    pub(super) quiesce: Duration,
}

/// What an instance is made with.
pub(super) struct Beginning {
    pub(super) image: Arc<Image>,
    pub(super) declared: Arc<Declared>,
    pub(super) world: &'static World,
    pub(super) host: &'static HostTable,
    /// As JSON.
    pub(super) settings: Arc<str>,
    pub(super) previous: HandedOver,
    pub(super) deadlines: Deadlines,
    /// Counts it among those that are about to end, when it does.
    pub(super) ending: Ending,
}

pub(crate) struct Instance {
    /// Taken when it is dropped.
    life: ManuallyDrop<Life>,
    waits: HookSet,
}

/// What is needed to the end.
struct Life {
    pointer: Pointer,
    table: VTable,
    world: &'static World,
    image: Arc<Image>,
    deadlines: Deadlines,
    reason: AtomicU32,
    /// Whether it ever served.
    served: AtomicBool,
    /// Whether it is handing its state over at this moment.
    exporting: AtomicBool,
    ending: Ending,
    name: Arc<str>,
}

impl Instance {
    /// Makes an instance and has it try itself.
    ///
    /// # Errors
    /// It refuses to be made, its own test fails, or it takes too long.
    pub(super) fn begin(beginning: Beginning) -> Result<Arc<Self>, Refusal> {
        let (waits, patience) = (beginning.declared.waits, beginning.deadlines.load);
        let world = beginning.world;
        let work = move || create(beginning);
        // One that comes too late is ended on its thread.
        let made = control::run("`create` and `self_test`", patience, work, |made| {
            if let Ok(life) = made {
                life.end();
            }
        });
        let life = made.and_then(|made| made).inspect_err(|_| world.end())?;
        Ok(Arc::new(Self {
            life: ManuallyDrop::new(life),
            waits,
        }))
    }

    /// What its functions are called with.
    #[inline]
    pub(super) fn pointer(&self) -> *mut c_void {
        self.life.pointer.0
    }

    #[inline]
    pub(super) fn table(&self) -> &VTable {
        &self.life.table
    }

    #[inline]
    pub(super) fn world(&self) -> &'static World {
        self.life.world
    }

    /// Whether it may answer this hook later.
    pub(super) fn may_wait(&self, hook: Hook) -> bool {
        match hook.description().waits {
            Waits::Always => true,
            Waits::IfDeclared => self.waits.contains(hook),
            Waits::Never => false,
        }
    }

    /// A chain that it belongs to begins or ceases to serve on one shard.
    pub(super) fn serves(&self, begins: bool) {
        if begins {
            self.life.served.store(true, Relaxed);
            self.life.image.serves();
        }
        self.life.world.served_by(begins);
    }

    /// Why it ends, if it does now: what it is told.
    pub(super) fn ends_because(&self, reason: &str) {
        let reason = match reason {
            "rolled back" => UNLOAD_ROLLED_BACK,
            "stopping" => UNLOAD_STOPPING,
            _ => UNLOAD_REPLACED,
        };
        self.life.reason.store(reason, Relaxed);
    }

    /// What it hands over to the one that is to follow it. It serves on meanwhile.
    ///
    /// # Errors
    /// It takes too long, or answers nonsense; it hands nothing over then.
    pub(super) fn export_state(self: &Arc<Self>) -> Result<HandedOver, Refusal> {
        if self.life.table.export_state.is_none() {
            return Ok(None);
        }
        // Whoever never comes back from it is not given a thread more with every reload.
        if self.life.exporting.swap(true, Relaxed) {
            return Err(Refusal::new(
                "hands over no state: it has not come back from the last `export_state`",
            ));
        }
        let held = self.clone();
        let work = move || {
            let exported = held.exported();
            held.life.exporting.store(false, Relaxed);
            exported
        };
        control::run("`export_state`", self.life.deadlines.load, work, drop)?
    }

    fn exported(&self) -> Result<HandedOver, Refusal> {
        let wrong = |what: &str| Refusal::new(format!("hands over no state: export_state {what}"));
        let life = &*self.life;
        let Some(export) = life.table.export_state else {
            return Ok(None);
        };
        let lane = life.world.tickets().lane();
        let mut lane = lane.ok_or_else(|| wrong("has no ticket left"))?;
        let ticket = lane.open(Asked::State.number());
        // SAFETY: the table is the instance's, which lives as long as `self`.
        let said = unsafe { export(life.pointer.0, ticket) };
        match (said, lane.close()) {
            (NEXT, None) => Ok(None),
            (ANSWERED, Some(Ok(Answered::State(state)))) => Ok(state),
            (ANSWERED, Some(Err(fault))) => Err(wrong(&fault.to_string())),
            (PANIC, _) => Err(wrong("panicked")),
            (other, _) => Err(wrong(&format!("answered {other}"))),
        }
    }
}

/// On a control thread: `create`, then `self_test`.
fn create(beginning: Beginning) -> Result<Life, Refusal> {
    let Beginning {
        image,
        declared,
        world,
        host,
        settings,
        previous,
        deadlines,
        ending,
    } = beginning;
    let table = declared.table;
    let Some(create) = table.create else {
        return Err(Refusal::new("has no `create`"));
    };
    let setup = Setup {
        policy: Slice::text(&world.policy),
        settings: Slice::text(&settings),
        previous: previous
            .as_ref()
            .map_or(Slice::NONE, |(_, bytes)| Slice::of(bytes)),
        previous_version: previous.as_ref().map_or(0, |(version, _)| *version),
        ..Setup::blank()
    };
    let mut why = Why::default();
    // From now on: nobody else begins in this image while this is at it.
    image.enter();
    // SAFETY: the table is the plugin's; what it is given is good for the call, and the host table for ever.
    let pointer = why.with(|error| unsafe { create(&raw const host.0, &raw const setup, error) });
    if pointer.is_null() {
        // Timers that it has set are given back, and none is called any more, but for one that does not come back.
        if world.errands.end(deadlines.quiesce) {
            image.leave();
        } else {
            tracing::warn!(
                policy = &*world.policy,
                plugin = &*declared.name,
                "a plugin that refused to load stays in memory for ever: its timer still runs"
            );
            // The image is not used again either.
            image.haunt();
            ending.stuck();
        }
        return Err(Refusal::new(format!("refuses to load: {}", why.said())));
    }
    let life = Life {
        pointer: Pointer(pointer),
        table,
        world,
        image,
        deadlines,
        reason: AtomicU32::new(UNLOAD_REPLACED),
        served: AtomicBool::new(false),
        exporting: AtomicBool::new(false),
        ending,
        name: declared.name.as_str().into(),
    };
    let Some(self_test) = table.self_test else {
        return Ok(life);
    };
    // SAFETY: the instance was just made by this table's `create`.
    let passed = why.with(|error| unsafe { self_test(pointer, error) });
    if passed == OK {
        return Ok(life);
    }
    life.end();
    Err(Refusal::new(format!("fails its own test: {}", why.said())))
}

/// Room for a plugin to say why.
struct Why {
    text: Vec<u8>,
    length: usize,
}

impl Default for Why {
    fn default() -> Self {
        Self {
            text: vec![0; ERROR],
            length: 0,
        }
    }
}

impl Why {
    fn with<R>(&mut self, call: impl FnOnce(*mut Buffer) -> R) -> R {
        let mut buffer = Buffer::in_memory(&mut self.text);
        let result = call(&raw mut buffer);
        self.length = buffer.length;
        result
    }

    fn said(&self) -> String {
        let text = self
            .text
            .get(..self.length.min(self.text.len()))
            .unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let text = text.trim_end_matches('\0').replace('\n', " ");
        if text.is_empty() {
            "it does not say why".to_owned()
        } else {
            text
        }
    }
}

impl Life {
    /// The end, on the thread that is called on: told, quiesced, freed.
    fn end(self) {
        let Self {
            pointer: Pointer(pointer),
            table,
            world,
            image,
            deadlines,
            reason,
            served,
            ending,
            name,
            exporting: _,
        } = self;
        let policy = &*world.policy;
        let patience = deadlines.quiesce;
        world.end();
        let errands = world.errands.end(patience);
        if !errands {
            tracing::warn!(
                policy,
                plugin = &*name,
                "a timer of the plugin does not return within {patience:?}"
            );
        }
        if let Some(on_unload) = table.on_unload.filter(|_| served.load(Relaxed)) {
            let event = OnUnloadEvent {
                hook: dunlin_plugin_api::abi::HOOK_ON_UNLOAD,
                reason: reason.load(Relaxed),
                ..OnUnloadEvent::blank()
            };
            // SAFETY: the instance lives, and no call of a hook runs or will: nobody has a desk.
            let said = unsafe { on_unload(pointer, &raw const event, 0) };
            if matches!(said, PANIC | abi::ERROR) {
                let what = if said == PANIC { "panicked" } else { "failed" };
                tracing::warn!(
                    policy,
                    plugin = &*name,
                    "a plugin {what} in `on_unload`; it ends all the same"
                );
            }
        }
        let left = quiesce(&table, pointer, patience, policy, &name);
        if left != 0 || !errands {
            let what = match left {
                PANIC => "it panicked while it was to end its threads".to_owned(),
                0 => "its timer still runs".to_owned(),
                left => format!("{left} of its threads did not stop"),
            };
            tracing::warn!(
                policy,
                plugin = &*name,
                "a plugin that serves no more stays in memory for ever: {what}"
            );
            // What runs may refer to all of it.
            image.haunt();
            ending.stuck();
            return;
        }
        if let Some(destroy) = table.destroy {
            // SAFETY: nothing of it runs any more, and this is the last call.
            unsafe { destroy(pointer) };
        }
        image.leave();
        tracing::debug!(policy, plugin = &*name, "a plugin has ended");
    }
}

/// Has the plugin end its threads; how many would not, `PANIC` when it panicked.
fn quiesce(table: &VTable, pointer: *mut c_void, patience: Duration, policy: &str, name: &str) -> i32 {
    let Some(quiesce) = table.quiesce else { return 0 };
    let deadline = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        // It may take longer than it was told; then somebody should know while it does.
        let watcher = std::thread::Builder::new().name("plugin-watch".into());
        let _unwatched = watcher.spawn_scoped(scope, move || {
            if is_done.recv_timeout(patience + SLACK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!(
                    policy,
                    plugin = name,
                    "a plugin has not ended its threads within {patience:?} (`quiesce`); it is waited for"
                );
            }
        });
        // SAFETY: the instance lives, and no hook is called any more.
        let left = unsafe { quiesce(pointer, deadline) };
        drop(done);
        left
    })
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: it is not used again: this is its end.
        let life = unsafe { ManuallyDrop::take(&mut self.life) };
        let (image, ending) = (life.image.clone(), life.ending.clone());
        let thread = thread::Builder::new()
            .name("plugin-end".into())
            .spawn(move || life.end());
        if let Err(error) = thread {
            tracing::warn!(%error, "a plugin cannot be ended: no thread; it stays in memory");
            image.haunt();
            ending.stuck();
        }
    }
}
