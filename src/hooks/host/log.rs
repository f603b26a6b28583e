//! `log`: a policy's lines in the broker's log, marked with its name.

use super::arguments::{bytes, wrong};
use crate::hooks::lua::convert::Converter;
use crate::hooks::lua::limits::Limits;
use mlua::{Function, Lua, MultiValue, Table, Value};
use std::rc::Rc;
use std::sync::Arc;

/// How much of a message is logged, in bytes: topics and payloads come from strangers.
const MAX_MESSAGE: usize = 4096;

macro_rules! level {
    ($lua:expr, $module:expr, $policy:expr, $limits:expr, $name:ident) => {{
        let (policy, limits) = ($policy.clone(), $limits.clone());
        let function = $lua.create_function(move |lua, (message, fields): (Value, Value)| {
            let (message, fields) = line(lua, &limits, concat!("log.", stringify!($name)), &message, &fields)?;
            match fields {
                None => tracing::$name!(policy = &*policy, "{message}"),
                Some(fields) => tracing::$name!(policy = &*policy, %fields, "{message}"),
            }
            Ok(())
        })?;
        $module.raw_set(stringify!($name), function)
    }};
}

pub(super) fn module(lua: &Lua, limits: &Rc<Limits>, policy: &str) -> mlua::Result<Table> {
    let policy: Arc<str> = policy.into();
    let module = lua.create_table()?;
    level!(lua, module, policy, limits, debug)?;
    level!(lua, module, policy, limits, info)?;
    level!(lua, module, policy, limits, warn)?;
    level!(lua, module, policy, limits, error)?;
    module.set_readonly(true);
    Ok(module)
}

/// `print`, for those who look for it first: the same as `log.info` of its arguments.
pub(super) fn print(lua: &Lua, policy: &str) -> mlua::Result<Function> {
    let policy: Arc<str> = policy.into();
    lua.create_function(move |_, values: MultiValue| {
        let words: Vec<String> = values
            .iter()
            .map(mlua::Value::to_string)
            .collect::<mlua::Result<_>>()?;
        tracing::info!(policy = &*policy, "{}", cut(words.join(" ")));
        Ok(())
    })
}

fn line(
    lua: &Lua,
    limits: &Limits,
    function: &str,
    message: &Value,
    fields: &Value,
) -> mlua::Result<(String, Option<String>)> {
    let message = cut(bytes(message, function, 1, "message")?.to_string_lossy());
    let fields = match fields {
        Value::Nil => None,
        Value::Table(_) => Some(cut(Converter::new(lua, limits).make_json(fields)?.to_string())),
        other => return Err(wrong(other, function, 2, "fields", "a table")),
    };
    Ok((message, fields))
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let cut = cut("é".repeat(5000));
        assert!(cut.len() < 4100 && cut.ends_with("é…"));
    }

    #[test]
    fn a_message_is_a_string() {
        let lua = Lua::new();
        lua.globals()
            .set(
                "log",
                module(&lua, &Rc::new(Limits::new(1 << 24)), "test").unwrap(),
            )
            .unwrap();
        lua.load("log.info('hello', { n = 1 })").exec().unwrap();
        let error = lua.load("log.warn({})").exec().unwrap_err().to_string();
        assert!(
            error.contains("log.warn: argument 1 (message) must be a string, it is table"),
            "{error}"
        );
    }
}
