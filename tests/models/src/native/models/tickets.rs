//! Tickets: one answer a call, whoever comes when.

use super::every_order;
use crate::native::sync::thread::spawn;
use crate::native::tickets::{Lane, Stale, Tickets};
use std::future::poll_fn;
use std::sync::Arc;

type Numbers = Arc<Tickets<u32>>;

fn lane(tickets: &Numbers) -> Lane<u32> {
    tickets.lane().expect("there is a slot")
}

/// Whether its answer was taken, once the thread is done.
fn completes(tickets: &Numbers, ticket: u64, answer: u32) -> impl FnOnce() -> bool + use<> {
    let tickets = tickets.clone();
    let thread = spawn(move || tickets.complete(ticket, answer).is_ok());
    move || thread.join().expect("it does not panic")
}

/// What one thread gives is what the owner takes when he closes; what comes later is stale.
pub fn complete_and_close() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut lane = lane(&tickets);
        let ticket = lane.open(7);
        let given = completes(&tickets, ticket, 1);
        let taken = lane.close();
        assert_eq!(tickets.complete(ticket, 2), Err(Stale), "it is closed");
        assert_eq!(taken, given().then_some(1), "what is given is taken");
        assert_eq!(lane.close(), None, "and once");
    });
}

/// Two threads have the same ticket.
pub fn two_complete_one_ticket() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut lane = lane(&tickets);
        let ticket = lane.open(7);
        let others = [1, 2].map(|answer| (answer, completes(&tickets, ticket, answer)));
        let while_they_did = lane.close();
        let given: Vec<u32> = others
            .into_iter()
            .filter_map(|(answer, given)| given().then_some(answer))
            .collect();
        assert!(given.len() <= 1, "both were taken");
        assert_eq!(while_they_did, given.first().copied());
    });
}

/// The same, and the owner closes when they are done: one of them is taken.
pub fn one_of_two_is_taken() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut lane = lane(&tickets);
        let ticket = lane.open(7);
        let [one, two] = [1, 2].map(|answer| completes(&tickets, ticket, answer));
        let (one, two) = (one(), two());
        assert!(one != two, "exactly one");
        assert_eq!(lane.close(), Some(if one { 1 } else { 2 }));
    });
}

/// Who is late for one call does not answer the next one of the slot.
pub fn late_for_the_call_before() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut lane = lane(&tickets);
        let first = lane.open(7);
        let late = completes(&tickets, first, 1);
        let taken = lane.close();
        let second = lane.open(8);
        let in_time = completes(&tickets, second, 2);
        let then = lane.close();
        assert_eq!(taken, late().then_some(1));
        assert_eq!(then, in_time().then_some(2));
    });
}

/// Who looks what his call asks is told so, or that it is over; never what the next call of the slot asks.
pub fn what_is_asked() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut lane = lane(&tickets);
        let ticket = lane.open(7);
        let table = tickets.clone();
        let looks = spawn(move || table.asked(ticket));
        lane.close();
        lane.open(8);
        let asked = looks.join().expect("it does not panic");
        assert!(matches!(asked, None | Some(7)), "{asked:?}");
    });
}

/// Who waits is woken, or sees the answer.
pub fn poll_and_complete() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut lane = lane(&tickets);
        let ticket = lane.open(7);
        let given = completes(&tickets, ticket, 1);
        // Loom calls it a deadlock if nobody wakes it.
        assert_eq!(loom::future::block_on(poll_fn(|cx| lane.poll(cx))), 1);
        assert!(given());
        assert_eq!(tickets.complete(ticket, 2), Err(Stale), "the call has ended");
    });
}

/// The owner gives up, and another takes the slot over: he has nothing of the call before, and his own answers reach him.
pub fn give_up_and_reuse() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut before = lane(&tickets);
        let first = before.open(7);
        let late = completes(&tickets, first, 1);
        let table = tickets.clone();
        let next = spawn(move || {
            let mut lane = lane(&table);
            let ticket = lane.open(8);
            assert_ne!(ticket, first, "a number comes once");
            assert_eq!(table.complete(ticket, 2), Ok(()));
            assert_eq!(lane.close(), Some(2));
        });
        drop(before);
        next.join().expect("it does not panic");
        let _either = late();
        assert_eq!(tickets.complete(first, 3), Err(Stale), "nobody has it any more");
    });
}

/// The same while the one who gave up had waited.
pub fn give_up_waiting() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut before = lane(&tickets);
        let first = before.open(7);
        let waker = std::task::Waker::noop();
        let given = completes(&tickets, first, 1);
        let polled = before.poll(&std::task::Context::from_waker(waker));
        drop(before);
        let mut next = lane(&tickets);
        next.open(8);
        assert_eq!(next.close(), None, "nothing is left of the call before");
        assert!(given() || polled.is_pending());
    });
}

/// The table grows under calls that are open.
pub fn two_new_lanes_while_one_is_answered() {
    every_order(|| {
        let tickets = Tickets::new();
        let mut old = lane(&tickets);
        let ticket = old.open(7);
        let others = [1, 2].map(|answer| {
            let tickets = tickets.clone();
            spawn(move || {
                let mut lane = lane(&tickets);
                let ticket = lane.open(8);
                assert_eq!(tickets.complete(ticket, answer), Ok(()));
                assert_eq!(lane.close(), Some(answer), "each has its own");
                std::mem::forget(lane);
                ticket
            })
        });
        assert_eq!(tickets.complete(ticket, 3), Ok(()));
        assert_eq!(old.close(), Some(3));
        let [one, two] = others.map(|other| other.join().expect("it does not panic"));
        assert!(one != two && one != ticket && two != ticket);
    });
}
