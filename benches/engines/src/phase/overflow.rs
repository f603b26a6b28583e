//! 4. More comes than may be kept: the oldest over all sessions goes, exactly, in the commit that brings the new.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::{EverySecond, label, of};
use crate::engine::{Mode, Name};
use crate::report::row;
use crate::workload::Feed;

const CAP: u64 = 200_000;
const APPENDED: u64 = 600_000;

pub fn run(name: Name, mode: Mode, dir: &Path) -> Result<()> {
    let batch = if mode == Mode::Fsync { 1_000 } else { 100 };
    let mut engine = name.open(dir, mode)?;
    let mut feed = Feed::new();
    let mut gone = Vec::new();
    let mut from = 0;
    let mut durable = EverySecond::new(mode);
    let start = Instant::now();
    let mut full = start;
    while feed.next < APPENDED {
        gone.clear();
        if feed.next >= CAP {
            engine.oldest(from, batch as usize, &mut |seq, session| {
                gone.push((seq, session))
            })?;
            from = gone.last().map_or(from, |last| last.0 + 1);
        } else {
            full = Instant::now();
        }
        feed.append(engine.as_mut(), batch, &gone, true)?;
        durable.tick(engine.as_mut())?;
    }
    let rate = (APPENDED - CAP) as f64 / full.elapsed().as_secs_f64();
    row(
        label(name),
        format!("4 overflow, batch {batch}, {}", of(mode)),
        "msg/s",
        rate,
    );

    let mut expected = APPENDED - CAP;
    let mut wrong = 0;
    engine.oldest(0, usize::MAX, &mut |seq, session| {
        wrong += u64::from(seq != expected || session != feed.session(seq));
        expected += 1;
    })?;
    ensure!(
        wrong == 0 && expected == APPENDED,
        "{wrong} wrong, the last is {expected}"
    );
    let mut stored = 0;
    for session in feed.sessions.clone() {
        engine.page(session, 0, usize::MAX, &mut |_, _| stored += 1)?;
    }
    ensure!(stored == CAP, "{stored} messages are left");
    Ok(())
}
