//! `dunlin store`: a look at the data folder of a broker that does not run; out of it, and into it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use dunlin::config::Config;
use dunlin::server;
use dunlin::store::{Store, dump};
use dunlin::time::Clock;

/// What to do with the store.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum What {
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
        What::Export { file } => {
            let store = open(config)?;
            let mut out: Box<dyn Write> = match file {
                Some(file) => Box::new(BufWriter::new(
                    File::create(file).with_context(|| file.display().to_string())?,
                )),
                None => Box::new(std::io::stdout().lock()),
            };
            let now = Clock::start().now();
            let work = dump::export(&*store, now, &mut out);
            let dumped = wait(work)?;
            eprintln!(
                "{} sessions, {} messages, {} retained messages",
                dumped.sessions, dumped.messages, dumped.retained
            );
            Ok(true)
        }
        What::Import { file } => {
            let input = File::open(file).with_context(|| file.display().to_string())?;
            let store = open(config)?;
            let now = Clock::start().now();
            let dumped = wait(dump::import(&*store, now, BufReader::new(input)))
                .with_context(|| file.display().to_string())?;
            eprintln!(
                "{} sessions, {} messages, {} retained messages",
                dumped.sessions, dumped.messages, dumped.retained
            );
            Ok(true)
        }
    }
}

fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    server::open_store(config)
}

fn wait<T, E: Into<anyhow::Error>>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work).map_err(Into::into)
}
