//! The host's functions, as far as they wait for nobody and read nothing: the same steps as in the broker's `table.rs`.

use super::answer::Answered;
use super::errands::Untaken;
use super::world::World;
use crate::hooks::host::SessionFacts;
use dunlin_plugin_api::abi::{BUSY, Host, NOT_SERVING, OK, Prefixed, STALE, SessionInfo};
use std::ffi::c_void;
use std::time::Duration;

pub(super) fn of(world: &'static World) -> Host {
    Host {
        ctx: std::ptr::from_ref(world).cast_mut().cast(),
        ..Host::blank()
    }
}

pub(super) fn complete(world: &World, ticket: u64, answer: i32) -> i32 {
    if world.tickets().asked(ticket).is_none() {
        return STALE;
    }
    match world.tickets().complete(ticket, Ok(Answered::Number(answer))) {
        Ok(()) => OK,
        Err(_stale) => STALE,
    }
}

pub(super) fn timer(
    world: &World,
    delay: Duration,
    call: unsafe extern "C" fn(*mut c_void),
    release: unsafe extern "C" fn(*mut c_void),
    data: *mut c_void,
) -> i32 {
    match world.errands.timer(delay, Some(call), Some(release), data) {
        Ok(()) => OK,
        Err(Untaken::Full) => BUSY,
        Err(Untaken::Ended) => NOT_SERVING,
    }
}

/// `put` puts the question to the broker; it is told how to answer it.
pub(super) fn session(
    world: &World,
    found: unsafe extern "C" fn(*mut c_void, i32, *const SessionInfo),
    data: *mut c_void,
    put: impl FnOnce(Box<dyn FnOnce(Option<SessionFacts>) + Send>),
) -> i32 {
    let number = match world.errands.ask(found, data) {
        Ok(number) => number,
        Err(Untaken::Full) => return BUSY,
        Err(Untaken::Ended) => return NOT_SERVING,
    };
    let errands = world.errands.clone();
    let reply = Box::new(move |facts| errands.answer(number, facts));
    let asked = if world.serves() {
        put(reply);
        OK
    } else {
        NOT_SERVING
    };
    match asked {
        OK => OK,
        _ if !world.errands.forget(number) => OK,
        refused => refused,
    }
}
