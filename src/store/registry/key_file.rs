//! The key that the registry's values are sealed under: 32 random bytes, `registry.key` in the data folder, for its owner alone.
//!
//! The file is also what a process locks before it looks at the database, so that two that begin at the same time do not make two.
//!
//! *Invariant*: a database is made only when its key is on the disk, whole. So without a database, a key that is not whole is
//! what a crash has left, and is made again; with one, it is damage.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::seal::KEY;
use super::trouble::in_use;
use crate::store::StoreError;

/// Its name.
pub(super) const FILE: &str = "registry.key";

/// Who may read it.
const MODE: u32 = 0o600;

/// The key, and the lock on its file.
pub(super) struct KeyFile {
    pub(super) key: Zeroizing<[u8; KEY]>,
    _lock: Locked,
}

/// The file, locked until this is dropped.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Not by closing it alone: a process that is just being forked off has the open file as well, for a moment.
        let _closed = self.0.unlock();
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").finish_non_exhaustive()
    }
}

impl KeyFile {
    /// The key of `database`, which is made if neither is there.
    ///
    /// # Errors
    /// There is a database and no key to it; others may read the key; somebody else uses it.
    pub(super) fn open(folder: &Path, database: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let cannot = |error: std::io::Error| {
            StoreError::Refused(format!("the key {} cannot be read: {error}", path.display()))
        };
        // Looked at before the key, which is made before it: so one without the other is not somebody who is just beginning.
        let database_was_there = exists(database)?;
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && database_was_there => {
                return Err(missing(&path, database));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path)?,
            file => file.map_err(cannot)?,
        };
        let lock = lock(file, database)?;
        let mode = lock.0.metadata().map_err(cannot)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(StoreError::Refused(format!(
                "the key {} can be read by others than its owner (its mode is {:03o}); take that right away (chmod 600), and \
                 think of what it protects as known to them",
                path.display(),
                mode & 0o777
            )));
        }
        // One byte more than it has: what is longer is no key.
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY + 1));
        let read = (&lock.0).take(KEY as u64 + 1).read_to_end(&mut bytes);
        read.map_err(cannot)?;
        let whole: Option<&[u8; KEY]> = bytes.as_slice().try_into().ok();
        let key = match whole {
            Some(key) if key.iter().any(|byte| *byte != 0) => Zeroizing::new(*key),
            _ if bytes.len() <= KEY && !exists(database)? => fill(folder, &path)?,
            _ => return Err(no_key(&path)),
        };
        Ok(Self { key, _lock: lock })
    }
}

/// Is it there? Where that cannot be told, it is not taken for absent.
pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists()
        .map_err(|error| StoreError::Refused(format!("{} cannot be looked at: {error}", path.display())))
}

/// The file, empty: who has the lock on it fills it.
fn make(path: &Path) -> Result<File, StoreError> {
    let mut open = OpenOptions::new();
    open.read(true).write(true).create_new(true).mode(MODE);
    match open.open(path) {
        // Somebody was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => File::open(path),
        file => file,
    }
    .map_err(|error| cannot_make(path, &error))
}

fn fill(folder: &Path, path: &Path) -> Result<Zeroizing<[u8; KEY]>, StoreError> {
    let mut key = Zeroizing::new([0; KEY]);
    getrandom::fill(key.as_mut_slice())
        .map_err(std::io::Error::other)
        .and_then(|()| {
            let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
            file.write_all(key.as_slice())?;
            file.sync_all()?;
            // Its name, too.
            File::open(folder)?.sync_all()
        })
        .map_err(|error| cannot_make(path, &error))?;
    Ok(key)
}

fn lock(file: File, database: &Path) -> Result<Locked, StoreError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(in_use(database)),
        // A file system without locks: the database has one more try at it.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Locked(file)),
    }
}

fn cannot_make(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Refused(format!(
        "the key {} cannot be made: {error}; let `server.data` be a folder that the broker can write to",
        path.display()
    ))
}

fn missing(path: &Path, database: &Path) -> StoreError {
    StoreError::Refused(format!(
        "the key {} is missing, without which {} cannot be read; put it back from a backup, or move that file away to begin \
         anew, without any instances, groups and credentials",
        path.display(),
        database.display()
    ))
}

fn no_key(path: &Path) -> StoreError {
    StoreError::Refused(format!(
        "{} is not a key, which has {KEY} bytes; put the right one back from a backup, or move it and registry.redb away to begin \
         anew, without any instances, groups and credentials",
        path.display()
    ))
}
