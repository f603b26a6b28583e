//! `dunlin ctl status`.

use std::time::{Duration, SystemTime};

use dunlin::admin::api::{PoliciesStatus, Status};

use super::Error;
use super::client::Client;
use super::output::{Output, count, short};

/// Asks how the broker is.
pub(super) fn ask(client: &Client) -> Result<Status, Error> {
    client.get("/v1/status", &())
}

/// How the broker is.
pub(super) fn run(client: &Client, output: &Output) -> Result<(), Error> {
    let status = ask(client)?;
    if output.is_json() {
        return output.json(&status);
    }
    let mut pairs = vec![
        (
            "broker",
            format!(
                "Dunlin {}, {}, up {}, process {}",
                status.version,
                status.state,
                humantime::format_duration(Duration::from_secs(status.uptime)),
                status.pid
            ),
        ),
        ("config", status.config),
        ("instance", status.instance),
        ("shards", status.shards.to_string()),
        ("connections", status.connections.to_string()),
        (
            "sessions",
            format!(
                "{}, {} of them without a connection",
                status.sessions, status.sessions_offline
            ),
        ),
        ("subscriptions", status.subscriptions.to_string()),
        ("retained", status.retained.to_string()),
    ];
    pairs.extend(policies(&status.policies));
    output.pairs(&pairs)
}

fn policies(policies: &PoliciesStatus) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        (
            "generation",
            format!(
                "{} ({}), in force since {}",
                policies.generation,
                short(&policies.hash),
                policies.since
            ),
        ),
        (
            "policies",
            format!(
                "{}, {}, {}",
                count(policies.reloads, "reload"),
                count(policies.refusals, "refusal"),
                count(policies.rollbacks, "rollback")
            ),
        ),
    ];
    if let Some(until) = &policies.watched_until {
        let left = humantime::parse_rfc3339(until)
            .ok()
            .and_then(|until| until.duration_since(SystemTime::now()).ok());
        let left = left.map_or(0, |left| left.as_secs());
        pairs.push((
            "watched",
            format!("until {until} ({left} s more); rolled back if it fails"),
        ));
    }
    if let Some(back) = &policies.rolled_back {
        let report = back
            .incident
            .as_ref()
            .map_or(String::new(), |path| format!("\nincident report: {path}"));
        pairs.push((
            "rolled back",
            format!(
                "generation {} at {}: {}{report}",
                back.generation, back.at, back.why
            ),
        ));
    }
    if let Some(refused) = &policies.refused {
        let mut text = format!(
            "{}, {}",
            refused.at,
            count(refused.problems.len() as u64, "problem")
        );
        for problem in &refused.problems {
            text += &format!("\n{problem}");
        }
        pairs.push(("refused", text));
    }
    pairs
}
