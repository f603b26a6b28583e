//! The end of an instance, when another takes its place: what it may still do, and what is reported when it does not end.

use crate::built;
use crate::serving::{NOT_AUTHORIZED, Serving, UNAVAILABLE, entry};
use crate::support::{Client, Connect};
use std::process::Command;

fn doing(what: &str) -> String {
    // Time enough for a login before a slow `quiesce` comes back.
    entry(&format!(
        "settings = {{ do = {what:?} }}\nwait = '200ms'\nquiesce = '1s'\nbreaker = {{ rate = 1.0, least = 1_000_000 }}"
    ))
}

fn gauges(serving: &Serving) -> [u64; 3] {
    ["images", "instances", "instances_stuck"]
        .map(|name| serving.metric(&format!("dunlin_plugin_{name}"), &[]))
}

/// What a line says, without when and where.
fn said(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(_, said)| said)
}

#[test]
fn an_answer_after_the_end_is_stale() {
    let serving = Serving::start(built::rust(), "");
    let seen = serving.swap(&doing("after_quiesce"));
    // Each answer comes in `destroy`, long after its call was given up.
    assert_eq!(serving.login("somebody").1, UNAVAILABLE);
    serving.swap(&doing(""));
    let line = serving.log(seen, "completed after quiesce: -11");
    println!("{:<24} {}", "after_quiesce", said(&line));
    assert_eq!(serving.login("somebody").1, 0);
    serving.until_metric("dunlin_plugin_instances", 1);
}

#[test]
fn a_plugin_whose_threads_do_not_stop_stays_and_the_swap_goes_on() {
    let serving = Serving::start(built::rust(), "");
    serving.swap(&doing("threads"));
    let mut client = Connect::v5("client").to(&serving.broker);
    let seen = serving.swap(&doing("thread"));
    let line = serving.log(
        seen,
        "WARN...a plugin that serves no more stays in memory for ever: ",
    );
    println!("{:<24} {}", "threads", said(&line));
    assert!(line.contains("1 of its threads did not stop"), "{line}");
    serving.until_metric("dunlin_plugin_instances_stuck", 1);
    println!("{:<24} {:?} images, instances, stuck", "", gauges(&serving));
    // The one that follows it serves, and nobody was disconnected.
    let (_, code, reason) = serving.login("somebody");
    assert_eq!((code, &*reason), (NOT_AUTHORIZED, "by the fixture"));
    client.ping();
    // It is one of those that have not ended.
    assert_eq!(gauges(&serving)[1..], [2, 1]);
}

#[test]
fn a_quiesce_that_takes_too_long_is_reported_and_waited_for() {
    let serving = Serving::start(built::rust(), "");
    serving.swap(&doing("slow_quiesce"));
    let seen = serving.swap(&doing("thread"));
    // Meanwhile the next one serves.
    assert_eq!(serving.login("somebody").1, NOT_AUTHORIZED);
    assert_eq!(gauges(&serving)[1], 2, "it should not have ended yet");
    let line = serving.log(
        seen,
        "WARN...a plugin has not ended its threads within 1s (`quiesce`); it is waited for",
    );
    println!("{:<24} {}", "slow_quiesce", said(&line));
    serving.until_metric("dunlin_plugin_instances", 1);
    println!("{:<24} {:?} images, instances, stuck", "", gauges(&serving));
    assert_eq!(gauges(&serving)[2], 0);
}

#[test]
fn a_thread_that_is_left_meets_a_closed_door() {
    let serving = Serving::start(&built::plugin("LOGS_AFTER_ITS_END"), "");
    serving.log(0, "kv_set says 0");
    let seen = serving.replace(&built::plugin("GOOD"));
    serving.log(seen, "destroyed");
    // Its lines are logged on, and nothing else is done for it.
    let refused = serving.log(seen, "line ...kv_set says -14");
    let last = serving.log(seen, "line 20, kv_set says -14");
    println!("{:<24} {}", "logs after its end", said(&refused));
    println!("{:<24} {}", "", said(&last));
    assert_eq!(serving.login("somebody").1, 0);
    assert!(serving.broker.alive());
}

/// A broker whose only shard hangs in a plugin, told to stop.
fn told_to_stop_while_a_shard_hangs() -> (Serving, String) {
    let settings = ["server.drain_timeout=100ms"];
    let serving = Serving::with(
        &[("libfixture.so", &built::plugin("HANGS"))],
        &entry(""),
        &settings,
    );
    let mut client = Client::open(&serving.broker, 5);
    client.send(&Connect::v5("client").bytes());
    serving.log(0, "authenticate hangs");
    let id = serving.broker.id().expect("the broker is ours").to_string();
    stop(&id);
    serving.log(0, "stopping");
    (serving, id)
}

fn stop(id: &str) {
    let sent = Command::new("kill").args(["-TERM", id]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_stop_that_hangs_comes_to_an_end() {
    let (serving, _) = told_to_stop_while_a_shard_hangs();
    let line = serving.log(0, "ERROR...ended (something hangs)");
    println!("{:<24} {}", "hangs at the end", said(&line));
    serving.until("the broker ends", || !serving.broker.alive());
}

#[test]
fn a_second_signal_ends_what_hangs_at_once() {
    let (serving, id) = told_to_stop_while_a_shard_hangs();
    let began = std::time::Instant::now();
    serving.until("a second signal is heard", || {
        if serving.broker.alive() {
            stop(&id);
        }
        !serving.broker.alive()
    });
    println!(
        "{:<24} {:?} after the first signal",
        "told twice",
        began.elapsed()
    );
    serving.log(0, "ERROR...ended (told to stop a second time)");
}
