//! What is damaged is refused, told, and mended as far as that goes.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::*;
use crate::store::durable::{Revision, Store, StoreError};
use crate::store::embedded::{EmbeddedStore, Fsync, Options, check, stats};

const OPTIONS: Options = Options {
    fsync: Fsync::Always,
    segment_bytes: 4096,
};

fn open(folder: &Path) -> Result<EmbeddedStore, StoreError> {
    let store = EmbeddedStore::open(folder, OPTIONS)?;
    store.limit_inboxes(&instance(), LIMITS);
    Ok(store)
}

/// A store of so many messages, a commit and about 200 bytes each.
fn filled(count: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for at in 0..count {
        commit(&store, vec![append("a", &message(at.into(), &[at; 120]))]);
    }
    wait(store.save(&session("a"), record(7), Revision(0))).unwrap();
    folder
}

fn log(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("store/{number:010}.log"))
}

fn turn_bit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Where the payload of this message lies.
fn place(path: &Path, of: u8) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes
        .windows(50)
        .position(|window| window.iter().all(|byte| *byte == of))
        .unwrap()
}

fn numbers(store: &EmbeddedStore) -> Vec<u8> {
    payloads(store, "a").iter().map(|payload| payload[0]).collect()
}

#[test]
fn damage_is_refused_with_its_place_and_repaired() {
    let folder = filled(40);
    let path = log(folder.path(), 1);
    turn_bit(&path, place(&path, 9));
    let why = refused(open(folder.path()).map(|_| ()));
    assert!(why.starts_with(&format!("{} at byte ", path.display())), "{why}");
    assert!(
        why.contains("is damaged") && why.contains("dunlin store check --repair"),
        "{why}"
    );
    let report = check(folder.path(), false).unwrap();
    assert_eq!(report.faults.len(), 1, "{report:?}");
    let offset: u64 = why.split(' ').nth(3).unwrap().parse().unwrap();
    assert_eq!((&report.faults[0].file, report.faults[0].offset), (&path, offset));
    assert_eq!(report.repaired, None);
    assert_eq!(report.stats.instances[0].messages, 39);

    let repaired = check(folder.path(), true).unwrap().repaired.unwrap();
    assert_eq!(
        repaired.lost_messages, 0,
        "the frame is gone, and what was in it is not known"
    );
    assert!(repaired.before.join("0000000001.log").exists());
    let store = open(folder.path()).unwrap();
    let expected: Vec<u8> = (0..40).filter(|at| *at != 9).collect();
    assert_eq!(numbers(&store), expected);
    let stored = wait(store.load(&session("a"), NOW)).unwrap().unwrap();
    assert_eq!(stored.record.next_packet_id, 7);
    let next = commit(&store, vec![append("a", &message(99, b"x"))]).seqs[0];
    assert_eq!(next.0, 41, "no number is given twice");
    drop(store);
    let report = check(folder.path(), true).unwrap();
    assert_eq!(
        (report.faults, report.torn, report.repaired),
        (vec![], None, None)
    );
}

#[test]
fn a_body_that_is_lost_takes_its_messages_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let shared = message(1, &[1; 120]);
    commit(&store, vec![append("a", &shared)]);
    commit(
        &store,
        vec![append("b", &shared), append("b", &message(2, &[2; 120]))],
    );
    commit(&store, vec![append("b", &message(3, &[3; 120]))]);
    drop(store);
    let path = log(folder.path(), 1);
    turn_bit(&path, place(&path, 1));
    let repaired = check(folder.path(), true).unwrap().repaired.unwrap();
    assert_eq!(repaired.lost_messages, 1);
    let store = open(folder.path()).unwrap();
    assert_eq!((payloads(&store, "a").len(), payloads(&store, "b").len()), (0, 2));
}

#[test]
fn a_torn_end_is_cut_off() {
    let folder = filled(5);
    let path = log(folder.path(), 1);
    // The last frame says only that all before it is there.
    let len = fs::metadata(&path).unwrap().len() - 28;
    let before = fs::read(&path).unwrap();
    let cut = |keep: u64| {
        fs::write(&path, &before).unwrap();
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(keep)
            .unwrap();
    };
    cut(len - 1);
    let report = check(folder.path(), false).unwrap();
    assert!(report.faults.is_empty());
    assert!(report.torn.is_some());
    for keep in [len - 1, len - 10, len - 20] {
        let second = log(folder.path(), 2);
        if second.exists() {
            fs::remove_file(second).unwrap();
        }
        cut(keep);
        let store = open(folder.path()).unwrap();
        assert_eq!(numbers(&store), [0, 1, 2, 3, 4]);
        assert!(wait(store.load(&session("a"), NOW)).unwrap().is_none());
    }
}

#[test]
fn what_is_no_frame_behind_the_end_is_cut_off() {
    let folder = filled(5);
    let path = log(folder.path(), 1);
    let before = fs::read(&path).unwrap();
    fs::write(&path, [&before[..], &[0; 5000]].concat()).unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(numbers(&store), [0, 1, 2, 3, 4]);
    assert!(wait(store.load(&session("a"), NOW)).unwrap().is_some());
}

#[test]
fn a_missing_or_beheaded_segment_is_refused() {
    for (number, what) in [(1, "is missing"), (2, "is missing")] {
        let folder = filled(60);
        fs::remove_file(log(folder.path(), number)).unwrap();
        let why = refused(open(folder.path()).map(|_| ()));
        let name = log(folder.path(), number);
        assert!(
            why.contains(what) && why.contains(&name.display().to_string()),
            "{why}"
        );
        assert!(!check(folder.path(), false).unwrap().faults.is_empty());
        check(folder.path(), true).unwrap();
        let found = numbers(&open(folder.path()).unwrap());
        assert!(found.len() < 60 && found.len() > 20, "{found:?}");
    }
    for number in [1, 3] {
        let folder = filled(60);
        let path = log(folder.path(), number);
        turn_bit(&path, 10);
        let why = refused(open(folder.path()).map(|_| ()));
        assert!(why.contains("does not begin as it should"), "{why}");
        check(folder.path(), true).unwrap();
        assert_eq!(numbers(&open(folder.path()).unwrap()).len(), 60);
    }
}

#[test]
fn versions_are_looked_at() {
    let folder = filled(1);
    let version = folder.path().join("store/VERSION");
    assert_eq!(fs::read_to_string(&version).unwrap(), "1\n");
    for (text, expected) in [
        ("2\n", "has format 2"),
        ("x", "has no number in it"),
        ("0", "has format 0"),
    ] {
        fs::write(&version, text).unwrap();
        let why = refused(open(folder.path()).map(|_| ()));
        assert!(why.contains(expected), "{why}");
    }
    fs::remove_file(&version).unwrap();
    let why = refused(open(folder.path()).map(|_| ()));
    assert!(why.contains("is missing"), "{why}");
}

#[test]
fn what_is_there_is_counted() {
    let folder = filled(10);
    let stats = stats(folder.path()).unwrap();
    assert_eq!((stats.segments, stats.frames), (1, 12));
    let instance = &stats.instances[0];
    assert_eq!(
        (instance.sessions, instance.messages, instance.retained),
        (1, 10, 0)
    );
    let empty = tempfile::tempdir().unwrap();
    let why = refused(super::super::stats(empty.path()));
    assert!(why.contains("is not there"), "{why}");
    let store = open(folder.path()).unwrap();
    let why = refused(check(folder.path(), true));
    assert!(why.contains("is in use"), "{why}");
    drop(store);
    fs::rename(folder.path().join("store"), folder.path().join("store.repaired")).unwrap();
    let why = refused(open(folder.path()).map(|_| ()));
    assert!(why.contains("was not finished: rename"), "{why}");
}
