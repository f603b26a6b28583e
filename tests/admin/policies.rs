//! status, reload, policy list, log, diff and rollback.

use std::time::{Duration, Instant};

use crate::Administered;
use crate::support::{self, Broker, Connect, PUBACK, publish};

fn script(refused: &str) -> String {
    format!(
        "return {{\n  authorize_publish = function(ctx, topic)\n    if topic == '{refused}' then\n      return 'deny', \
         'not here'\n    end\n    return 'allow'\n  end,\n}}\n"
    )
}

/// A broker that watches a new generation for longer than a test takes.
fn start() -> Administered {
    Administered::with(&script("one"), &["policy_watch.window=\"20s\""])
}

#[test]
fn status_tells_how_the_broker_is() {
    let broker = start();
    let _client = Connect::v5("a").to(&broker.broker);
    let text = broker.says(&["status"]);
    for part in ["Dunlin 0.", "ready", "connections    1\n", "generation     1 ("] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let status = broker.json(&["status"]);
    assert_eq!(
        (&status["connections"], &status["sessions"]),
        (&1.into(), &1.into())
    );
    assert_eq!(status["policies"]["generation"], 1);
    assert_eq!(status["policies"]["watched_until"], serde_json::Value::Null);
}

#[test]
fn reload_puts_files_in_force_or_says_what_is_wrong_with_them() {
    let broker = start();
    assert!(broker.says(&["reload"]).contains("serves already"));
    broker.save(&script("two"));
    let text = broker.says(&["reload"]);
    assert!(
        text.starts_with("generation 2 (") && text.contains("watched until"),
        "{text}"
    );
    let status = broker.says(&["status"]);
    assert!(status.contains("\nwatched        until "), "{status}");

    broker.save("return {\n  authorise_publish = function() end,\n}\n");
    let refused = broker.ask(&["reload"]);
    assert_eq!((refused.code, &*refused.out), (1, ""));
    assert!(
        refused.err.contains("policy.lua:2: ") && refused.err.contains("authorize_publish"),
        "{refused:?}"
    );
    let json = broker.ask(&["reload", "--json"]);
    let problem: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &problem["problems"][0]["line"]), (1, &2.into()));
    let status = broker.json(&["status"]);
    let last = &status["policies"]["refused"]["problems"][0];
    assert!(last["file"].as_str().unwrap().ends_with("policy.lua"), "{status}");
    assert!(broker.says(&["status"]).contains("policy.lua:2: "));

    broker.save(&script("three"));
    // Whether or not the broker has seen the save by itself, and was first.
    let now = broker.json(&["reload", "--no-rollback"]);
    assert_eq!(now["watched_until"], serde_json::Value::Null);
    let status = broker.json(&["status"]);
    assert_eq!(status["policies"]["watched_until"], serde_json::Value::Null);
}

#[test]
fn reload_waits_until_the_generation_has_proved_itself_or_failed() {
    let broker = Administered::with(
        &script("one"),
        &["policy_watch.window=\"1500ms\"", "policy_watch.least=20"],
    );
    broker.save(&script("two"));
    let began = Instant::now();
    let text = broker.says(&["reload", "--wait"]);
    assert!(began.elapsed() > Duration::from_secs(1), "{text}");
    assert!(text.ends_with(" is in force, and has proved itself\n"), "{text}");

    let mut client = Connect::v5("a").to(&broker.broker);
    broker.save("return { authorize_publish = function() error('broken') end }");
    let waiting = std::thread::scope(|scope| {
        let asked = scope.spawn(|| broker.ask(&["reload", "--wait"]));
        while !asked.is_finished() {
            client.publish(publish("t", "x").qos(1, 1));
            client.expect(PUBACK);
        }
        asked.join().unwrap()
    });
    assert_eq!(waiting.code, 1, "{waiting:?}");
    assert!(
        waiting.err.contains("generation 3 was rolled back") && waiting.err.contains("calls failed"),
        "{waiting:?}"
    );
    assert!(waiting.err.contains("incident report: "), "{waiting:?}");
    assert!(
        broker
            .says(&["status"])
            .contains("rolled back    generation 3 at ")
    );
}

#[test]
fn list_shows_the_chain_with_what_it_did() {
    let broker = start();
    let mut client = Connect::v5("a").to(&broker.broker);
    for (id, topic) in [(1, "one"), (2, "x"), (3, "y")] {
        client.publish(publish(topic, "x").qos(1, id));
        client.expect(PUBACK);
    }
    let rows = broker.json(&["policy", "list"]);
    let row = &rows[0];
    assert_eq!(
        (
            &row["name"],
            &row["calls"],
            &row["denied"],
            &row["errors"],
            &row["breaker_open"]
        ),
        (&"policy".into(), &3.into(), &1.into(), &0.into(), &0.into())
    );
    assert_eq!(row["hooks"], serde_json::json!(["authorize_publish"]));
    let text = broker.says(&["policy", "list"]);
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("NAME"), "{text}");
    assert!(
        lines.next().unwrap().starts_with("policy") && text.contains("authorize_publish"),
        "{text}"
    );
}

#[test]
fn metrics_tell_what_policies_do_and_how_reloading_stands() {
    let broker = start();
    let mut client = Connect::v5("a").to(&broker.broker);
    for id in 1..=32 {
        client.publish(publish(if id % 2 == 0 { "one" } else { "two" }, "x").qos(1, id));
        client.expect(PUBACK);
    }
    broker.save("return 1");
    assert_eq!(broker.ask(&["reload"]).code, 1);
    let socket = broker.broker.data().join("dunlin.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, request).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    for line in [
        "dunlin_hook_calls_total{policy=\"policy\",hook=\"authorize_publish\"} 32\n",
        "dunlin_hook_duration_seconds_count{policy=\"policy\",hook=\"authorize_publish\"} 2\n",
        "dunlin_hook_duration_seconds_bucket{le=\"+Inf\",policy=\"policy\",hook=\"authorize_publish\"} 2\n",
        "dunlin_hook_denied_total{policy=\"policy\"} 16\n",
        "dunlin_hook_breaker_open{policy=\"policy\"} 0\n",
        "dunlin_policies_generation 1.0\n",
        "dunlin_policies_refused_now 1.0\n",
        "dunlin_policies_reloads_total{result=\"refused\"} ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn the_log_survives_the_broker() {
    let data = support::broker::folder();
    let ask = |broker: &Broker, args: &[&str]| {
        let socket = broker.data().join("dunlin.sock");
        let answer = crate::answer(crate::ctl(args).arg("--socket").arg(socket));
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.out
    };
    drop(Broker::start_on(&data, &[]));
    let broker = Broker::start_on(&data, &[]);
    let log: serde_json::Value = serde_json::from_str(&ask(&broker, &["policy", "log", "--json"])).unwrap();
    let log = log.as_array().unwrap();
    assert_eq!(log.len(), 2);
    assert!(
        log.iter()
            .all(|record| record["by"] == "start" && record["what"] == "in force")
    );
    assert_eq!(
        ask(&broker, &["policy", "log", "--limit", "1"]).lines().count(),
        2
    );
    drop(broker);
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn diff_and_rollback_go_from_one_generation_to_another() {
    let broker = start();
    let alone = broker.ask(&["policy", "diff"]);
    assert!(
        alone.code == 1 && alone.err.contains("no generation before"),
        "{alone:?}"
    );
    let alone = broker.ask(&["policy", "rollback"]);
    assert!(
        alone.code == 1 && alone.err.contains("no generation to go back to"),
        "{alone:?}"
    );

    broker.save(&script("two"));
    broker.says(&["reload"]);
    let diff = broker.says(&["policy", "diff"]);
    for line in [
        "policy.lua\tgeneration 1\n",
        "-    if topic == 'one' then\n",
        "+    if topic == 'two' then\n",
    ] {
        assert!(diff.contains(line), "{line}:\n{diff}");
    }
    assert_eq!(diff, broker.says(&["policy", "diff", "2"]));
    assert_eq!(diff, broker.says(&["policy", "diff", "1", "2"]));
    assert!(
        broker
            .says(&["policy", "diff", "2", "2"])
            .contains("the same sources")
    );
    let unknown = broker.ask(&["policy", "diff", "9"]);
    assert!(
        unknown.code == 1
            && unknown
                .err
                .contains("generation 9 are not kept; those of 1, 2 are"),
        "{unknown:?}"
    );

    let mut client = Connect::v5("a").to(&broker.broker);
    client.publish(publish("two", "x").qos(1, 1));
    client.expect_ack(PUBACK, 1, 0x87);
    assert!(broker.says(&["policy", "rollback"]).starts_with("generation 1 ("));
    client.publish(publish("two", "x").qos(1, 2));
    assert!(client.expect(PUBACK).code() < 0x80);
    assert!(
        broker
            .says(&["policy", "diff"])
            .contains("+    if topic == 'one' then\n")
    );
    let log = broker.says(&["policy", "log"]);
    assert!(
        log.contains("rolled back") && log.contains("an operator asked for it"),
        "{log}"
    );
}
