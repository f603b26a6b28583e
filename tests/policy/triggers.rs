//! Everything that may start a reload, in turn, under the crowd: every message is served by one generation alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::crowd::Crowd;
use crate::reload::{PAIRS, clients, room_for_the_crowd, save};
use crate::support::broker::binary;
use crate::support::{Client, PUBLISH, V5, publish};
use crate::{Demo, millis_until, signed};

const SWAPS: usize = 40;
/// Enough to have some on every shard.
const PROBES: usize = 8;

/// Three entries of the chain, one file: each writes the version on every message, as do three hooks of each.
const ENTRIES: &str = r#"
[[policy]]
name = "first"
script = "scripts/stamp.lua"
[[policy]]
name = "second"
script = "scripts/stamp.lua"
[[policy]]
name = "third"
script = "scripts/stamp.lua"
"#;

const RULES: &str = r#"
local rules = {
	{ "allow", "all", "*", "load/#" },
	{ "allow", "all", "*", "probe/#" },
}
"#;

fn version(n: usize) -> String {
    format!(
        "local version = \" v{n}\"\nreturn {{\n\tpublish = function(ctx, msg)\n\t\treturn {{ payload = msg.payload .. \
         version }}\n\tend,\n}}\n"
    )
}

/// How version `n` gets there, and what it is called.
fn put(demo: &Demo, n: usize) -> &'static str {
    let path = demo.folder.join("scripts/stamp.lua");
    match n % 5 {
        0 => {
            save(&path, &version(n), true);
            "another file renamed over it"
        }
        1 => {
            save(&path, &version(n), false);
            "written in place"
        }
        2 => {
            // Aside, so that the watch sees a symlink that points elsewhere, and nothing else.
            let aside = demo.folder.join(format!("stamp-v{n}.lua"));
            fs::write(&aside, version(n)).unwrap();
            let link = demo.folder.join("scripts/.stamp-link");
            symlink(&aside, &link).unwrap();
            fs::rename(link, path).unwrap();
            "a symlink swapped"
        }
        3 => {
            save(&path, &version(n), true);
            let pid = demo.broker.id().and_then(Pid::from_raw).unwrap();
            kill_process(pid, Signal::HUP).unwrap();
            "SIGHUP"
        }
        _ => {
            save(&path, &version(n), true);
            ctl_reload(demo.broker.data());
            "dunlin ctl reload"
        }
    }
}

fn ctl_reload(data: &Path) {
    let socket = data.join("dunlin.sock");
    let mut ctl = Command::new(binary());
    let done = ctl
        .args(["ctl", "--socket"])
        .arg(socket)
        .arg("reload")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// The version that this client is served with now; panics on a mix.
fn served(probe: &mut Client, topic: &str) -> usize {
    probe.publish(publish(topic, "").qos(0, 0));
    let message = probe.expect(PUBLISH);
    let text = String::from_utf8_lossy(&message.payload).into_owned();
    let stamps: Vec<&str> = text.split_whitespace().collect();
    assert!(
        stamps.len() == 3 && stamps.iter().all(|stamp| *stamp == stamps[0]),
        "served by a mix: {text}"
    );
    stamps[0][1..].parse().unwrap()
}

fn swap_all(demo: &Demo) -> Vec<(u128, &'static str)> {
    let mut probes: Vec<(Client, String)> = (0..PROBES)
        .map(|n| {
            let mut probe = signed(V5, &format!("GID_probe@@@{n}")).to(&demo.broker);
            let topic = format!("probe/{n}");
            probe.subscribe(&topic, 0);
            (probe, topic)
        })
        .collect();
    let mut took = Vec::new();
    for n in 1..=SWAPS {
        let trigger = put(demo, n);
        let millis = millis_until(&format!("version {n}, {trigger}"), &demo.broker, || {
            let mut versions = probes.iter_mut().map(|(probe, topic)| served(probe, topic));
            versions.all(|version| version == n)
        });
        assert!(millis < 5_000, "version {n}, {trigger}: after {millis} ms");
        took.push((millis, trigger));
    }
    took
}

#[test]
fn every_trigger_swaps_for_everybody_at_once() {
    room_for_the_crowd();
    let demo = Demo::with(
        &["limits.connection_rate=unlimited"],
        ENTRIES,
        &[("scripts/stamp.lua", &version(0))],
    );
    let original = fs::read_to_string(demo.acl()).unwrap();
    let (before, rest) = original.split_once("local rules = {\n").unwrap();
    let (_, after) = rest.split_once("\n}\n").unwrap();
    save(&demo.acl(), &format!("{before}{}{after}", &RULES[1..]), true);
    let mut first = signed(V5, "GID_probe@@@first").to(&demo.broker);
    millis_until("the rules of the load", &demo.broker, || {
        first.subscribe("probe/first", 0).codes == [0]
    });

    let mut crowd = Crowd::connect(&demo.broker, clients(), PAIRS);
    let done = AtomicBool::new(false);
    let (took, figures) = thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let took = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| swap_all(&demo)));
            done.store(true, Ordering::Release);
            took
        });
        let figures = crowd.publish_until(|| done.load(Ordering::Acquire));
        (swapping.join().unwrap(), figures)
    });
    let took = took.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    crowd.check();
    crowd.ping();
    crowd.check();
    let worst = took.iter().max().unwrap();
    println!(
        "{} clients, {SWAPS} swaps by five triggers: {} messages acknowledged, {} lost, {} twice, none served by a mix; \
         slowest PUBACK {:?}, slowest swap {} ms ({})",
        clients(),
        figures.acknowledged,
        figures.lost,
        figures.twice,
        figures.longest,
        worst.0,
        worst.1
    );
    assert_eq!((figures.lost, figures.twice), (0, 0));
    assert!(
        figures.acknowledged > 500,
        "hardly any load: {}",
        figures.acknowledged
    );
}
