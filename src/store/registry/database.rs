//! The registry's database file: how it is made, opened and recognised.
//!
//! *Invariant*: a file of this name is whole. It is made under another name and renamed when its first commit is on the disk; and
//! every page of it is checked against its sum when it is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, TableDefinition, WriteTransaction};

use super::key_file;
use super::seal::{About, Seal};
use super::sum::Sum;
use super::trouble::Trouble;
use crate::store::StoreError;

/// Its name.
pub(super) const FILE: &str = "registry.redb";

/// What this Dunlin writes and reads.
pub(super) const FORMAT: u32 = 1;

/// Of the file itself.
pub(super) const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");

/// Instance, kind, name; revision and sealed value.
pub(super) const RECORDS: TableDefinition<'_, (&str, &str, &str), (u64, &[u8])> =
    TableDefinition::new("records");

const FORMAT_KEY: &str = "format";
const CHECK_KEY: &str = "check";
pub(super) const SUM_KEY: &str = "sum";

/// What the check record says when it is opened with the right key.
const CHECK: &[u8] = b"dunlin";

/// Everything is read once, at the start.
const CACHE: usize = 4 * 1024 * 1024;

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    // The default trusts the file after a clean end, and may panic when it should not have.
    builder.set_check_integrity_on_open(true);
    builder
}

/// Opens the file, or makes it. Whoever calls holds the lock.
pub(super) fn open(folder: &Path, path: &Path, seal: &Seal) -> Result<Database, StoreError> {
    if !key_file::exists(path)? {
        make(folder, path, seal).map_err(|trouble| trouble.writing(path))?;
        tracing::info!(file = %path.display(), "the registry begins empty");
    }
    let opened = || {
        // Not `create`, which takes an empty file for a new one.
        let database = builder().open(path)?;
        check(&database, path, seal)?;
        Ok(database)
    };
    opened().map_err(|trouble: Trouble| trouble.reading(path))
}

fn make(folder: &Path, path: &Path, seal: &Seal) -> Result<(), Trouble> {
    let cannot = |error: io::Error| {
        StoreError::Refused(format!(
            "{} cannot be made: {error}; let `server.data` be a folder that the broker can write to",
            path.display()
        ))
    };
    let fresh = path.with_extension("redb.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(error).into()),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600);
    let file = file.open(&fresh).map_err(cannot)?;
    let database = builder().create_with_backend(FileBackend::new(file)?)?;
    let transaction = begin(&database)?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        about.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
        about.insert(CHECK_KEY, &*seal.close(&About::file(CHECK_KEY), CHECK)?)?;
        let sum = seal.close(&About::file(SUM_KEY), Sum::default().bytes())?;
        about.insert(SUM_KEY, &*sum)?;
        transaction.open_table(RECORDS)?;
    }
    transaction.commit()?;
    drop(database);
    let named = fs::rename(&fresh, path).and_then(|()| File::open(folder)?.sync_all());
    Ok(named.map_err(cannot)?)
}

/// A transaction that is on the disk when it is committed.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, Trouble> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(redb::Durability::Immediate)?;
    // With one phase, the last commit is dropped without a word when a page of it is damaged.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Is it one of ours, of a format that is known, and is this its key?
fn check(database: &Database, path: &Path, seal: &Seal) -> Result<(), Trouble> {
    let about = database.begin_read()?.open_table(ABOUT)?;
    let format = about.get(FORMAT_KEY)?;
    let format = format.and_then(|bytes| Some(u32::from_be_bytes(bytes.value().try_into().ok()?)));
    match format {
        Some(FORMAT) => {}
        Some(format) if format > FORMAT => {
            return Err(Trouble::Said(StoreError::Refused(format!(
                "{} was written by a newer Dunlin (its format is {format}, and this one reads {FORMAT}); start that one, or put \
                 back a backup of before",
                path.display()
            ))));
        }
        _ => return Err(Trouble::Altered("it does not say which format it has".into())),
    }
    let sealed = about.get(CHECK_KEY)?;
    let sealed = sealed.ok_or_else(|| Trouble::Altered("it does not say which key it has".into()))?;
    match seal.open(&About::file(CHECK_KEY), sealed.value()) {
        Some(plain) if *plain == CHECK => Ok(()),
        _ => Err(Trouble::Said(StoreError::Refused(format!(
            "{} is not the key of {}; put back the file that was beside it (a backup has both)",
            path.with_file_name(key_file::FILE).display(),
            path.display()
        )))),
    }
}
