//! The store's folder: one process at a time, of a format that this version knows.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::disk::{self, Disk, Folder};
use crate::store::durable::StoreError;

/// Below the data folder.
const FOLDER: &str = "store";
const LOCK: &str = "LOCK";
const VERSION_FILE: &str = "VERSION";

/// The format that this version writes. An older one is brought up to it by a step in [`UPGRADES`].
pub(super) const VERSION: u32 = 1;

/// Brings a folder from one format to the next.
type Upgrade = fn(&dyn Disk) -> Result<(), StoreError>;

/// From 1 to 2, from 2 to 3, and so on.
const UPGRADES: [Upgrade; VERSION as usize - 1] = [];

/// The folder, taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) path: PathBuf,
    /// Released with the file.
    _lock: File,
}

/// The store's folder of a data folder.
pub(super) fn below(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// Where a repaired store is until it takes the place of the other.
pub(super) fn repaired(data: &Path) -> PathBuf {
    data.join("store.repaired")
}

/// A name for a store that was damaged.
pub(super) fn free_name(data: &Path) -> PathBuf {
    let names = (1..).map(|number: u32| data.join(format!("store.damaged-{number}")));
    let mut free = names.filter(|path| !path.exists());
    free.next().unwrap_or_else(|| data.join("store.damaged"))
}

/// Sees to it that a repair did not end between taking the old store away and putting the new one there.
pub(super) fn check_unfinished_repair(data: &Path) -> Result<(), StoreError> {
    let (store, repaired) = (below(data), repaired(data));
    if store.exists() || !repaired.exists() {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "a repair of the store was not finished: rename {} to {}",
        repaired.display(),
        store.display()
    )))
}

/// Takes the store's folder of a data folder, which is made if it is not there.
pub(super) fn take(data: &Path) -> Result<Taken, StoreError> {
    let path = below(data);
    make(&path)?;
    let cannot = |what: &str, error: std::io::Error| {
        StoreError::Refused(format!("{} cannot be {what}: {error}", path.join(LOCK).display()))
    };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let lock = options
        .open(path.join(LOCK))
        .map_err(|error| cannot("opened", error))?;
    match lock.try_lock() {
        Ok(()) => Ok(Taken { path, _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(StoreError::Refused(format!(
            "{} is in use: another Dunlin serves this data folder; stop it first, or give this one a folder of its own with \
             --data",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(cannot("locked", error)),
    }
}

/// Makes the folder; its own name is to outlast a crash, too.
fn make(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let sync = |path: Option<&Path>| match path {
        Some(path) if !path.as_os_str().is_empty() => File::open(path)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    };
    fs::create_dir_all(path)
        .and_then(|()| sync(path.parent()))
        .and_then(|()| sync(path.parent().and_then(Path::parent)))
        .map_err(|error| {
            StoreError::Refused(format!(
                "the folder {} cannot be made: {error}; set --data to a folder that can be written",
                path.display()
            ))
        })
}

/// Sees to it that the folder has the format of this version.
pub(super) fn check_version(disk: &dyn Disk) -> Result<(), StoreError> {
    let shown = disk.path(VERSION_FILE);
    let shown = shown.display();
    let failed = |error: std::io::Error| StoreError::Refused(format!("{shown}: {error}"));
    let names = disk.list().map_err(failed)?;
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if !has(VERSION_FILE) {
        if names
            .iter()
            .any(|name| super::format::segment::number(name).is_some())
        {
            return Err(StoreError::Refused(format!(
                "{shown} is missing, so the format of the files beside it is not known; if they are of this version of Dunlin, \
                 write {VERSION} into it"
            )));
        }
        return write_version(disk).map_err(failed);
    }
    let mut text = [0; 32];
    let file = disk.open(VERSION_FILE).map_err(failed)?;
    let len = disk::read_full(&*file, &mut text, 0).map_err(failed)?;
    let text = std::str::from_utf8(text.get(..len).unwrap_or_default()).unwrap_or_default();
    let Ok(version) = text.trim().parse::<u32>() else {
        // It is written before the first segment, so where there is none it may be half written.
        if names
            .iter()
            .all(|name| super::format::segment::number(name).is_none())
        {
            return write_version(disk).map_err(failed);
        }
        return Err(StoreError::Refused(format!(
            "{shown} has no number in it; if the files beside it are of this version of Dunlin, write {VERSION} into it"
        )));
    };
    if version == VERSION {
        return Ok(());
    }
    if version > VERSION || version == 0 {
        return Err(StoreError::Refused(format!(
            "{shown} says that the store has format {version}, and this version of Dunlin knows formats up to {VERSION}; start \
             the newer Dunlin again, or give this one a folder of its own with --data"
        )));
    }
    for upgrade in UPGRADES.iter().skip(version as usize - 1) {
        upgrade(disk)?;
    }
    write_version(disk).map_err(failed)
}

fn write_version(disk: &dyn Disk) -> std::io::Result<()> {
    let file = disk.create(VERSION_FILE)?;
    disk::write_all(&*file, format!("{VERSION}\n").as_bytes(), 0)?;
    file.sync()?;
    disk.sync()
}

/// The store's folder as a disk.
pub(super) fn disk(path: &Path) -> Folder {
    Folder::new(path)
}
