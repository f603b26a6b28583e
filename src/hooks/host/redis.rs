//! `redis`: servers that the policy's entry names. Each command waits.

use super::Host;
use super::arguments::{bytes, text, wrong};
use crate::hooks::lua::convert::{BigInteger, Converter};
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
        let opened = held.backends.redis.get(&*name).ok_or_else(|| {
            let known = suggest::list(held.backends.redis.keys().map(String::as_str));
            let known = if known.is_empty() { "none".to_owned() } else { known };
            mlua::Error::runtime(format!(
                "redis.open: the policy's entry has no `redis.{name}`, it has {known}; write [policy.redis.{name}] with url = \"redis://...\"",
                name = &*name
            ))
        })?;
        Ok(Opened { host: held.clone(), server: opened.clone() })
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
    // Each is copied.
    opened.host.limits.work(arguments.len().saturating_mul(64))?;
    let mut all: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    for (n, argument) in arguments.iter().enumerate() {
        all.push(match argument {
            Value::String(_) => bytes(argument, called, n + 1, "argument")?.as_bytes().to_vec(),
            Value::Integer(_) | Value::Number(_) => argument.to_string()?.into_bytes(),
            Value::UserData(data) if data.is::<BigInteger>() => {
                data.borrow::<BigInteger>()?.0.to_string().into_bytes()
            }
            other => return Err(wrong(other, called, n + 1, "argument", "a string or a number")),
        });
    }
    if all.is_empty() {
        return Err(mlua::Error::runtime(format!("{called}: there is no command")));
    }
    match opened.host.services.redis_command(&opened.server, all).await {
        Ok(value) => {
            let mut converter = Converter::new(lua, &opened.host.limits);
            Ok((to_lua(&mut converter, &value, 0)?, None))
        }
        Err(why) => Ok((Value::Nil, Some(why))),
    }
}

/// The answer as a value, within the time of the call.
fn to_lua(converter: &mut Converter<'_>, value: &redis::Value, depth: usize) -> mlua::Result<Value> {
    use redis::Value as Redis;
    converter.step(depth)?;
    Ok(match value {
        Redis::Nil => Value::Nil,
        Redis::Int(n) => converter.make_lua(&(*n).into())?,
        Redis::Double(n) => Value::Number(*n),
        Redis::Boolean(b) => Value::Boolean(*b),
        Redis::Okay => Value::String(converter.string("OK")?),
        Redis::SimpleString(text) | Redis::VerbatimString { text, .. } => {
            Value::String(converter.string(text)?)
        }
        Redis::BulkString(data) | Redis::BigNumber(data) => Value::String(converter.string(data)?),
        Redis::Array(items) | Redis::Set(items) => {
            let list = converter.lua().create_table_with_capacity(items.len(), 0)?;
            for (n, item) in items.iter().enumerate() {
                list.raw_set(n + 1, inside(converter, item, depth)?)?;
            }
            Value::Table(list)
        }
        Redis::Map(pairs) => {
            let table = converter.lua().create_table_with_capacity(0, pairs.len())?;
            for (key, item) in pairs {
                let key = inside(converter, key, depth)?;
                table.raw_set(key, inside(converter, item, depth)?)?;
            }
            Value::Table(table)
        }
        // What a script of EVAL answers for one of several things.
        Redis::ServerError(error) => Value::String(converter.string(error.to_string())?),
        _ => return Err(mlua::Error::runtime("redis: an answer of an unknown kind")),
    })
}

/// A value inside another: a list with holes has no length.
fn inside(converter: &mut Converter<'_>, value: &redis::Value, depth: usize) -> mlua::Result<Value> {
    Ok(match to_lua(converter, value, depth + 1)? {
        Value::Nil => Value::NULL,
        value => value,
    })
}
