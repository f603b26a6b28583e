//! What the run is judged by, with something wrong in it.

use std::time::Duration;

use crate::ledger::Ledger;
use crate::message;
use crate::report;
use crate::view::{Group, Step, View};

fn steps(exact: bool, numbers: &[u64]) -> (View, Vec<Step>) {
    let mut view = View::from(0, exact);
    let steps = numbers.iter().map(|n| view.take(*n, 0)).collect();
    (view, steps)
}

#[test]
fn what_is_right_passes() {
    let (view, steps) = steps(true, &[0, 1, 2]);
    assert_eq!(steps, [Step::Next, Step::Next, Step::Next]);
    assert_eq!(view.missing(3), []);
}

#[test]
fn a_duplicate_counts_as_the_qos_has_it() {
    assert_eq!(steps(false, &[0, 1, 0]).1, [Step::Next, Step::Next, Step::Again]);
    assert_eq!(steps(true, &[0, 1, 0]).1, [Step::Next, Step::Next, Step::Twice]);
}

#[test]
fn a_gap_is_noticed_at_once_and_told_at_the_end() {
    let (view, steps) = steps(false, &[0, 3, 4, 6]);
    assert_eq!(steps, [Step::Next, Step::Gap(1), Step::Next, Step::Next]);
    assert_eq!(view.missing(9), [(1, 2), (5, 5), (7, 8)]);
}

#[test]
fn what_comes_late_is_noticed() {
    let (view, steps) = steps(false, &[0, 2, 1]);
    assert_eq!(steps, [Step::Next, Step::Gap(1), Step::Late]);
    assert_eq!(view.missing(3), []);
}

#[test]
fn what_comes_after_unsuback_is_noticed() {
    let mut view = View::from(5, false);
    (view.complete, view.to) = (Some(7), Some(9));
    let steps = [4, 5, 6, 8, 9].map(|n| view.take(n, 0));
    let free = || Step::Free;
    assert_eq!(steps, [free(), Step::Next, Step::Next, free(), Step::Unwanted]);
}

#[test]
fn a_group_gets_each_message_once() {
    let mut group = Group::new("g");
    group.share(0, true);
    let steps = [(1, 0), (2, 1), (1, 3), (2, 3), (1, 2)].map(|(member, n)| group.take(member, 0, n));
    assert_eq!(
        steps,
        [Step::Next, Step::Next, Step::Next, Step::Twice, Step::Late]
    );
    assert_eq!(group.streams[&0].missing(6), [(4, 5)]);
}

#[test]
fn a_lost_message_is_told_with_all_that_is_known_of_it() {
    let mut ledger = Ledger::default();
    let stream = ledger.stream("p", "load/x", 1, false);
    let subscriber = ledger.subscriber("s");
    ledger.subscribing(subscriber, "load/#", 1, None);
    ledger.subscribed(subscriber);
    for n in 0..3 {
        let number = ledger.send(stream, Duration::from_millis(n));
        ledger.acknowledge(stream, number, Duration::from_millis(10 + n));
    }
    let deliver = |ledger: &mut Ledger, n| {
        let payload = message::payload(stream, n, false);
        ledger.deliver(subscriber, b"load/x", &payload, 1, Duration::from_millis(20))
    };
    assert!(deliver(&mut ledger, 0));
    let account = report::account(&ledger);
    assert_eq!(account[0], "LOST: 2 deliveries of acknowledged messages");
    let stream = "load/x from p, QoS 1";
    assert_eq!(
        account[1],
        format!("s has not got 2 acknowledged messages of {stream}, of 3")
    );
    let first = "(sent at 0.0010 s in round 1, acknowledged at 0.0110 s in round 1)";
    assert_eq!(account[2], format!("    from number 1 of {stream} {first}"));
    assert!(deliver(&mut ledger, 1) && deliver(&mut ledger, 2));
    assert!(report::account(&ledger).is_empty() && ledger.complete());
    assert!(!ledger.deliver(subscriber, b"load/y", b"", 1, Duration::ZERO));
    assert!(report::account(&ledger)[0].starts_with("changed"));
}
