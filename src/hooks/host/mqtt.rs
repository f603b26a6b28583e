//! `mqtt`: what a script can have the broker do. Each function notes it, and the shard does it when its turn ends.

use super::Host;
use super::arguments::{text, wrong};
use super::effects::Effect;
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
