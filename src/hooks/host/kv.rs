//! `kv` and `state`: values that all shards share, and that outlive a reload. See [`crate::hooks::services`].

use super::Host;
use super::arguments::{bytes, wrong};
use crate::hooks::lua::convert::Converter;
use crate::hooks::services::{Kv, KvError, KvValue};
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::sync::Arc;
use std::time::Duration;

/// How many keys `kv.keys` gives when it is not told.
const KEYS: usize = 1000;
/// The space of `state`, within the policy's own: no key of a script begins with a zero byte.
const STATE: u8 = 0;

/// `kv`, with `kv.shared` for values of all policies.
pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = space(lua, host, "kv", &host.services.kv(&host.policy))?;
    let shared = space(lua, host, "kv.shared", &host.services.kv(""))?;
    shared.set_readonly(true);
    module.raw_set("shared", shared)?;
    module.set_readonly(true);
    Ok(module)
}

/// `state`: a policy's own small values that survive a reload.
pub(super) fn state(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let kv = host.services.kv(&host.policy);
    let key = |name: &Value, called: &str| -> mlua::Result<Vec<u8>> {
        let name = bytes(name, called, 1, "name")?;
        Ok([&[STATE], &*name.as_bytes()].concat())
    };
    let (held, values) = (host.clone(), kv.clone());
    let get = lua.create_function(move |lua, name: Value| {
        let value = values.get(&key(&name, "state.get")?, held.clock.now());
        value.map_or(Ok(Value::Nil), |value| to_lua(lua, &held, &value))
    })?;
    module.raw_set("get", get)?;
    let held = host.clone();
    let set = lua.create_function(move |lua, (name, value): (Value, Value)| {
        let (name, now) = (key(&name, "state.set")?, held.clock.now());
        if value.is_nil() {
            kv.delete(&name, now);
            return true.into_lua_multi(lua);
        }
        let value = of_lua(lua, &held, &value, "state.set", 2)?;
        answer(lua, kv.put_if(&name, value, None, now, |_| true))
    })?;
    module.raw_set("set", set)?;
    module.set_readonly(true);
    Ok(module)
}

fn space(lua: &Lua, host: &Host, name: &'static str, kv: &Arc<Kv>) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let named = move |function: &str| format!("{name}.{function}");

    let (held, values) = (host.clone(), kv.clone());
    let get = lua.create_function(move |lua, key: Value| {
        let value = values.get(
            &bytes(&key, &named("get"), 1, "key")?.as_bytes(),
            held.clock.now(),
        );
        value.map_or(Ok(Value::Nil), |value| to_lua(lua, &held, &value))
    })?;
    module.raw_set("get", get)?;

    for (function, only_new) in [("set", false), ("add", true)] {
        let (held, values) = (host.clone(), kv.clone());
        let put = lua.create_function(move |lua, (key, value, ttl): (Value, Value, Value)| {
            let called = named(function);
            let key = bytes(&key, &called, 1, "key")?;
            let value = of_lua(lua, &held, &value, &called, 2)?;
            let ttl = seconds(&ttl, &called, 3)?;
            let put = values.put_if(&key.as_bytes(), value, ttl, held.clock.now(), |old| {
                !only_new || old.is_none()
            });
            answer(lua, put)
        })?;
        module.raw_set(function, put)?;
    }

    let (held, values) = (host.clone(), kv.clone());
    let cas = lua.create_function(move |lua, (key, old, new, ttl): (Value, Value, Value, Value)| {
        let called = named("cas");
        let key = bytes(&key, &called, 1, "key")?;
        let old = match &old {
            Value::Nil => None,
            old => Some(of_lua(lua, &held, old, &called, 2)?),
        };
        let new = of_lua(lua, &held, &new, &called, 3)?;
        let ttl = seconds(&ttl, &called, 4)?;
        let put = values.put_if(&key.as_bytes(), new, ttl, held.clock.now(), |there| {
            there == old.as_ref()
        });
        answer(lua, put)
    })?;
    module.raw_set("cas", cas)?;

    let (held, values) = (host.clone(), kv.clone());
    let incr = lua.create_function(
        move |lua, (key, by, ttl): (Value, Value, Value)| -> mlua::Result<MultiValue> {
            let called = named("incr");
            let key = bytes(&key, &called, 1, "key")?;
            let by = match &by {
                Value::Nil => 1.0,
                by => number(by).ok_or_else(|| wrong(by, &called, 2, "by", "a number"))?,
            };
            let ttl = seconds(&ttl, &called, 3)?;
            match values.incr(&key.as_bytes(), by, ttl, held.clock.now()) {
                Ok(sum) => sum.into_lua_multi(lua),
                Err(error) => (Value::Nil, words(error)).into_lua_multi(lua),
            }
        },
    )?;
    module.raw_set("incr", incr)?;

    let (held, values) = (host.clone(), kv.clone());
    let delete = lua.create_function(move |_, key: Value| {
        Ok(values.delete(
            &bytes(&key, &named("delete"), 1, "key")?.as_bytes(),
            held.clock.now(),
        ))
    })?;
    module.raw_set("delete", delete)?;

    let (held, values) = (host.clone(), kv.clone());
    let ttl = lua.create_function(move |_, key: Value| {
        let left = values.ttl(
            &bytes(&key, &named("ttl"), 1, "key")?.as_bytes(),
            held.clock.now(),
        );
        Ok(left.map(|left| left.map_or(f64::INFINITY, |left| left.as_secs_f64())))
    })?;
    module.raw_set("ttl", ttl)?;

    let (held, values) = (host.clone(), kv.clone());
    let keys = lua.create_function(move |lua, (prefix, most): (Value, Option<usize>)| {
        let prefix = match &prefix {
            Value::Nil => Vec::new(),
            prefix => bytes(prefix, &named("keys"), 1, "prefix")?.as_bytes().to_vec(),
        };
        // It looks at every value there is.
        held.limits.work(1 << 20)?;
        let found = values.keys(&prefix, most.unwrap_or(KEYS), held.clock.now());
        let list = lua.create_table()?;
        let own = found.iter().filter(|key| key.first() != Some(&STATE));
        for (n, key) in own.enumerate() {
            list.raw_set(n + 1, held.limits.string(lua, key)?)?;
        }
        Ok(list)
    })?;
    module.raw_set("keys", keys)?;
    Ok(module)
}

/// Whether it was put; `nil` and why, when there was no room.
fn answer(lua: &Lua, put: Result<bool, KvError>) -> mlua::Result<MultiValue> {
    match put {
        Ok(put) => put.into_lua_multi(lua),
        Err(error) => (Value::Nil, words(error)).into_lua_multi(lua),
    }
}

fn words(error: KvError) -> &'static str {
    match error {
        KvError::Full => "full: delete something, or give values a time to live",
        KvError::NoNumber => "the value is no number",
    }
}

fn number(value: &Value) -> Option<f64> {
    value
        .as_number()
        .or_else(|| value.as_integer().map(|n| n as f64))
        .filter(|n| n.is_finite())
}

fn seconds(value: &Value, called: &str, n: usize) -> mlua::Result<Option<Duration>> {
    if value.is_nil() {
        return Ok(None);
    }
    let seconds = number(value).filter(|seconds| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(Some)
        .ok_or_else(|| wrong(value, called, n, "ttl", "a number of seconds above 0"))
}

fn of_lua(lua: &Lua, host: &Host, value: &Value, called: &str, n: usize) -> mlua::Result<KvValue> {
    Ok(match value {
        Value::Boolean(b) => KvValue::Bool(*b),
        Value::String(_) => KvValue::Text(bytes(value, called, n, "value")?.as_bytes().as_ref().into()),
        Value::Table(_) => {
            let json = Converter::small(lua, &host.limits).make_json(value)?;
            KvValue::Json(json.to_string().into())
        }
        other => match number(other) {
            Some(number) => KvValue::Number(number),
            None => {
                return Err(wrong(
                    other,
                    called,
                    n,
                    "value",
                    "a string, a number, a boolean or a small table",
                ));
            }
        },
    })
}

fn to_lua(lua: &Lua, host: &Host, value: &KvValue) -> mlua::Result<Value> {
    Ok(match value {
        KvValue::Bool(b) => Value::Boolean(*b),
        KvValue::Number(n) => Value::Number(*n),
        KvValue::Text(text) => Value::String(host.limits.string(lua, text)?),
        KvValue::Json(text) => {
            let json = serde_json::from_str(text).map_err(mlua::Error::external)?;
            Converter::new(lua, &host.limits).make_lua(&json)?
        }
    })
}
