//! 1. Messages into 1,000 sessions, by batch size, with an fsync a batch and without any.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{label, of};
use crate::engine::{Mode, Name};
use crate::report::row;
use crate::workload::Feed;

const CELLS: [(Mode, u64); 7] = [
    (Mode::Fsync, 1),
    (Mode::Fsync, 10),
    (Mode::Fsync, 100),
    (Mode::Fsync, 1_000),
    (Mode::Relaxed, 1),
    (Mode::Relaxed, 100),
    (Mode::Relaxed, 1_000),
];
/// A cell ends here even when time is left.
const MOST: u64 = 300_000;

pub fn run(engine: Option<Name>, seconds: f64, dir: &Path) -> Result<()> {
    for (mode, batch) in CELLS {
        let dir = dir.join(format!("{}-{batch}", of(mode)));
        std::fs::create_dir(&dir)?;
        let rate = match engine {
            Some(engine) => engine_rate(engine, mode, batch, seconds, &dir)?,
            None => raw_rate(mode, batch, seconds, &dir)?,
        };
        let mode = if mode == Mode::Fsync { "fsync" } else { "no fsync" };
        row(
            engine.map_or("raw", label),
            format!("1 enqueue, {mode}, batch {batch}"),
            "msg/s",
            rate,
        );
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn engine_rate(engine: Name, mode: Mode, batch: u64, seconds: f64, dir: &Path) -> Result<f64> {
    let mut engine = engine.open(dir, mode)?;
    let mut feed = Feed::new();
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds && feed.next < MOST {
        feed.append(engine.as_mut(), batch, &[], true)?;
    }
    let rate = feed.next as f64 / start.elapsed().as_secs_f64();
    engine.sync()?;
    Ok(rate)
}

/// The same bytes appended to a file: no engine can be faster by much.
fn raw_rate(mode: Mode, batch: u64, seconds: f64, dir: &Path) -> Result<f64> {
    let mut file = std::fs::File::create(dir.join("raw"))?;
    let feed = Feed::new();
    let (mut bytes, mut next) = (Vec::new(), 0);
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds && next < MOST {
        bytes.clear();
        (next..next + batch).for_each(|seq| feed.records.write(seq, &mut bytes));
        file.write_all(&bytes)?;
        if mode == Mode::Fsync {
            file.sync_data()?;
        }
        next += batch;
    }
    let rate = next as f64 / start.elapsed().as_secs_f64();
    file.sync_data()?;
    Ok(rate)
}
