//! 3. A queue that stays at 200,000 messages: as many come as go, at full speed.
//!
//! A tenth of the sessions stays away for good: what they have is in the way of everything that reclaims.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{EverySecond, label, of};
use crate::engine::{Mode, Name};
use crate::machine;
use crate::report::row;
use crate::workload::{Feed, SESSIONS, take};

const STORED: u64 = 200_000;
const BATCH: u64 = 100;
const AWAY: u32 = SESSIONS / 10;
/// What a client notices.
const PAUSE: Duration = Duration::from_millis(50);

pub fn run(name: Name, mode: Mode, seconds: u64, dir: &Path) -> Result<()> {
    let mut engine = name.open(dir, mode)?;
    let mut feed = Feed::new();
    feed.fill(engine.as_mut(), STORED, 1_000)?;
    feed.sessions = AWAY..SESSIONS;

    let mut heads = vec![0; SESSIONS as usize];
    let mut returning = (AWAY..SESSIONS).cycle();
    let mut durable = EverySecond::new(mode);
    let (mut longest, mut pauses) = (Duration::ZERO, 0);
    // Messages of each second that is over.
    let mut marks: Vec<u64> = vec![0];
    let mut peak: f64 = 0.0;
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        let begun = Instant::now();
        feed.append(engine.as_mut(), BATCH, &[], true)?;
        let appended = begun.elapsed();
        let session = returning.next().unwrap_or(AWAY);
        if let Some(head) = heads.get_mut(session as usize) {
            let taken = take(engine.as_mut(), session, *head, BATCH as usize, true)?;
            let Some((count, last)) = taken else {
                anyhow::bail!("session {session} is empty")
            };
            ensure!(count as u64 == BATCH, "session {session} has {count}");
            *head = last + 1;
        }
        for batch in [appended, begun.elapsed() - appended] {
            longest = longest.max(batch);
            pauses += u64::from(batch > PAUSE);
        }
        rounds += 1;
        durable.tick(engine.as_mut())?;
        if start.elapsed().as_secs() as usize >= marks.len() {
            marks.resize(start.elapsed().as_secs() as usize + 1, rounds * BATCH);
            peak = peak.max(machine::disk(dir)?);
        }
    }
    let window = 10.min(marks.len() - 1).max(1);
    let between = |from: usize, to: usize| {
        let at = |second: usize| marks.get(second).copied().unwrap_or(0);
        (at(to) - at(from)) as f64 / (to - from).max(1) as f64
    };
    let tell = |what: &str, unit: &str, value: f64| {
        row(label(name), format!("3 long, {}, {what}", of(mode)), unit, value)
    };
    tell("first 10 s", "msg/s in and out", between(0, window));
    tell(
        "last 10 s",
        "msg/s in and out",
        between(marks.len() - 1 - window, marks.len() - 1),
    );
    tell("longest batch", "ms", longest.as_secs_f64() * 1e3);
    tell("batches over 50 ms", "", pauses as f64);
    if mode == Mode::Relaxed {
        tell("longest sync", "ms", durable.longest.as_secs_f64() * 1e3);
    }
    tell("disk, end", "MiB", machine::disk(dir)?);
    tell("disk, peak", "MiB", peak);
    let (anonymous, file) = machine::resident()?;
    tell("memory of its own", "MiB", anonymous);
    tell("mapped files in memory", "MiB", file);
    Ok(())
}
