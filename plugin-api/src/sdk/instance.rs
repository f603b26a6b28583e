//! A plugin's life, as the host sees it.

use super::answers::State;
use super::host::Host;
use super::logging;
use super::plugin::{Plugin, Setup, Unload};
use crate::abi::{self, Buffer, OnUnloadEvent, Outcome, Prefixed, Slice, read_prefix};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What the host holds a pointer to.
pub(super) struct Instance<P> {
    pub(super) plugin: P,
    pub(super) host: Host,
    /// Whether `tracing` and panics of the whole image lead to this host.
    logging: bool,
}

pub(super) unsafe extern "C" fn create<P: Plugin>(
    host: *const abi::Host,
    setup: *const abi::Setup,
    error: *mut Buffer,
) -> *mut c_void {
    // SAFETY: the host calls as the ABI says.
    unsafe { make::<P>(host, setup, error, true) }
}

/// Makes an instance; in a test without touching what the whole process shares.
///
/// # Safety
/// The pointers must be null or what the ABI says of `create`.
pub(super) unsafe fn make<P: Plugin>(
    host: *const abi::Host,
    setup: *const abi::Setup,
    error: *mut Buffer,
    logging: bool,
) -> *mut c_void {
    // SAFETY: the caller vouches for the pointers.
    let (host, setup) = unsafe { (Host::read(host), read_prefix(setup)) };
    let made = catch_unwind(AssertUnwindSafe(|| {
        let (Some(host), Some(setup)) = (host, setup) else {
            return Err("the broker gave no host or no setup".to_owned());
        };
        if logging {
            logging::install(&host);
        }
        let settings = bytes(setup.settings).unwrap_or(b"{}");
        let settings =
            serde_json::from_slice(settings).map_err(|error| format!("the settings: {}", plain(&error)))?;
        let setup = Setup {
            policy: String::from_utf8_lossy(bytes(setup.policy).unwrap_or_default()).into_owned(),
            settings,
            previous: bytes(setup.previous).map(|bytes| State {
                version: setup.previous_version,
                bytes: bytes.to_vec(),
            }),
        };
        let plugin = P::create(host.clone(), setup).map_err(|error| error.to_string())?;
        Ok(Box::into_raw(Box::new(Instance {
            plugin,
            host,
            logging,
        })))
    }));
    let why = match made {
        Ok(Ok(instance)) => return instance.cast(),
        Ok(Err(why)) => why,
        Err(panic) => format!("the plugin panicked: {}", words(&*panic)),
    };
    // SAFETY: the caller vouches for the buffer.
    unsafe { say(error, &why) };
    std::ptr::null_mut()
}

/// serde's sentence without the place in a text that nobody wrote: the settings came from dunlin.toml.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

fn bytes<'a>(slice: Slice) -> Option<&'a [u8]> {
    // SAFETY: slices that the host gives are good for the call, and nobody keeps these.
    unsafe { slice.bytes() }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

/// # Safety
/// `error` must be null or a buffer with the memory that it names.
unsafe fn say(error: *mut Buffer, why: &str) {
    // SAFETY: the caller vouches for the buffer.
    if let Some(error) = unsafe { error.as_mut() } {
        // SAFETY: the same.
        unsafe { error.fill(why.as_bytes()) };
    }
}

/// Runs `call` on the instance; `None` when it panicked or there is no instance.
///
/// # Safety
/// `at` must be what `create::<P>` returned and not be destroyed.
unsafe fn on<P: Plugin, R>(at: *mut c_void, call: impl FnOnce(&Instance<P>) -> R) -> Option<R> {
    // SAFETY: the caller vouches for the instance.
    let instance = unsafe { at.cast::<Instance<P>>().as_ref() }?;
    catch_unwind(AssertUnwindSafe(|| call(instance))).ok()
}

pub(super) unsafe extern "C" fn self_test<P: Plugin>(at: *mut c_void, error: *mut Buffer) -> i32 {
    // SAFETY: the host calls as the ABI says.
    let done = unsafe {
        on(at, |instance: &Instance<P>| {
            instance.plugin.self_test().map_err(|error| error.to_string())
        })
    };
    let why = match done {
        Some(Ok(())) => return abi::OK,
        Some(Err(why)) => why,
        None => "the plugin panicked".to_owned(),
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { say(error, &why) };
    abi::ERROR
}

pub(super) unsafe extern "C" fn export_state<P: Plugin>(at: *mut c_void, ticket: u64) -> i32 {
    // SAFETY: the host calls as the ABI says.
    let done = unsafe {
        on(at, |instance: &Instance<P>| {
            let Some(state) = instance.plugin.export_state() else {
                return abi::NEXT;
            };
            let outcome = Outcome {
                verdict: abi::ALLOW,
                state: Slice::of(&state.bytes),
                state_version: state.version,
                ..Outcome::blank()
            };
            match instance.host.complete(ticket, &outcome) {
                abi::OK => abi::ANSWERED,
                _ => abi::ERROR,
            }
        })
    };
    done.unwrap_or(abi::PANIC)
}

pub(super) unsafe extern "C" fn on_unload<P: Plugin>(
    at: *mut c_void,
    event: *const OnUnloadEvent,
    _: u64,
) -> i32 {
    // SAFETY: the host calls as the ABI says.
    let event = unsafe { read_prefix(event) };
    let why = match event.map(|event| event.reason) {
        Some(abi::UNLOAD_REPLACED) => Unload::Replaced,
        Some(abi::UNLOAD_ROLLED_BACK) => Unload::RolledBack,
        _ => Unload::Stopping,
    };
    // SAFETY: the host calls as the ABI says.
    let done = unsafe { on(at, |instance: &Instance<P>| instance.plugin.on_unload(why)) };
    done.map_or(abi::PANIC, |()| abi::NEXT)
}

pub(super) unsafe extern "C" fn quiesce<P: Plugin>(at: *mut c_void, deadline_ms: u32) -> i32 {
    let deadline = Duration::from_millis(deadline_ms.into());
    // SAFETY: the host calls as the ABI says.
    let left = unsafe { on(at, |instance: &Instance<P>| instance.plugin.quiesce(deadline)) };
    left.map_or(abi::PANIC, |left| i32::try_from(left).unwrap_or(i32::MAX))
}

pub(super) unsafe extern "C" fn destroy<P: Plugin>(at: *mut c_void) {
    if at.is_null() {
        return;
    }
    // SAFETY: the host calls this once, last, with what `create` made.
    let instance = unsafe { Box::from_raw(at.cast::<Instance<P>>()) };
    let Instance {
        plugin,
        host,
        logging,
    } = *instance;
    // Errors are told by the panic hook; what is left is the host's no more.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(plugin)));
    if logging {
        logging::uninstall();
    }
    host.leave();
}
