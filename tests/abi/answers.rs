//! What hooks answer, rightly and wrongly, at once and later: the rows of the second table that clients see.

use crate::built;
use crate::serving::{NOT_AUTHORIZED, Serving, UNAVAILABLE, entry, reason};
use crate::support::{PUBACK, V5, publish, subscribe};

fn doing(what: &str, keys: &str) -> String {
    // No breaker.
    entry(&format!(
        "settings = {{ do = {what:?} }}\nbreaker = {{ rate = 1.0, least = 1_000_000 }}\n{keys}"
    ))
}

/// What the log says of the first call that failed; which hook's that is, nobody knows.
fn failed_call(serving: &Serving, seen: usize) -> String {
    let line = serving.log(seen, "WARN...policy failed: ...timeout=false");
    let (_, said) = line.split_once(".so: ").unwrap();
    said.split_once(" policy=").unwrap().0.to_owned()
}

#[test]
fn what_does_not_want_to_serve_is_refused_in_its_own_words() {
    let serving = Serving::start(built::rust(), "");
    assert_eq!(serving.login("somebody").1, 0);
    for (what, sentence) in [
        (
            "refuse",
            "refuses to load: the fixture refuses to load, as it was asked",
        ),
        (
            "fail_self_test",
            "fails its own test: the fixture fails its own test, as it was asked",
        ),
    ] {
        let seen = serving.configure(&doing(what, ""));
        let said = serving.refused(seen, 1);
        println!("{what:<24} {said}");
        assert_eq!(said, sentence);
        assert_eq!(serving.login("somebody").1, 0);
    }
    serving.until_metric("dunlin_plugin_instances", 1);
}

#[test]
fn answers_that_are_none_count_as_failures_and_on_error_decides() {
    let serving = Serving::start(built::rust(), "");
    for (what, says) in [
        ("error", "the plugin answered that it failed"),
        ("unknown_verdict", " answered 99, which is no answer of it"),
        ("lie", " answered ANSWERED (16) and completed nothing"),
    ] {
        let errors = || serving.metric("dunlin_hook_errors_total", &["policy=\"fixture\""]);
        let before = errors();
        let seen = serving.swap(&doing(what, "on_error = { answer = 'deny', transform = 'pass' }"));
        let (_, code, reason) = serving.login("somebody");
        assert_eq!(
            (code, &*reason),
            (UNAVAILABLE, "policy `fixture` failed"),
            "{what}"
        );
        let said = failed_call(&serving, seen);
        println!("{what:<24} {said}");
        assert!(said.contains(says), "{what}: {said}");
        serving.swap(&doing(
            what,
            "on_error = { answer = 'allow', transform = 'pass' }",
        ));
        assert_eq!(serving.login("somebody").1, 0, "{what}");
        println!("{:<24} {} errors counted", "", errors() - before);
        assert!(errors() > before);
    }
    assert_eq!(serving.metric("dunlin_hook_panics_total", &[]), 0);
}

#[test]
fn a_call_is_answered_once_whoever_answers_it() {
    let serving = Serving::start(built::rust(), "");
    for (what, logs) in [
        ("thread", None),
        ("twice", Some("completed twice: (0, -11)")),
        ("twice_later", Some("completed twice: (0, -11)")),
    ] {
        let seen = serving.swap(&doing(
            what,
            "on_error = { answer = 'allow', transform = 'pass' }",
        ));
        let (_, code, reason) = serving.login("somebody");
        println!("{what:<24} {reason:?}");
        assert_eq!((code, &*reason), (NOT_AUTHORIZED, "by the fixture"), "{what}");
        if let Some(logs) = logs {
            println!("{:<24} {logs}", "");
            serving.log(seen, logs);
        }
    }
}

#[test]
fn a_plugin_ends_a_connection_by_what_it_answers() {
    let serving = Serving::start(&built::plugin("DISCONNECTS"), "");
    let (mut client, ..) = serving.login("somebody");
    client.publish(publish("in", "x").qos(1, 1));
    client.expect_ack(PUBACK, 1, 0x10);
    client.publish(publish("out", "x").qos(1, 2));
    let last = client.expect_disconnect(NOT_AUTHORIZED);
    assert_eq!(reason(&last), "not there");
    let (mut client, ..) = serving.login("somebody");
    assert_eq!(client.subscribe("in", 1).codes, [1]);
    client.send(&subscribe(V5, 2, &[("out", 0)], &[]));
    client.expect_disconnect(NOT_AUTHORIZED);
}
