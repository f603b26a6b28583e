//! 2. Every session comes back: its messages in order, in pages, each page removed in one commit.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::{label, of};
use crate::engine::{Mode, Name};
use crate::report::row;
use crate::workload::{Feed, SESSIONS, take};

const STORED: u64 = 256_000;
const PAGE: usize = 256;

pub fn run(name: Name, mode: Mode, dir: &Path) -> Result<()> {
    let mut engine = name.open(dir, mode)?;
    let mut feed = Feed::new();
    feed.fill(engine.as_mut(), STORED, 1_000)?;

    let start = Instant::now();
    let mut read = 0;
    for session in 0..SESSIONS {
        engine.page(session, 0, PAGE, &mut |_, record| {
            std::hint::black_box(record);
            read += 1;
        })?;
    }
    ensure!(read == STORED, "{read} messages are there");
    row(
        label(name),
        format!("2 read only, pages of {PAGE}, {}", of(mode)),
        "msg/s",
        read as f64 / start.elapsed().as_secs_f64(),
    );

    let start = Instant::now();
    let mut drained = 0;
    for session in 0..SESSIONS {
        let mut from = 0;
        while let Some((count, last)) = take(engine.as_mut(), session, from, PAGE, true)? {
            drained += count as u64;
            from = last + 1;
        }
    }
    ensure!(drained == STORED, "{drained} messages came");
    row(
        label(name),
        format!("2 drain, pages of {PAGE}, {}", of(mode)),
        "msg/s",
        drained as f64 / start.elapsed().as_secs_f64(),
    );
    Ok(())
}
