//! A disk in memory that forgets what was not synced when its power goes, and fails when it is told to.
//!
//! A sync that fails does what Linux does: the pages count as clean afterwards, so that the next sync leaves them out and says
//! that all is well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::embedded::disk::{Disk, DiskFile};

const PAGE: usize = 512;

/// What goes wrong next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A write puts down so many bytes, and the next ones none: the disk is full so many times.
    Full { after: usize, times: usize },
    /// A sync of a file fails.
    Sync,
    /// A write puts down one half, and says so.
    Short,
}

/// A small source of chance, so that a test that failed fails again.
#[derive(Clone, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below.max(1)
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// As everybody sees it.
    now: Vec<u8>,
    /// As it is on the disk.
    synced: Vec<u8>,
    /// Pages that the next sync would put there.
    dirty: BTreeSet<usize>,
}

impl Content {
    fn touch(&mut self, from: usize, to: usize) {
        self.dirty.extend(from / PAGE..to.div_ceil(PAGE));
    }

    fn put_page(&mut self, page: usize, len: usize) {
        let end = ((page + 1) * PAGE).min(len).min(self.now.len());
        if self.synced.len() < end {
            self.synced.resize(end, 0);
        }
        if page * PAGE < end {
            self.synced[page * PAGE..end].copy_from_slice(&self.now[page * PAGE..end]);
        }
    }

    fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            self.put_page(page, usize::MAX);
        }
    }

    /// Some of what is not synced is there all the same, up to some length.
    fn lose_power(&mut self, chance: &mut Chance) {
        let growth = self.now.len().saturating_sub(self.synced.len());
        let len = self.synced.len() + chance.next(growth + 1);
        for page in std::mem::take(&mut self.dirty) {
            if chance.next(2) == 0 {
                self.put_page(page, len);
            }
        }
        self.now = self.synced.clone();
    }
}

type Shared = Arc<Mutex<Content>>;

#[derive(Clone, Debug)]
enum Naming {
    Made(String, Shared),
    Removed(String),
    Renamed(String, String),
}

impl Naming {
    fn apply(self, names: &mut BTreeMap<String, Shared>) {
        match self {
            Self::Made(name, content) => {
                names.insert(name, content);
            }
            Self::Removed(name) => {
                names.remove(&name);
            }
            Self::Renamed(from, to) => {
                if let Some(content) = names.remove(&from) {
                    names.insert(to, content);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Inside {
    names: BTreeMap<String, Shared>,
    synced_names: BTreeMap<String, Shared>,
    unsynced_names: Vec<Naming>,
    faults: VecDeque<Fault>,
    /// So many bytes are written yet; then nothing works any more.
    dies_after: Option<usize>,
    dead: bool,
    syncs: usize,
    writes: usize,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Sim(Arc<Mutex<Inside>>);

impl Sim {
    /// Goes wrong like this, one after the other.
    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().faults.extend(faults);
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// Works no more after so many bytes.
    pub(super) fn die_after(&self, bytes: usize) {
        self.0.lock().dies_after = Some(bytes);
    }

    /// How many syncs of files there were, and how many writes.
    pub(super) fn syncs(&self) -> usize {
        self.0.lock().syncs
    }

    pub(super) fn writes(&self) -> usize {
        self.0.lock().writes
    }

    /// The same disk after the process was killed: nothing that was written is lost.
    pub(super) fn after_kill(&self) -> Self {
        let inside = self.0.lock();
        // One copy of each file, by whatever names it is known.
        let mut copies: BTreeMap<*const Mutex<Content>, Shared> = BTreeMap::new();
        let mut copy = |content: &Shared| {
            let copied = copies.entry(Arc::as_ptr(content));
            let copied = copied.or_insert_with(|| Arc::new(Mutex::new(content.lock().clone())));
            Arc::clone(copied)
        };
        let mut all = |names: &BTreeMap<String, Shared>| {
            let copied = names.iter().map(|(name, content)| (name.clone(), copy(content)));
            copied.collect()
        };
        let names = all(&inside.names);
        let synced_names = all(&inside.synced_names);
        let unsynced = inside.unsynced_names.iter().cloned();
        let unsynced_names = unsynced.map(|naming| match naming {
            Naming::Made(name, content) => Naming::Made(name, copy(&content)),
            other => other,
        });
        let unsynced_names = unsynced_names.collect();
        Self(Arc::new(Mutex::new(Inside {
            names,
            synced_names,
            unsynced_names,
            ..Inside::default()
        })))
    }

    /// The same disk after the power was gone.
    pub(super) fn after_power_loss(&self, chance: &mut Chance) -> Self {
        let inside = self.0.lock();
        let mut names = inside.synced_names.clone();
        let kept = chance.next(inside.unsynced_names.len() + 1);
        for naming in inside.unsynced_names.iter().take(kept).cloned() {
            naming.apply(&mut names);
        }
        let names: BTreeMap<_, _> = names
            .into_iter()
            .map(|(name, content)| {
                let mut content = content.lock().clone();
                content.lose_power(chance);
                (name, Arc::new(Mutex::new(content)))
            })
            .collect();
        Self(Arc::new(Mutex::new(Inside {
            synced_names: names.clone(),
            names,
            ..Inside::default()
        })))
    }

    /// The names of the log's files.
    pub(super) fn logs(&self) -> Vec<String> {
        let inside = self.0.lock();
        let logs = inside.names.keys().filter(|name| name.ends_with(".log"));
        logs.cloned().collect()
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.lock().names[name].lock().now.clone()
    }

    /// Changes a file behind everybody's back.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let inside = self.0.lock();
        let mut content = inside.names[name].lock();
        change(&mut content.now);
        content.synced = content.now.clone();
    }
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl Disk for Sim {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut inside = self.0.lock();
        if inside.dead {
            return Err(io_error());
        }
        let content = Shared::default();
        inside.names.insert(name.into(), content.clone());
        inside
            .unsynced_names
            .push(Naming::Made(name.into(), content.clone()));
        Ok(Arc::new(SimFile(self.clone(), content)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inside = self.0.lock();
        let content = inside.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile(self.clone(), content.clone())))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inside = self.0.lock();
        if inside.dead {
            return Err(io_error());
        }
        inside.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        inside.unsynced_names.push(Naming::Removed(name.into()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inside = self.0.lock();
        if inside.dead {
            return Err(io_error());
        }
        let naming = Naming::Renamed(from.into(), to.into());
        naming.clone().apply(&mut inside.names);
        inside.unsynced_names.push(naming);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inside = self.0.lock();
        if inside.dead {
            return Err(io_error());
        }
        for naming in std::mem::take(&mut inside.unsynced_names) {
            naming.apply(&mut inside.synced_names);
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("/sim").join(name)
    }
}

#[derive(Debug)]
struct SimFile(Sim, Shared);

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut inside = self.0.0.lock();
        inside.writes += 1;
        let mut len = bytes.len();
        let mut error = None;
        match inside.faults.front_mut() {
            Some(Fault::Full { after, times }) => {
                len = (*after).min(len);
                *after = 0;
                if len == 0 || *times == 0 {
                    error = Some(full());
                    *times = times.saturating_sub(1);
                    if *times == 0 {
                        inside.faults.pop_front();
                    }
                }
            }
            Some(Fault::Short) if len > 1 => {
                len /= 2;
                inside.faults.pop_front();
            }
            _ => {}
        }
        if let Some(left) = &mut inside.dies_after {
            len = len.min(*left);
            *left -= len;
            if *left == 0 {
                inside.dead = true;
            }
        }
        if inside.dead && len == 0 {
            return Err(io_error());
        }
        if let Some(error) = error {
            return Err(error);
        }
        let mut content = self.1.lock();
        let start = usize::try_from(offset).unwrap();
        if content.now.len() < start + len {
            content.now.resize(start + len, 0);
        }
        content.now[start..start + len].copy_from_slice(&bytes[..len]);
        content.touch(start, start + len);
        Ok(len)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.1.lock();
        let start = usize::try_from(offset).unwrap().min(content.now.len());
        let len = bytes.len().min(content.now.len() - start);
        bytes[..len].copy_from_slice(&content.now[start..start + len]);
        Ok(len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let inside = self.0.0.lock();
        if inside.dead {
            return Err(io_error());
        }
        let mut content = self.1.lock();
        let len = usize::try_from(len).unwrap();
        content.now.resize(len, 0);
        content.dirty.retain(|page| page * PAGE < len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inside = self.0.0.lock();
        inside.syncs += 1;
        if inside.dead {
            return Err(io_error());
        }
        let mut content = self.1.lock();
        if inside.faults.front() == Some(&Fault::Sync) {
            inside.faults.pop_front();
            content.dirty.clear();
            return Err(io_error());
        }
        content.sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.1.lock().now.len() as u64)
    }
}
