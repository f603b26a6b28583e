//! Device credentials: each device has a key of its own, which is good for its client id alone.

use crate::keys::{field, record};
use crate::sign::{Signer, equal};
use crate::username::Named;
use crate::{BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED, deny};
use dunlin_plugin_api::prelude::*;
use serde_json::json;

pub(crate) fn decide(
    host: &Host,
    client: &Client<'_>,
    named: &Named<'_>,
    password: &[u8],
) -> Result<Login, Error> {
    if named.instance != client.instance() {
        return Ok(deny(NOT_AUTHORIZED, "no such instance"));
    }
    let found = record(host, client.instance(), "device_credential", client.client_id())?;
    let secret = field(found.as_ref(), "secret");
    let id = field(found.as_ref(), "access_key_id");
    // No credential, another's key and a wrong signature take as long and get the same answer.
    let is_its_key = equal(id.unwrap_or("none").as_bytes(), named.key.as_bytes());
    let signature = Signer::new(secret.unwrap_or("none"))?.sign(client.client_id());
    let right = equal(signature.as_bytes(), password);
    match (id, secret) {
        (Some(id), Some(_)) if is_its_key && right => Ok(Login::Allow(Grant {
            attrs: json!({ "device_access_key": id }),
            depends: vec![format!("device_credential/{}", client.client_id())],
            ..Grant::default()
        })),
        _ => Ok(deny(BAD_USER_NAME_OR_PASSWORD, "the signature is wrong")),
    }
}
