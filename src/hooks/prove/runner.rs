//! Runs one policy's tests, each in a state of its own.

use super::harness::{self, Coverage, Harness};
use super::{Failure, ONE_TEST, Pair, Report, TestReport};
use crate::hooks::error::LoadError;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::sandbox::Sandbox;
use crate::hooks::policy::Image;
use mlua::{Function, Table};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much memory one test may use.
const MEMORY: usize = 64 << 20;
/// How long reading the test file may take: it only names its tests.
const READING: Duration = Duration::from_millis(500);

/// Runs the tests whose name contains `filter`. What is not begun `until` then fails.
pub(super) fn run(
    policy: &Image,
    tests: &Image,
    filter: &str,
    until: Option<Instant>,
) -> Result<Report, LoadError> {
    // Stores of their own: a test must not meet what the broker, or the test before, has put there.
    let pair = Pair {
        policy,
        tests,
        services: Arc::default(),
    };
    let refused = |fault: Fault| {
        let fault = fault.of_file(&tests.file);
        LoadError::new(fault.file.unwrap_or_default(), fault.line, fault.message)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LoadError::new(&*tests.file, None, format!("no runtime for its tests: {error}")))?;
    let coverage = Coverage::default();
    let (_, named) = begin(&pair, &coverage).map_err(refused)?;
    let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return Err(LoadError::new(&*tests.file, None, "it has no tests")
            .help("write `test(\"what it shows\", function() ... end)`"));
    }
    let mut reports = Vec::new();
    for (n, name) in names
        .into_iter()
        .enumerate()
        .filter(|(_, name)| name.contains(filter))
    {
        let began = Instant::now();
        let local = tokio::task::LocalSet::new();
        let failure = if until.is_some_and(|until| began > until) {
            Some(Failure {
                file: None,
                line: None,
                message: "it did not get its turn: the tests take too long together".to_owned(),
            })
        } else {
            let ended = local.block_on(&runtime, one(&pair, &coverage, n));
            ended.err().map(|fault| Failure {
                file: fault.file,
                line: fault.line,
                message: fault.message,
            })
        };
        reports.push(TestReport {
            name,
            failure,
            took_ms: began.elapsed().as_secs_f64() * 1e3,
        });
    }
    let _stubs_are_gone = &pair.services;
    Ok(Report {
        policy: policy.file.to_string(),
        file: tests.file.to_string(),
        tests: reports,
        coverage: coverage.take(),
    })
}

async fn one(pair: &Pair<'_>, coverage: &Coverage, n: usize) -> Result<(), Fault> {
    let (sandbox, tests) = begin(pair, coverage)?;
    sandbox.host.tasks.set_active(true);
    let (_, body) = tests
        .get(n)
        .ok_or_else(|| Fault::answer("the test file names other tests than a moment ago"))?;
    let call = sandbox.wait::<()>(body, ONE_TEST, None, ())?;
    let ended = tokio::time::timeout(ONE_TEST, call).await;
    sandbox.host.tasks.end();
    ended.unwrap_or_else(|_late| Err(Fault::timeout(format!("it took longer than {ONE_TEST:?}"))))
}

/// A state in which the test file has named its tests.
fn begin(pair: &Pair<'_>, coverage: &Coverage) -> Result<(Sandbox, Vec<(String, Function)>), Fault> {
    let broken = |error: mlua::Error| Fault::from_lua(&error, None);
    let host = Host::new(&pair.policy.name, MEMORY, &pair.services);
    let modules = Rc::new(Modules::reading(pair.policy));
    let harness = Harness::new(pair.policy, coverage);
    let mut tests: Option<Function> = None;
    let sandbox = Sandbox::with(host, modules, |lua, host| {
        tests = Some(harness::install(lua, host, harness)?);
        Ok(())
    })
    .map_err(broken)?;
    let file = sandbox
        .load(&pair.tests.bytecode, &pair.tests.file)
        .map_err(broken)?;
    sandbox.call::<()>(&file, READING, None, ())?;
    let tests = tests.ok_or_else(|| Fault::answer("the harness is missing"))?;
    let named: Vec<Table> = sandbox.call(&tests, READING, None, ())?;
    let named = named
        .iter()
        .map(|test| Ok((test.raw_get("name")?, test.raw_get("body")?)));
    Ok((sandbox, named.collect::<mlua::Result<_>>().map_err(broken)?))
}
