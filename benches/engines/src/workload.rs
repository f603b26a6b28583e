//! The messages, the same in every run, and how batches of them reach an engine.

use std::io::Write as _;
use std::ops::Range;

use anyhow::Result;

use crate::engine::{Change, Engine};

pub const SESSIONS: u32 = 1_000;

/// Makes the record of a message out of its number, so whoever reads it can check it.
pub struct Records {
    noise: Vec<u8>,
}

impl Records {
    pub fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let noise = (0..64 << 10).map(|_| (mix(&mut state) >> 56) as u8).collect();
        Self { noise }
    }

    /// About 300 bytes: expiry and flags, a topic, properties, 64 to 256 bytes of payload that do not compress.
    pub fn write(&self, seq: u64, to: &mut Vec<u8>) {
        let mut state = seq;
        let random = mix(&mut state) as usize;
        let payload = 64 + random % 193;
        let from = (random >> 16) % (self.noise.len() - 512);
        to.extend_from_slice(&seq.to_le_bytes());
        to.extend_from_slice(&[0; 16]);
        let _ = write!(
            to,
            "plant/site-07/line-03/device-{:06}/telemetry/temperature",
            seq % u64::from(SESSIONS)
        );
        to.extend_from_slice(&self.noise[from..from + 60 + payload]);
    }
}

pub fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut x = *state;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Appends messages to sessions round robin.
pub struct Feed {
    pub records: Records,
    /// The number of the next message.
    pub next: u64,
    /// Who gets messages.
    pub sessions: Range<u32>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Feed {
    pub fn new() -> Self {
        Self {
            records: Records::new(),
            next: 0,
            sessions: 0..SESSIONS,
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    pub fn session(&self, seq: u64) -> u32 {
        self.sessions.start + (seq % u64::from(self.sessions.end - self.sessions.start)) as u32
    }

    /// One commit: `count` more messages, and those of `gone` removed.
    pub fn append(
        &mut self,
        engine: &mut dyn Engine,
        count: u64,
        gone: &[(u64, u32)],
        sync: bool,
    ) -> Result<()> {
        self.bytes.clear();
        self.ends.clear();
        for seq in self.next..self.next + count {
            self.records.write(seq, &mut self.bytes);
            self.ends.push(self.bytes.len());
        }
        let mut batch: Vec<Change<'_>> = gone
            .iter()
            .map(|&(seq, session)| Change::Remove { session, seq })
            .collect();
        let mut start = 0;
        for (seq, &end) in (self.next..).zip(&self.ends) {
            let record = self.bytes.get(start..end).unwrap_or_default();
            batch.push(Change::Append {
                session: self.session(seq),
                seq,
                record,
            });
            start = end;
        }
        engine.commit(&batch, sync)?;
        self.next += count;
        Ok(())
    }

    /// `total` messages in large batches, on disk when it returns.
    pub fn fill(&mut self, engine: &mut dyn Engine, total: u64, batch: u64) -> Result<()> {
        for _ in 0..total / batch {
            self.append(engine, batch, &[], false)?;
        }
        engine.sync()
    }
}

/// Reads up to `limit` messages of a session from `from` on and removes them in one commit: how many, and the last.
pub fn take(
    engine: &mut dyn Engine,
    session: u32,
    from: u64,
    limit: usize,
    sync: bool,
) -> Result<Option<(usize, u64)>> {
    let mut batch = Vec::with_capacity(limit);
    let mut last = None;
    engine.page(session, from, limit, &mut |seq, record| {
        std::hint::black_box(record);
        batch.push(Change::Remove { session, seq });
        last = Some(seq);
    })?;
    let Some(last) = last else { return Ok(None) };
    engine.commit(&batch, sync)?;
    Ok(Some((batch.len(), last)))
}
