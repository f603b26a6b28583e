//! `connect` and `connack` as tables, and what policies make of them.

use super::answer::{Said, Word, connack_code, reason};
use super::fault::Fault;
use super::message::Fields;
use crate::codec::Connect;
use crate::hooks::sendable;
use crate::hooks::verdict::{Connack, ConnackPatch, ConnectChange, ConnectPatch, WillChange};
use mlua::{Lua, Table, Value};

const PATCH: &[&str] = &[
    "clean_start",
    "client_id",
    "instance",
    "keep_alive",
    "session_expiry",
    "will",
];
const WILL: &[&str] = &["delay", "payload", "qos", "retain", "topic"];
const CONNACK: &[&str] = &[
    "reason_string",
    "response_information",
    "server_reference",
    "user",
];

/// A CONNECT as a policy reads it; the password is `authenticate`'s alone.
pub(crate) fn connect_table(lua: &Lua, connect: &Connect) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 10)?;
    let properties = &connect.properties;
    table.raw_set("client_id", connect.client_id.as_str())?;
    table.raw_set("username", connect.username.as_deref())?;
    table.raw_set("clean_start", connect.clean_start)?;
    table.raw_set("keep_alive", connect.keep_alive)?;
    table.raw_set("session_expiry", properties.session_expiry)?;
    table.raw_set("receive_maximum", properties.receive_maximum)?;
    table.raw_set("maximum_packet_size", properties.maximum_packet_size)?;
    table.raw_set("user", pairs(lua, &properties.user_properties)?)?;
    if let Some(will) = &connect.will {
        let told = lua.create_table_with_capacity(0, 5)?;
        told.raw_set("topic", will.topic.as_str())?;
        told.raw_set("payload", lua.create_string(&will.payload)?)?;
        told.raw_set("qos", will.qos as u8)?;
        told.raw_set("retain", will.retain)?;
        told.raw_set("delay", will.delay)?;
        table.raw_set("will", told)?;
    }
    Ok(table)
}

/// Nothing or `"pass"` · `"reject", code, reason` · `"redirect", server_reference` · a table of what changes.
pub(crate) fn connect_change(said: &Said) -> Result<ConnectChange, Fault> {
    match (said.word, &said.other) {
        (Some(Word::Pass), _) | (None, Value::Nil) => Ok(ConnectChange::Pass),
        (Some(Word::Reject), _) => Ok(ConnectChange::Reject {
            code: connack_code("connect", "reject", &said.first)?,
            reason: reason("connect", &said.second)?.unwrap_or_else(|| "rejected by a policy".into()),
        }),
        (Some(Word::Redirect), _) => match &said.first {
            Value::String(server) => Ok(ConnectChange::Redirect {
                server: server.to_string_lossy().into(),
                for_good: said
                    .second
                    .as_string()
                    .is_some_and(|word| *word.as_bytes() == *b"permanently"),
            }),
            _ => Err(Fault::answer(
                "connect returned \"redirect\" without a server; write for instance `return \"redirect\", \"mqtt2.example.com:1883\"`",
            )),
        },
        (None, Value::Table(table)) => patch(table).map(|patch| ConnectChange::Patch(Box::new(patch))),
        _ => Err(Fault::answer(format!(
            "connect returned {}; return nothing, \"reject\", code, reason, \"redirect\", server, or a table of what changes",
            said.show()
        ))),
    }
}

fn patch(table: &Table) -> Result<ConnectPatch, Fault> {
    let mut fields = Fields::of("what `connect` changes", table, PATCH)?;
    let will = match table.raw_get::<Value>("will") {
        Ok(Value::Nil) | Err(_) => WillChange::Keep,
        Ok(Value::Boolean(false)) => WillChange::Remove,
        Ok(Value::Table(will)) => {
            let mut fields = Fields::of("`will`", &will, WILL)?;
            WillChange::Change {
                topic: fields.topic()?,
                payload: fields.payload()?,
                qos: fields.qos()?,
                retain: fields.boolean("retain")?,
                delay: fields.integer("delay", "a number of seconds")?,
            }
        }
        Ok(_) => {
            return Err(Fault::answer(
                "`will` is a table of what changes, or false for no will",
            ));
        }
    };
    let client_id = fields.text("client_id")?;
    if client_id
        .as_ref()
        .is_some_and(|id| id.is_empty() || id.len() > 65_535 || id.contains('\0'))
    {
        return Err(Fault::answer(
            "`client_id` must be 1 to 65,535 bytes, without U+0000",
        ));
    }
    Ok(ConnectPatch {
        client_id,
        clean_start: fields.boolean("clean_start")?,
        keep_alive: fields.integer("keep_alive", "a number of seconds, 0 to 65,535")?,
        session_expiry: fields.integer("session_expiry", "a number of seconds, 0 to 4,294,967,295")?,
        will,
        instance: fields.instance()?,
    })
}

/// A CONNACK as a policy reads it.
pub(crate) fn connack_table(lua: &Lua, connack: &Connack<'_>) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 3)?;
    table.raw_set("code", connack.code.0)?;
    table.raw_set("session_present", connack.session_present)?;
    table.raw_set("assigned_client_id", connack.assigned_client_id)?;
    Ok(table)
}

/// Nothing, or a table of what is told besides.
pub(crate) fn connack_change(said: &Said) -> Result<ConnackPatch, Fault> {
    let table = match (said.word, &said.other) {
        (Some(Word::Pass), _) | (None, Value::Nil) => return Ok(ConnackPatch::default()),
        (None, Value::Table(table)) => table,
        _ => {
            return Err(Fault::answer(format!(
                "connack returned {}; return nothing, or a table such as {{ user = {{ {{ \"region\", \"eu\" }} }} }}",
                said.show()
            )));
        }
    };
    let mut fields = Fields::of("what `connack` changes", table, CONNACK)?;
    let patch = ConnackPatch {
        user: fields.user()?,
        reason_string: fields.text("reason_string")?,
        response_information: fields.text("response_information")?,
        server_reference: fields.text("server_reference")?,
    };
    sendable::connack(&patch).map_err(Fault::answer)?;
    Ok(patch)
}

fn pairs(lua: &Lua, pairs: &[(String, String)]) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(pairs.len(), 0)?;
    for (n, (name, value)) in pairs.iter().enumerate() {
        list.raw_set(n + 1, lua.create_sequence_from([name.as_str(), value.as_str()])?)?;
    }
    Ok(list)
}
