//! What is measured. Each phase runs in a process of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Job;
use crate::engine::{Engine, Mode, Name};

mod drain;
mod enqueue;
mod fanout;
mod long;
mod overflow;
mod recovery;

pub fn run(job: Job, dir: &Path) -> Result<()> {
    match job {
        Job::Enqueue { engine, cell_seconds } => enqueue::run(engine, cell_seconds, dir),
        Job::Drain { engine, mode } => drain::run(engine, mode, dir),
        Job::Overflow { engine, mode } => overflow::run(engine, mode, dir),
        Job::Fanout { engine, mode } => fanout::run(engine, mode, dir),
        Job::Long {
            engine,
            mode,
            seconds,
        } => long::run(engine, mode, seconds, dir),
        Job::Write { engine, mode } => recovery::write(engine, mode, dir),
        Job::Reopen {
            engine,
            mode,
            reported,
            cold,
        } => recovery::reopen(engine, mode, reported, cold, dir),
    }
}

fn label(engine: Name) -> &'static str {
    match engine {
        Name::Log => "log",
        Name::Fjall => "fjall",
        Name::Redb => "redb",
        Name::Lmdb => "lmdb",
    }
}

fn of(mode: Mode) -> &'static str {
    match mode {
        Mode::Fsync => "fsync",
        Mode::Relaxed => "relaxed",
    }
}

/// Makes a relaxed engine durable once a second.
struct EverySecond {
    mode: Mode,
    last: Instant,
    longest: Duration,
}

impl EverySecond {
    fn new(mode: Mode) -> Self {
        Self {
            mode,
            last: Instant::now(),
            longest: Duration::ZERO,
        }
    }

    fn tick(&mut self, engine: &mut dyn Engine) -> Result<()> {
        if self.mode == Mode::Relaxed && self.last.elapsed() >= Duration::from_secs(1) {
            let start = Instant::now();
            engine.sync()?;
            self.longest = self.longest.max(start.elapsed());
            self.last = Instant::now();
        }
        Ok(())
    }
}
