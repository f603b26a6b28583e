//! A copy-on-write B-tree in one file.

use std::path::Path;

use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{CACHE, Change, Engine, Mode, key, seq_of};

const INBOX: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("inbox");
const ORDER: TableDefinition<'_, u64, u32> = TableDefinition::new("order");
const BODIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bodies");

pub struct Redb {
    database: Database,
    mode: Mode,
}

impl Redb {
    pub fn open(dir: &Path, mode: Mode) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create(dir.join("store.redb"))?;
        let mut redb = Self { database, mode };
        redb.sync()?;
        Ok(redb)
    }
}

impl Engine for Redb {
    /// A commit that is not durable is in this process alone: it is lost even when only the process dies.
    fn commit(&mut self, batch: &[Change<'_>], sync: bool) -> Result<()> {
        let mut writes = self.database.begin_write()?;
        let durable = sync && self.mode == Mode::Fsync;
        writes.set_durability(if durable {
            Durability::Immediate
        } else {
            Durability::None
        })?;
        {
            let mut inbox = writes.open_table(INBOX)?;
            let mut order = writes.open_table(ORDER)?;
            for change in batch {
                match *change {
                    Change::Append { session, seq, record } => {
                        inbox.insert(key(session, seq).as_slice(), record)?;
                        order.insert(seq, session)?;
                    }
                    Change::Remove { session, seq } => {
                        inbox.remove(key(session, seq).as_slice())?;
                        order.remove(seq)?;
                    }
                    Change::Body { id, body } => {
                        writes.open_table(BODIES)?.insert(id, body)?;
                    }
                }
            }
        }
        Ok(writes.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        let writes = self.database.begin_write()?;
        writes.open_table(INBOX)?;
        writes.open_table(ORDER)?;
        Ok(writes.commit()?)
    }

    fn page(
        &mut self,
        session: u32,
        from: u64,
        limit: usize,
        read: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<()> {
        let inbox = self.database.begin_read()?.open_table(INBOX)?;
        let (first, last) = (key(session, from), key(session, u64::MAX));
        for entry in inbox.range(first.as_slice()..=last.as_slice())?.take(limit) {
            let (key, record) = entry?;
            read(seq_of(key.value()), record.value());
        }
        Ok(())
    }

    fn oldest(&mut self, from: u64, limit: usize, read: &mut dyn FnMut(u64, u32)) -> Result<()> {
        let order = self.database.begin_read()?.open_table(ORDER)?;
        for entry in order.range(from..)?.take(limit) {
            let (seq, session) = entry?;
            read(seq.value(), session.value());
        }
        Ok(())
    }
}
