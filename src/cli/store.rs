//! `dunlin store`: a look at the data folder of a broker that does not run; out of it, and into it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use dunlin::config::Config;
use dunlin::server;
use dunlin::store::dump;
use dunlin::store::embedded::{self, Report, Stats};
use dunlin::time::Clock;

/// What to do with the store.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum What {
    /// Read all of it, and say what is wrong with it
    Check {
        /// Make a new store of what makes sense; the old one is kept beside it
        #[arg(long)]
        repair: bool,
    },
    /// Say what is in it, and how much of its files still counts
    Stats,
    /// Write sessions, offline and retained messages as text, one JSON object a line
    Export {
        /// Where to [default: standard output]
        file: Option<PathBuf>,
    },
    /// Put in what `export` has written; sessions that are there already keep their subscriptions
    Import {
        /// Where from
        file: PathBuf,
    },
}

/// Does it. `false` if something is wrong with the store.
pub fn run(args: &StoreArgs, config: &Config) -> anyhow::Result<bool> {
    match &args.what {
        What::Check { repair } => {
            let report = embedded::check(&config.server.data, *repair)?;
            print_stats(&report.stats);
            Ok(print_faults(&report))
        }
        What::Stats => {
            print_stats(&embedded::stats(&config.server.data)?);
            Ok(true)
        }
        What::Export { file } => {
            let store = server::open_store(config)?;
            let mut out: Box<dyn Write> = match file {
                Some(file) => Box::new(BufWriter::new(
                    File::create(file).with_context(|| file.display().to_string())?,
                )),
                None => Box::new(std::io::stdout().lock()),
            };
            let now = Clock::start().now();
            let work = dump::export(&*store, now, &mut out);
            eprintln!("{}", wait(work)?);
            Ok(true)
        }
        What::Import { file } => {
            let input = File::open(file).with_context(|| file.display().to_string())?;
            let store = server::open_store(config)?;
            let now = Clock::start().now();
            let dumped = wait(dump::import(&*store, now, BufReader::new(input)))
                .with_context(|| file.display().to_string())?;
            eprintln!("{dumped}");
            Ok(true)
        }
    }
}

fn print_stats(stats: &Stats) {
    println!(
        "{} segments, {}, of which about {} are still wanted",
        stats.segments,
        ByteSize(stats.bytes),
        ByteSize(stats.wanted.min(stats.bytes))
    );
    for of in &stats.instances {
        println!(
            "{}: {} sessions, {} messages, {} retained messages",
            of.instance, of.sessions, of.messages, of.retained
        );
    }
}

/// Whether the broker would start on it now.
fn print_faults(report: &Report) -> bool {
    for fault in &report.faults {
        println!("{fault}");
    }
    if let Some(torn) = &report.torn {
        println!("{torn}");
        println!(
            "The broker was stopped while it wrote that. The next start cuts it off; nothing that was acknowledged is lost."
        );
    }
    match &report.repaired {
        None if report.faults.is_empty() => println!("sound"),
        None => println!(
            "The broker does not start on it. `dunlin store check --repair` makes a new store of what makes sense, and keeps this one."
        ),
        Some(repaired) => println!(
            "Repaired. Lost, for all that is known: {} messages, {} retained messages, {} sessions; messages that were acknowledged may be there again. The store of before is {}.",
            repaired.lost_messages,
            repaired.lost_retained,
            repaired.lost_records,
            repaired.before.display()
        ),
    }
    report.faults.is_empty() || report.repaired.is_some()
}

fn wait<T, E: Into<anyhow::Error>>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work).map_err(Into::into)
}
