//! What the broker asks of a store, and one face for every candidate.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

mod fjall;
mod lmdb;
mod log;
mod redb;

/// One change of a batch; a batch is atomic.
pub enum Change<'a> {
    /// A message enters a session's inbox.
    Append {
        session: u32,
        seq: u64,
        record: &'a [u8],
    },
    /// It leaves: acknowledged, expired or evicted.
    Remove { session: u32, seq: u64 },
    /// A body many entries refer to.
    Body { id: u64, body: &'a [u8] },
}

/// When a commit is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Before it returns.
    Fsync,
    /// At the next [`Engine::sync`], which the bench asks for once a second.
    Relaxed,
}

pub trait Engine {
    /// Applies all or nothing. `sync` is ignored where the engine was opened as [`Mode::Relaxed`].
    fn commit(&mut self, batch: &[Change<'_>], sync: bool) -> Result<()>;
    /// Makes everything committed durable.
    fn sync(&mut self) -> Result<()>;
    /// Up to `limit` messages of a session in order, those before `from` left out.
    fn page(&mut self, session: u32, from: u64, limit: usize, read: &mut dyn FnMut(u64, &[u8]))
    -> Result<()>;
    /// The oldest messages over all sessions, as (seq, session), those before `from` left out.
    fn oldest(&mut self, from: u64, limit: usize, read: &mut dyn FnMut(u64, u32)) -> Result<()>;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    Log,
    Fjall,
    Redb,
    Lmdb,
}

impl Name {
    pub fn open(self, dir: &Path, mode: Mode) -> Result<Box<dyn Engine>> {
        std::fs::create_dir_all(dir)?;
        Ok(match self {
            Name::Log => Box::new(log::Log::open(dir, mode)?),
            Name::Fjall => Box::new(fjall::Fjall::open(dir, mode)?),
            Name::Redb => Box::new(redb::Redb::open(dir, mode)?),
            Name::Lmdb => Box::new(lmdb::Lmdb::open(dir, mode)?),
        })
    }
}

/// What every database may keep in memory of its own accord; the log needs none, LMDB has the page cache.
const CACHE: usize = 64 << 20;

fn key(session: u32, seq: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&session.to_be_bytes());
    key[4..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn seq_of(key: &[u8]) -> u64 {
    u64::from_be_bytes(key[key.len() - 8..].try_into().expect("eight bytes"))
}

fn session_of(value: &[u8]) -> u32 {
    u32::from_be_bytes(value.try_into().expect("four bytes"))
}
