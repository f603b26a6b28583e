//! `dunlin ctl explain`.

use dunlin::admin::api::{ExplainAction, ExplainRequest, Explained, ExplainedEntry};

use super::Error;
use super::arguments::{ExplainCommand, Of};
use super::client::Client;
use super::output::{Output, short, shown};

/// Why a client may or may not do something.
pub(super) fn run(
    client: &Client,
    output: &Output,
    of: &Of,
    client_id: &str,
    action: &ExplainCommand,
) -> Result<(), Error> {
    let action = match action.clone() {
        ExplainCommand::Publish {
            topic,
            qos,
            retain,
            size,
        } => ExplainAction::Publish {
            topic,
            qos,
            retain,
            size,
        },
        ExplainCommand::Subscribe { filter, qos } => ExplainAction::Subscribe { filter, qos },
    };
    let request = ExplainRequest {
        instance: of.instance.clone(),
        client_id: client_id.to_owned(),
        action,
    };
    let explained: Explained = client.post("/v1/explain", &request)?;
    if output.is_json() {
        return output.json(&explained);
    }
    output.line(format_args!("{}", shown(&explained.decision)))?;
    output.line(format_args!(
        "by generation {} ({})",
        explained.generation,
        short(&explained.hash)
    ))?;
    if explained.entries.is_empty() {
        return output.line(format_args!(
            "no policy was asked: what the login brought along decides, or policy_defaults"
        ));
    }
    let rows = explained.entries.iter().map(|entry| {
        [
            entry.policy.clone(),
            entry.said.clone(),
            place(entry),
            format!("{:.0} us", entry.took_us),
        ]
    });
    output.table(["POLICY", "SAID", "AT", ">TOOK"], rows)
}

/// `scripts/acl.lua:12`, and through which other lines.
fn place(entry: &ExplainedEntry) -> String {
    let line = entry.line.map_or(String::new(), |line| format!(":{line}"));
    let mut through = entry.through.clone();
    through.sort_unstable();
    let through: Vec<String> = through.iter().map(u32::to_string).collect();
    let through = match through.is_empty() {
        true => String::new(),
        false => format!(" (through {})", through.join(", ")),
    };
    format!("{}{line}{through}", entry.file)
}
