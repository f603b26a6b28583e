//! `dunlin ctl identity`, `permission` and `blacklist`: custom authentication.

use dunlin::admin::api::{
    BlackRow, DeleteIdentity, DeletePermission, Identity, IdentityKey, IdentityType, Permission,
    PermissionKey, PutIdentity, PutPermission,
};
use serde_json::Value;

use super::Error;
use super::arguments::{
    BlacklistCommand, IdentityCommand, PermissionCommand, WholeIdentity, WholePermission, Whose,
};
use super::client::Client;
use super::keys::name;
use super::listing;
use super::output::Output;

/// Asks about identities.
pub(super) fn run(client: &Client, output: &Output, command: &IdentityCommand) -> Result<(), Error> {
    match command {
        IdentityCommand::Add(whole) => put(client, output, "/v1/identities/add", whole, "added"),
        IdentityCommand::Update(whole) => put(client, output, "/v1/identities/update", whole, "updated"),
        IdentityCommand::Delete {
            username,
            client_id,
            of,
        } => {
            let request = DeleteIdentity {
                instance: of.instance.clone(),
                identity: IdentityKey {
                    kind: type_of(client_id.as_ref()),
                    username: username.clone(),
                    client_id: client_id.clone(),
                },
            };
            let answer: Value = client.post("/v1/identities/delete", &request)?;
            output.done(&answer, &format!("{username}: deleted"))
        }
        IdentityCommand::List { secrets, of } => {
            let request = listing::of(of, *secrets);
            let heads = ["TYPE", "USER NAME", "CLIENT ID", "SIGN MODE", "SECRET"];
            listing::print(
                client,
                output,
                "/v1/identities",
                request,
                heads,
                |row: Identity| {
                    let secret = listing::column(row.secret.as_ref());
                    [
                        row.kind.to_string(),
                        row.username,
                        row.client_id.unwrap_or_else(|| "-".to_owned()),
                        row.sign_mode.to_string(),
                        secret,
                    ]
                },
            )
        }
    }
}

fn put(client: &Client, output: &Output, path: &str, whole: &WholeIdentity, said: &str) -> Result<(), Error> {
    let request = PutIdentity {
        instance: whole.of.instance.clone(),
        identity: Identity {
            kind: type_of(whole.client_id.as_ref()),
            username: whole.username.clone(),
            client_id: whole.client_id.clone(),
            sign_mode: whole.sign_mode,
            secret: Some(listing::typed(&whole.secret)?),
        },
    };
    let answer: Value = client.post(path, &request)?;
    output.done(&answer, &format!("{}: {said}", whole.username))
}

fn type_of(client_id: Option<&String>) -> IdentityType {
    match client_id {
        Some(_) => IdentityType::Client,
        None => IdentityType::User,
    }
}

/// Asks about permissions.
pub(super) fn permissions(
    client: &Client,
    output: &Output,
    command: &PermissionCommand,
) -> Result<(), Error> {
    match command {
        PermissionCommand::Add(whole) => permit(client, output, "/v1/permissions/add", whole, "added"),
        PermissionCommand::Update(whole) => {
            permit(client, output, "/v1/permissions/update", whole, "updated")
        }
        PermissionCommand::Delete { key, of } => {
            let (kind, identity) = whose(key);
            let said = format!("{identity}, {}: deleted", key.topic);
            let request = DeletePermission {
                instance: of.instance.clone(),
                permission: PermissionKey {
                    kind,
                    identity,
                    topic: key.topic.clone(),
                },
            };
            let answer: Value = client.post("/v1/permissions/delete", &request)?;
            output.done(&answer, &said)
        }
        PermissionCommand::List { of } => {
            let heads = ["TYPE", "IDENTITY", "TOPIC", "EFFECT", "ACTION"];
            let request = listing::of(of, false);
            listing::print(
                client,
                output,
                "/v1/permissions",
                request,
                heads,
                |row: Permission| {
                    [
                        row.kind.to_string(),
                        row.identity,
                        row.topic,
                        row.effect.to_string(),
                        row.action.to_string(),
                    ]
                },
            )
        }
    }
}

fn permit(
    client: &Client,
    output: &Output,
    path: &str,
    whole: &WholePermission,
    said: &str,
) -> Result<(), Error> {
    let (kind, identity) = whose(&whole.key);
    let said = format!(
        "{identity}, {}: {} {} {said}",
        whole.key.topic, whole.effect, whole.action
    );
    let request = PutPermission {
        instance: whole.of.instance.clone(),
        permission: Permission {
            kind,
            identity,
            topic: whole.key.topic.clone(),
            effect: whole.effect,
            action: whole.action,
        },
    };
    let answer: Value = client.post(path, &request)?;
    output.done(&answer, &said)
}

/// One of the two is there.
fn whose(key: &Whose) -> (IdentityType, String) {
    match (&key.user, &key.client) {
        (Some(user), _) => (IdentityType::User, user.clone()),
        (None, client) => (IdentityType::Client, client.clone().unwrap_or_default()),
    }
}

/// Asks about the black list.
pub(super) fn blacklist(client: &Client, output: &Output, command: &BlacklistCommand) -> Result<(), Error> {
    match command {
        BlacklistCommand::Add(one) => {
            let answer: Value = client.post("/v1/blacklist/add", &name(one))?;
            output.done(&answer, &format!("{}: may not connect", one.client_id))
        }
        BlacklistCommand::Delete(one) => {
            let answer: Value = client.post("/v1/blacklist/delete", &name(one))?;
            output.done(&answer, &format!("{}: off the list", one.client_id))
        }
        BlacklistCommand::List { of } => {
            let request = listing::of(of, false);
            let heads = ["CLIENT ID", "SINCE"];
            listing::print(
                client,
                output,
                "/v1/blacklist",
                request,
                heads,
                |row: BlackRow| [row.client_id, row.created],
            )
        }
    }
}
