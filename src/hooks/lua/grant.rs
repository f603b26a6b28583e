//! What a login brings, and what becomes of it later, as tables.

use super::answer::ToJson;
use super::fault::Fault;
use super::message::{Fields, new_message};
use crate::hooks::acl::{Acl, Rule};
use crate::hooks::depends::Depends;
use crate::hooks::verdict::{Controlled, Grant, SessionSettings};
use mlua::{Table, Value};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// How many rules a login may bring: they are kept with the connection and gone through for every question.
pub(crate) const MAX_RULES: usize = 256;

const GRANT_FIELDS: &[&str] = &[
    "acl",
    "any_client_id",
    "attrs",
    "data",
    "depends",
    "expires_at",
    "keep_alive",
    "maximum_packet_size",
    "receive_maximum",
    "session_expiry",
];

const CONTROLLED_FIELDS: &[&str] = &["acl", "attrs", "depends", "expires_at", "messages"];

const A_TIME: &str = "a time, in seconds since 1970";

/// What `"allow"` of a login grants.
pub(super) fn grant(table: &Table, to_json: ToJson<'_>) -> Result<Grant, Fault> {
    let mut fields = Fields::of("what \"allow\" grants", table, GRANT_FIELDS)?;
    let session = SessionSettings {
        keep_alive: fields.integer("keep_alive", "a number of seconds, 0 to 65,535")?,
        session_expiry: fields.integer("session_expiry", "a number of seconds, 0 to 4,294,967,295")?,
        receive_maximum: fields.integer("receive_maximum", "a number of messages, 1 to 65,535")?,
        maximum_packet_size: fields
            .integer("maximum_packet_size", "a number of bytes, 1 to 4,294,967,295")?,
    };
    // Zero is a Protocol Error for both in CONNACK (MQTT 5, 3.2.2.3.3 and 3.2.2.3.6), so it must not get that far.
    if session.receive_maximum == Some(0) || session.maximum_packet_size == Some(0) {
        return Err(Fault::answer(
            "`receive_maximum` and `maximum_packet_size` must not be 0",
        ));
    }
    Ok(Grant {
        attrs: attrs(&mut fields, to_json)?.unwrap_or_default(),
        acl: acl(&mut fields)?,
        expires_at: fields.number("expires_at", A_TIME)?,
        session,
        data: fields.bytes("data")?,
        any_client_id: fields.boolean("any_client_id")?.unwrap_or(false),
        depends: depends(&mut fields)?.unwrap_or_default(),
    })
}

/// What `expiring` and `control` have done about a login. `what` is what errors call it.
pub(super) fn controlled(what: &str, table: &Table, to_json: ToJson<'_>) -> Result<Controlled, Fault> {
    let mut fields = Fields::of(what, table, CONTROLLED_FIELDS)?;
    let mut messages = Vec::new();
    if let Some(list) = fields.table("messages")? {
        for message in list.sequence_values::<Value>() {
            let message = message.map_err(|error| Fault::from_lua(&error, None))?;
            messages.push(new_message("a message in `messages`", &message)?);
        }
    }
    Ok(Controlled {
        messages,
        expires_at: fields.number("expires_at", A_TIME)?,
        attrs: attrs(&mut fields, to_json)?,
        acl: acl(&mut fields)?,
        depends: depends(&mut fields)?,
        disconnect: None,
    })
}

fn attrs(fields: &mut Fields<'_>, to_json: ToJson<'_>) -> Result<Option<Map<String, Json>>, Fault> {
    let Some(attrs) = fields.table("attrs")? else {
        return Ok(None);
    };
    match to_json(&Value::Table(attrs)).map_err(|e| Fault::from_lua(&e, None))? {
        Json::Object(attrs) => Ok(Some(attrs)),
        _ => Err(Fault::answer(
            "`attrs` has named fields, such as { role = \"meter\" }; it is a list",
        )),
    }
}

/// Rules of its own: `{ { "allow", "publish", "a/#" }, ... }`.
fn acl(fields: &mut Fields<'_>) -> Result<Option<Arc<Acl>>, Fault> {
    let Some(rules) = fields.table("acl")? else {
        return Ok(None);
    };
    let wrong = |n: usize, what: String| {
        Fault::answer(format!(
            "rule {n} of `acl`: {what}; a rule is {{ \"allow\", \"publish\", \"a/#\" }}"
        ))
    };
    let mut read = Vec::new();
    for (n, rule) in rules.sequence_values::<Table>().enumerate() {
        if n >= MAX_RULES {
            return Err(Fault::answer(format!("`acl` has more than {MAX_RULES} rules")));
        }
        let parts = rule.and_then(|rule| Ok((rule.raw_get(1)?, rule.raw_get(2)?, rule.raw_get(3)?)));
        let (effect, action, filter): (String, String, String) =
            parts.map_err(|_| wrong(n + 1, "it does not consist of three strings".into()))?;
        read.push(Rule::parse(&effect, &action, &filter).map_err(|what| wrong(n + 1, what))?);
    }
    Ok(Some(Arc::new(Acl::new(read))))
}

fn depends(fields: &mut Fields<'_>) -> Result<Option<Depends>, Fault> {
    if fields.table("depends")?.is_none() {
        return Ok(None);
    }
    let records = fields.texts("depends")?;
    Depends::on(&records).map(Some).map_err(Fault::answer)
}
