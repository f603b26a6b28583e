//! What can be wrong with the registry's file, in sentences: what it is, and what to do.
//!
//! *Invariant*: every sentence names the file, and none names what a record holds.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{DatabaseError, Error};

use crate::store::StoreError;

/// What is wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database's own.
    Database(Error),
    /// Something in it is not as it was left; the sentence's part in brackets.
    Altered(String),
    /// All there is to say, already.
    Said(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Said(error)
    }
}

macro_rules! databases {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Trouble {
            fn from(error: $kind) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}

databases!(
    DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

impl Trouble {
    /// While the file is opened and read.
    pub(super) fn reading(self, path: &Path) -> StoreError {
        let shown = path.display();
        match self {
            Self::Said(error) => error,
            Self::Altered(what) => damaged(path, &what),
            Self::Database(Error::DatabaseAlreadyOpen) => in_use(path),
            Self::Database(Error::Io(error)) if !tells_of_damage(error.kind()) => {
                StoreError::Refused(format!("{shown} cannot be read: {error}"))
            }
            Self::Database(error) => damaged(path, &error.to_string()),
        }
    }

    /// While a change is written.
    pub(super) fn writing(self, path: &Path) -> StoreError {
        let shown = path.display();
        match self {
            Self::Said(error) => error,
            Self::Altered(what) => damaged(path, &what),
            // Whether what was written before reached the disk is not known any more, so it does not go on from there.
            Self::Database(Error::PreviousIo) => StoreError::Refused(format!(
                "{shown} is not written to any more, since it could not be written to before; look for the reason in the \
                 log (is the disk full or failing?), then start Dunlin again"
            )),
            Self::Database(error) => StoreError::Refused(format!(
                "{shown} could not be written to: {error}. Is the disk full or failing? When that is mended, start Dunlin again"
            )),
        }
    }
}

fn tells_of_damage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Refused(format!(
        "{} is damaged ({what}); stop Dunlin and put back this file and registry.key, both from one backup, or move both \
         away to begin anew, without any instances, groups and credentials",
        path.display()
    ))
}

/// Another process has the file.
pub(super) fn in_use(path: &Path) -> StoreError {
    StoreError::Refused(format!(
        "{} is in use: another Dunlin serves this data folder; stop it first, or give this one a folder of its own with --data",
        path.display()
    ))
}

/// Does it, and takes a panic for damage: the database checks its file before it is used, and what it
/// overlooked is no reason to end without a sentence.
pub(super) fn without_panic<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(damaged(path, said.unwrap_or("it cannot be read")))
    })
}
