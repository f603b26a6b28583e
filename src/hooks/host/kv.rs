//! `kv` and `state`: values that all shards share, and that outlive a reload. See [`crate::hooks::services`].

use super::Host;
use super::arguments::{as_number, bytes, number_or, seconds, whole_or, wrong};
use crate::hooks::lua::convert::Converter;
use crate::hooks::services::{Kv, KvError, KvValue, Space};
use mlua::{FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::sync::Arc;
use std::time::Duration;

/// How many keys `kv.keys` gives at most, and when it is not told.
const KEYS: usize = 1000;

/// `kv`, with `kv.shared` for values of all policies.
pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = space(lua, host, "kv", Space::Of(host.policy.clone()))?;
    let shared = space(lua, host, "kv.shared", Space::Shared)?;
    shared.set_readonly(true);
    module.raw_set("shared", shared)?;
    module.set_readonly(true);
    Ok(module)
}

/// `state`: a policy's own small values that survive a reload.
pub(super) fn state(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = Functions::new(lua, host, "state", Space::State(host.policy.clone()))?;
    module.add("get", |lua, at, name: Value| {
        let name = bytes(&name, "state.get", 1, "name")?;
        at.to_lua(lua, at.kv.get(&name.as_bytes(), at.now()))
    })?;
    module.add("set", |lua, at, (name, value): (Value, Value)| {
        let name = bytes(&name, "state.set", 1, "name")?;
        if value.is_nil() {
            at.kv.delete(&name.as_bytes(), at.now());
            return true.into_lua_multi(lua);
        }
        let value = at.of_lua(lua, &value, "state.set", 2, "value")?;
        answer(
            lua,
            at.kv.put_if(&name.as_bytes(), value, None, at.now(), |_| true),
        )
    })?;
    module.table.set_readonly(true);
    Ok(module.table)
}

/// The functions of one space; `module` is what errors call it.
fn space(lua: &Lua, host: &Host, module: &'static str, space: Space) -> mlua::Result<Table> {
    let module = Functions::new(lua, host, module, space)?;
    module.add("get", |lua, at, key: Value| {
        let key = bytes(&key, &at.called("get"), 1, "key")?;
        at.to_lua(lua, at.kv.get(&key.as_bytes(), at.now()))
    })?;
    module.add("set", |lua, at, arguments| {
        put(lua, at, "set", arguments, |_| true)
    })?;
    module.add("add", |lua, at, arguments| {
        put(lua, at, "add", arguments, |old| old.is_none())
    })?;
    module.add(
        "cas",
        |lua, at, (key, old, new, ttl): (Value, Value, Value, Value)| {
            let called = at.called("cas");
            let key = bytes(&key, &called, 1, "key")?;
            let old = match &old {
                Value::Nil => None,
                old => Some(at.of_lua(lua, old, &called, 2, "old")?),
            };
            let new = at.of_lua(lua, &new, &called, 3, "new")?;
            let ttl = seconds(&ttl, &called, 4, "ttl")?;
            let put = at
                .kv
                .put_if(&key.as_bytes(), new, ttl, at.now(), |there| there == old.as_ref());
            answer(lua, put)
        },
    )?;
    module.add("incr", |lua, at, (key, by, ttl): (Value, Value, Value)| {
        let called = at.called("incr");
        let key = bytes(&key, &called, 1, "key")?;
        let by = number_or(&by, 1.0, &called, 2, "by")?;
        let ttl = seconds(&ttl, &called, 3, "ttl")?;
        answer(lua, at.kv.incr(&key.as_bytes(), by, ttl, at.now()))
    })?;
    module.add("delete", |_, at, key: Value| {
        let key = bytes(&key, &at.called("delete"), 1, "key")?;
        Ok(at.kv.delete(&key.as_bytes(), at.now()))
    })?;
    module.add("ttl", |_, at, key: Value| {
        let key = bytes(&key, &at.called("ttl"), 1, "key")?;
        let left = at.kv.ttl(&key.as_bytes(), at.now());
        Ok(left.map(|left| left.map_or(f64::INFINITY, |left| left.as_secs_f64())))
    })?;
    module.add("keys", keys)?;
    Ok(module.table)
}

fn put(
    lua: &Lua,
    at: &At,
    function: &str,
    (key, value, ttl): (Value, Value, Value),
    may: impl Fn(Option<&KvValue>) -> bool,
) -> mlua::Result<MultiValue> {
    let called = at.called(function);
    let key = bytes(&key, &called, 1, "key")?;
    let value = at.of_lua(lua, &value, &called, 2, "value")?;
    let ttl = seconds(&ttl, &called, 3, "ttl")?;
    answer(lua, at.kv.put_if(&key.as_bytes(), value, ttl, at.now(), may))
}

fn keys(lua: &Lua, at: &At, (prefix, most, after): (Value, Value, Value)) -> mlua::Result<Table> {
    let called = at.called("keys");
    let optional = |value: &Value, n, name| match value {
        Value::Nil => Ok(None),
        value => bytes(value, &called, n, name).map(|text| Some(text.as_bytes().to_vec())),
    };
    let prefix = optional(&prefix, 1, "prefix")?.unwrap_or_default();
    let most = whole_or(&most, KEYS, 1..=KEYS, &called, 2, "limit")?;
    let after = optional(&after, 3, "after")?;
    let look = || at.host.limits.work(1 << 16);
    let found = at.kv.keys(&prefix, after.as_deref(), most, at.now(), look)?;
    let list = lua.create_table()?;
    for (n, key) in found.iter().enumerate() {
        list.raw_set(n + 1, at.host.limits.string(lua, key)?)?;
    }
    Ok(list)
}

/// A module whose functions work on a space.
struct Functions<'a> {
    lua: &'a Lua,
    table: Table,
    at: At,
}

/// What each of them works with.
#[derive(Clone)]
struct At {
    host: Host,
    kv: Arc<Kv>,
    module: &'static str,
}

impl<'a> Functions<'a> {
    fn new(lua: &'a Lua, host: &Host, module: &'static str, space: Space) -> mlua::Result<Self> {
        Ok(Self {
            lua,
            table: lua.create_table()?,
            at: At {
                host: host.clone(),
                kv: host.services.kv(space),
                module,
            },
        })
    }

    fn add<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        function: impl Fn(&Lua, &At, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let at = self.at.clone();
        let function = self
            .lua
            .create_function(move |lua, arguments| function(lua, &at, arguments))?;
        self.table.raw_set(name, function)
    }
}

impl At {
    fn called(&self, function: &str) -> String {
        format!("{}.{function}", self.module)
    }

    fn now(&self) -> Duration {
        self.host.clock.now()
    }

    fn of_lua(&self, lua: &Lua, value: &Value, called: &str, n: usize, name: &str) -> mlua::Result<KvValue> {
        Ok(match value {
            Value::Boolean(b) => KvValue::Bool(*b),
            Value::String(_) => KvValue::Text(bytes(value, called, n, name)?.as_bytes().as_ref().into()),
            Value::Table(_) | Value::UserData(_) => {
                let json = Converter::small(lua, &self.host.limits).make_json(value);
                let json = json.map_err(|error| {
                    mlua::Error::runtime(format!("{called}: argument {n} ({name}): {}", words_of(&error)))
                })?;
                KvValue::Json(json.to_string().into())
            }
            other => {
                const WANTED: &str = "a string, a number, a boolean or a small table";
                let number = as_number(other).ok_or_else(|| wrong(other, called, n, name, WANTED))?;
                KvValue::Number(number)
            }
        })
    }

    fn to_lua(&self, lua: &Lua, value: Option<KvValue>) -> mlua::Result<Value> {
        Ok(match value {
            None => Value::Nil,
            Some(KvValue::Bool(b)) => Value::Boolean(b),
            Some(KvValue::Number(n)) => Value::Number(n),
            Some(KvValue::Text(text)) => Value::String(self.host.limits.string(lua, text)?),
            Some(KvValue::Json(text)) => {
                let json = serde_json::from_str(&text).map_err(mlua::Error::external)?;
                Converter::new(lua, &self.host.limits).make_lua(&json)?
            }
        })
    }
}

fn words_of(error: &mlua::Error) -> String {
    match error {
        mlua::Error::RuntimeError(message) => message.clone(),
        other => other.to_string(),
    }
}

/// What came of it; `nil` and why, when it could not be done.
fn answer(lua: &Lua, done: Result<impl IntoLuaMulti, KvError>) -> mlua::Result<MultiValue> {
    let why = match done {
        Ok(done) => return done.into_lua_multi(lua),
        Err(KvError::Full) => "full: delete something, or give values a time to live",
        Err(KvError::NoNumber) => "the value is no number",
        Err(KvError::TooLarge) => "the sum is too large for a number",
    };
    (Value::Nil, why).into_lua_multi(lua)
}
