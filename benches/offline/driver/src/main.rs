//! The clients of `../cap` and `../sleepers`. Prints one line of JSON.

mod cap;
mod mqtt;
mod sleepers;

use std::time::Duration;

use clap::Parser;

/// Sleeping MQTT clients for measurements.
#[derive(Parser)]
enum Command {
    /// Makes sessions, then publishes more messages to them than the broker keeps
    CapPublish {
        #[command(flatten)]
        plan: cap::Plan,
        /// Messages unacknowledged at a time
        #[arg(long, default_value_t = 1000)]
        window: u64,
    },
    /// Resumes these sessions and compares what they get with the newest messages
    CapDrain {
        #[command(flatten)]
        plan: cap::Plan,
        /// Messages that the broker keeps
        #[arg(long, default_value_t = 1_000_000)]
        keep: u64,
        /// Seconds without a message after which the rest is missing
        #[arg(long, default_value_t = 10)]
        patience: u64,
    },
    /// Makes sessions of ten subscriptions each
    Make {
        #[command(flatten)]
        plan: sleepers::Plan,
        /// Connections at a time
        #[arg(long, default_value_t = 256)]
        parallel: usize,
    },
    /// Resumes some of these sessions, one after the other
    Resume {
        #[command(flatten)]
        plan: sleepers::Plan,
        #[arg(long, default_value_t = 100)]
        count: u64,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    match Command::parse() {
        Command::CapPublish { plan, window } => cap::publish(&plan, window.clamp(1, 65_535)).await,
        Command::CapDrain { plan, keep, patience } => {
            cap::drain(&plan, keep, Duration::from_secs(patience)).await
        }
        Command::Make { plan, parallel } => sleepers::make(&plan, parallel.max(1)).await,
        Command::Resume { plan, count } => sleepers::resume(&plan, count).await,
    }
}
