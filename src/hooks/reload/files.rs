//! Noticing that something changed.
//!
//! What the kernel says about *what* changed is worth little: editors rename, Kubernetes swaps symlinks, and a slow writer
//! is seen with half a file. So an event only means "look again", and looking again compares contents. Folders are
//! watched, not files (a watch on a file dies with the first rename over it), and their parents too, because a folder that
//! is removed and made again, or whose symlink is swapped, says nothing itself.

pub use crate::config::hooks::WatchMode;
use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a poller looks.
const POLL: Duration = Duration::from_secs(2);

/// Watches over a set of folders.
pub(super) struct FileWatch {
    watcher: Option<Box<dyn Watcher + Send>>,
    /// What counts of what happens in the watched folders.
    count: Arc<Mutex<Count>>,
    /// The watched folders, and which folder each was when the watch was set.
    armed: BTreeMap<PathBuf, Option<Identity>>,
    complained: bool,
    /// Whether the kernel is relied on.
    notified: bool,
}

/// Device and inode: a folder that was removed and made again is another one, and the watch is on the old.
type Identity = (u64, u64);

impl FileWatch {
    /// A watch that calls `changed` from a thread of its own whenever something may have changed.
    pub(super) fn new(mode: WatchMode, changed: impl Fn() + Send + Clone + 'static) -> Self {
        let poll = |changed: Box<dyn Fn() + Send>| {
            let config = Config::default()
                .with_poll_interval(POLL)
                .with_compare_contents(true);
            PollWatcher::new(move |_| changed(), config)
                .map(|watcher| Box::new(watcher) as Box<dyn Watcher + Send>)
        };
        let again = changed.clone();
        let count = Arc::<Mutex<Count>>::default();
        let counts = count.clone();
        let watcher = match mode {
            WatchMode::Off => None,
            WatchMode::Poll => poll(Box::new(changed)).ok(),
            WatchMode::Auto => RecommendedWatcher::new(
                move |event: notify::Result<Event>| {
                    if event.is_ok_and(|event| !counts.lock().matters(&event)) {
                        return;
                    }
                    changed();
                },
                Config::default(),
            )
            .map(|watcher| Box::new(watcher) as Box<dyn Watcher + Send>)
            .or_else(|error| {
                tracing::warn!("file changes cannot be notified here ({error}); looking every {POLL:?}");
                poll(Box::new(again))
            })
            .ok(),
        };
        Self {
            watcher,
            count,
            armed: BTreeMap::new(),
            complained: false,
            notified: mode == WatchMode::Auto,
        }
    }

    /// Makes the watch cover `folders`, their parents, and `besides`, a file more, and renews what has become another folder. Returns
    /// whether all of it is watched; when not, the caller has to look now and then.
    pub(super) fn arm(&mut self, folders: &BTreeSet<PathBuf>, besides: Option<&Path>) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        *self.count.lock() = Count::of(folders, besides);
        let parents = folders.iter().filter_map(|folder| folder.parent());
        // A folder that has two names is one folder to the kernel: to end the watch on one name would end it on the other.
        let wanted: BTreeSet<PathBuf> = folders
            .iter()
            .map(PathBuf::as_path)
            .chain(parents)
            .chain(besides.and_then(Path::parent))
            .map(|folder| {
                present(folder)
                    .canonicalize()
                    .unwrap_or_else(|_| absolute(folder))
            })
            .collect();
        let mut complete = true;
        if let Some(folder) = wanted
            .iter()
            .find(|folder| self.notified && elsewhere_changes(folder))
        {
            complete = false;
            if !std::mem::replace(&mut self.complained, true) {
                tracing::info!(
                    "{} is on a file system that others change without our kernel's knowing; looking every {POLL:?}",
                    folder.display()
                );
            }
        }
        self.armed.retain(|folder, armed_as| {
            let keep = wanted.contains(folder) && *armed_as == identity(folder);
            if !keep {
                // The watch may have died with its folder: then there is nothing to take away.
                let _ = watcher.unwatch(folder);
            }
            keep
        });
        for folder in wanted {
            if self.armed.contains_key(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    let is = identity(&folder);
                    self.armed.insert(folder, is);
                }
                // It will be there when its parent tells so.
                Err(_) if !folder.exists() => {}
                Err(error) => {
                    complete = false;
                    if !std::mem::replace(&mut self.complained, true) {
                        let folder = folder.display();
                        tracing::warn!("{folder} cannot be watched ({error}); looking every {POLL:?}");
                    }
                }
            }
        }
        complete
    }

    /// How long to wait before looking without being told.
    pub(super) fn patience(&self, complete: bool, rescan: Duration) -> Duration {
        if complete || self.watcher.is_none() {
            rescan
        } else {
            POLL.min(rescan)
        }
    }
}

/// An empty parent means the working directory.
fn present(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.to_path_buf()
    }
}

/// An absolute path, whether or not there is anything.
fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(present(folder)).unwrap_or_else(|_| folder.to_path_buf())
}

/// What counts of what happens in the watched folders: scripts and plugins in those of policies, and one file more. Parents are
/// watched for these alone: what else happens there, such as in a data folder or in a log, is no reason to look.
#[derive(Default)]
struct Count {
    folders: BTreeSet<PathBuf>,
    besides: Option<PathBuf>,
}

impl Count {
    fn of(folders: &BTreeSet<PathBuf>, besides: Option<&Path>) -> Self {
        let names = |path: &Path| [Some(absolute(path)), path.canonicalize().ok()];
        Self {
            folders: folders
                .iter()
                .flat_map(|folder| names(folder))
                .flatten()
                .collect(),
            besides: besides.map(absolute),
        }
    }

    /// Whether an event is a reason to look. Reading files is no change: our own looking would wake us for ever. One without a path says
    /// that some were lost.
    fn matters(&self, event: &Event) -> bool {
        if !event.paths.is_empty() && !event.paths.iter().any(|path| self.counts(path)) {
            return false;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Access(_) => false,
            _ => true,
        }
    }

    fn counts(&self, path: &Path) -> bool {
        if self.folders.contains(path) || self.besides.as_deref() == Some(path) {
            return true;
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        // Kubernetes swaps a link of such a name, and with it all that lies in the folder.
        let swapped = name.as_encoded_bytes().starts_with(b"..");
        if self.folders.contains(folder) {
            let file = fs::symlink_metadata(path).is_ok_and(|about| about.is_file());
            return swapped || !file || is_policy_name(path);
        }
        swapped && self.besides.as_deref().and_then(Path::parent) == Some(folder)
    }
}

/// Whether the folder is on a file system whose changes by other machines are not notified: NFS, SMB, 9p, FUSE, Ceph, AFS.
#[cfg(target_os = "linux")]
fn elsewhere_changes(folder: &Path) -> bool {
    const NETWORK: [u32; 8] = [
        0x0000_6969,
        0x0000_517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x0102_1997,
        0x6573_5546,
        0x00C3_6400,
        0x5346_414F,
    ];
    // The magic numbers have 32 bits; the field is as wide as a word, and its sign says nothing.
    rustix::fs::statfs(folder).is_ok_and(|about| NETWORK.contains(&(about.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn elsewhere_changes(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(folder).ok().map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn identity(folder: &Path) -> Option<Identity> {
    fs::metadata(folder).ok().map(|_| (0, 0))
}

/// The contents of these folders as one hash, for those who want to look again when it differs.
#[must_use]
pub fn changed(folders: &[PathBuf]) -> [u8; 32] {
    fingerprint(&folders.iter().cloned().collect(), None)
}

/// The contents of every script and plugin in `folders`, and of one file more, as one hash: whether anything changed is whether
/// this did.
pub(super) fn fingerprint(folders: &BTreeSet<PathBuf>, besides: Option<&Path>) -> [u8; 32] {
    let mut hash = Sha256::new();
    if let Some(contents) = besides.and_then(|file| fs::read(file).ok()) {
        hash.update(Sha256::digest(contents));
    }
    for folder in folders {
        let Ok(entries) = fs::read_dir(present(folder)) else {
            hash.update(b"missing");
            continue;
        };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_policy(path))
            .collect();
        files.sort();
        for file in files {
            hash.update(file.as_os_str().as_encoded_bytes());
            match fs::read(&file) {
                Ok(contents) => hash.update(Sha256::digest(contents)),
                Err(_) => hash.update(b"unreadable"),
            }
        }
    }
    hash.finalize().into()
}

/// A script or a plugin that is there.
fn is_policy(path: &Path) -> bool {
    is_policy_name(path) && path.is_file()
}

/// `acl.lua` and `libacl.so`, but not what editors leave beside it: `.acl.lua.swp`, `#acl.lua#`, `acl.lua~`.
fn is_policy_name(path: &Path) -> bool {
    let name = path.file_name();
    let hidden = name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = path.extension();
    !hidden && ending.is_some_and(|ending| ending == "lua" || ending == "luau" || ending == "so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_beside_a_watched_folder_is_no_reason_to_look() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["data/plugins", "scripts"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["data/log", "log", "scripts/notes.txt", "scripts/a.lua"] {
            fs::write(at(file), "x").unwrap();
        }
        let folders = BTreeSet::from([at("data/plugins"), at("scripts")]);
        let count = Count::of(&folders, Some(&at("dunlin.toml")));
        let event = |path: &str| Event::new(EventKind::Any).add_path(at(path));
        let reasons = [
            "data/plugins",
            "data/plugins/x.so",
            "scripts",
            "scripts/..data",
            "scripts/a.lua",
            "scripts/was-there",
            "dunlin.toml",
            "..data",
        ];
        for path in reasons {
            assert!(count.matters(&event(path)), "{path}");
        }
        for path in ["data/log", "data", "log", "dunlin.toml.new", "scripts/notes.txt"] {
            assert!(!count.matters(&event(path)), "{path}");
        }
        assert!(count.matters(&Event::new(EventKind::Other)));
    }

    #[test]
    fn what_editors_leave_is_no_script() {
        let folder = tempfile::tempdir().unwrap();
        let before = fingerprint(&BTreeSet::from([folder.path().to_path_buf()]), None);
        for name in [
            ".acl.lua.swp",
            ".#acl.lua",
            "acl.lua~",
            "4913",
            "acl.lua.tmp",
            "#acl.lua#",
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
            assert_eq!(
                fingerprint(&BTreeSet::from([folder.path().to_path_buf()]), None),
                before,
                "{name}"
            );
        }
        fs::write(folder.path().join("acl.lua"), "x").unwrap();
        assert_ne!(
            fingerprint(&BTreeSet::from([folder.path().to_path_buf()]), None),
            before
        );
    }
}
