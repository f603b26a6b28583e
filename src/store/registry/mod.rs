//! The registry: what operators set up while the broker runs. Instances, groups, parent topics, keys, credentials,
//! revocations: records of a kind, each in an instance and under a name.
//!
//! Everything is in memory and read there, without waiting; a change is durable before it is seen. What a record means
//! is none of the registry's business: it keeps texts, numbers and tables for others.
//!
//! *Invariant*: whoever reads a record reads what is durable; no secret is shown by `Debug`.

mod database;
mod file;
mod key_file;
mod seal;
mod sum;
mod trouble;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, broadcast};

use super::{Revision, StoreError};
pub use file::FileKeeper;

/// How many changes a watcher may be behind before it has to look at everything anew.
const CHANGES: usize = 4096;

/// The longest kind or name, in bytes.
const NAME_LENGTH: usize = 512;

/// What a record is found by. Ordered by instance, then kind, then name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// The instance; empty for what belongs to none.
    pub instance: Arc<str>,
    /// What kind of thing it is, such as `group`.
    pub kind: Arc<str>,
    /// Its name among its kind.
    pub name: Arc<str>,
}

impl RecordKey {
    /// A key of these.
    #[must_use]
    pub fn new(instance: &str, kind: &str, name: &str) -> Self {
        Self {
            instance: instance.into(),
            kind: kind.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.instance, self.kind, self.name)
    }
}

/// One record. What it holds may be secret.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// What it says.
    pub value: Map<String, Value>,
    /// Which version of it this is: 1, 2, 3.
    pub revision: Revision,
}

impl Record {
    /// The text under this name.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field).and_then(Value::as_str)
    }

    /// The number under this name.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.value.get(field).and_then(Value::as_u64)
    }
}

/// Field names alone: values may be secrets.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&String> = self.value.keys().collect();
        f.debug_struct("Record")
            .field("fields", &fields)
            .field("revision", &self.revision)
            .finish()
    }
}

/// What a change expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything or nothing.
    Whatever,
    /// No record.
    Nothing,
    /// A record, whichever version of it.
    Something,
    /// This version of the record.
    Exactly(Revision),
}

/// A wish to change one record.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which.
    pub key: RecordKey,
    /// What is to be there; `None` removes it.
    pub value: Option<Map<String, Value>>,
    /// What has to be there before.
    pub expect: Expect,
}

/// A record has changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which.
    pub key: RecordKey,
    /// What is there now; `None` when it is gone.
    pub record: Option<Arc<Record>>,
    /// Which change it is since the process began: 1, 2, 3. 0 while it is not made.
    pub number: u64,
}

/// Where records outlive the process. Its calls may block.
pub trait Keeper: Send + Sync + 'static {
    /// Everything that is kept.
    ///
    /// # Errors
    /// What is kept cannot be read: a sentence that says what to do.
    fn load(&self) -> Result<Vec<(RecordKey, Record)>, StoreError>;

    /// Keeps these changes, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// None of them is kept.
    fn keep(&self, changes: &[Change]) -> Result<(), StoreError>;
}

/// Keeps nothing.
#[derive(Debug, Default)]
pub struct Forgetful;

impl Keeper for Forgetful {
    fn load(&self) -> Result<Vec<(RecordKey, Record)>, StoreError> {
        Ok(Vec::new())
    }

    fn keep(&self, _changes: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is such a record already.
    #[error("{0} exists already")]
    Exists(RecordKey),
    /// There is no such record.
    #[error("there is no {0}")]
    Absent(RecordKey),
    /// Somebody else changed it meanwhile.
    #[error("{0} was changed by somebody else meanwhile; look at it and try again")]
    Stale(RecordKey),
    /// A kind or a name that cannot be one.
    #[error("{0}")]
    Name(&'static str),
    /// The store's own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type View = BTreeMap<RecordKey, Arc<Record>>;

/// All records.
pub struct Registry {
    view: Arc<RwLock<View>>,
    keeper: Arc<dyn Keeper>,
    /// One writer at a time: what is durable and what is seen change in the same order.
    writing: Arc<Mutex<()>>,
    /// How many changes were made. Whoever reads it, and then a record, sees all of them.
    made: Arc<AtomicU64>,
    changes: broadcast::Sender<Change>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Default for Registry {
    /// One that is forgotten with the process.
    fn default() -> Self {
        Self::with(BTreeMap::new(), Arc::new(Forgetful))
    }
}

impl Registry {
    /// The registry that `keeper` keeps. May block.
    ///
    /// # Errors
    /// What is kept cannot be read.
    pub fn open(keeper: Arc<dyn Keeper>) -> Result<Self, StoreError> {
        let kept = keeper.load()?.into_iter();
        let view = kept.map(|(key, record)| (key, Arc::new(record))).collect();
        Ok(Self::with(view, keeper))
    }

    fn with(view: View, keeper: Arc<dyn Keeper>) -> Self {
        Self {
            view: Arc::new(RwLock::new(view)),
            keeper,
            writing: Arc::default(),
            made: Arc::default(),
            changes: broadcast::channel(CHANGES).0,
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view.read().len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One record.
    #[must_use]
    pub fn get(&self, instance: &str, kind: &str, name: &str) -> Option<Arc<Record>> {
        self.view
            .read()
            .get(&RecordKey::new(instance, kind, name))
            .cloned()
    }

    /// Records of one kind in the order of their names: at most `most` of those behind `after`.
    #[must_use]
    pub fn list(
        &self,
        instance: &str,
        kind: &str,
        after: Option<&str>,
        most: usize,
    ) -> Vec<(Arc<str>, Arc<Record>)> {
        let start = RecordKey::new(instance, kind, after.unwrap_or_default());
        let from = match after {
            Some(_) => Bound::Excluded(&start),
            None => Bound::Included(&start),
        };
        let view = self.view.read();
        view.range((from, Bound::Unbounded))
            .take_while(|(key, _)| *key.instance == *instance && *key.kind == *kind)
            .take(most)
            .map(|(key, record)| (Arc::clone(&key.name), Arc::clone(record)))
            .collect()
    }

    /// How many records of one kind there are.
    #[must_use]
    pub fn count(&self, instance: &str, kind: &str) -> usize {
        let start = RecordKey::new(instance, kind, "");
        let view = self.view.read();
        view.range(start..)
            .take_while(|(key, _)| *key.instance == *instance && *key.kind == *kind)
            .count()
    }

    /// The keys of everything in an instance.
    #[must_use]
    pub fn keys_of(&self, instance: &str) -> Vec<RecordKey> {
        let start = RecordKey::new(instance, "", "");
        let view = self.view.read();
        view.range(start..)
            .take_while(|(key, _)| *key.instance == *instance)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// How many changes were made since the process began: what is read from now on is at least as new as the last of them.
    #[must_use]
    pub fn changes_made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Tells of every change from now on. Who is too slow is told so, and looks at everything anew.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Makes these changes, all or none. They are durable when it resolves, and seen by every later reader.
    ///
    /// # Errors
    /// None of them was made, and why.
    pub async fn write(&self, writes: Vec<Write>) -> Result<(), RegistryError> {
        let one = Arc::clone(&self.writing).lock_owned().await;
        let mut changes = self.plan(writes)?;
        let (keeper, view) = (Arc::clone(&self.keeper), Arc::clone(&self.view));
        let made = Arc::clone(&self.made);
        let tell = self.changes.clone();
        // All of it in one piece: whoever asked may go away meanwhile, and what is kept has to be seen all the same, before
        // the next change is thought of.
        let work = move || {
            keeper.keep(&changes)?;
            see(&view, &made, &mut changes);
            for change in changes {
                let _nobody = tell.send(change);
            }
            drop(one);
            Ok(())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(StoreError::Failed(error.to_string()).into()),
        }
    }

    /// The same for one record that is to be there.
    ///
    /// # Errors
    /// As [`Registry::write`].
    pub async fn put(
        &self,
        key: RecordKey,
        value: Map<String, Value>,
        expect: Expect,
    ) -> Result<(), RegistryError> {
        let value = Some(value);
        self.write(vec![Write { key, value, expect }]).await
    }

    /// The same for one record that is to go.
    ///
    /// # Errors
    /// As [`Registry::write`]; [`RegistryError::Absent`] when there is none.
    pub async fn remove(&self, key: RecordKey) -> Result<(), RegistryError> {
        let expect = Expect::Something;
        let value = None;
        self.write(vec![Write { key, value, expect }]).await
    }

    /// What the wishes come to, if all that they expect is so.
    fn plan(&self, writes: Vec<Write>) -> Result<Vec<Change>, RegistryError> {
        let view = self.view.read();
        let one = |Write { key, value, expect }: Write| {
            if key.kind.is_empty() || key.name.is_empty() {
                return Err(RegistryError::Name("a kind or a name is empty"));
            }
            if key.instance.len().max(key.kind.len()).max(key.name.len()) > NAME_LENGTH {
                return Err(RegistryError::Name(
                    "an instance, a kind or a name has more than 512 bytes",
                ));
            }
            let revision = view.get(&key).map_or(Revision(0), |record| record.revision);
            match expect {
                Expect::Nothing if revision.0 > 0 => return Err(RegistryError::Exists(key)),
                Expect::Something if revision.0 == 0 => return Err(RegistryError::Absent(key)),
                Expect::Exactly(expected) if expected != revision => return Err(RegistryError::Stale(key)),
                _ => {}
            }
            let revision = Revision(revision.0 + 1);
            let record = value.map(|value| Arc::new(Record { value, revision }));
            let number = 0;
            Ok(Change { key, record, number })
        };
        writes.into_iter().map(one).collect()
    }
}

/// From now on readers see these.
fn see(view: &RwLock<View>, made: &AtomicU64, changes: &mut [Change]) {
    let mut view = view.write();
    for change in changes {
        change.number = made.fetch_add(1, Ordering::AcqRel) + 1;
        match &change.record {
            Some(record) => view.insert(change.key.clone(), Arc::clone(record)),
            None => view.remove(&change.key),
        };
    }
}

#[cfg(test)]
mod tests;
