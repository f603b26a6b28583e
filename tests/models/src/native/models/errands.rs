//! Errands: each is run or given back, once, and all before `quiesce`.

use super::every_order;
use super::plugin::{Errand, NEVER, PATIENCE, Seen, call, found, release};
use crate::hooks::host::SessionFacts;
use crate::hooks::services::Services;
use crate::native::sync::{
    self,
    thread::{JoinHandle, spawn},
};
use crate::native::table;
use crate::native::world::World;
use dunlin_plugin_api::abi::{ABSENT, NOT_SERVING, OK};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn world() -> &'static World {
    World::new(&"p".into(), &"p.so".into(), "{}", 1, &Arc::new(Services)).0
}

fn timer(world: &World, delay: Duration, errand: &Arc<Errand>) -> i32 {
    table::timer(world, delay, call, release, errand.data())
}

/// The part of an instance's end that is about errands.
fn end(world: &World, seen: &Seen) {
    world.end();
    assert!(world.errands.end(PATIENCE), "nobody dawdles");
    seen.quiesce();
}

/// What came of a timer, by what the host said when it was set.
fn assert_timer(errand: &Errand, said: i32) {
    let came = errand.came();
    match said {
        OK => assert!(matches!(came, (0 | 1, 1)), "called and released: {came:?}"),
        refused => assert_eq!((refused, came), (NOT_SERVING, (0, 0))),
    }
}

/// A timer may be in the middle of its call and one waits, when the instance ends.
pub fn a_timer_runs_at_the_end() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        let [due, waits] = [(); 2].map(|()| Errand::new(&seen, || {}));
        assert_eq!(timer(world, Duration::ZERO, &due), OK);
        assert_eq!(timer(world, NEVER, &waits), OK);
        end(world, &seen);
        assert_timer(&due, OK);
        assert_eq!(waits.came(), (0, 1));
        seen.was_right();
    });
}

/// The host does not wait for a timer that is in its call: those that wait are given back all the same, and before `quiesce`.
pub fn a_timer_dawdles_at_the_end() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        let [dawdles, waits, question] = [(); 3].map(|()| Errand::new(&seen, || {}));
        assert_eq!(timer(world, Duration::ZERO, &dawdles), OK);
        assert_eq!(timer(world, NEVER, &waits), OK);
        world.served_by(true);
        let mut unanswered = None;
        let said = table::session(world, found, question.data(), |reply| unanswered = Some(reply));
        assert_eq!(said, OK);
        world.end();
        let came_back = world.errands.end(Duration::ZERO);
        assert_eq!((waits.came(), question.said()), ((0, 1), vec![NOT_SERVING]));
        if came_back {
            seen.quiesce();
        } else {
            assert!(world.errands.end(PATIENCE), "it dawdles for ever");
        }
        assert_timer(&dawdles, OK);
        assert_eq!((waits.came(), question.said().len()), ((0, 1), 1), "once");
        seen.was_right();
    });
}

/// A thread of the plugin sets a timer while the instance ends.
pub fn a_timer_is_set_at_the_end() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        let errand = Errand::new(&seen, || {});
        let set = errand.clone();
        let thread = spawn(move || timer(world, Duration::ZERO, &set));
        end(world, &seen);
        assert_timer(&errand, thread.join().expect("it does not panic"));
        seen.was_right();
    });
}

/// One that is due comes although the thread waits for another that is not.
pub fn a_timer_comes_while_another_waits() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        let called = Arc::new((sync::Mutex::new(false), sync::Condvar::default()));
        let waits = Errand::new(&seen, || {});
        assert_eq!(timer(world, NEVER, &waits), OK);
        let tells = called.clone();
        let due = Errand::new(&seen, move || {
            *tells.0.lock() = true;
            tells.1.notify_all();
        });
        assert_eq!(timer(world, Duration::ZERO, &due), OK);
        let mut is_called = called.0.lock();
        while !*is_called {
            // Loom calls it a deadlock if it is never called.
            called.1.wait(&mut is_called);
        }
        drop(is_called);
        end(world, &seen);
        assert_eq!((due.came(), waits.came()), ((1, 1), (0, 1)));
        seen.was_right();
    });
}

/// A timer sets another in its call, and a thread of the plugin sets one that is never due, while the instance ends.
pub fn timers_set_timers() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        let again = Errand::new(&seen, || {});
        let said = Arc::new(Mutex::new(None));
        let (set, told) = (again.clone(), said.clone());
        let first = Errand::new(&seen, move || {
            *told.lock().expect("nobody panics with it") = Some(timer(world, Duration::ZERO, &set));
        });
        assert_eq!(timer(world, Duration::ZERO, &first), OK);
        let later = Errand::new(&seen, || {});
        let set = later.clone();
        let thread = spawn(move || timer(world, NEVER, &set));
        end(world, &seen);
        assert_timer(&later, thread.join().expect("it does not panic"));
        assert_timer(&first, OK);
        match *said.lock().expect("nobody panics with it") {
            Some(said) => assert_timer(&again, said),
            None => assert_eq!(first.came(), (0, 1), "it was not called"),
        }
        seen.was_right();
    });
}

/// Asks about a session; the broker's answer comes from a thread of its own.
fn ask(
    world: &'static World,
    question: &Arc<Errand>,
    facts: Option<SessionFacts>,
) -> (i32, Option<JoinHandle<()>>) {
    let mut answers = None;
    let said = table::session(world, found, question.data(), |reply| {
        answers = Some(spawn(move || reply(facts)));
    });
    (said, answers)
}

fn assert_question(question: &Errand, said: i32, answer: i32) {
    match said {
        OK => assert!(
            matches!(*question.said(), [status] if status == answer || status == NOT_SERVING),
            "answered with {:?}",
            question.said()
        ),
        refused => assert_eq!((refused, &*question.said()), (NOT_SERVING, &[][..])),
    }
}

/// The answer to a question comes while the instance ends.
pub fn a_question_is_answered_at_the_end() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        world.served_by(true);
        let question = Errand::new(&seen, || {});
        let facts = SessionFacts {
            connected: true,
            subscriptions: 1,
            queued: 0,
        };
        let (said, answers) = ask(world, &question, Some(facts));
        assert_eq!(said, OK);
        end(world, &seen);
        let answers = answers.expect("it was put");
        answers.join().expect("it does not panic");
        assert_question(&question, said, OK);
        seen.was_right();
    });
}

/// A thread of the plugin asks while the instance ceases to serve and ends.
pub fn a_question_is_put_at_the_end() {
    every_order(|| {
        let (world, seen) = (world(), Seen::new());
        world.served_by(true);
        let question = Errand::new(&seen, || {});
        let asked = question.clone();
        let thread = spawn(move || {
            let mut answers = None;
            let said = table::session(world, found, asked.data(), |reply| answers = Some(reply));
            // The broker answers on the thread that is there, which is one thread less to try.
            if let Some(reply) = answers {
                reply(None);
            }
            said
        });
        world.served_by(false);
        end(world, &seen);
        let said = thread.join().expect("it does not panic");
        assert_question(&question, said, ABSENT);
        seen.was_right();
    });
}
