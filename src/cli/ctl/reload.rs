//! `dunlin ctl reload` and `dunlin ctl policy rollback`.

use std::time::Duration;

use dunlin::admin::api::{InForce, ReloadRequest};

use super::Error;
use super::client::Client;
use super::output::{Output, short};
use super::status;

/// How often `--wait` looks.
const LOOK: Duration = Duration::from_millis(200);

/// Loads the policies' files; with `wait`, says only then that it went well when the generation has proved itself.
pub(super) fn run(client: &Client, output: &Output, rollback: bool, wait: bool) -> Result<(), Error> {
    let mut now: InForce = client.post("/v1/reload", &ReloadRequest { rollback })?;
    if wait && now.watched_until.is_some() {
        proved(client, now.generation)?;
        now.watched_until = None;
        return said(output, &now, ", and has proved itself");
    }
    let how = match (&now.watched_until, now.changed) {
        (Some(until), _) => format!(", watched until {until}"),
        (None, true) => String::new(),
        (None, false) => ": the files are what serves already".to_owned(),
    };
    said(output, &now, &how)
}

/// Goes back to the generation before.
pub(super) fn rollback(client: &Client, output: &Output) -> Result<(), Error> {
    let now: InForce = client.post("/v1/policies/rollback", &serde_json::json!({}))?;
    said(output, &now, "; the files on disk are not what serves")
}

fn said(output: &Output, now: &InForce, how: &str) -> Result<(), Error> {
    if output.is_json() {
        return output.json(now);
    }
    let InForce { generation, hash, .. } = now;
    output.line(format_args!(
        "generation {generation} ({}) is in force{how}",
        short(hash)
    ))
}

/// Waits until the generation is not watched any more.
fn proved(client: &Client, generation: u64) -> Result<(), Error> {
    loop {
        let policies = status::ask(client)?.policies;
        if let Some(back) = policies.rolled_back.filter(|back| back.generation == generation) {
            let report = back
                .incident
                .map_or(String::new(), |path| format!("; incident report: {path}"));
            return Err(Error::refused(format!(
                "generation {generation} was rolled back: {}{report}",
                back.why
            )));
        }
        if policies.generation != generation {
            return Err(Error::refused(format!(
                "generation {generation} was replaced by generation {} while it was being watched",
                policies.generation
            )));
        }
        if policies.watched_until.is_none() {
            return Ok(());
        }
        client.sleep(LOOK);
    }
}
