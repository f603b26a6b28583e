//! `dunlin serve`.

use anyhow::Context;
use dunlin::config::Config;

/// Serves until the process is told to stop.
pub fn run(config: &Config) -> anyhow::Result<()> {
    super::init_logging(&config.log).context("log.level is not a filter")?;
    dunlin::server::serve(config)
}
