//! `redis`: servers that the policy's entry names. Each command waits.

use super::Host;
use super::arguments::{text, wrong};
use crate::hooks::services::RedisServer;
use crate::hooks::suggest;
use mlua::{Lua, MultiValue, Table, UserData, UserDataMethods, Value};
use std::sync::Arc;

/// An opened server.
struct Opened {
    host: Host,
    server: Arc<RedisServer>,
}

type Answer = (Value, Option<String>);

impl UserData for Opened {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("command", |lua, this, arguments: MultiValue| async move {
            command(&lua, &this, "redis:command", &[], arguments).await
        });
        macro_rules! shorthand {
            ($($name:literal $command:literal)*) => {$(
                methods.add_async_method($name, |lua, this, arguments: MultiValue| async move {
                    command(&lua, &this, concat!("redis:", $name), &[$command], arguments).await
                });
            )*};
        }
        shorthand!("get" "GET" "set" "SET" "del" "DEL" "incr" "INCR" "expire" "EXPIRE" "hget" "HGET" "hset" "HSET" "publish" "PUBLISH" "eval" "EVAL");
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    let open = lua.create_function(move |_, name: Value| {
        let name = text(&name, "redis.open", 1, "name")?;
        let settings = held.backends.redis.get(&*name).ok_or_else(|| {
            let known = suggest::list(held.backends.redis.keys().map(String::as_str));
            let known = if known.is_empty() { "none".to_owned() } else { known };
            mlua::Error::runtime(format!(
                "redis.open: the policy's entry has no `redis.{name}`, it has {known}; write [policy.redis.{name}] with url = \"redis://...\"",
                name = &*name
            ))
        })?;
        let server = held.services.redis(&name, settings);
        let server = server.map_err(|why| mlua::Error::runtime(format!("redis.open: `{}`: {why}", &*name)))?;
        Ok(Opened { host: held.clone(), server })
    })?;
    module.raw_set("open", open)?;
    module.set_readonly(true);
    Ok(module)
}

async fn command(
    lua: &Lua,
    opened: &Opened,
    called: &str,
    words: &[&str],
    arguments: MultiValue,
) -> mlua::Result<Answer> {
    opened.host.limits.may_wait(lua, called)?;
    let mut all: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    for (n, argument) in arguments.iter().enumerate() {
        all.push(match argument {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Integer(_) | Value::Number(_) => argument.to_string()?.into_bytes(),
            other => return Err(wrong(other, called, n + 1, "argument", "a string or a number")),
        });
    }
    if all.is_empty() {
        return Err(mlua::Error::runtime(format!("{called}: there is no command")));
    }
    match opened.host.services.redis_command(&opened.server, all).await {
        Ok(value) => Ok((to_lua(lua, &opened.host, &value, 0)?, None)),
        Err(why) => Ok((Value::Nil, Some(why))),
    }
}

fn to_lua(lua: &Lua, host: &Host, value: &redis::Value, depth: usize) -> mlua::Result<Value> {
    use redis::Value as Redis;
    if depth > crate::hooks::lua::convert::MAX_DEPTH {
        return Err(mlua::Error::runtime("redis: the answer nests too deep"));
    }
    Ok(match value {
        Redis::Nil => Value::Nil,
        Redis::Int(n) if n.unsigned_abs() <= 1 << 53 => Value::Integer(*n),
        Redis::Int(n) => Value::String(host.limits.string(lua, n.to_string())?),
        Redis::Double(n) => Value::Number(*n),
        Redis::Boolean(b) => Value::Boolean(*b),
        Redis::Okay => Value::String(host.limits.string(lua, "OK")?),
        Redis::SimpleString(text) => Value::String(host.limits.string(lua, text)?),
        Redis::BulkString(data) => Value::String(host.limits.string(lua, data)?),
        Redis::Array(items) | Redis::Set(items) => {
            let list = lua.create_table_with_capacity(items.len(), 0)?;
            for (n, item) in items.iter().enumerate() {
                let item = match item {
                    // A list with holes has no length.
                    Redis::Nil => Value::NULL,
                    item => to_lua(lua, host, item, depth + 1)?,
                };
                list.raw_set(n + 1, item)?;
            }
            Value::Table(list)
        }
        Redis::Map(pairs) => {
            let table = lua.create_table_with_capacity(0, pairs.len())?;
            for (key, item) in pairs {
                table.raw_set(
                    to_lua(lua, host, key, depth + 1)?,
                    to_lua(lua, host, item, depth + 1)?,
                )?;
            }
            Value::Table(table)
        }
        other => {
            return Err(mlua::Error::runtime(format!(
                "redis: an answer of an unknown kind: {other:?}"
            )));
        }
    })
}
