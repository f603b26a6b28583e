//! A policy that loads and then fails is rolled back by itself; nobody is disconnected, and a report says why.

use std::time::{Duration, Instant};

use crate::Scripted;
use crate::support::{Client, Connect, PUBACK, publish};

const GOOD: &str = "return { authorize_publish = function() return 'allow' end }";
const CLIENTS: usize = 20;

/// Saves `bad` while clients publish, and waits until the generation before serves again. Returns the report.
fn rolls_back(bad: &str) -> serde_json::Value {
    rolls_back_within(bad, "5ms")
}

/// The same with another budget for a call.
fn rolls_back_within(bad: &str, budget: &str) -> serde_json::Value {
    let entry = format!("memory = \"4MiB\"\nbudget = \"{budget}\"");
    let broker = Scripted::with(GOOD, &entry, &["policy_watch.window=\"20s\""]);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|n| Connect::v5(format!("client{n}")).to(&broker.broker))
        .collect();
    let mut round = |id: u16| -> usize {
        for client in &mut clients {
            client.publish(publish("t", "x").qos(1, id));
        }
        let codes = clients.iter_mut().map(|client| {
            let ack = client.expect(PUBACK);
            assert_eq!(ack.id, id);
            ack.code()
        });
        codes.filter(|code| *code >= 0x80).count()
    };
    assert_eq!(round(1), 0);
    broker.save(bad);
    broker.until_log("policies reloaded");
    let mut id = 1;
    let mut rolled_back = None;
    let began = Instant::now();
    while rolled_back.is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "not rolled back\n{}",
            broker.broker.log_tail()
        );
        id = id % 60_000 + 1;
        round(id);
        if broker.broker.log().contains("policies rolled back") {
            rolled_back = Some(began.elapsed());
        }
    }
    let took = rolled_back.unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    // Nobody was disconnected, and all may publish again. The breaker of the bad one went with it.
    for id in 60_001..60_010 {
        assert_eq!(round(id), 0, "{}", broker.broker.log_tail());
    }
    let incidents = std::fs::read_dir(broker.broker.data().join("incidents")).unwrap();
    let report = incidents.map(|file| file.unwrap().path()).next().unwrap();
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    println!(
        "rolled back {took:?} after the save was served: {}",
        report["why"]
    );
    let call = &report["calls"][0];
    assert!(
        call["client_id"].as_str().unwrap().starts_with("client"),
        "{call}"
    );
    assert_eq!(
        (&call["hook"], &call["about"]),
        (&"authorize_publish".into(), &"t".into())
    );
    report
}

fn with(body: &str) -> String {
    format!("return {{\n  authorize_publish = function(ctx, topic)\n    {body}\n  end,\n}}")
}

#[test]
fn it_throws() {
    let report = rolls_back(&with("error('broken in production')"));
    let what = report["calls"][0]["what"].as_str().unwrap();
    assert!(what.contains("policy.lua:3: broken in production"), "{what}");
}

#[test]
fn it_loops() {
    let report = rolls_back(&with("while true do end"));
    assert!(
        report["calls"][0]["what"]
            .as_str()
            .unwrap()
            .contains("took longer than its budget"),
        "{report}"
    );
}

#[test]
fn it_allocates() {
    let report = rolls_back(&with("local t = {} for n = 1, 1e9 do t[n] = { n } end"));
    let what = report["calls"][0]["what"].as_str().unwrap();
    assert!(what.contains("memory") || what.contains("budget"), "{what}");
}

#[test]
fn it_denies_everyone() {
    let report = rolls_back(&with("return 'deny', 'all of you'"));
    assert!(
        report["why"]
            .as_str()
            .unwrap()
            .contains("denied what the generation before allows"),
        "{report}"
    );
    assert!(
        report["calls"][0]["what"]
            .as_str()
            .unwrap()
            .contains("all of you")
    );
}

#[test]
fn it_waits_and_then_denies_everyone() {
    let report = rolls_back(
        "return {\n  waits = { 'authorize_publish' },\n  authorize_publish = function()\n    task.sleep(0.001)\n    return \
         'deny', 'all of you'\n  end,\n}",
    );
    let why = report["why"].as_str().unwrap();
    assert!(
        why.contains("denied what the generation before allows"),
        "{report}"
    );
}

#[test]
fn it_answers_slowly() {
    // It is to be slow and not to fail, also where other tests take the processor from it.
    let slow = with("local t = os.clock() while os.clock() - t < 0.0035 do end return 'allow'");
    let report = rolls_back_within(&slow, "50ms");
    assert!(
        report["why"].as_str().unwrap().contains("took longer than"),
        "{report}"
    );
}

/// What the bad one let clients have is asked about again.
#[test]
fn what_it_granted_goes_with_it() {
    let good = "return {
        authorize_publish = function() return 'allow' end,
        authorize_subscribe = function(ctx, filter) return if filter == 'secret/#' then 'deny' else 'allow' end,
    }";
    let bad = "return {
        authorize_publish = function() error('bad') end,
        authorize_subscribe = function() return 'allow' end,
    }";
    let broker = Scripted::with(good, "", &["server.shards=1", "policy_watch.window=\"20s\""]);
    let mut client = Connect::v5("a").to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0x87]);
    broker.save(bad);
    broker.until_log("policies reloaded");
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    assert_eq!(client.subscribe("open", 0).codes, [0]);
    for id in 1..=30 {
        client.publish(publish("t", "x").qos(1, id));
        client.expect(PUBACK);
    }
    broker.until_log("policies rolled back");
    broker.until_log("was withdrawn");
    client.publish(publish("secret/1", "no"));
    client.publish(publish("open", "yes"));
    client.expect_message("yes");
}
