//! A plugin that watches over what the host promises it: its functions note what comes when it must not.

use crate::hooks::services::Services;
use crate::native::Refusal;
use crate::native::declared::Declared;
use crate::native::image::Image;
use crate::native::instance::{Beginning, Deadlines, Instance};
use crate::native::lives::Lives;
use crate::native::sync::{AtomicUsize, Ordering::AcqRel};
use crate::native::world::World;
use dunlin_plugin_api::abi::{Buffer, Host, OK, OnUnloadEvent, Prefixed, SessionInfo, Setup, VTable};
use dunlin_plugin_api::{Hook, HookSet};
use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// So long the host waits. It is never over in a model.
pub(super) const PATIENCE: Duration = Duration::from_secs(3600);
/// A timer that is not due in a model.
pub(super) const NEVER: Duration = Duration::from_secs(3600);

/// Set when `quiesce` is called.
const QUIESCED: usize = 1 << 16;

/// What a plugin has seen. It outlives the plugin: its functions may be called when they must not be.
pub(super) struct Seen {
    /// How many calls of it run, and [`QUIESCED`]. It is read only by who changes it, so there is one order of all that is seen,
    /// and loom knows that the order matters.
    running: AtomicUsize,
    /// What is wrong. A panic would have to cross functions of C.
    wrong: std::sync::Mutex<Vec<&'static str>>,
    pub(super) asked: AtomicU32,
    pub(super) unloaded: AtomicU32,
    pub(super) quiesced: AtomicU32,
    pub(super) destroyed: AtomicU32,
}

impl Seen {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            running: AtomicUsize::new(0),
            wrong: std::sync::Mutex::default(),
            asked: AtomicU32::new(0),
            unloaded: AtomicU32::new(0),
            quiesced: AtomicU32::new(0),
            destroyed: AtomicU32::new(0),
        })
    }

    /// Says that something is wrong, unless it holds.
    pub(super) fn holds(&self, holds: bool, what: &'static str) {
        if !holds {
            self.wrong.lock().expect("nobody panics with it").push(what);
        }
    }

    /// A call of a hook, a timer or a question.
    pub(super) fn call<R>(&self, run: impl FnOnce() -> R) -> R {
        let before = self.running.fetch_add(1, AcqRel);
        self.holds(before < QUIESCED, "a call begins after `quiesce`");
        let result = run();
        let after = self.running.fetch_sub(1, AcqRel);
        self.holds(after < QUIESCED, "a call runs in `quiesce`");
        result
    }

    pub(super) fn quiesce(&self) {
        let before = self.running.fetch_add(QUIESCED, AcqRel);
        self.holds(before == 0, "`quiesce` is called during a call, or twice");
    }

    /// All that was seen was right.
    pub(super) fn was_right(&self) {
        let wrong = self.wrong.lock().expect("nobody panics with it");
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// It has lived, and has been told of its end in the order of the ABI.
    pub(super) fn has_ended(&self) {
        self.was_right();
        let seen = [&self.unloaded, &self.quiesced, &self.destroyed].map(|seen| seen.load(Relaxed));
        assert_eq!(seen, [1, 1, 1], "on_unload, quiesce, destroy");
    }
}

thread_local! {
    /// What the next instance is made with; all threads of a model are one to the system.
    static NEXT: RefCell<Option<(Arc<Seen>, Create)>> = const { RefCell::new(None) };
}

/// What `create` does, and whether it refuses.
type Create = Box<dyn FnOnce(&'static World) -> bool>;

/// A call, as the model has it run.
pub(super) struct Call<'a>(pub(super) &'a dyn Fn(u64) -> i32);

/// The function of every hook.
pub(super) unsafe extern "C" fn hook(plugin: *mut c_void, call: *const Call<'_>, ticket: u64) -> i32 {
    let seen = seen(plugin);
    seen.asked.fetch_add(1, Relaxed);
    // SAFETY: the desk was given it for this call.
    seen.call(|| unsafe { (*call).0(ticket) })
}

fn seen(plugin: *mut c_void) -> &'static Seen {
    // SAFETY: `create` has leaked a reference.
    unsafe { &*plugin.cast_const().cast::<Seen>() }
}

unsafe extern "C" fn create(host: *const Host, _: *const Setup, _: *mut Buffer) -> *mut c_void {
    let Some((seen, create)) = NEXT.take() else {
        return std::ptr::null_mut();
    };
    // SAFETY: the host's table and its world stay for ever.
    let world = unsafe { &*(*host).ctx.cast_const().cast::<World>() };
    if create(world) {
        Arc::into_raw(seen).cast_mut().cast()
    } else {
        std::ptr::null_mut()
    }
}

unsafe extern "C" fn on_unload(plugin: *mut c_void, _: *const OnUnloadEvent, _: u64) -> i32 {
    let seen = seen(plugin);
    seen.unloaded.fetch_add(1, Relaxed);
    seen.holds(
        seen.quiesced.load(Relaxed) == 0,
        "`on_unload` comes after `quiesce`",
    );
    OK
}

unsafe extern "C" fn quiesce(plugin: *mut c_void, _: u32) -> i32 {
    let seen = seen(plugin);
    seen.quiesced.fetch_add(1, Relaxed);
    seen.quiesce();
    0
}

unsafe extern "C" fn destroy(plugin: *mut c_void) {
    let seen = seen(plugin);
    seen.destroyed.fetch_add(1, Relaxed);
    seen.holds(
        seen.quiesced.load(Relaxed) == 1,
        "`destroy` comes before `quiesce` or twice",
    );
}

/// An instance whose `create` does `create`.
pub(super) fn begin(
    seen: &Arc<Seen>,
    lives: &Arc<Lives>,
    image: &Arc<Image>,
    patience: Duration,
    create: impl FnOnce(&'static World) -> bool + 'static,
) -> Result<Arc<Instance>, Refusal> {
    NEXT.set(Some((seen.clone(), Box::new(create))));
    let (world, host) = World::new(&"p".into(), &"p.so".into(), "{}", 1, &Arc::new(Services));
    Instance::begin(Beginning {
        image: image.clone(),
        declared: Arc::new(Declared {
            name: "model".to_owned(),
            table: VTable {
                create: Some(self::create),
                on_unload: Some(on_unload),
                quiesce: Some(quiesce),
                destroy: Some(destroy),
                ..VTable::blank()
            },
            waits: HookSet::of(&[Hook::AuthorizePublish]),
        }),
        world,
        host,
        settings: "{}".into(),
        previous: None,
        deadlines: Deadlines {
            load: PATIENCE,
            quiesce: patience,
        },
        ending: lives.begins(),
    })
}

/// One that is as it should be.
pub(super) fn alive(seen: &Arc<Seen>, lives: &Arc<Lives>) -> Arc<Instance> {
    let image = Arc::new(Image::new());
    begin(seen, lives, &image, PATIENCE, |_| true).expect("it does not refuse")
}

/// Something that a plugin gave to be called back: what came of it.
pub(super) struct Errand {
    seen: Arc<Seen>,
    /// Run in the call.
    during: Box<dyn Fn() + Send + Sync>,
    pub(super) called: AtomicU32,
    pub(super) released: AtomicU32,
    /// What a question was answered with.
    said: std::sync::Mutex<Vec<i32>>,
}

impl Errand {
    pub(super) fn new(seen: &Arc<Seen>, during: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            seen: seen.clone(),
            during: Box::new(during),
            called: AtomicU32::new(0),
            released: AtomicU32::new(0),
            said: std::sync::Mutex::default(),
        })
    }

    /// What the host gets. It stays for ever, so what comes too late is seen.
    pub(super) fn data(self: &Arc<Self>) -> *mut c_void {
        Arc::into_raw(self.clone()).cast_mut().cast()
    }

    /// How often it was called and released.
    pub(super) fn came(&self) -> (u32, u32) {
        (self.called.load(Relaxed), self.released.load(Relaxed))
    }

    pub(super) fn said(&self) -> Vec<i32> {
        self.said.lock().expect("nobody panics with it").clone()
    }
}

fn errand(data: *mut c_void) -> &'static Errand {
    // SAFETY: `Errand::data` has leaked a reference.
    unsafe { &*data.cast_const().cast::<Errand>() }
}

pub(super) unsafe extern "C" fn call(data: *mut c_void) {
    let errand = errand(data);
    errand.seen.call(|| {
        errand
            .seen
            .holds(errand.released.load(Relaxed) == 0, "called after its release");
        errand.called.fetch_add(1, Relaxed);
        (errand.during)();
    });
}

pub(super) unsafe extern "C" fn release(data: *mut c_void) {
    let errand = errand(data);
    errand.seen.call(|| errand.released.fetch_add(1, Relaxed));
}

pub(super) unsafe extern "C" fn found(data: *mut c_void, status: i32, _: *const SessionInfo) {
    let errand = errand(data);
    errand.seen.call(|| {
        errand.said.lock().expect("nobody panics with it").push(status);
        (errand.during)();
    });
}
