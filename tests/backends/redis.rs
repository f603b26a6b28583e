use std::time::{Duration, Instant};

use crate::Cases;
use crate::servers::{Redis, silent};

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
