//! `dunlin test`: runs the tests beside the policies, and says which hooks no test has called.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use dunlin::hooks::prove::{self, Report};
use dunlin::hooks::{LoadError, changed};

/// What to test, and how to tell.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct TestArgs {
    /// Policies (or their tests), or folders of them [default: those of the configuration that have tests]
    pub files: Vec<PathBuf>,
    /// Run only tests whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub filter: String,
    /// Run them again whenever a file changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the tests; `false` when one failed.
///
/// # Errors
/// There is nothing to test.
pub fn run(
    args: &TestArgs,
    configured: impl Fn() -> anyhow::Result<(Vec<PathBuf>, PathBuf)>,
) -> anyhow::Result<bool> {
    loop {
        let (scripts, base) = scripts(&args.files, &configured)?;
        let good = once(args, &scripts, &base);
        if !args.watch {
            return Ok(good);
        }
        let folders: Vec<PathBuf> = scripts
            .iter()
            .filter_map(|script| base.join(script).parent().map(Path::to_path_buf))
            .collect();
        let seen = changed(&folders);
        while changed(&folders) == seen {
            std::thread::sleep(LOOK);
        }
        println!();
    }
}

fn once(args: &TestArgs, scripts: &[PathBuf], base: &Path) -> bool {
    let ran: Vec<Result<Report, LoadError>> = scripts
        .iter()
        .map(|script| prove::run(script, base, &args.filter))
        .collect();
    let good = ran
        .iter()
        .all(|report| report.as_ref().is_ok_and(|report| report.failed() == 0));
    if args.json {
        let reports: Vec<&Report> = ran.iter().filter_map(|report| report.as_ref().ok()).collect();
        let errors: Vec<String> = ran
            .iter()
            .filter_map(|report| report.as_ref().err())
            .map(ToString::to_string)
            .collect();
        println!(
            "{}",
            serde_json::json!({ "good": good, "policies": reports, "errors": errors })
        );
        return good;
    }
    for report in &ran {
        match report {
            Ok(report) => show(report),
            Err(error) => println!("{error}"),
        }
    }
    good
}

fn show(report: &Report) {
    println!("{}", report.policy);
    for test in &report.tests {
        match &test.failure {
            None => println!("  ok    {} ({:.1} ms)", test.name, test.took_ms),
            Some(failure) => {
                println!("  FAIL  {}", test.name);
                let place = match (&failure.file, failure.line) {
                    (Some(file), Some(line)) => format!("{file}:{line}: "),
                    (Some(file), None) => format!("{file}: "),
                    (None, _) => String::new(),
                };
                println!("        {place}{}", failure.message.replace('\n', "\n        "));
            }
        }
    }
    let hooks = report
        .coverage
        .iter()
        .filter(|(_, answers)| !answers.is_empty())
        .map(|(hook, answers)| {
            let answers: Vec<String> = answers
                .iter()
                .map(|(answer, n)| format!("{answer} {n}"))
                .collect();
            format!("{hook} ({})", answers.join(", "))
        });
    let hooks: Vec<String> = hooks.collect();
    let unseen: Vec<&str> = report
        .coverage
        .iter()
        .filter(|(_, answers)| answers.is_empty())
        .map(|(hook, _)| hook.as_str())
        .collect();
    println!(
        "  {} tests, {} failed; hooks: {}",
        report.tests.len(),
        report.failed(),
        hooks.join(", ")
    );
    if !unseen.is_empty() {
        println!("  never called by a test: {}", unseen.join(", "));
    }
}

/// The policies to test, and what their paths are relative to.
fn scripts(
    files: &[PathBuf],
    configured: &impl Fn() -> anyhow::Result<(Vec<PathBuf>, PathBuf)>,
) -> anyhow::Result<(Vec<PathBuf>, PathBuf)> {
    if files.is_empty() {
        let (mut scripts, base) = configured()?;
        scripts.retain(|script| base.join(prove::tests_of(script)).exists());
        anyhow::ensure!(
            !scripts.is_empty(),
            "no policy of the configuration has tests; write scripts/NAME_test.lua beside scripts/NAME.lua"
        );
        return Ok((scripts, base));
    }
    let mut scripts = Vec::new();
    for file in files {
        if file.is_dir() {
            let entries =
                std::fs::read_dir(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let mut tests: Vec<PathBuf> = entries
                .filter_map(|entry| policy_of(&entry.ok()?.path()))
                .collect();
            tests.sort();
            anyhow::ensure!(
                !tests.is_empty(),
                "{} holds no tests: files called NAME_test.lua",
                file.display()
            );
            scripts.extend(tests);
        } else {
            scripts.push(policy_of(file).unwrap_or_else(|| file.clone()));
        }
    }
    Ok((scripts, PathBuf::from(".")))
}

/// `acl.lua` of `acl_test.lua`; `None` for any other file.
fn policy_of(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let policy = name.strip_suffix("_test.lua")?;
    Some(file.with_file_name(format!("{policy}.lua")))
}
