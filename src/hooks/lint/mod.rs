//! What can be said about a script without running it.
//!
//! Two walks over the syntax tree: the first learns what becomes of each local (assigned again, handed on), the second
//! follows those that stay what they are, `ctx` and modules and their aliases, and reports. A finding is refused like a
//! syntax error, so only what is certain is one: whatever could be otherwise passes, and is found when it runs.
//!
//! ```text
//! scripts/acl.lua:12: `ctx` has no field `clientid`; write `client_id`
//! ```

mod answers;
mod facts;
mod members;
mod scope;
mod standard;
mod table;
mod walk;

#[cfg(test)]
mod tests;

use super::error::LoadError;
use full_moon::ast::Ast;
use full_moon::tokenizer::TokenReference;
use std::collections::BTreeSet;

/// Larger files are not looked into: a syntax tree takes some fifty times the room of its source.
const MAX_SOURCE: usize = 256 << 10;
/// The parser goes as deep as the source nests: up to 1,000 levels, or Luau would have refused it. Only what is used takes
/// memory.
const STACK: usize = 64 << 20;

/// What is wrong with the policy in `source`, which errors call `file`. It must have compiled.
#[must_use]
pub fn lint(source: &[u8], file: &str) -> Vec<LoadError> {
    run(source, file, true)
}

/// The same for a file that a policy requires: what it returns is its own affair.
pub(crate) fn lint_module(source: &[u8], file: &str) -> Vec<LoadError> {
    run(source, file, false)
}

fn run(source: &[u8], file: &str, is_policy: bool) -> Vec<LoadError> {
    let source = source.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source);
    let Some(source) = std::str::from_utf8(source).ok().filter(|s| s.len() <= MAX_SOURCE) else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let work = || findings(source, file, is_policy);
        let thread = std::thread::Builder::new()
            .name("dunlin-lint".into())
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        // Without a thread, or when the parser panics, nothing is certain.
        thread
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    })
}

fn findings(source: &str, file: &str, is_policy: bool) -> Vec<LoadError> {
    // What Luau compiles and this parser does not know is newer than the parser.
    let Ok(ast) = full_moon::parse(source) else {
        return Vec::new();
    };
    let mut report = Report {
        file,
        seen: BTreeSet::new(),
        findings: Vec::new(),
    };
    look(&ast, is_policy, &mut report);
    report.findings.sort_by_key(|finding| finding.line);
    report.findings
}

fn look(ast: &Ast, is_policy: bool, report: &mut Report<'_>) {
    let facts = walk::learn(ast);
    let policy = is_policy.then(|| table::find(ast, &facts)).flatten();
    let hooks = policy
        .map(|policy| table::check(&policy, &facts, report))
        .unwrap_or_default();
    walk::check(ast, &facts, hooks, report);
}

/// Where findings are put.
struct Report<'a> {
    file: &'a str,
    seen: BTreeSet<(usize, String)>,
    findings: Vec<LoadError>,
}

impl Report<'_> {
    /// Notes a finding at `token`; the same on one line is said once.
    fn add(&mut self, token: &TokenReference, message: String, help: impl Into<String>) {
        let line = token.start_position().line();
        if self.seen.insert((line, message.clone())) {
            let line = u32::try_from(line).ok();
            self.findings
                .push(LoadError::new(self.file, line, message).help(help));
        }
    }
}

/// Names a declaration: where it stands in the source.
type Place = usize;

fn place(token: &TokenReference) -> Place {
    token.start_position().bytes()
}

fn text(token: &TokenReference) -> String {
    token.token().to_string()
}
