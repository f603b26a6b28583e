//! A bit that has turned where nothing may be missing: the broker does not start, and says what to do; that helps.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::disk::Disk;
use super::stage::Stage;
use crate::alone;
use crate::support::broker::{binary, free_address, root};
use crate::world::Phase;

/// Segments that there have to be.
const SEGMENTS: usize = 4;
const REPAIR: &str = "dunlin store check --repair";

#[test]
fn a_turned_bit_is_not_overlooked() {
    alone(async {
        let settings = ["store.fsync=\"always\"", "store.segment=\"64KiB\""];
        let mut stage = Stage::new("a turned bit", &settings).await;
        for _ in 0..40 {
            stage.load(50..100).await;
            if segments(&stage.disk).len() >= SEGMENTS {
                break;
            }
        }
        stage.world.set_phase(Phase::Over);
        stage.kill().await;
        let segments = segments(&stage.disk);
        assert!(segments.len() >= SEGMENTS, "{segments:?}");
        let old = &segments[segments.len() / 2];
        let mut bytes = std::fs::read(old).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1 << stage.random.below(8);
        std::fs::write(old, &bytes).unwrap();
        println!("turned a bit of byte {at} of {}", old.display());

        let data = stage.victim.data().to_owned();
        let refused = tokio::task::spawn_blocking(move || serve(&data)).await.unwrap();
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "it started:\n{words}");
        let file = old.file_name().unwrap().to_str().unwrap();
        assert!(words.contains(file) && words.contains(REPAIR), "{words}");
        let place = offset(&words, file);
        assert!(
            place.is_some_and(|place| place <= at),
            "which byte? {at} is wrong:\n{words}"
        );

        let data = stage.victim.data().to_owned();
        let repaired = Command::new(binary())
            .args(["store", "check", "--repair"])
            .arg("--config")
            .arg(root().join("dunlin.open.toml"))
            .arg("--data")
            .arg(&data)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&repaired.stdout).into_owned()
            + &String::from_utf8_lossy(&repaired.stderr);
        println!("{told}");
        assert!(repaired.status.success(), "{told}");
        stage.victim.start().await;
    });
}

/// The first number behind the name of the file.
fn offset(words: &str, file: &str) -> Option<usize> {
    let (_, behind) = words.split_once(file)?;
    let digits = behind
        .split(|c: char| !c.is_ascii_digit())
        .find(|digits| !digits.is_empty())?;
    digits.parse().ok()
}

/// The files of the log, the oldest first.
fn segments(disk: &Disk) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&disk.store)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    files.sort();
    files
}

/// Starts it to see it fail.
fn serve(data: &Path) -> Output {
    let mut command = Command::new("timeout");
    command.arg("20").arg(binary()).arg("serve").arg("--config");
    command
        .arg(root().join("dunlin.open.toml"))
        .arg("--data")
        .arg(data);
    for setting in [
        format!("listeners.tcp.bind=\"{}\"", free_address()),
        "admin.enabled=false".to_owned(),
        "store.engine=\"embedded\"".to_owned(),
    ] {
        command.arg("--set").arg(setting);
    }
    command.output().unwrap()
}
