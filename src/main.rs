//! The command line of Dunlin: what to do, with which settings, and what it came to.

mod cli;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use cli::{Cli, Command};
use dunlin::config::Config;
use dunlin::hooks::Generation;
use dunlin::server;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `false` when everything went as it should and the answer is no.
fn run(cli: &Cli) -> anyhow::Result<bool> {
    let path = cli.settings.config.as_deref();
    let config = Config::load(path, &cli.settings.overrides(), std::env::vars_os())?;
    match cli.command() {
        Command::Serve => {
            cli::init_logging(&config.log).context("log.level is not a filter")?;
            server::serve(&config).map(|()| true)
        }
        Command::Check => {
            load_policies(&config)?;
            println!(
                "the configuration and its {} policies are good",
                config.policy.len()
            );
            Ok(true)
        }
        Command::Test(args) => cli::test::run(&args, || {
            let (entries, base) = server::policies(&config)?;
            Ok((entries.into_iter().map(|entry| entry.script).collect(), base))
        }),
        Command::Credentials { client_id } => credentials(&config, &client_id).map(|()| true),
    }
}

/// Prints what a client of this id connects with, as the first policy that knows computes it.
fn credentials(config: &Config, client_id: &str) -> anyhow::Result<()> {
    let answer = load_policies(config)?.credentials(client_id);
    let computed =
        answer.context("no policy has a credentials function; add one to the policy that authenticates")?;
    let (username, password) = computed.map_err(|error| anyhow::anyhow!("{error}"))?;
    println!("username: {username}\npassword: {password}");
    Ok(())
}

fn load_policies(config: &Config) -> anyhow::Result<Arc<Generation>> {
    let (entries, base) = server::policies(config)?;
    let loaded = Generation::load(1, &entries, &config.policy_defaults, &base, &Arc::default());
    Ok(Arc::new(loaded.map_err(server::refused)?))
}
