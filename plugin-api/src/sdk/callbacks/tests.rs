//! Hosts that keep the rules of callbacks, and hosts that do not. Each call is counted, and so is each value that is dropped.

use super::super::host::{Host, Refused};
use super::*;
use crate::abi::{Prefixed, Slice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often a host calls, in which order with its answer, and the answer.
#[derive(Clone, Copy)]
struct Manners {
    before: usize,
    status: i32,
    /// Calls after the answer, when the test comes to it.
    after: usize,
}

const POLITE: Manners = Manners {
    before: 0,
    status: abi::OK,
    after: 1,
};

/// Behind `ctx`.
struct Rude {
    manners: Manners,
    /// What `session` or `timer` was given.
    data: Mutex<Vec<usize>>,
}

fn rude<'a>(ctx: *mut c_void) -> &'a Rude {
    // SAFETY: `with` made it and keeps it for as long as its host is called.
    unsafe { &*ctx.cast_const().cast::<Rude>() }
}

type Found = Option<unsafe extern "C" fn(*mut c_void, i32, *const SessionInfo)>;
type Call = Option<unsafe extern "C" fn(*mut c_void)>;

unsafe extern "C" fn session(ctx: *mut c_void, _: Slice, _: Slice, found: Found, data: *mut c_void) -> i32 {
    let rude = rude(ctx);
    rude.data.lock().unwrap().push(data.addr());
    for _ in 0..rude.manners.before {
        // SAFETY: the function is the SDK's, and bears whatever it is given.
        unsafe { found.unwrap()(data, abi::ABSENT, std::ptr::null()) };
    }
    rude.manners.status
}

unsafe extern "C" fn timer(ctx: *mut c_void, _: u64, call: Call, release: Call, data: *mut c_void) -> i32 {
    let rude = rude(ctx);
    rude.data.lock().unwrap().push(data.addr());
    for _ in 0..rude.manners.before {
        // SAFETY: as above.
        unsafe {
            call.unwrap()(data);
            release.unwrap()(data);
        }
    }
    rude.manners.status
}

/// Runs `ask` with a host of these manners and something to give away with it; how often that was called, whether it was
/// refused, and how many of it are left at the end.
fn with(
    manners: Manners,
    ask: impl FnOnce(&Host, Arc<AtomicUsize>) -> Result<(), Refused>,
    again: impl Fn(*mut c_void),
) -> (usize, bool, usize) {
    let rude = Box::new(Rude {
        manners,
        data: Mutex::default(),
    });
    let table = abi::Host {
        ctx: (&raw const *rude).cast_mut().cast(),
        session: Some(session),
        timer: Some(timer),
        ..abi::Host::blank()
    };
    // SAFETY: the table is copied, and `rude` outlives the calls below.
    let host = unsafe { Host::read(&raw const table) }.unwrap();
    let called = Arc::new(AtomicUsize::new(0));
    let refused = ask(&host, called.clone()).is_err();
    for data in rude.data.into_inner().unwrap() {
        for _ in 0..manners.after {
            again(without_provenance_mut(data));
        }
    }
    (
        called.load(Ordering::Relaxed),
        refused,
        Arc::strong_count(&called) - 1,
    )
}

fn sessions(manners: Manners) -> (usize, bool, usize) {
    let ask = |host: &Host, called: Arc<AtomicUsize>| {
        host.session("", "c", move |_| {
            called.fetch_add(1, Ordering::Relaxed);
        })
    };
    // SAFETY: the function bears whatever it is given.
    with(manners, ask, |data| unsafe {
        session_found(data, abi::NOT_SERVING, std::ptr::null());
    })
}

fn timers(manners: Manners) -> (usize, bool, usize) {
    let ask = |host: &Host, called: Arc<AtomicUsize>| {
        host.after(Duration::from_secs(1), move || {
            called.fetch_add(1, Ordering::Relaxed);
        })
    };
    // SAFETY: the functions bear whatever they are given.
    with(manners, ask, |data| unsafe {
        timer_due(data);
        timer_released(data);
    })
}

#[test]
fn whatever_the_host_does_it_is_called_once_at_most_and_nothing_is_left() {
    let manners = |before, status, after| Manners {
        before,
        status,
        after,
    };
    for (what, manners, expected) in [
        ("by the rules: later", POLITE, (1, false, 0)),
        ("by the rules: at once", manners(1, abi::OK, 0), (1, false, 0)),
        ("by the rules: refused", manners(0, abi::BUSY, 0), (0, true, 0)),
        ("called, then refused", manners(1, abi::BUSY, 0), (1, true, 0)),
        ("refused, then called", manners(0, abi::INVALID, 1), (0, true, 0)),
        (
            "called, refused, called",
            manners(2, abi::NOT_SERVING, 2),
            (1, true, 0),
        ),
        ("called many times", manners(3, abi::OK, 3), (1, false, 0)),
        (
            "not called, as far as is known",
            manners(0, abi::OK, 0),
            (0, false, 1),
        ),
    ] {
        assert_eq!(sessions(manners), expected, "sessions: {what}");
        assert_eq!(timers(manners), expected, "timers: {what}");
    }
}

#[test]
fn a_timer_that_is_released_without_a_call_is_dropped() {
    let ask = |host: &Host, called: Arc<AtomicUsize>| {
        host.after(Duration::ZERO, move || {
            called.fetch_add(1, Ordering::Relaxed);
        })
    };
    // SAFETY: the functions bear whatever they are given.
    let released = with(POLITE, ask, |data| unsafe {
        timer_released(data);
        timer_due(data);
        timer_released(data);
    });
    assert_eq!(released, (0, false, 0));
}

#[test]
fn a_host_without_these_functions_and_one_that_is_left_refuse() {
    let blank = abi::Host::blank();
    // SAFETY: the table is copied, and nothing of it is called.
    let host = unsafe { Host::read(&raw const blank) }.unwrap();
    let kept = Arc::new(());
    for expected in [Refused::Unsupported, Refused::NotServing] {
        let (one, two) = (kept.clone(), kept.clone());
        assert_eq!(host.session("", "c", move |_| drop(one)), Err(expected));
        assert_eq!(host.after(Duration::ZERO, move || drop(two)), Err(expected));
        assert_eq!(Arc::strong_count(&kept), 1);
        host.leave();
    }
}

#[test]
fn a_panic_of_what_is_called_stays_inside() {
    let ask = |host: &Host, called: Arc<AtomicUsize>| {
        host.after(Duration::ZERO, move || {
            called.fetch_add(1, Ordering::Relaxed);
            panic!("as asked");
        })
    };
    // SAFETY: the functions bear whatever they are given.
    let done = with(POLITE, ask, |data| unsafe {
        timer_due(data);
        timer_released(data);
    });
    assert_eq!(done, (1, false, 0));
}

#[test]
fn numbers_come_round_past_those_that_wait() {
    let waiting = Waiting::new();
    let first = waiting.put("first");
    waiting.lock().last = usize::MAX;
    assert_eq!((first, waiting.put("second")), (1, 2));
    assert_eq!(waiting.take(0), None);
    assert_eq!((waiting.take(1), waiting.take(1)), (Some("first"), None));
    assert_eq!(waiting.take(2), Some("second"));
}
