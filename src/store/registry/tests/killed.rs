//! A process that is killed at any moment: what it was told is kept is kept, and whole.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

const FOLDER: &str = "DUNLIN_TEST_REGISTRY";

/// Where the child goes on counting.
fn next(registry: &Registry) -> u64 {
    let last = registry.get("i", "count", "last");
    last.and_then(|record| record.number("n")).map_or(0, |n| n + 1)
}

#[test]
#[ignore = "runs in a process of its own, see below"]
fn child_that_writes() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let registry = open(Path::new(&folder));
    let number = |n: u64| json!({ "n": n }).as_object().cloned();
    let write = |key, value| Write {
        key,
        value,
        expect: Expect::Whatever,
    };
    for n in next(&registry).. {
        // Two that belong together, one that changes, one that goes.
        let pair = ["left", "right"].map(|kind| write(RecordKey::new("i", kind, &n.to_string()), number(n)));
        let last = write(RecordKey::new("i", "count", "last"), number(n));
        let gone = write(
            RecordKey::new("i", "left", &n.saturating_sub(10).to_string()),
            None,
        );
        let other = write(
            RecordKey::new("i", "right", &n.saturating_sub(10).to_string()),
            None,
        );
        let [left, right] = pair;
        let writes = if n < 10 {
            vec![left, right, last]
        } else {
            vec![left, right, last, gone, other]
        };
        runtime.block_on(registry.write(writes)).unwrap();
        println!("kept {n}");
        std::io::stdout().flush().unwrap();
    }
}

/// Lets a child write for this long; answers with the last number that it said is kept.
fn killed_after(folder: &Path, time: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::registry::tests::killed::child_that_writes"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let lines = output.split(b'\n').map_while(Result::ok);
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        let numbers = lines.filter_map(|line| line.trim_start().strip_prefix("kept ")?.parse().ok());
        numbers.last()
    });
    std::thread::sleep(time);
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn what_was_kept_outlives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut said: Option<u64> = None;
    let mut kept = 0;
    for _ in 0..12 {
        let random = u64::from(getrandom::u32().unwrap() % 250);
        said = said.max(killed_after(folder.path(), Duration::from_millis(random)));
        let registry = open(folder.path());
        let next = next(&registry);
        assert!(
            said.is_none_or(|said| said < next),
            "{said:?} was kept, and {next} is next"
        );
        let expected: Vec<String> = (next.saturating_sub(10)..next).map(|n| n.to_string()).collect();
        for kind in ["left", "right"] {
            let mut names: Vec<u64> = registry
                .list("i", kind, None, usize::MAX)
                .iter()
                .map(|(name, record)| {
                    let n = name.parse().unwrap();
                    assert_eq!(record.number("n"), Some(n));
                    n
                })
                .collect();
            names.sort_unstable();
            let names: Vec<String> = names.iter().map(u64::to_string).collect();
            assert_eq!(names, expected, "{kind}");
        }
        kept = next;
    }
    println!("{kept} changes in 12 lives");
    assert!(kept > 0, "the child never came to writing");
}

/// Killed while it makes the files: the next one begins, whatever there is.
#[test]
fn a_kill_while_the_files_are_made_heals() {
    for attempt in 0..25 {
        let folder = tempfile::tempdir().unwrap();
        let random = u64::from(getrandom::u32().unwrap() % 20_000);
        let said = killed_after(folder.path(), Duration::from_micros(random));
        let registry = open(folder.path());
        assert!(
            said.is_none_or(|said| said < next(&registry)),
            "attempt {attempt}"
        );
    }
}
