//! The hostile corpus in a broker: each script is stopped, and the deliveries of others on the same shard hardly wait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::{Broker, Connect, PUBACK, publish};

const BUDGET: Duration = Duration::from_millis(20);
/// What the machine may add: the figure is reported, the bound is loose, since other tests run beside this one.
const SLACK: Duration = Duration::from_millis(250);

fn corpus() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(support::broker::root().join("tests/hostile/corpus.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, body)| (name.to_owned(), body.to_owned()))
        .collect()
}

/// One policy with every script of the corpus: publishing to `attack/NAME` runs it.
fn script(corpus: &[(String, String)]) -> String {
    let mut text = "local text = ('a'):rep(300000)\nlocal kept\nlocal attacks = {\n".to_owned();
    for (name, body) in corpus {
        text.push_str(&format!("  {name} = function() {body} end,\n"));
    }
    text + r#"}
return {
    authorize_publish = function(ctx, topic)
        local name = string.match(topic, "^attack/(.*)$")
        if name then attacks[name]() end
        return "allow"
    end,
}"#
}

#[test]
fn others_hardly_wait() {
    let corpus = corpus();
    let folder = support::broker::folder();
    let open = std::fs::read_to_string(support::broker::root().join("dunlin.open.toml")).unwrap();
    let entry = "\n[[policy]]\nname = \"hostile\"\nscript = \"hostile.lua\"\nbudget = \"20ms\"\n[policy.breaker]\nleast = 1000000\n";
    std::fs::write(folder.join("dunlin.toml"), open + entry).unwrap();
    std::fs::write(folder.join("hostile.lua"), script(&corpus)).unwrap();
    let broker = Broker::start_with(&folder.join("dunlin.toml"), &["server.shards=1"]);

    // Two clients of the same shard: a beat every millisecond, and how long each took is noted.
    let (longest, beats) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let over = Arc::new(AtomicBool::new(false));
    let (noted, counted, ended) = (Arc::clone(&longest), Arc::clone(&beats), Arc::clone(&over));
    let mut beater = Connect::v5("beater").to(&broker);
    beater.subscribe("beat", 0);
    let heart = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            let began = Instant::now();
            beater.publish(publish("beat", "x"));
            beater.receive();
            let took = u64::try_from(began.elapsed().as_micros()).unwrap();
            noted.fetch_max(took, Ordering::Relaxed);
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
    });

    let mut attacker = Connect::v5("attacker").to(&broker);
    let mut worst = (Duration::ZERO, String::new());
    for (n, (name, _)) in (1u16..).zip(&corpus) {
        longest.store(0, Ordering::Relaxed);
        let began = Instant::now();
        attacker.publish(publish(format!("attack/{name}"), "").qos(1, n));
        let answer = attacker.expect(PUBACK);
        let took = began.elapsed();
        assert_eq!(
            (answer.id, answer.code()),
            (n, 0x87),
            "{name} was not stopped\n{}",
            broker.log_tail()
        );
        // The beat that was under way when it ended.
        std::thread::sleep(Duration::from_millis(3));
        let waited = Duration::from_micros(longest.load(Ordering::Relaxed));
        println!("{name:>40}: stopped after {took:>10.1?}, others waited {waited:>10.1?} at most");
        assert!(
            took < BUDGET + SLACK && waited < BUDGET + SLACK,
            "{name}: {took:?}, {waited:?}"
        );
        if waited > worst.0 {
            worst = (waited, name.clone());
        }
    }
    over.store(true, Ordering::Relaxed);
    heart.join().unwrap();
    println!(
        "{} scripts, {} beats; the longest wait of another client was {:?} ({})",
        corpus.len(),
        beats.load(Ordering::Relaxed),
        worst.0,
        worst.1
    );
    let _ = std::fs::remove_dir_all(folder);
}
