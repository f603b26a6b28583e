//! Tests of the registry and of what keeps it.

mod abandoned;
mod contract;
mod forged;
mod harm;
mod kept;
mod killed;
mod model;

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::*;

fn value(text: &str) -> Map<String, Value> {
    json!({ "text": text }).as_object().cloned().unwrap_or_default()
}

fn key(name: &str) -> RecordKey {
    RecordKey::new("i", "group", name)
}

/// A folder in memory where there is one: for tests that open a registry hundreds of times, and would wait for the disk each time.
fn quick_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn try_open(folder: &Path) -> Result<Registry, StoreError> {
    Registry::open(Arc::new(FileKeeper::open(folder)?))
}

/// The registry of this folder.
fn open(folder: &Path) -> Registry {
    try_open(folder).unwrap()
}

/// Why this folder has none.
fn refusal(folder: &Path) -> String {
    try_open(folder).unwrap_err().to_string()
}

/// All that the registry says of instance `i`, with revisions.
fn all(registry: &Registry) -> Vec<(RecordKey, Record)> {
    let keys = registry.keys_of("i").into_iter();
    let record = |key: RecordKey| {
        let record = registry.get(&key.instance, &key.kind, &key.name).unwrap();
        (key, (*record).clone())
    };
    keys.map(record).collect()
}

struct Harmed {
    folder: TempDir,
    file: PathBuf,
    key: PathBuf,
    /// The file as a process leaves it that is killed.
    killed: Vec<u8>,
    before: Vec<(RecordKey, Record)>,
}

/// A registry with some records, at rest.
async fn at_rest() -> Harmed {
    let folder = quick_folder();
    let registry = open(folder.path());
    for name in ["a", "b", "c"] {
        let put = registry.put(key(name), value(name), Expect::Nothing);
        put.await.unwrap();
    }
    let before = all(&registry);
    let killed = std::fs::read(folder.path().join("registry.redb")).unwrap();
    Harmed {
        killed,
        file: folder.path().join("registry.redb"),
        key: folder.path().join("registry.key"),
        folder,
        before,
    }
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said:?}");
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
