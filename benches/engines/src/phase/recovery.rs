//! 5. A million messages, a writer killed under load, and what is there when it is opened again.
//!
//! Batches alternate: 100 messages come, then 100 of the next session go. So the number of batches says what has to be
//! there, to the byte. SIGKILL leaves the page cache alone: this is about crashes of the process, not about power.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use super::{EverySecond, label, of};
use crate::engine::{Engine, Mode, Name};
use crate::machine;
use crate::report::row;
use crate::workload::{Feed, Records, SESSIONS, take};

const STORED: u64 = 1_000_000;
const BATCH: u64 = 100;

pub fn write(name: Name, mode: Mode, dir: &Path) -> Result<()> {
    let mut engine = name.open(dir, mode)?;
    let mut feed = Feed::new();
    feed.fill(engine.as_mut(), STORED, 5_000)?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "loaded")?;
    let mut durable = EverySecond::new(mode);
    for batch in 1.. {
        if batch % 2 == 1 {
            feed.append(engine.as_mut(), BATCH, &[], true)?;
        } else {
            let session = ((batch / 2 - 1) % u64::from(SESSIONS)) as u32;
            take(engine.as_mut(), session, 0, BATCH as usize, true)?;
        }
        writeln!(output, "{batch}")?;
        durable.tick(engine.as_mut())?;
    }
    Ok(())
}

pub fn reopen(name: Name, mode: Mode, reported: u64, cold: bool, dir: &Path) -> Result<()> {
    let start = Instant::now();
    let mut engine = name.open(dir, mode)?;
    let opened = start.elapsed();
    let mut read = 0;
    engine.page(SESSIONS - 1, 0, BATCH as usize, &mut |_, _| read += 1)?;
    let first = start.elapsed();
    ensure!(read == BATCH, "the first read is {read} messages");
    let (anonymous, file) = machine::resident()?;
    let found = batches(engine.as_mut())?;

    let cache = if cold { "cold" } else { "warm" };
    let tell = |what: String, unit: &str, value: f64| {
        row(
            label(name),
            format!("5 kill -9, {}, {what}", of(mode)),
            unit,
            value,
        )
    };
    tell(
        format!("first read after opening, {cache}"),
        "ms",
        first.as_secs_f64() * 1e3,
    );
    if !cold {
        tell("opening".into(), "ms", opened.as_secs_f64() * 1e3);
        tell("memory of its own".into(), "MiB", anonymous);
        tell("mapped files in memory".into(), "MiB", file);
        tell("disk".into(), "MiB", machine::disk(dir)?);
        tell("batches reported".into(), "", reported as f64);
        tell("batches lost".into(), "", reported.saturating_sub(found) as f64);
        ensure!(found <= reported + 1, "{found} batches are there of {reported}");
    }
    Ok(())
}

/// How many batches made what is stored; fails when no number of whole batches does.
fn batches(engine: &mut dyn Engine) -> Result<u64> {
    let sessions = u64::from(SESSIONS);
    let records = Records::new();
    let mut expected = Vec::new();
    let mut damaged = 0u64;
    let (mut stored, mut next) = (0, 0);
    // How often each session was drained.
    let mut drains = Vec::new();
    for session in 0..SESSIONS {
        let mut first = None;
        let mut last = None;
        engine.page(session, 0, usize::MAX, &mut |seq, record| {
            expected.clear();
            records.write(seq, &mut expected);
            let gap = last.is_some_and(|last| last + sessions != seq);
            damaged += u64::from(gap || expected != record || seq % sessions != u64::from(session));
            first = first.or(Some(seq));
            last = Some(seq);
            stored += 1;
        })?;
        let (Some(first), Some(last)) = (first, last) else {
            bail!("session {session} is empty")
        };
        next = next.max(last + 1);
        drains.push(first / sessions / BATCH);
        ensure!(
            first / sessions % BATCH == 0,
            "session {session} begins at {first}"
        );
    }
    ensure!(damaged == 0, "{damaged} messages are damaged");
    let appends = (next - STORED) / BATCH;
    let removals: u64 = drains.iter().sum();
    ensure!(
        next == STORED + appends * BATCH,
        "half a batch: the next is {next}"
    );
    ensure!(
        removals == appends || removals + 1 == appends,
        "{appends} appended, {removals} removed"
    );
    ensure!(stored == next - removals * BATCH, "{stored} messages are stored");
    let in_turn = (0..)
        .zip(&drains)
        .all(|(session, &drains)| drains == (removals + sessions - 1 - session) / sessions);
    ensure!(in_turn, "removals are missing in the middle");
    let mut ordered = 0;
    engine.oldest(0, usize::MAX, &mut |_, _| ordered += 1)?;
    ensure!(ordered == stored, "{ordered} in the order, {stored} stored");
    Ok(appends + removals)
}
