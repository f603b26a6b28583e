//! `cache`: what a policy remembers for a while, in its own state.

use super::Host;
use super::arguments::wrong;
use crate::hooks::lua::{PRELUDE, sandbox};
use mlua::{Function, Lua, Table, UserData, UserDataFields, UserDataMethods, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// How many entries a cache has when the script does not say, and how many at most.
const SIZE: usize = 1024;
const MOST: usize = 1 << 20;

struct Kept {
    value: Value,
    ends: Duration,
    used: u64,
}

/// One cache. When it is full, a tenth goes: what was not used for longest.
struct Cache {
    host: Host,
    ttl: Duration,
    size: usize,
    entries: RefCell<HashMap<Vec<u8>, Kept>>,
    turn: std::cell::Cell<u64>,
}

impl Cache {
    fn get(&self, key: &[u8]) -> Option<Value> {
        let mut entries = self.entries.borrow_mut();
        let kept = entries
            .get_mut(key)
            .filter(|kept| kept.ends > self.host.clock.now())?;
        self.turn.set(self.turn.get() + 1);
        kept.used = self.turn.get();
        Some(kept.value.clone())
    }

    fn set(&self, key: &[u8], value: Value, ttl: Option<f64>) -> mlua::Result<()> {
        let ttl = match ttl {
            Some(ttl) => Duration::try_from_secs_f64(ttl)
                .map_err(|_| mlua::Error::runtime("cache: ttl must be a number of seconds, 0 or more"))?,
            None => self.ttl,
        };
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= self.size && !entries.contains_key(key) {
            let now = self.host.clock.now();
            entries.retain(|_, kept| kept.ends > now);
            if entries.len() >= self.size {
                let mut uses: Vec<u64> = entries.values().map(|kept| kept.used).collect();
                let tenth = uses.len() / 10;
                let (_, old, _) = uses.select_nth_unstable(tenth);
                let old = *old;
                entries.retain(|_, kept| kept.used > old);
            }
        }
        self.turn.set(self.turn.get() + 1);
        let ends = self.host.clock.now().saturating_add(ttl);
        let used = self.turn.get();
        entries.insert(key.to_vec(), Kept { value, ends, used });
        Ok(())
    }
}

fn key(value: &Value, called: &str) -> mlua::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        other => Err(wrong(other, called, 1, "key", "a string")),
    }
}

impl UserData for Cache {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |_, this, name: Value| {
            Ok(this.get(&key(&name, "cache:get")?))
        });
        methods.add_method(
            "set",
            |_, this, (name, value, ttl): (Value, Value, Option<f64>)| {
                this.set(&key(&name, "cache:set")?, value, ttl)
            },
        );
        methods.add_method("delete", |_, this, name: Value| {
            let there = this.entries.borrow_mut().remove(&key(&name, "cache:delete")?);
            Ok(there.is_some())
        });
    }

    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_function_get("fetch", |lua, _| lua.named_registry_value::<Function>(FETCH));
    }
}

/// `fetch` is Lua, so that the loader runs in the coroutine of the hook and may wait. Whoever asks for the same meanwhile
/// loads it as well.
const FETCH_SOURCE: &[u8] = b"return function(self, key, load)
    local value = self:get(key)
    if value == nil then
        value = load()
        if value ~= nil then self:set(key, value) end
    end
    return value
end";
const FETCH: &str = "dunlin.cache.fetch";

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let fetch = sandbox::load(lua, &sandbox::compile(FETCH_SOURCE)?, PRELUDE)?;
    lua.set_named_registry_value(FETCH, fetch.call::<Function>(())?)?;
    let module = lua.create_table()?;
    let held = host.clone();
    let new = lua.create_function(move |_, options: Option<Table>| {
        let (mut ttl, mut size) = (60.0, SIZE);
        for pair in options.iter().flat_map(mlua::Table::pairs::<String, Value>) {
            let (name, value) = pair?;
            let number = value.as_number().or_else(|| value.as_integer().map(|n| n as f64));
            match (name.as_str(), number) {
                ("ttl", Some(seconds)) if seconds > 0.0 => ttl = seconds,
                ("size", Some(entries)) if entries >= 1.0 => size = (entries as usize).min(MOST),
                _ => {
                    return Err(mlua::Error::runtime(
                        "cache.new: it takes { ttl = seconds, size = entries }",
                    ));
                }
            }
        }
        Ok(Cache {
            host: held.clone(),
            ttl: Duration::try_from_secs_f64(ttl).unwrap_or(Duration::MAX),
            size,
            entries: RefCell::default(),
            turn: std::cell::Cell::default(),
        })
    })?;
    module.raw_set("new", new)?;
    module.set_readonly(true);
    Ok(module)
}
