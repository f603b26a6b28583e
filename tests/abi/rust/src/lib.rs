//! A plugin of ABI 1.0, frozen. What it does is said by the setting `do`; see ../README.md.
#![allow(missing_docs, dead_code, unused_imports, clippy::all)]

mod abi_1_0;

use abi_1_0::*;
use std::ffi::c_void;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

struct Instance {
    host: Host,
    mode: String,
    /// The last ticket that nobody answered.
    open: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

// SAFETY: the host's functions may be called from any thread.
unsafe impl Send for Instance {}
// SAFETY: the same.
unsafe impl Sync for Instance {}

/// The host, for a thread.
#[derive(Clone, Copy)]
struct Shared(Host);
// SAFETY: the host's functions may be called from any thread.
unsafe impl Send for Shared {}

fn log(host: &Host, text: &str) {
    if let Some(log) = host.log {
        // SAFETY: the host vouches for its table.
        unsafe { log(host.ctx, LEVEL_INFO, Slice::text("abi-fixture"), Slice::text(text)) };
    }
}

fn complete(host: &Host, ticket: u64) -> i32 {
    let outcome = Outcome {
        verdict: DENY,
        reason: Slice::text("by the fixture"),
        ..Outcome::blank()
    };
    // SAFETY: the host vouches for its table.
    host.complete
        .map_or(UNSUPPORTED, |complete| unsafe { complete(host.ctx, ticket, &outcome) })
}

/// The value of `do`: the settings are JSON that the host wrote.
fn mode(settings: &str) -> &str {
    let after = settings.split_once("\"do\"").map_or("", |(_, after)| after);
    after.split('"').nth(1).unwrap_or_default()
}

unsafe extern "C" fn create(host: *const Host, setup: *const Setup, error: *mut Buffer) -> *mut c_void {
    // SAFETY: the host calls as the ABI says.
    let (Some(host), Some(setup)) = (unsafe { (read_prefix(host), read_prefix(setup)) }) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the settings are good for the call.
    let settings = unsafe { setup.settings.bytes() }.unwrap_or_default();
    let mode = mode(std::str::from_utf8(settings).unwrap_or_default()).to_owned();
    if mode == "refuse" {
        // SAFETY: the host gave the buffer.
        unsafe { (*error).fill(b"the fixture refuses to load, as it was asked") };
        return std::ptr::null_mut();
    }
    log(&host, &format!("created: {mode}"));
    let instance = Instance {
        host,
        mode,
        open: AtomicU64::new(0),
        threads: Mutex::default(),
    };
    if instance.mode == "threads" {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        });
    }
    Box::into_raw(Box::new(instance)).cast()
}

fn instance<'a>(at: *mut c_void) -> &'a Instance {
    // SAFETY: the host hands back what `create` made.
    unsafe { &*at.cast::<Instance>() }
}

unsafe extern "C" fn self_test(at: *mut c_void, error: *mut Buffer) -> i32 {
    if instance(at).mode == "fail_self_test" {
        // SAFETY: the host gave the buffer.
        unsafe { (*error).fill(b"the fixture fails its own test, as it was asked") };
        return ERROR;
    }
    OK
}

unsafe extern "C" fn export_state(at: *mut c_void, ticket: u64) -> i32 {
    let host = instance(at).host;
    let outcome = Outcome {
        verdict: ALLOW,
        state: Slice::text("[1,0]"),
        ..Outcome::blank()
    };
    // SAFETY: the host vouches for its table.
    match host.complete.map(|complete| unsafe { complete(host.ctx, ticket, &outcome) }) {
        Some(OK) => ANSWERED,
        _ => ERROR,
    }
}

unsafe extern "C" fn quiesce(at: *mut c_void, deadline_ms: u32) -> i32 {
    let instance = instance(at);
    match instance.mode.as_str() {
        "threads" => 1,
        "slow_quiesce" => {
            std::thread::sleep(Duration::from_millis(u64::from(deadline_ms) + 500));
            0
        }
        _ => {
            let threads = std::mem::take(&mut *instance.threads.lock().unwrap());
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            0
        }
    }
}

unsafe extern "C" fn destroy(at: *mut c_void) {
    // SAFETY: the last call, with what `create` made.
    let instance = unsafe { Box::from_raw(at.cast::<Instance>()) };
    if instance.mode == "after_quiesce" {
        let status = complete(&instance.host, instance.open.load(Ordering::Relaxed));
        log(&instance.host, &format!("completed after quiesce: {status}"));
    }
}

/// What every hook does.
fn act(at: *mut c_void, ticket: u64, plain: i32) -> i32 {
    let instance = instance(at);
    let host = instance.host;
    match instance.mode.as_str() {
        "panic" => catch_unwind(|| panic!("as it was asked")).map_or(PANIC, |()| OK),
        "error" => ERROR,
        "unknown_verdict" => 99,
        "lie" => ANSWERED,
        "never" => PENDING,
        "after_quiesce" => {
            instance.open.store(ticket, Ordering::Relaxed);
            PENDING
        }
        "twice" => {
            let statuses = (complete(&host, ticket), complete(&host, ticket));
            log(&host, &format!("completed twice: {statuses:?}"));
            ANSWERED
        }
        "twice_later" | "thread" => {
            let (host, twice) = (Shared(host), instance.mode == "twice_later");
            let thread = std::thread::spawn(move || {
                let host = host;
                std::thread::sleep(Duration::from_millis(5));
                let first = complete(&host.0, ticket);
                if twice {
                    let statuses = (first, complete(&host.0, ticket));
                    log(&host.0, &format!("completed twice: {statuses:?}"));
                }
            });
            instance.threads.lock().unwrap().push(thread);
            PENDING
        }
        _ => plain,
    }
}

macro_rules! hooks {
    ($($hook:ident $event:ident $plain:ident $number:ident;)*) => {
        $(unsafe extern "C" fn $hook(at: *mut c_void, _: *const $event, ticket: u64) -> i32 {
            act(at, ticket, $plain)
        })*

        static TABLE: VTable = VTable {
            struct_size: size_of::<VTable>() as u32,
            reserved: 0,
            create: Some(create),
            self_test: Some(self_test),
            export_state: Some(export_state),
            quiesce: Some(quiesce),
            destroy: Some(destroy),
            $($hook: Some($hook),)*
        };
        const HOOKS: u64 = 0 $(| 1 << $number)*;
    };
}

hooks! {
    on_unload OnUnloadEvent NEXT HOOK_ON_UNLOAD;
    on_tick OnTickEvent NEXT HOOK_ON_TICK;
    connect ConnectEvent PASS HOOK_CONNECT;
    authenticate AuthenticateEvent ALLOW HOOK_AUTHENTICATE;
    expiring ExpiringEvent PASS HOOK_EXPIRING;
    control ControlEvent PASS HOOK_CONTROL;
    auth_continue AuthContinueEvent DENY HOOK_AUTH_CONTINUE;
    connack ConnackEvent PASS HOOK_CONNACK;
    authorize_publish AuthorizePublishEvent ALLOW HOOK_AUTHORIZE_PUBLISH;
    publish PublishEvent PASS HOOK_PUBLISH;
    authorize_subscribe AuthorizeSubscribeEvent ALLOW HOOK_AUTHORIZE_SUBSCRIBE;
    subscribe SubscribeEvent PASS HOOK_SUBSCRIBE;
    unsubscribe UnsubscribeEvent PASS HOOK_UNSUBSCRIBE;
    route RouteEvent PASS HOOK_ROUTE;
    authorize_deliver AuthorizeDeliverEvent NEXT HOOK_AUTHORIZE_DELIVER;
    deliver DeliverEvent PASS HOOK_DELIVER;
    p2p P2pEvent NEXT HOOK_P2P;
    offline OfflineEvent PASS HOOK_OFFLINE;
    will WillEvent PASS HOOK_WILL;
    session_start SessionStartEvent NEXT HOOK_SESSION_START;
    session_end SessionEndEvent NEXT HOOK_SESSION_END;
    disconnect DisconnectEvent NEXT HOOK_DISCONNECT;
    acked AckedEvent NEXT HOOK_ACKED;
    dropped DroppedEvent NEXT HOOK_DROPPED;
    limit LimitEvent NEXT HOOK_LIMIT;
    rule_action RuleActionEvent DONE HOOK_RULE_ACTION;
}

#[repr(transparent)]
struct Shown(Declaration);
// SAFETY: nobody writes to it.
unsafe impl Sync for Shown {}

static DECLARATION: Shown = Shown(Declaration {
    struct_size: size_of::<Declaration>() as u32,
    abi_major: 1,
    abi_minor: 0,
    magic: MAGIC,
    min_minor: 0,
    reserved: 0,
    name: Slice::text("abi-fixture"),
    version: Slice::text("1.0.0"),
    flags: FLAG_THREADS | FLAG_THREAD_LOCALS,
    hooks: HOOKS,
    payload: 0,
    waits: 1 << HOOK_AUTHENTICATE | 1 << HOOK_AUTHORIZE_PUBLISH | 1 << HOOK_PUBLISH | 1 << HOOK_RULE_ACTION,
    caches: std::ptr::null(),
    caches_len: 0,
    origins: std::ptr::null(),
    origins_len: 0,
    owns: SliceList {
        items: std::ptr::null(),
        len: 0,
    },
    vtable: &raw const TABLE,
});

#[unsafe(no_mangle)]
pub extern "C" fn dunlin_plugin_v1() -> *const Declaration {
    &raw const DECLARATION.0
}
