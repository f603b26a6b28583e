//! `dunlin check`: all that is wrong with the configuration, scripts and compiled plugins, for people or as JSON.

use std::path::{Path, PathBuf};

use clap::Args;
use dunlin::config::{Config, PolicyEntry};
use dunlin::hooks::{self, LoadError};
use dunlin::server;
use serde_json::{Value as Json, json};

use super::SettingsArgs;

/// What to check, and how to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct CheckArgs {
    /// Scripts [default: those of the configuration]; one of the configuration is checked with its settings there. Compiled plugins
    /// (.so) are opened, which runs code of theirs
    pub files: Vec<PathBuf>,
    /// Print a list of {file, line, message, help} instead of text
    #[arg(long)]
    pub json: bool,
}

/// Something to put right.
struct Finding {
    shown: String,
    json: Json,
}

impl From<LoadError> for Finding {
    fn from(error: LoadError) -> Self {
        Self {
            shown: error.to_string(),
            json: json!({
                "file": error.file,
                "line": error.line,
                "message": error.message,
                "help": error.help,
            }),
        }
    }
}

/// Checks; `false` when something is refused.
///
/// # Errors
/// Nothing could be checked.
pub fn run(args: &CheckArgs, settings: &SettingsArgs) -> anyhow::Result<bool> {
    let loaded = Config::load(
        settings.config.as_deref(),
        &settings.overrides(),
        std::env::vars_os(),
    );
    let (plugins, scripts_named) = args
        .files
        .iter()
        .cloned()
        .partition(|file| hooks::is_plugin(file));
    let (mut found, mut good) = plugins_checked(plugins, loaded.as_ref().ok())?;
    let only_plugins = scripts_named.is_empty() && !args.files.is_empty();
    let args = &CheckArgs {
        files: scripts_named,
        json: args.json,
    };
    let (more, praise) = match &loaded {
        Ok(_) if only_plugins => (Vec::new(), None),
        Ok(config) => (scripts(args, config)?, Some(praise(args, config))),
        Err(error) => {
            let findings = error.problems().iter().map(|problem| Finding {
                shown: problem.to_string(),
                json: json!({
                    "file": problem.source(),
                    "line": problem.line(),
                    "message": problem.message(),
                    "help": null,
                }),
            });
            (findings.collect(), None)
        }
    };
    found.extend(more);
    good.extend(praise);
    if args.json {
        let list: Vec<&Json> = found.iter().map(|finding| &finding.json).collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
    } else if found.is_empty() {
        println!("{}", good.join("\n"));
    } else {
        for finding in &found {
            eprintln!("{}", finding.shown);
        }
    }
    Ok(found.is_empty())
}

/// What is wrong with these plugins, and what they are. One that an entry of the configuration names is tried with the settings there.
fn plugins_checked(
    files: Vec<PathBuf>,
    config: Option<&Config>,
) -> anyhow::Result<(Vec<Finding>, Vec<String>)> {
    let (mut found, mut good) = (Vec::new(), Vec::new());
    let configured = config.map(server::policies).transpose()?;
    for file in files {
        let tried = configured.iter().flat_map(|(entries, base)| {
            let entries = entries_of(&file, entries, base);
            hooks::check(&entries, base)
        });
        let wrong: Vec<Finding> = tried.map(Finding::from).collect();
        if !wrong.is_empty() {
            found.extend(wrong);
            continue;
        }
        match hooks::inspect(&file) {
            Ok(plugin) => {
                let names: Vec<String> = plugin.hooks.iter().map(ToString::to_string).collect();
                let names = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                };
                let (major, minor) = plugin.abi;
                good.push(format!(
                    "{} is good: {} {}, plugin ABI {major}.{minor}, hooks: {names}",
                    file.display(),
                    plugin.name,
                    plugin.version,
                ));
            }
            Err(error) => found.push(Finding::from(error)),
        }
    }
    Ok((found, good))
}

fn praise(args: &CheckArgs, config: &Config) -> String {
    match args.files.as_slice() {
        [] => match config.policy.len() {
            0 => "the configuration is good".to_owned(),
            1 => "the configuration and its policy are good".to_owned(),
            count => format!("the configuration and its {count} policies are good"),
        },
        [only] => format!("{} is good", only.display()),
        files => format!("{} policies are good", files.len()),
    }
}

fn scripts(args: &CheckArgs, config: &Config) -> anyhow::Result<Vec<Finding>> {
    let (configured, base) = server::policies(config)?;
    let mut found = Vec::new();
    if args.files.is_empty() {
        found = hooks::check(&configured, &base);
    }
    let is_test = |file: &&PathBuf| file.to_string_lossy().ends_with("_test.lua");
    anyhow::ensure!(
        args.files.is_empty() || !args.files.iter().all(|file| is_test(&file)),
        "these are tests, no policies; run them with dunlin test"
    );
    // Tests are there when somebody names a whole folder with a wildcard.
    for file in args.files.iter().filter(|file| !is_test(file)) {
        let entries = entries_of(file, &configured, &base);
        if entries.is_empty() {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let alone = PolicyEntry::new(name, file);
            found.extend(hooks::check(&[alone], Path::new(".")));
        } else {
            found.extend(hooks::check(&entries, &base));
        }
    }
    Ok(found.into_iter().map(Finding::from).collect())
}

/// The entries of the configuration whose script is `file`, however it is written.
fn entries_of(file: &Path, configured: &[PolicyEntry], base: &Path) -> Vec<PolicyEntry> {
    let Ok(file) = file.canonicalize() else {
        return Vec::new();
    };
    let same = |entry: &&PolicyEntry| {
        base.join(entry.file())
            .canonicalize()
            .is_ok_and(|script| script == file)
    };
    configured.iter().filter(same).cloned().collect()
}
