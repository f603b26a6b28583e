//! An LSM tree. Removals are tombstones until a compaction meets them.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE, Change, Engine, Mode, key, seq_of, session_of};

pub struct Fjall {
    database: Database,
    inbox: Keyspace,
    order: Keyspace,
    bodies: Keyspace,
    mode: Mode,
}

impl Fjall {
    pub fn open(dir: &Path, mode: Mode) -> Result<Self> {
        let database = Database::builder(dir).cache_size(CACHE as u64).open()?;
        let inbox = database.keyspace("inbox", KeyspaceCreateOptions::default)?;
        let order = database.keyspace("order", KeyspaceCreateOptions::default)?;
        let bodies = database.keyspace("bodies", KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            inbox,
            order,
            bodies,
            mode,
        })
    }
}

impl Engine for Fjall {
    fn commit(&mut self, batch: &[Change<'_>], sync: bool) -> Result<()> {
        let persist = if sync && self.mode == Mode::Fsync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        let mut writes = self.database.batch().durability(Some(persist));
        for change in batch {
            match *change {
                Change::Append { session, seq, record } => {
                    writes.insert(&self.inbox, key(session, seq), record);
                    writes.insert(&self.order, seq.to_be_bytes(), session.to_be_bytes());
                }
                Change::Remove { session, seq } => {
                    writes.remove(&self.inbox, key(session, seq));
                    writes.remove(&self.order, seq.to_be_bytes());
                }
                Change::Body { id, body } => writes.insert(&self.bodies, id.to_be_bytes(), body),
            }
        }
        Ok(writes.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn page(
        &mut self,
        session: u32,
        from: u64,
        limit: usize,
        read: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<()> {
        for entry in self
            .inbox
            .range(key(session, from)..=key(session, u64::MAX))
            .take(limit)
        {
            let (key, record) = entry.into_inner()?;
            read(seq_of(&key), &record);
        }
        Ok(())
    }

    fn oldest(&mut self, from: u64, limit: usize, read: &mut dyn FnMut(u64, u32)) -> Result<()> {
        for entry in self.order.range(from.to_be_bytes()..).take(limit) {
            let (seq, session) = entry.into_inner()?;
            read(seq_of(&seq), session_of(&session));
        }
        Ok(())
    }
}
