//! The command line of Dunlin: what to do, with which settings, and what it came to.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use dunlin::config::Config;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command();
    // It has exit codes of its own, and needs no configuration that is good.
    if let Command::Ctl(args) = &command {
        return cli::ctl::run(args, &cli.settings);
    }
    match run(&cli, &command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `false` when everything went as it should and the answer is no.
fn run(cli: &Cli, command: &Command) -> anyhow::Result<bool> {
    match command {
        Command::Check(args) => return cli::check::run(args, &cli.settings),
        Command::New(args) => return cli::new::run(args).map(|()| true),
        Command::Types(args) => return cli::types::run(args),
        _ => {}
    }
    let path = cli.settings.config.as_deref();
    let config = Config::load(path, &cli.settings.overrides(), std::env::vars_os())?;
    match command {
        Command::Serve => cli::serve::run(&config).map(|()| true),
        Command::Test(args) => cli::test::run(args, || cli::scripts(&config)),
        Command::Credentials { client_id } => cli::credentials::run(&config, client_id).map(|()| true),
        Command::Store(args) => cli::store::run(args, &config),
        // Those that need no configuration, or one that may be wrong, are done with above.
        Command::Check(_) | Command::New(_) | Command::Types(_) | Command::Ctl(_) => Ok(true),
    }
}
