//! `dunlin ctl instance`.

use std::collections::BTreeMap;

use dunlin::admin::api::{
    CreateInstance, InstanceName, InstanceRow, InstanceShown, Origin, RenameInstance, SetInstance,
    UnsetInstance,
};
use serde::Serialize;
use serde_json::Value;

use super::Error;
use super::arguments::InstanceCommand;
use super::client::Client;
use super::output::{Output, shown};
use crate::cli::SettingsArgs;

/// What instances have settings of their own for.
const SECTIONS: [&str; 3] = ["limits.", "mqtt.", "product."];

/// `--set` is for the configuration, by which the socket is found, and for a new instance: what can be an instance's is.
pub(super) fn part_settings(settings: &SettingsArgs) -> (Vec<String>, SettingsArgs) {
    let is_own = |set: &String| SECTIONS.iter().any(|section| set.starts_with(section));
    let (own, set) = settings.set.iter().cloned().partition(is_own);
    let of_the_configuration = SettingsArgs {
        set,
        ..settings.clone()
    };
    (own, of_the_configuration)
}

/// Asks about instances. `own` are the settings of a new one.
pub(super) fn run(
    client: &Client,
    output: &Output,
    command: &InstanceCommand,
    own: &[String],
) -> Result<(), Error> {
    match command.clone() {
        InstanceCommand::Create {
            name,
            region,
            edition,
        } => {
            let settings = pairs(own)?;
            let request = CreateInstance {
                name,
                region,
                edition,
                settings,
            };
            one(output, &client.post("/v1/instances/create", &request)?)
        }
        InstanceCommand::Rename { id, name } => one(
            output,
            &client.post("/v1/instances/rename", &RenameInstance { id, name })?,
        ),
        InstanceCommand::List => list(client, output),
        InstanceCommand::Show { id } => show(client, output, id),
        InstanceCommand::Set { id, settings } => {
            let said = format!("{id}: {} set, on every shard", settings.join(" "));
            let settings = pairs(&settings)?;
            done(client, output, "set", &SetInstance { id, settings }, &said)
        }
        InstanceCommand::Unset { id, settings } => {
            let said = format!("{id}: {} as for all instances again", settings.join(" "));
            done(client, output, "unset", &UnsetInstance { id, settings }, &said)
        }
        InstanceCommand::Delete { id } => {
            let said = format!("{id}: deleted, with all that it had");
            done(client, output, "delete", &InstanceName { id }, &said)
        }
    }
}

/// `limits.tps=100` and more of them.
fn pairs(settings: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let pair = |setting: &String| match setting.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Error::Usage(format!(
            "{setting:?} is not KEY=VALUE; write for example limits.tps=100"
        ))),
    };
    settings.iter().map(pair).collect()
}

fn done(
    client: &Client,
    output: &Output,
    what: &str,
    request: &impl Serialize,
    said: &str,
) -> Result<(), Error> {
    let answer: Value = client.post(&format!("/v1/instances/{what}"), request)?;
    output.done(&answer, said)
}

fn one(output: &Output, row: &InstanceRow) -> Result<(), Error> {
    if output.is_json() {
        return output.json(row);
    }
    output.pairs(&described(row))
}

fn described(row: &InstanceRow) -> Vec<(&'static str, String)> {
    vec![
        ("id", row.id.clone()),
        ("name", row.name.clone()),
        ("region", row.region.clone()),
        ("edition", row.edition.clone()),
        ("public", row.public.clone()),
        ("internal", row.internal.clone()),
    ]
}

fn list(client: &Client, output: &Output) -> Result<(), Error> {
    let rows: Vec<InstanceRow> = client.get("/v1/instances", &())?;
    if output.is_json() {
        return output.json(&rows);
    }
    let heads = [
        "ID",
        "NAME",
        "REGION",
        "EDITION",
        "FROM",
        ">CONNECTIONS",
        ">SUBSCRIPTIONS",
        "PUBLIC ENDPOINT",
    ];
    let rows = rows.into_iter().map(|row| {
        [
            row.id,
            row.name,
            row.region,
            row.edition,
            from(row.origin).to_owned(),
            row.connections.to_string(),
            row.subscriptions.to_string(),
            row.public,
        ]
    });
    output.table(heads, rows)
}

/// Where a thing is from, in a word.
pub(super) fn from(origin: Origin) -> &'static str {
    match origin {
        Origin::Configuration => "configuration",
        Origin::Created => "created",
    }
}

fn show(client: &Client, output: &Output, id: String) -> Result<(), Error> {
    let all: InstanceShown = client.get("/v1/instances/show", &InstanceName { id })?;
    if output.is_json() {
        return output.json(&all);
    }
    let mut pairs = described(&all.row);
    let origin = match &all.created {
        Some(at) => format!("created {at}"),
        None => from(all.row.origin).to_owned(),
    };
    pairs.extend([
        ("from", origin),
        ("hosts", all.hosts.join(" ")),
        ("connections", all.row.connections.to_string()),
        ("subscriptions", all.row.subscriptions.to_string()),
        ("retained", all.retained.to_string()),
        ("offline", all.offline.to_string()),
        ("tps", format!("{} in this second", all.tps)),
        ("has", numbers(&all.counts)),
        ("limits met", numbers(&all.hits)),
    ]);
    let settings = all.settings.iter();
    let settings = settings.map(|(name, set)| format!("{name} = {}  ({})", set.value, set.by));
    pairs.push(("settings", settings.collect::<Vec<_>>().join("\n")));
    pairs.retain(|(_, value)| !value.is_empty());
    output.pairs(&pairs)
}

/// `groups 2, topics 3`.
fn numbers(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts
        .iter()
        .map(|(name, count)| format!("{} {count}", shown(name)));
    counts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_new_instance_are_parted_from_those_of_the_configuration() {
        let settings = SettingsArgs {
            set: ["limits.tps=1", "server.shards=1", "product.p2p=false"]
                .map(str::to_owned)
                .into(),
            ..SettingsArgs::default()
        };
        let (own, rest) = part_settings(&settings);
        assert_eq!(own, ["limits.tps=1", "product.p2p=false"]);
        assert_eq!(rest.set, ["server.shards=1"]);
    }

    #[test]
    fn a_setting_is_a_key_and_a_value() {
        let parsed = pairs(&["a.b=c=d".to_owned()]).unwrap();
        assert_eq!(parsed.get("a.b").map(String::as_str), Some("c=d"));
        assert!(pairs(&["a".to_owned()]).is_err());
    }
}
