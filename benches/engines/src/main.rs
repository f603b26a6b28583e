//! On which engine should the broker keep offline messages? See README.md.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

mod engine;
mod machine;
mod phase;
mod report;
mod workload;

use engine::{Mode, Name};
use report::Row;

#[derive(Parser)]
#[command(about = "Compares storage engines under the load of an MQTT broker's offline queues")]
struct Args {
    /// Only these engines.
    #[arg(long, value_delimiter = ',')]
    engine: Vec<Name>,
    /// Only these phases.
    #[arg(long, value_delimiter = ',')]
    phase: Vec<Phase>,
    /// Only this way of committing; the enqueue phase has both.
    #[arg(long)]
    mode: Option<Mode>,
    /// How often all is done, engines in turn; the median counts.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// How long a long run lasts; there are two an engine.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long one cell of the enqueue phase lasts.
    #[arg(long, default_value_t = 0.7)]
    cell_seconds: f64,
    /// How often the enqueue phase is repeated, engines in turn; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the databases are written, in a directory of their own.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// What a process of the bench's own is told to do.
    #[arg(long, hide = true)]
    job: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
enum Phase {
    Enqueue,
    Drain,
    Overflow,
    Recovery,
    Fanout,
    Long,
}

/// Work for a process of its own, so that memory is one engine's alone.
#[derive(Serialize, Deserialize)]
enum Job {
    /// Phase 1, one round. No engine: plain writes, as a yardstick.
    Enqueue {
        engine: Option<Name>,
        cell_seconds: f64,
    },
    Drain {
        engine: Name,
        mode: Mode,
    },
    Overflow {
        engine: Name,
        mode: Mode,
    },
    Fanout {
        engine: Name,
        mode: Mode,
    },
    Long {
        engine: Name,
        mode: Mode,
        seconds: u64,
    },
    /// Stores and goes on until it is killed.
    Write {
        engine: Name,
        mode: Mode,
    },
    /// Opens what is left and checks it against the number of batches that were reported.
    Reopen {
        engine: Name,
        mode: Mode,
        reported: u64,
        cold: bool,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(job) = &args.job {
        return phase::run(serde_json::from_str(job)?, &args.dir);
    }
    let all = Name::value_variants().to_vec();
    let engines = if args.engine.is_empty() {
        all
    } else {
        args.engine.clone()
    };
    let phases = if args.phase.is_empty() {
        Phase::value_variants().to_vec()
    } else {
        args.phase.clone()
    };
    let dir = tempfile::tempdir_in(&args.dir)?;
    let modes = args
        .mode
        .map_or_else(|| vec![Mode::Fsync, Mode::Relaxed], |mode| vec![mode]);
    let mut rows = Vec::new();
    for phase in std::iter::repeat_n(phases, args.repeat).flatten() {
        if phase == Phase::Enqueue {
            for _ in 0..args.rounds {
                for engine in std::iter::once(None).chain(engines.iter().copied().map(Some)) {
                    run(
                        &Job::Enqueue {
                            engine,
                            cell_seconds: args.cell_seconds,
                        },
                        dir.path(),
                        &mut rows,
                    )?;
                }
            }
            continue;
        }
        for &mode in &modes {
            for &engine in &engines {
                let job = match phase {
                    Phase::Enqueue => continue,
                    Phase::Drain => Job::Drain { engine, mode },
                    Phase::Overflow => Job::Overflow { engine, mode },
                    Phase::Fanout => Job::Fanout { engine, mode },
                    Phase::Long => Job::Long {
                        engine,
                        mode,
                        seconds: args.seconds,
                    },
                    Phase::Recovery => {
                        recovery(engine, mode, dir.path(), &mut rows)?;
                        continue;
                    }
                };
                run(&job, dir.path(), &mut rows)?;
            }
        }
    }
    println!("\n{}", report::table(&rows));
    Ok(())
}

fn command(job: &Job, dir: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("--job")
        .arg(serde_json::to_string(job)?)
        .arg("--dir")
        .arg(dir)
        .stdout(Stdio::piped());
    Ok(command)
}

/// Does a job in a directory of its own, which is gone afterwards.
fn run(job: &Job, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let own = tempfile::tempdir_in(dir)?;
    run_in(job, own.path(), rows)
}

fn run_in(job: &Job, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let mut child = command(job, dir)?.spawn()?;
    for line in BufReader::new(child.stdout.take().context("piped")?).lines() {
        let line = line?;
        println!("{line}");
        rows.push(serde_json::from_str(&line)?);
    }
    ensure!(child.wait()?.success(), "failed: {}", serde_json::to_string(job)?);
    Ok(())
}

/// Kills a writer under load at a random moment and opens what it left, warm and from disk.
fn recovery(engine: Name, mode: Mode, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let warm = tempfile::tempdir_in(dir)?;
    let cold = tempfile::tempdir_in(dir)?;
    let mut writer = command(&Job::Write { engine, mode }, warm.path())?.spawn()?;
    let mut lines = BufReader::new(writer.stdout.take().context("piped")?).lines();
    ensure!(
        lines.next().transpose()?.as_deref() == Some("loaded"),
        "the writer ended early"
    );
    let reader = std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .filter_map(|line| line.parse().ok())
            .last()
    });
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_nanos() as u64;
    std::thread::sleep(std::time::Duration::from_millis(500 + nanos / 1_000 % 1_000));
    writer.kill()?;
    writer.wait()?;
    let reported = reader.join().ok().flatten().unwrap_or(0);
    machine::copy(warm.path(), cold.path())?;
    machine::make_cold(cold.path())?;
    run_in(
        &Job::Reopen {
            engine,
            mode,
            reported,
            cold: false,
        },
        warm.path(),
        rows,
    )?;
    run_in(
        &Job::Reopen {
            engine,
            mode,
            reported,
            cold: true,
        },
        cold.path(),
        rows,
    )
}
