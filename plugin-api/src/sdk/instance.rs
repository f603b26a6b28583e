//! A plugin's life, as the host sees it.

use super::answers::State;
use super::caught::caught;
use super::host::Host;
use super::logging;
use super::plugin::{Plugin, Setup, Unload};
use crate::abi::{self, Buffer, OnUnloadEvent, Outcome, Prefixed, Slice, read_prefix};
use std::ffi::c_void;
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
    let made = match (host, setup) {
        (Some(host), Some(setup)) => begin::<P>(&host, setup, logging).map(|plugin| Instance {
            plugin,
            host,
            logging,
        }),
        _ => Err("the broker gave no host or no setup".to_owned()),
    };
    match made {
        Ok(instance) => Box::into_raw(Box::new(instance)).cast(),
        Err(why) => {
            // SAFETY: the caller vouches for the buffer.
            unsafe { say(error, &why) };
            std::ptr::null_mut()
        }
    }
}

/// Makes the plugin. When it is refused nothing of it reaches the host any more, whatever it kept.
fn begin<P: Plugin>(host: &Host, setup: abi::Setup, logging: bool) -> Result<P, String> {
    let made = caught(|| {
        if logging {
            logging::install(host);
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
        P::create(host.clone(), setup).map_err(|error| error.to_string())
    });
    let made = made.unwrap_or_else(|said| Err(format!("the plugin panicked: {said}")));
    if made.is_err() {
        end(host, logging);
    }
    made
}

/// The host is not to be called any more.
fn end(host: &Host, logging: bool) {
    if logging {
        logging::uninstall(host);
    }
    host.leave();
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

/// # Safety
/// `error` must be null or a buffer with the memory that it names.
unsafe fn say(error: *mut Buffer, why: &str) {
    // SAFETY: the caller vouches for the buffer.
    if let Some(error) = unsafe { error.as_mut() } {
        // SAFETY: the same.
        unsafe { error.fill(why.as_bytes()) };
    }
}

/// Runs `call` on the instance; when it panicked or there is no instance, what to say of that.
///
/// # Safety
/// `at` must be what `create::<P>` returned and not be destroyed.
unsafe fn on<P: Plugin, R>(at: *mut c_void, call: impl FnOnce(&Instance<P>) -> R) -> Result<R, String> {
    // SAFETY: the caller vouches for the instance.
    let instance = unsafe { at.cast::<Instance<P>>().as_ref() };
    let instance = instance.ok_or("the broker gave no instance")?;
    caught(|| call(instance)).map_err(|said| format!("the plugin panicked: {said}"))
}

pub(super) unsafe extern "C" fn self_test<P: Plugin>(at: *mut c_void, error: *mut Buffer) -> i32 {
    // SAFETY: the host calls as the ABI says.
    let done = unsafe {
        on(at, |instance: &Instance<P>| {
            instance.plugin.self_test().map_err(|error| error.to_string())
        })
    };
    let why = match done {
        Ok(Ok(())) => return abi::OK,
        Ok(Err(why)) | Err(why) => why,
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
    // A panic was told by the panic hook; there is nobody else to tell.
    let _ = caught(|| drop(plugin));
    end(&host, logging);
}
