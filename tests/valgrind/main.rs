//! The plugin loader under valgrind's memcheck: a broker that serves, swaps plugins in C and in Rust, refuses some, unmaps some, and stops
//! makes no use of memory that it does not have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::broker::{folder, root};
use support::plugins::{compiled, put, shipped};
use support::{Broker, Connect, PUBLISH, V5, publish};

/// Errors make valgrind end with this, which nobody sees; the report of the file counts.
const REPORT: &str = "valgrind.txt";
const SWAPS: usize = 5;

fn until(what: &str, broker: &Broker, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        let late = began.elapsed() > Duration::from_secs(60);
        assert!(!late, "{what}: not within a minute\n{}", broker.log_tail());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stamps(folder: &Path) -> Vec<Vec<u8>> {
    let library = folder.join("original");
    compiled(&root().join("tests/support/stamp.c"), &["-g"], &library);
    let original = fs::read(&library).unwrap();
    let mark = b" v0000000";
    let at = original
        .windows(mark.len())
        .position(|text| text == mark)
        .unwrap();
    let version = |n: usize| {
        let mut bytes = original.clone();
        bytes[at..at + mark.len()].copy_from_slice(format!(" v{n:07}").as_bytes());
        bytes
    };
    (0..=SWAPS).map(version).collect()
}

#[test]
fn the_loader_uses_no_memory_that_it_does_not_have() {
    let folder = folder();
    let (plugins, stamps) = (folder.join("data/plugins"), stamps(&folder));
    fs::create_dir_all(&plugins).unwrap();
    let stamp = plugins.join("stamp.so");
    put(&stamps[0], &stamp);
    let acl = fs::read(shipped("acl-file")).unwrap();
    put(&acl, &plugins.join("libacl_file.so"));
    fs::write(folder.join("rules"), "allow both #\n").unwrap();
    let rules = folder.join("rules");
    let chain = |least: u32| {
        let open = fs::read_to_string(root().join("dunlin.open.toml")).unwrap();
        format!(
            "{open}\n[[policy]]\nname = \"stamp\"\nplugin = \"stamp.so\"\nunload = \"best-effort\"\nbudget = \"30s\"\n\
             [[policy]]\nname = \"acl\"\nplugin = \"libacl_file.so\"\nsettings = {{ file = {rules:?}, otherwise = \"next\" }}\n\
             budget = \"30s\"\nload_budget = \"{}s\"\n",
            60 + least
        )
    };
    let config = folder.join("dunlin.toml");
    put(chain(0).as_bytes(), &config);
    let report = folder.join(REPORT);
    let log = format!("--log-file={}", report.display());
    let valgrind = [
        "valgrind",
        "--tool=memcheck",
        "--fair-sched=yes",
        "--num-callers=30",
        &log,
    ];
    let settings = [
        "server.shards=2",
        "policy_watch.window=\"500ms\"",
        "policy_watch.p99=\"1s\"",
        "policy_watch.files=\"auto\"",
        "policy_watch.least=1000000",
    ];
    let broker = Broker::start_under(&valgrind, &config, &folder.join("data"), &settings);
    let mut client = Connect::new(V5, "probe").to(&broker);
    client.subscribe("probe", 0);
    let mut served = || {
        client.publish(publish("probe", "x").qos(0, 0));
        String::from_utf8_lossy(&client.expect(PUBLISH).payload).into_owned()
    };
    for (n, bytes) in stamps.iter().enumerate().skip(1) {
        put(bytes, &stamp);
        until("a swap", &broker, || served() == format!("x v{n:07}"));
    }
    let refused = || broker.log().matches("policies refused").count();
    // Another instance of the Rust plugin, in another image; then one that refuses to be made, and a file that is cut short.
    put(chain(1).as_bytes(), &config);
    until("the settings", &broker, || {
        broker.log().matches("opening").count() >= SWAPS + 3
    });
    let before = refused();
    put(
        chain(2)
            .replace(r#"otherwise = "next""#, r#"otherwise = "maybe""#)
            .as_bytes(),
        &config,
    );
    until("a refusal", &broker, || refused() > before);
    put(chain(1).as_bytes(), &config);
    let before = refused();
    put(&acl[..acl.len() / 2], &plugins.join("libacl_file.so"));
    until("another", &broker, || refused() > before);
    assert_eq!(served(), format!("x v{SWAPS:07}"));
    broker.stop();
    let began = Instant::now();
    let said = loop {
        let said = fs::read_to_string(&report).unwrap_or_default();
        if said.contains("ERROR SUMMARY") {
            break said;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{said}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let summary = said.lines().rfind(|line| line.contains("ERROR SUMMARY")).unwrap();
    println!("{summary}");
    assert!(summary.contains("ERROR SUMMARY: 0 errors"), "{said}");
    fs::remove_dir_all(folder).unwrap();
}
