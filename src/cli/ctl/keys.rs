//! `dunlin ctl key` and `dunlin ctl credential`.

use dunlin::admin::api::{ClientName, CreateKey, DeviceRow, KeyName, KeyRow, ListRequest, Secret};
use serde_json::Value;

use super::Error;
use super::arguments::{CredentialCommand, KeyCommand, OneClient};
use super::client::Client;
use super::listing;
use super::output::Output;

/// Asks about access keys.
pub(super) fn run(client: &Client, output: &Output, command: &KeyCommand) -> Result<(), Error> {
    match command {
        KeyCommand::Create { id, secret, of } => {
            let request = CreateKey {
                instance: of.instance.clone(),
                id: id.clone(),
                secret: secret.as_deref().map(listing::typed).transpose()?,
            };
            let row: KeyRow = client.post("/v1/keys/create", &request)?;
            if output.is_json() {
                return output.json(&row);
            }
            output.pairs(&[
                ("id", row.id),
                ("secret", shown(row.secret.as_ref())),
                ("created", row.created),
            ])
        }
        KeyCommand::List { secrets, of } => {
            let heads = ["ID", "SECRET", "CREATED"];
            let request = listing::of(of, *secrets);
            listing::print(client, output, "/v1/keys", request, heads, |row: KeyRow| {
                [row.id, listing::column(row.secret.as_ref()), row.created]
            })
        }
        KeyCommand::Delete { id, of } => {
            let request = KeyName {
                instance: of.instance.clone(),
                id: id.clone(),
            };
            let answer: Value = client.post("/v1/keys/delete", &request)?;
            output.done(&answer, &format!("{id}: deleted"))
        }
    }
}

/// Asks about the credentials of devices.
pub(super) fn devices(client: &Client, output: &Output, command: &CredentialCommand) -> Result<(), Error> {
    match command {
        CredentialCommand::Register(one) => {
            device(output, client.post("/v1/credentials/register", &name(one))?)
        }
        CredentialCommand::Refresh(one) => {
            device(output, client.post("/v1/credentials/refresh", &name(one))?)
        }
        CredentialCommand::Get(one) => device(output, client.get("/v1/credentials/get", &name(one))?),
        CredentialCommand::Unregister(one) => {
            let answer: Value = client.post("/v1/credentials/unregister", &name(one))?;
            output.done(&answer, &format!("{}: its credential is void", one.client_id))
        }
        CredentialCommand::List { group, secrets, of } => {
            let request = ListRequest {
                group: group.clone(),
                ..listing::of(of, *secrets)
            };
            let heads = ["CLIENT ID", "ID", "SECRET", "CREATED", "UPDATED"];
            listing::print(
                client,
                output,
                "/v1/credentials",
                request,
                heads,
                |row: DeviceRow| {
                    let secret = listing::column(row.secret.as_ref());
                    [row.client_id, row.id, secret, row.created, row.updated]
                },
            )
        }
    }
}

/// What the admin API calls a client id of an instance.
pub(super) fn name(one: &OneClient) -> ClientName {
    ClientName {
        instance: one.of.instance.clone(),
        client_id: one.client_id.clone(),
    }
}

fn device(output: &Output, row: DeviceRow) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&row);
    }
    output.pairs(&[
        ("client id", row.client_id),
        ("id", row.id),
        ("secret", shown(row.secret.as_ref())),
        ("created", row.created),
        ("updated", row.updated),
    ])
}

fn shown(secret: Option<&Secret>) -> String {
    secret.map_or_else(String::new, |secret| secret.reveal().to_owned())
}
