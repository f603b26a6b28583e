//! The registry in a file: records outlive the process, in `registry.redb` in the data folder.
//!
//! What is kept there, and what of it can be read without the key, stands in [`seal`](super::seal).
//!
//! *Invariant*: [`Keeper::keep`] comes back when the change is on the disk. After a write that failed nothing is written any more
//! until the broker starts again: whether that change is on the disk is known only then.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable};

use super::database::{self, ABOUT, RECORDS, SUM_KEY};
use super::key_file::KeyFile;
use super::seal::{About, KEY, Seal};
use super::sum::Sum;
use super::trouble::{Trouble, without_panic};
use super::value;
use super::{Change, Keeper, Record, RecordKey};
use crate::store::{Revision, StoreError};

/// Keeps records in a file.
pub struct FileKeeper {
    path: PathBuf,
    database: Database,
    seal: Seal,
    /// Behind the database: nobody else opens it before it is closed.
    _key: KeyFile,
}

impl fmt::Debug for FileKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeeper")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl FileKeeper {
    /// The records of this data folder. Makes the folder, the key and the file, as far as they are not there.
    ///
    /// # Errors
    /// Another process has them; the key is missing, wrong, or readable for others; the file is damaged or newer. A
    /// sentence says what to do.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let path = folder.join(database::FILE);
        let key = KeyFile::open(folder, &path)?;
        let seal = Seal::new(&key.key);
        let database = without_panic(&path, || database::open(folder, &path, &seal))?;
        Ok(Self {
            path,
            database,
            seal,
            _key: key,
        })
    }

    fn read(&self) -> Result<Vec<(RecordKey, Record)>, Trouble> {
        let transaction = self.database.begin_read()?;
        let mut records = Vec::new();
        let mut sum = Sum::default();
        for entry in transaction.open_table(RECORDS)?.iter()? {
            let (key, value) = entry?;
            let (instance, kind, name) = key.value();
            let (revision, sealed) = value.value();
            let key = RecordKey::new(instance, kind, name);
            let revision = Revision(revision);
            let about = About::record(&key, revision);
            sum.turn(&self.seal.tag(&about, sealed));
            let value = self.seal.open(&about, sealed);
            let Some(value) = value.and_then(|plain| value::decode(&plain)) else {
                return Err(Trouble::Altered(format!("{key} is not what was put there")));
            };
            records.push((key, Record { value, revision }));
        }
        if self.sum(&transaction.open_table(ABOUT)?)? != sum {
            return Err(Trouble::Altered(
                "records are missing, or older than the rest".into(),
            ));
        }
        Ok(records)
    }

    fn write(&self, changes: &[Change]) -> Result<(), Trouble> {
        let transaction = database::begin(&self.database)?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut about = transaction.open_table(ABOUT)?;
            let mut sum = self.sum(&about)?;
            for Change { key, record, .. } in changes {
                let place = (&*key.instance, &*key.kind, &*key.name);
                if let Some(old) = records.remove(place)? {
                    sum.turn(&self.tag(key, old.value()));
                }
                if let Some(record) = record {
                    let plain = value::encode(&record.value)?;
                    let sealed = self.seal.close(&About::record(key, record.revision), &plain)?;
                    let new = (record.revision.0, &*sealed);
                    sum.turn(&self.tag(key, new));
                    records.insert(place, new)?;
                }
            }
            let sealed = self.seal.close(&About::file(SUM_KEY), sum.bytes())?;
            about.insert(SUM_KEY, &*sealed)?;
        }
        Ok(transaction.commit()?)
    }

    fn tag(&self, key: &RecordKey, (revision, sealed): (u64, &[u8])) -> [u8; KEY] {
        self.seal.tag(&About::record(key, Revision(revision)), sealed)
    }

    /// What the file says that its records come to.
    fn sum(&self, about: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Sum, Trouble> {
        let sealed = about.get(SUM_KEY)?;
        let plain = sealed.and_then(|sealed| self.seal.open(&About::file(SUM_KEY), sealed.value()));
        plain
            .and_then(|plain| Sum::from_bytes(&plain))
            .ok_or_else(|| Trouble::Altered("what its records come to is not what was put there".into()))
    }
}

impl Keeper for FileKeeper {
    fn load(&self) -> Result<Vec<(RecordKey, Record)>, StoreError> {
        without_panic(&self.path, || {
            self.read().map_err(|trouble| trouble.reading(&self.path))
        })
    }

    fn keep(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.write(changes)
            .map_err(|trouble| trouble.writing(&self.path))
            .inspect_err(|error| tracing::error!(%error, "a change of the registry was not kept"))
    }
}

/// The data folder, whose own name is to outlast a crash, too.
fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::create_dir_all(folder)
        .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(|error| {
            StoreError::Refused(format!(
                "the data folder {} cannot be made: {error}; set --data to a folder that can be written",
                folder.display()
            ))
        })
}
