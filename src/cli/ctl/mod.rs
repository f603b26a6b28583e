//! `dunlin ctl`: asks a running broker, over its admin socket.
//!
//! Answers go to standard output: short and aligned, or with `--json` as the admin API gives them. What went wrong is said
//! on standard error. The exit code is 0 when it went well, 1 when the broker refused or found nothing, 2 when the question
//! was wrong, 3 when no broker answered.

mod arguments;
mod certificates;
mod client;
mod clients;
mod events;
mod explain;
mod identity;
mod instance;
mod keys;
mod listing;
mod names;
mod output;
mod policy;
mod reload;
mod status;
mod token;
mod trace;

use std::fmt;
use std::process::ExitCode;

use dunlin::admin::api::{ClientsRequest, KickRequest, Refusal, TraceRequest};
use dunlin::config::Config;

pub use arguments::CtlArgs;

use super::SettingsArgs;
use arguments::{Command, PolicyCommand};
use client::Client;
use output::Output;

/// What did not work.
#[derive(Debug)]
pub enum Error {
    /// The broker refused, or found nothing.
    Refused(Refusal),
    /// The question was wrong.
    Usage(String),
    /// Nobody answers.
    Unreachable(String),
    /// Whoever reads the output has gone.
    Output(std::io::Error),
}

impl Error {
    /// Refused, for this reason.
    fn refused(error: impl Into<String>) -> Self {
        Self::Refused(Refusal {
            error: error.into(),
            problems: Vec::new(),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => {
                f.write_str(&output::shown(&refusal.error))?;
                for problem in &refusal.problems {
                    write!(f, "\n{}", output::shown(&problem.to_string()))?;
                }
                Ok(())
            }
            Self::Usage(what) | Self::Unreachable(what) => f.write_str(what),
            Self::Output(error) => write!(f, "the answer could not be written: {error}"),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

/// Asks, prints, and says how it went.
pub fn run(args: &CtlArgs, settings: &SettingsArgs) -> ExitCode {
    let output = Output::new(args.json);
    let error = match ask(args, settings, &output) {
        Ok(()) => return ExitCode::SUCCESS,
        // `dunlin ctl clients | head`: enough was read.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(error) => error,
    };
    if let (Error::Refused(refusal), true) = (&error, args.json) {
        let _already_an_error = output.json(refusal);
    }
    eprintln!("{error}");
    ExitCode::from(match error {
        Error::Refused(_) | Error::Output(_) => 1,
        Error::Usage(_) => 2,
        Error::Unreachable(_) => 3,
    })
}

fn ask(args: &CtlArgs, settings: &SettingsArgs, output: &Output) -> Result<(), Error> {
    let (own, settings) = match &args.command {
        Command::Instance(_) => instance::part_settings(settings),
        _ => (Vec::new(), settings.clone()),
    };
    let client = Client::new(socket(args, &settings)?)?;
    match &args.command {
        Command::Status => status::run(&client, output),
        Command::Reload { no_rollback, wait } => reload::run(&client, output, !no_rollback, *wait),
        Command::Policy(PolicyCommand::List) => policy::list(&client, output),
        Command::Policy(PolicyCommand::Log { limit }) => policy::log(&client, output, *limit),
        Command::Policy(PolicyCommand::Diff { first, second }) => {
            policy::diff(&client, output, *first, *second)
        }
        Command::Policy(PolicyCommand::Rollback) => reload::rollback(&client, output),
        Command::Explain {
            client_id,
            of,
            action,
        } => explain::run(&client, output, of, client_id, action),
        Command::Clients {
            prefix,
            limit,
            instance,
        } => {
            let request = ClientsRequest {
                instance: instance.clone(),
                prefix: prefix.clone(),
                limit: *limit,
            };
            clients::run(&client, output, &request)
        }
        Command::Kick {
            client_id,
            code,
            reason,
            of,
        } => {
            let request = KickRequest {
                instance: of.instance.clone(),
                client_id: client_id.clone(),
                code: *code,
                reason: reason.clone(),
            };
            let done: serde_json::Value = client.post("/v1/clients/kick", &request)?;
            if output.is_json() {
                return output.json(&done);
            }
            output.line(format_args!(
                "{}: the connection is ended",
                output::shown(client_id)
            ))
        }
        Command::Trace { client_id, topic, of } => {
            let request = TraceRequest {
                instance: of.instance.clone(),
                client_id: client_id.clone(),
                topic: topic.clone(),
            };
            trace::run(&client, output, &request)
        }
        Command::Events {
            instance,
            client: prefix,
        } => events::run(&client, output, instance.as_deref(), prefix),
        Command::Instance(command) => instance::run(&client, output, command, &own),
        Command::Group(command) => names::run(&client, output, "/v1/groups", command),
        Command::Topic(command) => names::run(&client, output, "/v1/topics", command),
        Command::Key(command) => keys::run(&client, output, command),
        Command::Credential(command) => keys::devices(&client, output, command),
        Command::Token(command) => token::run(&client, output, command),
        Command::Identity(command) => identity::run(&client, output, command),
        Command::Permission(command) => identity::permissions(&client, output, command),
        Command::Blacklist(command) => identity::blacklist(&client, output, command),
        Command::Ca(command) => certificates::authorities(&client, output, command),
        Command::Certificate(command) => certificates::devices(&client, output, command),
    }
}

/// Where the broker of this configuration listens.
fn socket(args: &CtlArgs, settings: &SettingsArgs) -> Result<std::path::PathBuf, Error> {
    if let Some(socket) = &args.socket {
        return Ok(socket.clone());
    }
    let path = settings.config.as_deref();
    // An operator asks how things stand just when the configuration has a mistake in it.
    let config = Config::load_leniently(path, &settings.overrides(), std::env::vars_os()).map_err(|error| {
        Error::Usage(format!(
            "{error}\nthe socket is found through the configuration; to do without it, name it with --socket PATH"
        ))
    })?;
    config.admin_socket().ok_or_else(|| {
        Error::Usage(
            "this configuration has no admin socket (admin.socket = \"none\"); take that out".to_owned(),
        )
    })
}
