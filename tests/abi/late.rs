//! Answers that come too late, or never: `on_timeout` stands in for them, and the breaker ends it.

use std::time::{Duration, Instant};

use crate::built;
use crate::serving::{NOT_AUTHORIZED, Serving, UNAVAILABLE, entry, entry_in_time};
use crate::support::{self, Connect, PUBACK, publish};

const OF_FIXTURE: &[&str] = &["policy=\"fixture\""];

/// Until the breaker is open on the one shard.
#[track_caller]
fn opens(serving: &Serving, seen: usize, mut call: impl FnMut()) {
    serving.until("the breaker opens", || {
        call();
        serving.metric("dunlin_hook_breaker_open", OF_FIXTURE) == 1
    });
    serving.log(seen, "ERROR...policy keeps failing and is no longer asked");
}

#[test]
fn a_plugin_that_never_answers_is_waited_for_and_then_no_longer_asked() {
    let serving = Serving::start(built::rust(), "");
    let mut before = Connect::v5("before").to(&serving.broker);
    // Which of the two decides can be seen: one denies, the other allows.
    let keys = "settings = { do = 'never' }\nwait = '200ms'\non_timeout = { answer = 'deny', transform = 'pass' }\non_error = { answer = 'allow', transform = 'pass' }\n\
                breaker = { least = 16, rate = 0.5, window = '60s', probe = '60s' }";
    let seen = serving.swap(&entry(keys));
    // Where nobody may wait, it failed at once.
    assert_eq!(before.subscribe("t", 1).codes, [1], "authorize_subscribe");
    // One line a second is logged; the next is to be that of the login.
    support::sleep(1100);
    let began = Instant::now();
    let (_, code, reason) = serving.login("somebody");
    let took = began.elapsed();
    println!("{:<24} {reason:?} after {took:?}", "never");
    assert_eq!((code, &*reason), (UNAVAILABLE, "policy `fixture` failed"));
    assert!(took >= Duration::from_millis(200), "{took:?}");
    before.publish(publish("t", "x").qos(1, 1));
    before.expect_ack(PUBACK, 1, NOT_AUTHORIZED);
    let line = serving.log(
        seen,
        "WARN...policy failed: ...the call waited longer than...timeout=true",
    );
    println!("{:<24} {}", "", line.split_once(".so: ").unwrap().1);
    assert!(serving.metric("dunlin_hook_timeouts_total", OF_FIXTURE) >= 3);
    opens(&serving, seen, || drop(serving.login("somebody")));
    // It is not asked, so nobody waits, and `on_error` decides.
    let refused = serving.metric("dunlin_hook_refused_total", OF_FIXTURE);
    assert_eq!(serving.login("somebody").1, 0);
    println!(
        "{:<24} {} timeouts until the breaker opened",
        "",
        serving.metric("dunlin_hook_timeouts_total", OF_FIXTURE)
    );
    assert!(serving.metric("dunlin_hook_refused_total", OF_FIXTURE) > refused);
}

#[test]
fn a_plugin_that_overruns_its_budget_is_seen_afterwards() {
    let keys = "budget = '30ms'\non_timeout = { answer = 'deny', transform = 'pass' }\non_error = { answer = 'deny', transform = 'pass' }\n\
                breaker = { least = 8, rate = 0.5, window = '60s', probe = '60s' }";
    // It allows everything, 100 ms later, and both ways of asking look at the clock: the one that may wait, and the straight one. What it
    // answers counts; that it took so long is counted, too.
    let serving = Serving::with(
        &[("libfixture.so", &built::plugin("OVERRUNS"))],
        &entry_in_time(keys),
        &[],
    );
    let (_, code, reason) = serving.login("somebody");
    println!("{:<24} let in {reason:?}", "overruns its budget");
    assert_eq!((code, &*reason), (0, ""));
    let line = serving.log(
        0,
        "WARN...policy failed: ...longer than its 30ms (`budget`)...timeout=true",
    );
    println!("{:<24} {}", "", line.split_once(".so: ").unwrap().1);
    let seen = serving.swap(&entry_in_time(&format!(
        "{keys}\nsettings = {{ slow = 'publish' }}"
    )));
    let mut client = Connect::v5("client").to(&serving.broker);
    for id in 1..=4 {
        client.publish(publish("t", "x").qos(1, id));
        assert!(client.expect(PUBACK).code() < 0x80, "it allows it");
    }
    let timeouts = serving.metric("dunlin_hook_timeouts_total", OF_FIXTURE);
    assert!(timeouts >= 5, "{timeouts}");
    let mut id = 10;
    opens(&serving, seen, || {
        id += 1;
        client.publish(publish("t", "x").qos(1, id));
        client.expect(PUBACK);
    });
    let began = Instant::now();
    client.publish(publish("t", "x").qos(1, 1000));
    client.expect_ack(PUBACK, 1000, NOT_AUTHORIZED);
    println!(
        "{:<24} {} timeouts until the breaker opened, then {:?}",
        "",
        serving.metric("dunlin_hook_timeouts_total", OF_FIXTURE),
        began.elapsed()
    );
}
