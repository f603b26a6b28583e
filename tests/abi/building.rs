//! A plugin that takes too long to begin, or leaves something behind when it does not: the broker serves on, and what comes later
//! is cleared away.

use std::time::Instant;

use crate::built::{fixture, plugin};
use crate::serving::{Serving, entry};
use crate::support;

const PATIENCE: &str = "load_budget = '500ms'";

fn instances(serving: &Serving) -> u64 {
    serving.metric("dunlin_plugin_instances", &[])
}

#[test]
fn a_constructor_that_dawdles_is_refused_and_may_come_back() {
    let serving = Serving::start(&fixture("PLAIN"), PATIENCE);
    let seen = serving.replace(&plugin("SLOW_CONSTRUCTOR"));
    let said = serving.refused(seen, 1);
    println!("{:<24} {said}", "slow constructor");
    assert_eq!(
        said,
        "did not come back from being opened within 500ms; a plugin must not wait there; a longer `load_budget` in its entry gives \
         it more time"
    );
    serving.fixture_answers();
    // When it has come back it is open, and the next try is a short one.
    serving.until("it serves", || {
        serving.put_bytes("beside.lua", format!("-- {:?}", Instant::now()).as_bytes(), 0o644);
        support::sleep(100);
        serving.broker.log()[seen..].contains("policies reloaded")
    });
    assert_eq!(serving.login("fixture").1, 0);
    serving.until_metric("dunlin_plugin_instances", 1);
    println!("{:<24} it comes back, and the next try serves", "");
}

#[test]
fn a_create_that_dawdles_is_refused_and_ended_when_it_comes_back() {
    let serving = Serving::start(&fixture("PLAIN"), PATIENCE);
    let seen = serving.replace(&plugin("SLOW_CREATE"));
    let said = serving.refused(seen, 1);
    println!("{:<24} {said}", "slow create");
    assert_eq!(
        said,
        "did not come back from `create` and `self_test` within 500ms; a plugin must not wait there; a longer `load_budget` in its \
         entry gives it more time"
    );
    serving.fixture_answers();
    serving.log(seen, "create comes back");
    serving.log(seen, "destroyed");
    println!("{:<24} it comes back, and is destroyed", "");
    serving.until_metric("dunlin_plugin_instances", 1);
    serving.fixture_answers();
    // With more time it serves.
    serving.swap(&entry("load_budget = '10s'"));
    assert_eq!(serving.login("fixture").1, 0);
}

#[test]
fn a_timer_of_a_plugin_that_refuses_is_given_back_and_never_called() {
    let serving = Serving::start(&fixture("PLAIN"), "");
    let seen = serving.replace(&plugin("TIMER_THEN_REFUSAL"));
    let said = serving.refused(seen, 1);
    println!("{:<24} {said}", "a timer, then a refusal");
    assert_eq!(said, "refuses to load: it does not say why");
    // It would have been due after 300 ms.
    support::sleep(800);
    // It may have been tried more than once: the system tells of one file in several events.
    let texts = ["opening ", "the timer was given back", "the timer was called"];
    let [tried, given_back, called] = texts.map(|text| serving.count(seen, text));
    println!(
        "{:<24} tried {tried} times: given back {given_back} times, called {called} times",
        ""
    );
    assert!(tried >= 1);
    assert_eq!([given_back, called], [tried, 0]);
    assert_eq!(instances(&serving), 1);
    serving.fixture_answers();
}
