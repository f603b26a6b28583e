//! 6. One body for 10,000 sessions: stored once and referred to, or copied to each.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{EverySecond, label, of};
use crate::engine::{Change, Mode, Name};
use crate::report::row;

const RECEIVERS: u32 = 10_000;
const BODY: usize = 1 << 10;
/// What an entry says of its own: body, quality of service, expiry.
const ENTRY: [u8; 20] = [7; 20];

pub fn run(name: Name, mode: Mode, dir: &Path) -> Result<()> {
    for (what, bodies, entry) in [("one body", 20, &ENTRY[..]), ("copies", 5, &[7; BODY])] {
        let mut engine = name.open(&dir.join(what), mode)?;
        let mut durable = EverySecond::new(mode);
        let mut seq = 0;
        let start = Instant::now();
        for id in 0..bodies {
            let mut batch = vec![Change::Body { id, body: &[7; BODY] }];
            if what == "copies" {
                batch.clear();
            }
            for session in 0..RECEIVERS {
                batch.push(Change::Append {
                    session,
                    seq,
                    record: entry,
                });
                seq += 1;
            }
            engine.commit(&batch, true)?;
            durable.tick(engine.as_mut())?;
        }
        let rate = seq as f64 / start.elapsed().as_secs_f64();
        row(
            label(name),
            format!("6 1 to 10,000, 1 KiB, {what}, {}", of(mode)),
            "entries/s",
            rate,
        );
    }
    Ok(())
}
