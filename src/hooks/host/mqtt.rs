//! `mqtt`: what a script can have the broker do. Each function notes it, and the shard does it when its turn ends: in the
//! instance that the script names, or else in that of the client which it is asked about.

use super::Host;
use super::arguments::{text, wrong};
use super::effects::{Effect, SessionsQuery, SessionsReply, Wish};
use crate::codec::ReasonCode;
use crate::hooks::lua::message::new_message;
use crate::hooks::sendable;
use mlua::{Function, Lua, Table, Value};
use std::sync::Arc;

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    let publish = lua.create_function(move |_, (message, options): (Value, Value)| {
        const CALLED: &str = "mqtt.publish";
        let message = read(&message, CALLED, 1)?;
        let instance = held.instance(&options, CALLED, 2)?;
        held.note(CALLED, instance, Wish::Publish(message))
    })?;
    module.raw_set("publish", publish)?;
    let held = host.clone();
    let p2p = lua.create_function(move |_, (client, message, options): (Value, Value, Value)| {
        const CALLED: &str = "mqtt.p2p";
        let client_id = client_id(&client, CALLED, 1)?;
        let message = read(&message, CALLED, 2)?;
        let instance = held.instance(&options, CALLED, 3)?;
        held.note(CALLED, instance, Wish::P2p { client_id, message })
    })?;
    module.raw_set("p2p", p2p)?;
    module.raw_set("kick", kick(lua, host)?)?;
    let held = host.clone();
    let reauthorize = lua.create_function(move |_, options: Value| {
        const CALLED: &str = "mqtt.reauthorize";
        let form = "a table such as { client = \"device-1\" }";
        let table = match &options {
            Value::Nil => None,
            Value::Table(table) => Some(table),
            other => return Err(wrong(other, CALLED, 1, "options", form)),
        };
        let (mut whose, mut instance) = (None, held.asked.instance());
        for pair in table.iter().flat_map(|table| table.pairs::<Value, Value>()) {
            let (name, value) = pair?;
            match name.as_string().map(|name| name.to_string_lossy()).as_deref() {
                Some("client") => whose = Some(client_id(&value, CALLED, 1)?),
                Some("instance") => instance = Some(instance_id(&value, CALLED, 1)?),
                _ => return Err(wrong(&options, CALLED, 1, "options", form)),
            }
        }
        held.note(CALLED, instance, Wish::Reauthorize { client_id: whose })
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

fn kick(lua: &Lua, host: &Host) -> mlua::Result<Function> {
    const CALLED: &str = "mqtt.kick";
    let held = host.clone();
    lua.create_function(
        move |_, (client, code, reason, options): (Value, Value, Value, Value)| {
            let client_id = client_id(&client, CALLED, 1)?;
            let code = match &code {
                Value::Nil => ReasonCode::ADMINISTRATIVE_ACTION,
                code => match code.as_u32().and_then(|code| u8::try_from(code).ok()) {
                    Some(known @ 0x80..=0xA2) => ReasonCode(known),
                    _ => {
                        let wanted = "a reason code of DISCONNECT, 0x80 to 0xA2";
                        return Err(wrong(code, CALLED, 2, "code", wanted));
                    }
                },
            };
            let reason = match &reason {
                Value::Nil => "a policy ended the connection".into(),
                reason => text(reason, CALLED, 3, "reason")?.as_ref().into(),
            };
            let instance = held.instance(&options, CALLED, 4)?;
            let wish = Wish::Kick {
                client_id,
                code,
                reason,
            };
            held.note(CALLED, instance, wish)
        },
    )
}

impl Host {
    /// Where it is to be done: what the options say, or else the instance of the client that the script is asked about.
    fn instance(&self, options: &Value, called: &str, n: usize) -> mlua::Result<Option<Arc<str>>> {
        let form = "a table such as { instance = \"mqtt-cn-1\" }";
        let table = match options {
            Value::Nil => return Ok(self.asked.instance()),
            Value::Table(table) => table,
            other => return Err(wrong(other, called, n, "options", form)),
        };
        let mut instance = self.asked.instance();
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair?;
            if name
                .as_string()
                .is_none_or(|name| *name.as_bytes() != *b"instance")
            {
                return Err(wrong(options, called, n, "options", form));
            }
            instance = Some(instance_id(&value, called, n)?);
        }
        Ok(instance)
    }

    fn note(&self, called: &str, instance: Option<Arc<str>>, wish: Wish) -> mlua::Result<()> {
        if self.effects.push(Effect { instance, wish }) {
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
    let (query, named) = sessions_query(&options)?;
    let instance = named.or_else(|| host.asked.instance());
    if !host.effects.is_served() {
        return Ok((
            Value::Nil,
            Some("there is no broker here; in a test write stub(\"mqtt.sessions\", ...)"),
        ));
    }
    let (reply, answer) = SessionsReply::new();
    host.note(CALLED, instance, Wish::Sessions(query, reply))?;
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

/// Which sessions, and of which instance if the script says that.
fn sessions_query(options: &Value) -> mlua::Result<(SessionsQuery, Option<Arc<str>>)> {
    const CALLED: &str = "mqtt.sessions";
    let form = "a table such as { prefix = \"GID_a@@@\", connected = true, limit = 100 }";
    let mut query = SessionsQuery {
        prefix: "".into(),
        connected: None,
        most: SESSIONS.0,
    };
    let table = match options {
        Value::Nil => return Ok((query, None)),
        Value::Table(table) => table,
        other => return Err(wrong(other, CALLED, 1, "options", form)),
    };
    let mut instance = None;
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        match (
            name.as_string().map(|name| name.to_string_lossy()).as_deref(),
            &value,
        ) {
            (Some("prefix"), Value::String(_)) => query.prefix = client_id(&value, CALLED, 1)?,
            (Some("instance"), value) => instance = Some(instance_id(value, CALLED, 1)?),
            (Some("connected"), Value::Boolean(connected)) => query.connected = Some(*connected),
            (Some("limit"), value) => match value.as_usize() {
                Some(most) if (1..=SESSIONS.1).contains(&most) => query.most = most,
                _ => return Err(wrong(value, CALLED, 1, "limit", "a whole number from 1 to 10000")),
            },
            _ => return Err(wrong(options, CALLED, 1, "options", form)),
        }
    }
    Ok((query, instance))
}

fn instance_id(value: &Value, called: &str, n: usize) -> mlua::Result<Arc<str>> {
    let id = text(value, called, n, "instance")?;
    sendable::instance(&id).map_err(|why| mlua::Error::runtime(format!("{called}: argument {n}: {why}")))?;
    Ok(id.as_ref().into())
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
