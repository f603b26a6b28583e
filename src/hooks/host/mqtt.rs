//! `mqtt`: what a script can have the broker do. Each function notes it, and the shard does it when its turn ends.

use super::Host;
use super::arguments::{text, wrong};
use super::effects::{Effect, SessionsQuery, SessionsReply};
use crate::codec::ReasonCode;
use crate::hooks::lua::message::new_message;
use mlua::{Lua, Table, Value};
use std::sync::Arc;

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    let publish = lua.create_function(move |_, message: Value| {
        let message = read(&message, "mqtt.publish", 1)?;
        held.note("mqtt.publish", Effect::Publish(message))
    })?;
    module.raw_set("publish", publish)?;
    let held = host.clone();
    let p2p = lua.create_function(move |_, (client, message): (Value, Value)| {
        let client_id = client_id(&client, "mqtt.p2p", 1)?;
        let message = read(&message, "mqtt.p2p", 2)?;
        held.note("mqtt.p2p", Effect::P2p { client_id, message })
    })?;
    module.raw_set("p2p", p2p)?;
    let held = host.clone();
    let kick = lua.create_function(move |_, (client, code, reason): (Value, Value, Value)| {
        let client_id = client_id(&client, "mqtt.kick", 1)?;
        let code = match &code {
            Value::Nil => ReasonCode::ADMINISTRATIVE_ACTION,
            code => match code.as_u32().and_then(|code| u8::try_from(code).ok()) {
                Some(known @ 0x80..=0xA2) => ReasonCode(known),
                _ => {
                    return Err(wrong(
                        code,
                        "mqtt.kick",
                        2,
                        "code",
                        "a reason code of DISCONNECT, 0x80 to 0xA2",
                    ));
                }
            },
        };
        let reason = match &reason {
            Value::Nil => "a policy ended the connection".into(),
            reason => text(reason, "mqtt.kick", 3, "reason")?.as_ref().into(),
        };
        held.note(
            "mqtt.kick",
            Effect::Kick {
                client_id,
                code,
                reason,
            },
        )
    })?;
    module.raw_set("kick", kick)?;
    let held = host.clone();
    let reauthorize = lua.create_function(move |_, options: Value| {
        let whose = match &options {
            Value::Nil => None,
            Value::Table(table) => match table.raw_get::<Value>("client")? {
                Value::Nil => None,
                client => Some(client_id(&client, "mqtt.reauthorize", 1)?),
            },
            other => {
                let form = "a table such as { client = \"device-1\" }";
                return Err(wrong(other, "mqtt.reauthorize", 1, "options", form));
            }
        };
        held.note("mqtt.reauthorize", Effect::Reauthorize { client_id: whose })
    })?;
    module.raw_set("reauthorize", reauthorize)?;
    let held = host.clone();
    host.waiting(
        lua,
        &module,
        "sessions",
        "mqtt.sessions",
        move |lua, options: Value| sessions(lua, held.clone(), options),
    )?;
    module.set_readonly(true);
    Ok(module)
}

impl Host {
    fn note(&self, called: &str, effect: Effect) -> mlua::Result<()> {
        if self.effects.push(effect) {
            return Ok(());
        }
        Err(mlua::Error::runtime(format!(
            "{called}: too much is waiting to be done on this shard; ask for less at a time"
        )))
    }
}

/// How many sessions are listed when nothing is said, and at most.
const SESSIONS: (usize, usize) = (100, 10_000);

async fn sessions(lua: Lua, host: Host, options: Value) -> mlua::Result<(Value, Option<&'static str>)> {
    const CALLED: &str = "mqtt.sessions";
    let query = sessions_query(&options)?;
    if !host.effects.is_served() {
        return Ok((
            Value::Nil,
            Some("there is no broker here; in a test write stub(\"mqtt.sessions\", ...)"),
        ));
    }
    let (reply, answer) = SessionsReply::new();
    host.note(CALLED, Effect::Sessions(query, reply))?;
    let Ok(found) = answer.await else {
        return Ok((Value::Nil, Some("the broker stops")));
    };
    let list = lua.create_table_with_capacity(found.len(), 0)?;
    for session in found {
        let row = lua.create_table_with_capacity(0, 4)?;
        row.raw_set("client_id", host.limits.string(&lua, &*session.client.client_id)?)?;
        if let Some(username) = &session.client.username {
            row.raw_set("username", host.limits.string(&lua, &**username)?)?;
        }
        row.raw_set("connected", session.connected)?;
        row.raw_set("subscriptions", session.subscriptions)?;
        list.raw_push(row)?;
    }
    Ok((Value::Table(list), None))
}

fn sessions_query(options: &Value) -> mlua::Result<SessionsQuery> {
    const CALLED: &str = "mqtt.sessions";
    let form = "a table such as { prefix = \"GID_a@@@\", connected = true, limit = 100 }";
    let mut query = SessionsQuery {
        prefix: "".into(),
        connected: None,
        most: SESSIONS.0,
    };
    let table = match options {
        Value::Nil => return Ok(query),
        Value::Table(table) => table,
        other => return Err(wrong(other, CALLED, 1, "options", form)),
    };
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        match (
            name.as_string().map(|name| name.to_string_lossy()).as_deref(),
            &value,
        ) {
            (Some("prefix"), Value::String(_)) => query.prefix = client_id(&value, CALLED, 1)?,
            (Some("connected"), Value::Boolean(connected)) => query.connected = Some(*connected),
            (Some("limit"), value) => match value.as_usize() {
                Some(most) if (1..=SESSIONS.1).contains(&most) => query.most = most,
                _ => return Err(wrong(value, CALLED, 1, "limit", "a whole number from 1 to 10000")),
            },
            _ => return Err(wrong(options, CALLED, 1, "options", form)),
        }
    }
    Ok(query)
}

fn client_id(value: &Value, called: &str, n: usize) -> mlua::Result<Arc<str>> {
    Ok(text(value, called, n, "client id")?.as_ref().into())
}

fn read(value: &Value, called: &str, n: usize) -> mlua::Result<crate::hooks::NewMessage> {
    if !matches!(value, Value::Table(_)) {
        let form = "a table such as { topic = \"a/b\", payload = \"x\" }";
        return Err(wrong(value, called, n, "message", form));
    }
    new_message(called, value).map_err(|fault| mlua::Error::runtime(fault.message))
}
