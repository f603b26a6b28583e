//! What can be typed after `dunlin`, and where its log goes.

pub mod check;
pub mod credentials;
pub mod ctl;
pub mod new;
pub mod serve;
pub mod store;
pub mod test;
pub mod types;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use dunlin::config::{Config, LogConfig, LogFormat};
use dunlin::hooks::Generation;
use dunlin::server;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// An MQTT broker whose policies are code that you own and swap while it runs.
#[derive(Debug, Parser)]
#[command(name = "dunlin", version)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the broker (the default)
    Serve,
    /// Check the configuration and the scripts, and say all that is wrong with them
    Check(check::CheckArgs),
    /// Write a policy to begin with, and its tests
    New(new::NewArgs),
    /// Run the tests that lie beside the policies
    Test(test::TestArgs),
    /// Print the username and password that a client connects with, as the policy computes them
    Credentials {
        /// The client's id, for example GID_Demo@@@device-1
        client_id: String,
    },
    /// Write type definitions for editors: what hooks are given and return, and the modules
    Types(types::TypesArgs),
    /// Look at the store of a broker that does not run, write it out, and read it in
    Store(store::StoreArgs),
    /// Ask a running broker: how it is, who is connected, why a policy answers as it does; reload and roll back
    Ctl(ctl::CtlArgs),
}

/// Options of every command, before or behind its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct SettingsArgs {
    /// The configuration file [default: ./dunlin.toml, or else the built-in demo]
    #[arg(long, value_name = "FILE", global = true, env = "DUNLIN_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder for everything that outlives the process; the same as --set server.data=DIR
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<String>,
    /// Set one setting, for example --set listeners.tcp.bind=127.0.0.1:1883 (may be given again; the last one wins)
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
}

impl Cli {
    /// What to do.
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }
}

impl SettingsArgs {
    /// For [`Config::load`](dunlin::config::Config::load): `--set`, then `--data`, which covers a `--set server.data`.
    pub fn overrides(&self) -> Vec<String> {
        let mut overrides = self.set.clone();
        // Quoted, since a folder may be called `true` or `[x]`.
        overrides.extend(
            self.data
                .as_ref()
                .map(|data| format!("server.data={}", toml::Value::from(data.as_str()))),
        );
        overrides
    }
}

/// The scripts of `config`, and what their paths are relative to.
pub fn scripts(config: &Config) -> anyhow::Result<(Vec<PathBuf>, PathBuf)> {
    let (entries, base) = server::policies(config)?;
    let scripts = entries.into_iter().filter(|entry| entry.plugin.is_none());
    Ok((scripts.map(|entry| entry.script).collect(), base))
}

/// Loads the policies of `config` for a command that asks them something and does not serve.
fn load_policies(config: &Config) -> anyhow::Result<Arc<Generation>> {
    let (entries, base) = server::policies(config)?;
    let loaded = Generation::load(1, &entries, &config.policy_defaults, &base, &Arc::default());
    Ok(Arc::new(loaded.map_err(server::refused)?))
}

/// Sends the log to standard error, as `log` says. Colours go to terminals alone.
///
/// # Errors
/// When `log.level` does not parse; [`Config::load`](dunlin::config::Config::load) has refused that before.
pub fn init_logging(log: &LogConfig) -> Result<(), ParseError> {
    let filter: Targets = log.level.parse()?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A subscriber that is there already (a test's) keeps its place.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn the_definitions_agree_with_themselves() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_takes_options_on_either_side() {
        for line in [
            "dunlin --config a.toml --set x.y=1",
            "dunlin serve --config a.toml --set x.y=1",
            "dunlin --config a.toml serve --set x.y=1",
        ] {
            let cli = parse(line);
            assert_eq!(cli.command(), Command::Serve, "{line}");
            assert_eq!(cli.settings.config.as_deref(), Some("a.toml".as_ref()), "{line}");
            assert_eq!(cli.settings.set, ["x.y=1"], "{line}");
        }
    }

    #[test]
    fn several_settings_and_the_data_folder() {
        let cli = parse("dunlin check --set a.b=1 --set c.d=2 --data true");
        assert_eq!(cli.command(), Command::Check(check::CheckArgs::default()));
        assert_eq!(
            cli.settings.overrides(),
            ["a.b=1", "c.d=2", "server.data=\"true\""]
        );
    }

    #[test]
    fn credentials_needs_a_client_id() {
        let command = parse("dunlin credentials GID_A@@@1").command();
        assert_eq!(
            command,
            Command::Credentials {
                client_id: "GID_A@@@1".into()
            }
        );
        assert!(Cli::try_parse_from(["dunlin", "credentials"]).is_err());
    }
}
