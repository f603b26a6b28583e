//! `dunlin ctl policy list`, `log` and `diff`.

use dunlin::admin::api::{Diff, DiffRequest, PolicyRow, Record, Trigger};

use super::Error;
use super::client::Client;
use super::output::{Output, short};

/// The chain, in its order.
pub(super) fn list(client: &Client, output: &Output) -> Result<(), Error> {
    let rows: Vec<PolicyRow> = client.get("/v1/policies", &())?;
    if output.is_json() {
        return output.json(&rows);
    }
    let heads = [
        "NAME",
        "FILE",
        "HASH",
        ">CALLS",
        ">ERRORS",
        ">TIMEOUTS",
        ">DENIED",
        "BREAKER",
        ">P50",
        ">P99",
        "HOOKS",
    ];
    let rows = rows.into_iter().map(|row| {
        [
            row.name,
            row.file,
            short(&row.hash).to_owned(),
            row.calls.to_string(),
            row.errors.to_string(),
            row.timeouts.to_string(),
            row.denied.to_string(),
            if row.breaker_open > 0 { "open" } else { "closed" }.to_owned(),
            took(row.p50_us),
            took(row.p99_us),
            row.hooks.join(" "),
        ]
    });
    output.table(heads, rows)
}

/// `2 us`, `1.5 ms`; `-` without calls.
fn took(micros: Option<f64>) -> String {
    match micros {
        None => "-".to_owned(),
        Some(micros) if micros < 1000.0 => format!("{} us", rounded(micros)),
        Some(micros) if micros < 1e6 => format!("{} ms", rounded(micros / 1e3)),
        Some(micros) => format!("{} s", rounded(micros / 1e6)),
    }
}

fn rounded(number: f64) -> String {
    if number < 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// What was loaded, refused and rolled back: the newest, oldest first.
pub(super) fn log(client: &Client, output: &Output, limit: usize) -> Result<(), Error> {
    let mut records: Vec<Record> = client.get("/v1/policies/log", &())?;
    records.drain(..records.len().saturating_sub(limit));
    if output.is_json() {
        return output.json(&records);
    }
    let rows = records.iter().map(|record| {
        [
            record.at.clone(),
            by(record.by).to_owned(),
            record.what.clone(),
            record
                .generation
                .map_or("-".to_owned(), |number| number.to_string()),
            record.hash.as_deref().map_or("-", short).to_owned(),
            details(record),
        ]
    });
    output.table(["WHEN", "BY", "WHAT", ">GENERATION", "HASH", "DETAILS"], rows)
}

fn by(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Start => "start",
        Trigger::Files => "files",
        Trigger::Signal => "SIGHUP",
        Trigger::Operator => "operator",
        Trigger::Watch => "watch",
    }
}

fn details(record: &Record) -> String {
    if !record.errors.is_empty() {
        return record.errors.join("; ");
    }
    let policies: Vec<&str> = record
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    policies.join(" ")
}

/// What changed between two generations.
pub(super) fn diff(
    client: &Client,
    output: &Output,
    first: Option<u64>,
    second: Option<u64>,
) -> Result<(), Error> {
    let request = match (first, second) {
        (first, None) => DiffRequest {
            from: None,
            to: first,
        },
        (from, to) => DiffRequest { from, to },
    };
    let diff: Diff = client.get("/v1/policies/diff", &request)?;
    if output.is_json() {
        return output.json(&diff);
    }
    if diff.diff.is_empty() {
        return output.line(format_args!(
            "generations {} and {} have the same sources",
            diff.from, diff.to
        ));
    }
    output.line(format_args!("{}", diff.diff.trim_end_matches('\n')))
}
