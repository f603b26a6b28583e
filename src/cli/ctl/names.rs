//! `dunlin ctl group` and `dunlin ctl topic`.

use dunlin::admin::api::{Named, NamedRow, OfInstance};
use serde_json::Value;

use super::Error;
use super::arguments::{NameCommand, Of};
use super::client::Client;
use super::instance::from;
use super::output::{Output, shown};

/// Asks about names of a kind: `path` is where the admin API has them.
pub(super) fn run(client: &Client, output: &Output, path: &str, command: &NameCommand) -> Result<(), Error> {
    match command {
        NameCommand::Create { name, of } => {
            change(client, output, &format!("{path}/create"), of, name, "made")
        }
        NameCommand::Delete { name, of } => {
            change(client, output, &format!("{path}/delete"), of, name, "deleted")
        }
        NameCommand::List { of } => list(client, output, path, of),
    }
}

fn change(
    client: &Client,
    output: &Output,
    path: &str,
    of: &Of,
    name: &str,
    said: &str,
) -> Result<(), Error> {
    let request = Named {
        instance: of.instance.clone(),
        name: name.to_owned(),
    };
    let answer: Value = client.post(path, &request)?;
    output.done(&answer, &format!("{}: {said}", shown(name)))
}

fn list(client: &Client, output: &Output, path: &str, of: &Of) -> Result<(), Error> {
    let request = OfInstance {
        instance: of.instance.clone(),
    };
    let rows: Vec<NamedRow> = client.get(path, &request)?;
    if output.is_json() {
        return output.json(&rows);
    }
    let rows = rows.into_iter().map(|row| {
        let created = row.created.unwrap_or_else(|| "-".to_owned());
        [row.name, from(row.origin).to_owned(), created]
    });
    output.table(["NAME", "FROM", "CREATED"], rows)
}
