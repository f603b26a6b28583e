//! What `rule_action` is given and what it returns.

use super::answer::{Said, Word};
use super::convert::Converter;
use super::fault::Fault;
use super::sandbox::Sandbox;
use crate::hooks::verdict::{ActionOutcome, NewMessage};
use mlua::{Table, Value};
use serde_json::Value as Json;
use std::time::Duration;

pub(crate) fn rule_arguments(
    sandbox: &Sandbox,
    rule: &Json,
    messages: &[NewMessage],
) -> mlua::Result<(Value, Table)> {
    let lua = &sandbox.lua;
    let rule = Converter::new(lua, &sandbox.limits).make_lua(rule)?;
    let list = lua.create_table_with_capacity(messages.len(), 0)?;
    for (n, message) in messages.iter().enumerate() {
        let table = lua.create_table_with_capacity(0, 5)?;
        table.raw_set("topic", &*message.topic)?;
        table.raw_set("payload", lua.create_string(&message.payload)?)?;
        table.raw_set("qos", message.qos as u8)?;
        table.raw_set("retain", message.retain)?;
        table.raw_set(
            "properties",
            super::message::properties_to_lua(lua, &message.properties)?,
        )?;
        list.raw_set(n + 1, table)?;
    }
    Ok((rule, list))
}

/// `"done"` for all, or a list with an outcome for each message.
pub(crate) fn outcomes(said: &Said, messages: usize) -> Result<Vec<ActionOutcome>, Fault> {
    let form = || {
        Fault::answer(
            "rule_action returns \"done\", or for each message \"done\", { \"retry\", seconds } or { \"dead letter\", reason }",
        )
    };
    let list = match (said.word, &said.other) {
        (Some(Word::Done), _) => return Ok(vec![ActionOutcome::Done; messages]),
        (None, Value::Table(list)) => list,
        _ => return Err(form()),
    };
    let mut read = Vec::new();
    for value in list.sequence_values::<Value>() {
        read.push(match value.map_err(|error| Fault::from_lua(&error, None))? {
            Value::String(word) if *word.as_bytes() == *b"done" => ActionOutcome::Done,
            Value::Table(pair) => {
                let word: Option<String> = pair.raw_get(1).ok();
                match word.as_deref() {
                    Some("retry") => {
                        let seconds: f64 = pair.raw_get(2).map_err(|_| form())?;
                        ActionOutcome::Retry(Duration::try_from_secs_f64(seconds).map_err(|_| form())?)
                    }
                    Some("dead letter") => {
                        let reason: Option<String> = pair.raw_get(2).map_err(|_| form())?;
                        ActionOutcome::DeadLetter(reason.unwrap_or_default().into())
                    }
                    _ => return Err(form()),
                }
            }
            _ => return Err(form()),
        });
    }
    if read.len() != messages {
        return Err(Fault::answer(format!(
            "rule_action returned {} outcomes for {messages} messages",
            read.len()
        )));
    }
    Ok(read)
}
