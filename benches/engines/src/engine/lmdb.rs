//! LMDB through heed: a copy-on-write B-tree in a memory map.

use std::ops::Bound;
use std::path::Path;

use anyhow::Result;
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U32, U64};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags};

use super::{Change, Engine, Mode, key, seq_of};

/// Address space; the file grows to what is used.
const MAP: usize = 16 << 30;

pub struct Lmdb {
    env: Env,
    inbox: Database<Bytes, Bytes>,
    order: Database<U64<BigEndian>, U32<BigEndian>>,
    bodies: Database<U64<BigEndian>, Bytes>,
    mode: Mode,
}

impl Lmdb {
    pub fn open(dir: &Path, mode: Mode) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP).max_dbs(4);
        // SAFETY: nobody else touches the bench's own directory. NO_SYNC may cost the whole database in a power cut.
        let env = unsafe {
            if mode == Mode::Relaxed {
                options.flags(EnvFlags::NO_SYNC);
            }
            options.open(dir)?
        };
        let mut writes = env.write_txn()?;
        let inbox = env.create_database(&mut writes, Some("inbox"))?;
        let order = env.create_database(&mut writes, Some("order"))?;
        let bodies = env.create_database(&mut writes, Some("bodies"))?;
        writes.commit()?;
        Ok(Self {
            env,
            inbox,
            order,
            bodies,
            mode,
        })
    }
}

impl Engine for Lmdb {
    /// Whether a commit syncs is the environment's choice, not the commit's.
    fn commit(&mut self, batch: &[Change<'_>], _sync: bool) -> Result<()> {
        let mut writes = self.env.write_txn()?;
        for change in batch {
            match *change {
                Change::Append { session, seq, record } => {
                    self.inbox.put(&mut writes, &key(session, seq), record)?;
                    self.order
                        .put_with_flags(&mut writes, PutFlags::APPEND, &seq, &session)?;
                }
                Change::Remove { session, seq } => {
                    self.inbox.delete(&mut writes, &key(session, seq))?;
                    self.order.delete(&mut writes, &seq)?;
                }
                Change::Body { id, body } => self.bodies.put(&mut writes, &id, body)?,
            }
        }
        Ok(writes.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        match self.mode {
            Mode::Fsync => Ok(()),
            Mode::Relaxed => Ok(self.env.force_sync()?),
        }
    }

    fn page(
        &mut self,
        session: u32,
        from: u64,
        limit: usize,
        read: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<()> {
        let reads = self.env.read_txn()?;
        let (first, last) = (key(session, from), key(session, u64::MAX));
        for entry in self
            .inbox
            .range(
                &reads,
                &(
                    Bound::Included(first.as_slice()),
                    Bound::Included(last.as_slice()),
                ),
            )?
            .take(limit)
        {
            let (key, record) = entry?;
            read(seq_of(key), record);
        }
        Ok(())
    }

    fn oldest(&mut self, from: u64, limit: usize, read: &mut dyn FnMut(u64, u32)) -> Result<()> {
        let reads = self.env.read_txn()?;
        for entry in self.order.range(&reads, &(from..))?.take(limit) {
            let (seq, session) = entry?;
            read(seq, session);
        }
        Ok(())
    }
}
