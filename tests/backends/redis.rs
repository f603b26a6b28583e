use std::time::{Duration, Instant};

use crate::servers::{Redis, silent};
use crate::support::publish;
use crate::{Cases, outcome};

const CASES: &str = r#"{
    set = function(v) local db = redis.open("main") return db:set("key", v, "EX", 60) end,
    get = function() return redis.open("main"):get("key") end,
    kinds = function()
        local db = redis.open("main")
        db:command("DEL", "n", "l", "h")
        db:command("RPUSH", "l", "a", 2)
        db:hset("h", "f", "v")
        return db:incr("n"), db:command("LRANGE", "l", 0, -1), db:hget("h", "f"), db:get("nothing") == nil
    end,
    wrong = function() return redis.open("main"):command("NONSENSE") end,
    none = function() return redis.open("other") end,
    select = function() return redis.open("main"):command("select", 1) end,
    large = function()
        local db = redis.open("main")
        db:set("large", string.rep("x", 5000))
        return db:get("large")
    end,
    big = function()
        local db = redis.open("main")
        db:set("big", "9007199254740992")
        local big = db:incr("big")
        db:set("again", big)
        return tostring(big), big, (db:get("again"))
    end,
    eval = function() return redis.open("main"):eval("return { KEYS[1], tonumber(ARGV[1]), false, { 'x' } }", 1, "k", 7) end,
    count = function() return redis.open("main"):incr("count") end,
    type = function() return redis.open("main"):set("a", {}) end,
}"#;

#[test]
fn commands_and_a_server_that_goes_and_comes_back() {
    let mut server = Redis::start();
    let cases = Cases::start(
        CASES,
        &format!(
            "redis.main.url = \"redis://{}/0\"\nredis.main.timeout = \"500ms\"",
            server.address
        ),
    );
    assert_eq!(cases.run("set", "value\u{e9}").results[0], "OK");
    assert_eq!(cases.run("get", "").results[0], "value\u{e9}");
    let kinds = cases.run("kinds", "");
    assert_eq!(
        serde_json::json!(kinds.results),
        serde_json::json!([1, ["a", "2"], "v", true])
    );
    assert!(cases.run("wrong", "").why().contains("unknown command"));
    assert!(
        cases
            .run("none", "")
            .why()
            .contains("no `redis.other`, it has `main`; write [policy.redis.other]")
    );
    assert!(
        cases
            .run("type", "")
            .why()
            .contains("redis:set: argument 2 (argument) must be a string or a number")
    );

    let refused = cases.run("select", "");
    assert!(
        refused.why().starts_with("SELECT needs a connection of its own"),
        "{refused:?}"
    );
    // An integer that a number of Lua does not hold.
    let (digits, number) = ("9007199254740993", 9_007_199_254_740_993_i64);
    assert_eq!(
        cases.run("big", "").results,
        serde_json::json!([digits, number, digits])
            .as_array()
            .unwrap()
            .clone()
    );
    assert_eq!(
        cases.run("eval", "").results[0],
        serde_json::json!(["k", 7, null, ["x"]])
    );

    server.stop();
    for _ in 0..6 {
        let down = cases.run("get", "");
        assert!(
            down.ok && down.results[0].is_null() && down.took < Duration::from_secs(1),
            "{down:?}"
        );
    }
    let down = cases.run("get", "");
    assert!(
        down.why().contains("main is down; it is asked again in") && down.took < Duration::from_millis(50),
        "{down:?}"
    );
    server.begin();
    let began = Instant::now();
    while cases.run("set", "again").results[0] != "OK" {
        assert!(began.elapsed() < Duration::from_secs(10), "it does not come back");
    }
    println!("redis was used again {:?} after it came back", began.elapsed());
}

#[test]
fn a_server_that_says_nothing() {
    let (address, _listener) = silent();
    let cases = Cases::start(
        CASES,
        &format!("redis.main = {{ url = \"redis://{address}/0\", timeout = \"200ms\" }}"),
    );
    let got = cases.run("get", "");
    assert!(got.why().contains("main did not answer within 200ms"), "{got:?}");
}

#[test]
fn two_hundred_at_once_and_answers_that_are_too_large() {
    let server = Redis::start();
    let address = server.address;
    let cases = Cases::start(
        CASES,
        &format!("redis.main = {{ url = \"redis://{address}\", response = \"4KiB\" }}"),
    );
    let mut clients: Vec<_> = (0..200).map(|_| cases.client()).collect();
    for client in &mut clients {
        client.publish(publish("case/count", ""));
    }
    let mut counted: Vec<i64> = clients
        .iter_mut()
        .map(|client| outcome(client).results[0].as_i64().unwrap())
        .collect();
    counted.sort_unstable();
    assert!(counted.iter().copied().eq(1..=200), "{counted:?}");
    assert!(cases.run("large", "").why().contains("larger than 4096 bytes"));
}

#[test]
fn a_server_that_falls_silent_is_left_and_found_again() {
    let server = Redis::start();
    let entry = format!(
        "redis.main = {{ url = \"redis://{}\", timeout = \"200ms\" }}",
        server.address
    );
    let cases = Cases::start(CASES, &entry);
    assert_eq!(cases.run("set", "x").results[0], "OK");
    server.signal("STOP");
    for n in 0..8 {
        let got = cases.run("get", "");
        let patience = Duration::from_millis(if n < 5 { 400 } else { 50 });
        assert!(got.results[0].is_null() && got.took < patience, "{n}: {got:?}");
    }
    server.signal("CONT");
    let began = Instant::now();
    while cases.run("get", "").results[0] != "x" {
        assert!(began.elapsed() < Duration::from_secs(10), "it does not come back");
    }
}

#[test]
fn what_needs_a_password_does_not_tell_it() {
    let server = Redis::start();
    let entry = format!(
        "redis.main = {{ url = \"redis://someone:tell-nobody@{}\" }}",
        server.address
    );
    let cases = Cases::start(CASES, &entry);
    let refused = cases.run("get", "");
    assert!(
        refused.results[0].is_null() && !refused.why().contains("tell-nobody"),
        "{refused:?}"
    );
    assert!(!cases.broker.log_tail().contains("tell-nobody"));
}
