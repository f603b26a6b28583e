//! This side of `tests/support/faulty_disk.c`: says what is to go wrong beneath the store, and sees what did.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::broker::{folder, root};
use crate::support::plugins::compiled;

/// Words that the shared file holds.
const WORDS: u64 = 64;

/// What can be told, by its place in the shared file.
#[derive(Clone, Copy, Debug)]
pub enum Tell {
    Seed = 0,
    /// The error number of writes, once the budget is used up; 0 is none.
    WriteError,
    Budget,
    CreateError,
    /// Of cutting a file off.
    TruncateError,
    ShortPercent,
    SyncError,
    /// As many syncs fail.
    SyncFailures,
    Loss,
    SyncDelay,
    KillInWrite,
    KillInSync,
}

/// What was done, by its place in the shared file.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    Writes = 16,
    Bytes,
    RefusedWrites,
    ShortWrites,
    Syncs,
    FailedSyncs,
    DelayedSyncs,
    LostBytes,
    Truncates,
    RefusedTruncates,
    Creates,
    RefusedCreates,
    FolderSyncs,
    Killed,
    TornBytes,
}

pub const ENOSPC: u64 = 28;
pub const EIO: u64 = 5;
pub const FOREVER: u64 = u64::MAX;

/// What becomes of what was written since the last good sync, when a sync fails.
pub mod loss {
    pub const NONE: u64 = 0;
    /// The cache lets go of it at once.
    pub const AT_ONCE: u64 = 1;
    pub const SOME_PAGES: u64 = 2;
    /// It can be read until the power goes, and no sync writes it.
    pub const WITH_THE_POWER: u64 = 3;
}

pub struct Disk {
    /// The store's folder.
    pub store: PathBuf,
    /// What a machine that loses power would find of it.
    pub shadow: PathBuf,
    own: PathBuf,
    shared: File,
}

impl Disk {
    /// A disk without faults, for the store of a data folder.
    pub fn new(data: &Path, seed: u64) -> Disk {
        let data = data.canonicalize().unwrap();
        let own = folder();
        let shadow = own.join("synced");
        std::fs::create_dir(&shadow).unwrap();
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let shared = options.open(own.join("control")).unwrap();
        shared.set_len(WORDS * 8).unwrap();
        let disk = Disk {
            store: data.join("store"),
            shadow,
            own,
            shared,
        };
        disk.tell(Tell::Seed, seed);
        disk
    }

    /// What the broker's program is to be an argument of.
    pub fn wrapper(&self) -> Vec<String> {
        let variable = |name: &str, path: &Path| format!("{name}={}", path.display());
        vec![
            "env".to_owned(),
            variable("LD_PRELOAD", &library()),
            variable("DUNLIN_FAULTS_FOLDER", &self.store),
            variable("DUNLIN_FAULTS_CONTROL", &self.own.join("control")),
            variable("DUNLIN_FAULTS_SHADOW", &self.shadow),
        ]
    }

    pub fn tell(&self, what: Tell, value: u64) {
        let place = what as u64 * 8;
        self.shared.write_all_at(&value.to_ne_bytes(), place).unwrap();
    }

    pub fn done(&self, what: Done) -> u64 {
        self.word(what as u64)
    }

    fn word(&self, n: u64) -> u64 {
        let mut word = [0; 8];
        self.shared.read_exact_at(&mut word, n * 8).unwrap();
        u64::from_ne_bytes(word)
    }

    /// No more faults.
    pub fn heal(&self) {
        let all = [
            Tell::WriteError,
            Tell::Budget,
            Tell::CreateError,
            Tell::TruncateError,
            Tell::ShortPercent,
            Tell::SyncFailures,
            Tell::SyncDelay,
            Tell::KillInWrite,
            Tell::KillInSync,
        ];
        all.into_iter().for_each(|what| self.tell(what, 0));
    }

    /// Waits until this was done so often. Whether it was, in time.
    pub async fn until(&self, what: Done, times: u64, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.done(what) < times {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        true
    }

    /// What it did, in words.
    pub fn account(&self) -> String {
        let words = [
            ("writes", Done::Writes),
            ("of them short", Done::ShortWrites),
            ("refused", Done::RefusedWrites),
            ("bytes", Done::Bytes),
            ("syncs", Done::Syncs),
            ("of them late", Done::DelayedSyncs),
            ("failed", Done::FailedSyncs),
            ("bytes lost with failed syncs", Done::LostBytes),
            ("files made", Done::Creates),
            ("refused", Done::RefusedCreates),
            ("cut off", Done::Truncates),
            ("refused", Done::RefusedTruncates),
            ("syncs of the folder", Done::FolderSyncs),
            ("for the manner of the last death", Done::Killed),
        ];
        let words = words.map(|(name, what)| format!("{} {name}", self.done(what)));
        format!("the disk: {}", words.join(", "))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.own);
    }
}

/// The library, compiled when it is first wanted.
fn library() -> PathBuf {
    static ONE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    one.get_or_insert_with(|| {
        let path = folder().join("faulty_disk.so");
        let source = root().join("tests/support/faulty_disk.c");
        compiled(&source, &["-D_GNU_SOURCE", "-pthread"], &path);
        path
    })
    .clone()
}
