//! How an instance ends: nobody is in a call of it, or will be.

use super::plugin::{Call, Errand, NEVER, Seen, alive, begin, call, hook, release};
use super::{every_order, orders};
use crate::native::desk::{Desk, Reply};
use crate::native::image::Image;
use crate::native::instance::Instance;
use crate::native::lives::Lives;
use crate::native::sync::thread::{JoinHandle, spawn};
use crate::native::table;
use crate::native::world::World;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::abi::{ANSWERED, NOT_SERVING, OK, PENDING, STALE};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// So long the broker waits for the last instance.
const DRAIN: Duration = Duration::from_secs(3600);

fn ask(desk: &Desk, how: &dyn Fn(u64) -> i32) -> Reply<i32> {
    let reply = desk.ask(Hook::AuthorizePublish, Some(hook), &Call(how));
    reply.expect("it answers as it must")
}

/// A chain serves on a shard, asks once, and is let go.
fn serve(desk: Desk) {
    desk.set_active(true);
    let world = desk.instance.world();
    let complete = |ticket| {
        assert_eq!(table::complete(world, ticket, 5), OK);
        ANSWERED
    };
    assert_eq!(ask(&desk, &complete).at_once(), Ok(5));
    desk.retire("replaced");
}

/// Two shards let go of it, each when it likes; the broker stops when all has ended.
pub fn the_last_desk_ends_it() {
    orders(3, || {
        let (seen, lives) = (Seen::new(), Arc::<Lives>::default());
        let instance = alive(&seen, &lives);
        let (here, there) = (Desk::new(instance.clone()), instance.clone());
        let shard = spawn(move || serve(Desk::new(there)));
        drop(instance);
        serve(here);
        shard.join().expect("it does not panic");
        assert!(lives.have_ended(DRAIN));
        seen.has_ended();
    });
}

/// A call waits for a thread of the plugin while its chain is swapped away on all shards. The call keeps its chain, so the
/// instance lives until it is answered; what the thread does then meets closed doors.
pub fn a_call_that_waits_keeps_it() {
    every_order(|| {
        let (seen, lives) = (Seen::new(), Arc::<Lives>::default());
        let instance = alive(&seen, &lives);
        let (desk, other) = (Desk::new(instance.clone()), Desk::new(instance));
        desk.set_active(true);
        let late = RefCell::new(None);
        let begins = |ticket| {
            *late.borrow_mut() = Some(completes_twice(&desk.instance, ticket));
            PENDING
        };
        let reply = ask(&desk, &begins);
        // The swap: other shards let go, and this one keeps the chain for the call alone.
        drop(other);
        desk.set_active(false);
        desk.retire("replaced");
        let Reply::Later(answer) = reply else {
            panic!("it was to answer later")
        };
        assert_eq!(loom::future::block_on(answer), Ok(6));
        drop(desk);
        assert!(lives.have_ended(DRAIN));
        let thread = late.take().expect("it was begun");
        assert_eq!(thread.join().expect("it does not panic"), [OK, STALE]);
        seen.has_ended();
    });
}

fn completes_twice(instance: &Arc<Instance>, ticket: u64) -> JoinHandle<[i32; 2]> {
    let world = instance.world();
    spawn(move || [6, 7].map(|answer| table::complete(world, ticket, answer)))
}

/// A call that waits is given up, and its instance ends under the thread that was to answer.
pub fn a_call_is_given_up() {
    every_order(|| {
        let (seen, lives) = (Seen::new(), Arc::<Lives>::default());
        let desk = Desk::new(alive(&seen, &lives));
        desk.set_active(true);
        let late = RefCell::new(None);
        let begins = |ticket| {
            *late.borrow_mut() = Some(completes_twice(&desk.instance, ticket));
            PENDING
        };
        let (world, reply) = (desk.instance.world(), ask(&desk, &begins));
        drop(reply);
        drop(desk);
        assert!(lives.have_ended(DRAIN));
        let thread = late.take().expect("it was begun");
        let [first, second] = thread.join().expect("it does not panic");
        assert!(first == OK || first == STALE, "{first}");
        assert_eq!(second, STALE);
        assert!(!world.serves());
        seen.has_ended();
    });
}

/// `create` sets a timer and refuses, and the host does not wait for its call: nothing of the plugin runs any more, or what it
/// runs in stays.
pub fn create_refuses_and_its_timer_runs() {
    every_order(|| {
        let (seen, lives) = (Seen::new(), Arc::<Lives>::default());
        let errand = Errand::new(&seen, || {});
        let (image, set) = (Arc::new(Image::new()), errand.clone());
        let refuses = move |world: &World| {
            let set = table::timer(world, Duration::ZERO, call, release, set.data());
            assert_eq!(set, OK);
            false
        };
        assert!(begin(&seen, &lives, &image, Duration::ZERO, refuses).is_err());
        assert!(lives.have_ended(DRAIN));
        if image.unloads() {
            assert!(image.is_empty());
            assert_eq!(lives.counts().stuck, 0);
            assert!(matches!(errand.came(), (0 | 1, 1)), "{:?}", errand.came());
            seen.quiesce();
        } else {
            assert!(!image.is_empty(), "it is not used for another");
            assert_eq!(lives.counts().stuck, 1);
        }
        seen.was_right();
    });
}

/// A thread of the plugin sets a timer, and a hook sets one, while the last desk goes: all of them are done with before
/// `quiesce`, and who comes later is refused.
pub fn timers_while_it_ends() {
    orders(3, || {
        let (seen, lives) = (Seen::new(), Arc::<Lives>::default());
        let desk = Desk::new(alive(&seen, &lives));
        desk.set_active(true);
        let world = desk.instance.world();
        let [due, late] = [(); 2].map(|()| Errand::new(&seen, || {}));
        let sets = |_| table::timer(world, Duration::ZERO, call, release, due.data());
        assert_eq!(ask(&desk, &sets).at_once(), Ok(OK));
        let set = late.clone();
        let thread = spawn(move || table::timer(world, NEVER, call, release, set.data()));
        drop(desk);
        assert!(lives.have_ended(DRAIN));
        match thread.join().expect("it does not panic") {
            OK => assert_eq!(late.came(), (0, 1)),
            refused => assert_eq!((refused, late.came()), (NOT_SERVING, (0, 0))),
        }
        assert!(matches!(due.came(), (0 | 1, 1)), "{:?}", due.came());
        seen.has_ended();
    });
}
