//! What is refused is tried again whenever a file beside it changes: that must not take memory each time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::built::{self, fixture, plugin};
use crate::serving::{Serving, entry};
use crate::support;

const RETRIES: usize = 6;
const REFUSED: &str = "policies refused: ";

/// How many images of plugins are mapped: as the metrics say, and as the system does.
fn images(serving: &Serving) -> (u64, usize) {
    let counted = || serving.metric("dunlin_plugin_images", &[]);
    let mapped = || {
        let maps = fs::read_to_string(format!("/proc/{}/maps", serving.broker.id().unwrap())).unwrap();
        let copies = maps.lines().filter_map(|line| line.split_once("/run/plugins/"));
        copies.map(|(_, name)| name).collect::<BTreeSet<_>>().len()
    };
    // Not while one is just being opened.
    let mut seen = (counted(), mapped());
    for _ in 0..20 {
        if seen.0 as usize == seen.1 {
            break;
        }
        support::sleep(50);
        seen = (counted(), mapped());
    }
    seen
}

/// Changes a file beside the plugin again and again, and waits each time until the log `says` that it was tried. The images before
/// and after.
fn retry(serving: &Serving, what: &str, says: &str) {
    let before = images(serving);
    for n in 0..RETRIES {
        let seen = serving.broker.log().len();
        let text = format!("return {{}} -- {n}");
        serving.put_bytes("beside.lua", text.as_bytes(), 0o644);
        serving.log(seen, "opening ");
        serving.log(seen, says);
    }
    let after = images(serving);
    println!("{what:<24} {before:?} images counted and mapped, after {RETRIES} retries {after:?}");
    assert_eq!(before.0 as usize, before.1, "{what}");
    assert_eq!(after.0 as usize, after.1, "{what}");
    // One of them may have served before it was refused, and is not used again.
    assert!(after.1 <= before.1 + 1, "{what}");
}

fn retried(library: &Path, keys: &str, what: &str) {
    let serving = Serving::start(&fixture("PLAIN"), keys);
    let seen = serving.replace(library);
    serving.refused(seen, 1);
    retry(&serving, what, REFUSED);
    let log = serving.broker.log();
    let waited = log
        .lines()
        .filter_map(|line| Some(line.split_once(": was tried before")?.1));
    let waited: Vec<&str> = waited
        .filter_map(|line| Some(line.split_once(" (gen")?.0))
        .collect();
    if let Some(sentence) = waited.first() {
        println!("{:<24} {} times: was tried before{sentence}", "", waited.len());
    }
    serving.fixture_answers();
}

#[test]
fn a_wrong_declaration_is_mapped_once() {
    retried(&fixture("NO_TABLE"), "", "a wrong declaration");
    retried(&fixture("NULL_DECLARATION"), "", "none at all");
}

#[test]
fn a_plugin_that_refuses_is_mapped_once() {
    retried(&plugin("REFUSES"), "", "it refuses");
}

#[test]
fn a_plugin_that_takes_too_long_is_mapped_once() {
    let patience = "load_budget = '500ms'";
    retried(&plugin("SLOW_CREATE"), patience, "slow create");
    let serving = Serving::start(&fixture("PLAIN"), patience);
    let seen = serving.replace(&plugin("SLOW_CONSTRUCTOR"));
    serving.refused(seen, 1);
    for n in 0..RETRIES {
        serving.put_bytes("beside.lua", format!("return {{}} -- {n}").as_bytes(), 0o644);
        support::sleep(150);
    }
    // Once it has come back it is open, and serves.
    serving.until("it serves", || {
        serving.put_bytes("beside.lua", format!("-- {:?}", Instant::now()).as_bytes(), 0o644);
        support::sleep(100);
        serving.broker.log()[seen..].contains("policies reloaded")
    });
    println!(
        "{:<24} {:?} images counted and mapped when it serves",
        "slow constructor",
        images(&serving)
    );
    assert_eq!(images(&serving), (2, 2));
}

#[test]
fn a_good_plugin_in_a_chain_that_is_refused_is_mapped_once() {
    let files = [("libfixture.so", &*fixture("PLAIN"))];
    let serving = Serving::with_script(&files, ("broken.lua", "return {"), &entry(""));
    let broken = "[[policy]]\nname = \"broken\"\nscript = \"broken.lua\"\n";
    let seen = serving.configure(&format!("{broken}{}", entry("settings = { other = true }")));
    serving.log(seen, "policies refused: ...broken.lua");
    retry(&serving, "another entry is wrong", REFUSED);
    serving.fixture_answers();
    serving.until_metric("dunlin_plugin_instances", 1);
}

#[test]
fn a_plugin_that_was_rolled_back_is_mapped_once_more() {
    let watched = ["policy_watch.window=\"60s\"", "policy_watch.least=10"];
    let serving = Serving::with(&[("libfixture.so", built::rust())], &entry(""), &watched);
    let seen = serving.swap(&entry("settings = { do = 'error' }"));
    serving.until("it is rolled back", || {
        serving.login("somebody");
        serving.broker.log()[seen..].contains("policies rolled back")
    });
    retry(&serving, "rolled back", "created: error");
    assert_eq!(serving.login("somebody").1, 0);
}
