//! Tests of policies: `X_test.lua` beside `X.lua`. `dunlin test` runs them for people, and a reload runs them before it
//! puts anything in force.

mod harness;
mod records;
mod runner;

use super::error::LoadError;
use super::generation::Generation;
use super::policy::Image;
use super::services::Services;
use super::source;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one test may take.
const ONE_TEST: Duration = Duration::from_secs(5);

/// What became of the tests of one policy.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The policy's script.
    pub policy: String,
    /// Its tests' file.
    pub file: String,
    /// Each test, in order.
    pub tests: Vec<TestReport>,
    /// By hook that the policy has: what it was seen to answer, and how often. Empty where no test called it.
    pub coverage: BTreeMap<String, BTreeMap<String, u64>>,
}

/// One test.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// What it is called.
    pub name: String,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
}

/// How a test failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Where, as far as it is known.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
    /// What went wrong.
    pub message: String,
}

impl Report {
    /// How many tests failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| test.failure.is_some()).count()
    }
}

/// Where the tests of a policy are: beside it, `acl_test.lua` for `acl.lua`.
#[must_use]
pub fn tests_of(script: &Path) -> PathBuf {
    let stem = script.file_stem().unwrap_or_default().to_string_lossy();
    script.with_file_name(format!("{stem}_test.lua"))
}

/// Runs the tests of the policy at `script`, those whose name contains `filter`. Paths are relative to `base`.
///
/// # Errors
/// The policy or its tests cannot be read, or do not compile.
pub fn run(script: &Path, base: &Path, filter: &str) -> Result<Report, LoadError> {
    let tests = tests_of(script);
    let name = script.file_stem().unwrap_or_default().to_string_lossy();
    let policy = source::read(&name, script.display().to_string(), base.join(script))?;
    let tests = source::read(&name, tests.display().to_string(), base.join(&tests))?;
    runner::run(&policy, &tests, filter, None)
}

/// Runs the tests that lie beside the policies of a staged generation, on the bytes that were staged. All of them have
/// `budget`.
///
/// # Errors
/// Every test that failed, as an error of its file.
pub(crate) fn prove(staged: &Generation, budget: Duration) -> Result<(), Vec<LoadError>> {
    let until = Instant::now() + budget;
    let mut errors = Vec::new();
    for policy in staged.chain() {
        // A plugin has tried itself when it was loaded.
        let Some(script) = policy.script() else { continue };
        let path = tests_of(&policy.path);
        if !path.exists() {
            continue;
        }
        let file = tests_of(Path::new(&*policy.file)).display().to_string();
        let ran = source::read(policy.name(), file, path)
            .and_then(|tests| runner::run(&script.image, &tests, "", Some(until)));
        match ran {
            Ok(report) => errors.extend(report.tests.into_iter().filter_map(|test| {
                let Failure { file, line, message } = test.failure?;
                let message = format!("the test \"{}\" fails: {message}", test.name);
                Some(LoadError::new(file.unwrap_or(report.file.clone()), line, message))
            })),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// What the runner works with.
struct Pair<'a> {
    policy: &'a Image,
    tests: &'a Image,
    services: Arc<Services>,
}
