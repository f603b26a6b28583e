//! http, redis and sql from a policy, against real servers that this test starts, stops and starts again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod http;
mod login;
mod redis;
mod servers;
mod sql;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::{Broker, Client, Connect, PUBLISH, publish};

/// A policy whose cases are run by publishing to `case/NAME`; what a case returns comes back as JSON.
const CASES: &str = r#"
local cases = CASES
return {
    waits = { "publish" },
    publish = function(ctx, msg)
        local name = string.match(msg.topic, "^case/(.*)$")
        if not name then return end
        local began = time.now()
        local results = table.pack(pcall(cases[name], msg.payload))
        local list = {}
        for n = 2, results.n do list[n - 1] = if results[n] == nil then json.null else results[n] end
        return { topic = "result/" .. ctx.client_id, payload = json.encode({
            ok = results[1], results = json.array(list), took = time.now() - began }) }
    end,
}"#;

/// A broker with cases, and a client that runs them.
struct Cases {
    broker: Broker,
    folder: PathBuf,
}

/// What a case came to.
#[derive(Debug)]
struct Outcome {
    ok: bool,
    results: Vec<serde_json::Value>,
    took: Duration,
}

impl Outcome {
    /// The second result, or the error: why there is no answer.
    fn why(&self) -> &str {
        let n = usize::from(self.ok);
        self.results
            .get(n)
            .and_then(|why| why.as_str())
            .unwrap_or_default()
    }
}

impl Cases {
    fn start(cases: &str, entry: &str) -> Cases {
        let folder = support::broker::folder();
        let open = std::fs::read_to_string(support::broker::root().join("dunlin.open.toml")).unwrap();
        let block = format!(
            "\n[[policy]]\nname = \"cases\"\nscript = \"cases.lua\"\nwait = \"20s\"\nbudget = \"200ms\"\n{entry}\n"
        );
        std::fs::write(folder.join("dunlin.toml"), open + &block).unwrap();
        std::fs::write(folder.join("cases.lua"), CASES.replace("CASES", cases)).unwrap();
        let broker = Broker::start_with(&folder.join("dunlin.toml"), &["server.shards=1"]);
        Cases { broker, folder }
    }

    /// Changes the script, and waits until the change is in force.
    fn edit(&mut self) {
        let file = self.folder.join("cases.lua");
        let before = self.broker.log_tail().matches("policies reloaded").count();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text + "\n-- edited\n").unwrap();
        let began = Instant::now();
        while self.broker.log_tail().matches("policies reloaded").count() == before {
            assert!(began.elapsed().as_secs() < 10, "{}", self.broker.log_tail());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn client(&self) -> Client {
        let id = support::unique("case");
        let mut client = Connect::v5(&id).to(&self.broker);
        client.subscribe(&format!("result/{id}"), 0);
        client
    }

    #[track_caller]
    fn run(&self, name: &str, payload: &str) -> Outcome {
        run(&mut self.client(), name, payload)
    }
}

#[track_caller]
fn run(client: &mut Client, name: &str, payload: &str) -> Outcome {
    client.publish(publish(format!("case/{name}"), payload));
    outcome(client)
}

#[track_caller]
fn outcome(client: &mut Client) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(25);
    let message = loop {
        match client.receive_within(1000) {
            Some(message) => break message,
            None => assert!(Instant::now() < deadline, "no result"),
        }
    };
    assert_eq!(message.kind, PUBLISH);
    let told: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    Outcome {
        ok: told["ok"].as_bool().unwrap(),
        results: told["results"].as_array().unwrap().clone(),
        took: Duration::from_secs_f64(told["took"].as_f64().unwrap()),
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
