//! `cache`: what a policy remembers for a while, in its own state.
//!
//! Keys and values lie in tables of Luau, so that they count as the state's memory; beside them lies which was used
//! last.
//!
//! *Invariant*: slot `n` of the tables is taken exactly when an entry says so.

use super::Host;
use super::arguments::{as_number, options, seconds, wrong, wrong_field};
use crate::hooks::lua::{PRELUDE, sandbox};
use hashbrown::DefaultHashBuilder;
use lru::LruCache;
use mlua::{Function, Lua, LuaString, Table, UserData, UserDataFields, UserDataMethods, Value};
use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;
use std::rc::Rc;
use std::time::Duration;

/// How long a value holds when the script does not say.
const TTL: Duration = Duration::from_secs(60);
/// How many entries a cache has when the script does not say.
const SIZE: usize = 1024;
/// How many the caches of a state may have together.
const MOST: usize = 1 << 18;

/// One cache. When it is full, what was not used for longest goes.
struct Cache {
    host: Host,
    ttl: Duration,
    size: usize,
    keys: Table,
    values: Table,
    hasher: DefaultHashBuilder,
    entries: RefCell<Entries>,
    /// How many entries the caches of the state have been promised.
    promised: Rc<Cell<usize>>,
}

struct Entries {
    /// By the hash of the key: of two keys with one hash, the newer is remembered.
    by_use: LruCache<u64, Entry>,
    free: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Entry {
    slot: usize,
    ends: Duration,
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.promised.set(self.promised.get().saturating_sub(self.size));
    }
}

impl Cache {
    fn hash(&self, key: &LuaString) -> u64 {
        self.hasher.hash_one(&*key.as_bytes())
    }

    fn get(&self, key: &LuaString) -> mlua::Result<Value> {
        let hash = self.hash(key);
        let entry = self.entries.borrow_mut().by_use.get(&hash).copied();
        let Some(Entry { slot, ends }) = entry else {
            return Ok(Value::Nil);
        };
        if ends <= self.host.clock.now() {
            self.forget(hash)?;
            return Ok(Value::Nil);
        }
        if self.keys.raw_get::<LuaString>(slot)? != *key {
            return Ok(Value::Nil);
        }
        self.values.raw_get(slot)
    }

    fn set(&self, key: &LuaString, value: &Value, ttl: Duration) -> mlua::Result<()> {
        let hash = self.hash(key);
        let known = self.entries.borrow_mut().by_use.get(&hash).copied();
        let slot = match known {
            Some(entry) => entry.slot,
            None => self.slot()?,
        };
        let put = self
            .keys
            .raw_set(slot, key)
            .and_then(|()| self.values.raw_set(slot, value));
        let ends = self.host.clock.now().saturating_add(ttl);
        self.entries.borrow_mut().by_use.put(hash, Entry { slot, ends });
        // Without memory for it, there is half an entry.
        put.or_else(|error| self.forget(hash).and(Err(error)))
    }

    /// A slot for a new entry; it is made free where there is none.
    fn slot(&self) -> mlua::Result<usize> {
        let mut entries = self.entries.borrow_mut();
        if let Some(free) = entries.free.pop() {
            return Ok(free);
        }
        if entries.by_use.len() < self.size {
            return Ok(entries.by_use.len() + 1);
        }
        let (_, oldest) = entries
            .by_use
            .pop_lru()
            .ok_or_else(|| mlua::Error::runtime("cache: it has no entries"))?;
        Ok(oldest.slot)
    }

    /// Whether there was something that still held.
    fn delete(&self, key: &LuaString) -> mlua::Result<bool> {
        let there = !self.get(key)?.is_nil();
        if there {
            self.forget(self.hash(key))?;
        }
        Ok(there)
    }

    fn forget(&self, hash: u64) -> mlua::Result<()> {
        let Some(entry) = self.entries.borrow_mut().by_use.pop(&hash) else {
            return Ok(());
        };
        self.entries.borrow_mut().free.push(entry.slot);
        // `false` and not nil: setting what exists needs no memory.
        self.values.raw_set(entry.slot, false)?;
        self.keys.raw_set(entry.slot, false)
    }
}

fn key<'a>(value: &'a Value, called: &str) -> mlua::Result<&'a LuaString> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(other, called, 1, "key", "a string")),
    }
}

impl UserData for Cache {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |_, this, name: Value| this.get(key(&name, "cache:get")?));
        methods.add_method("set", |_, this, (name, value, ttl): (Value, Value, Value)| {
            let name = key(&name, "cache:set")?;
            let ttl = seconds(&ttl, "cache:set", 3, "ttl")?.unwrap_or(this.ttl);
            if value.is_nil() {
                return this.delete(name).map(drop);
            }
            this.set(name, &value, ttl)
        });
        methods.add_method("delete", |_, this, name: Value| {
            this.delete(key(&name, "cache:delete")?)
        });
    }

    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_function_get("fetch", |lua, _| lua.named_registry_value::<Function>(FETCH));
    }
}

/// `fetch` is Lua, so that the loader runs in the coroutine of the hook and may wait. Whoever asks for the same meanwhile
/// loads it as well.
const FETCH_SOURCE: &[u8] = b"return function(self, key, load)
    local value, why = self:get(key), nil
    if value == nil then
        value, why = load(key)
        if value ~= nil then self:set(key, value) end
    end
    return value, why
end";
const FETCH: &str = "dunlin.cache.fetch";

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let fetch = sandbox::load(lua, &sandbox::compile(FETCH_SOURCE)?, PRELUDE)?;
    lua.set_named_registry_value(FETCH, fetch.call::<Function>(())?)?;
    let module = lua.create_table()?;
    let (held, promised) = (host.clone(), Rc::new(Cell::new(0)));
    let new = lua.create_function(move |lua, given: Value| {
        let (ttl, size) = read(&given)?;
        let all = promised.get() + size;
        if all > MOST {
            return Err(mlua::Error::runtime(format!(
                "cache.new: with this one the caches of the policy would have {all} entries, {MOST} are allowed; make them once, while the script loads"
            )));
        }
        let cache = Cache {
            host: held.clone(),
            ttl,
            size,
            keys: lua.create_table()?,
            values: lua.create_table()?,
            hasher: DefaultHashBuilder::default(),
            entries: RefCell::new(Entries {
                by_use: LruCache::unbounded(),
                free: Vec::new(),
            }),
            promised: promised.clone(),
        };
        promised.set(all);
        Ok(cache)
    })?;
    module.raw_set("new", new)?;
    module.set_readonly(true);
    Ok(module)
}

/// The time and the size in the options.
fn read(given: &Value) -> mlua::Result<(Duration, usize)> {
    const CALLED: &str = "cache.new";
    let Some(given) = options(given, &["ttl", "size"], CALLED, 1, "options")? else {
        return Ok((TTL, SIZE));
    };
    let (ttl, size): (Value, Value) = (given.raw_get("ttl")?, given.raw_get("size")?);
    let ttl = match as_number(&ttl).filter(|seconds| *seconds > 0.0) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        None if ttl.is_nil() => TTL,
        None => return Err(wrong_field(&ttl, CALLED, "ttl", "a number of seconds above 0")),
    };
    let size = match as_number(&size).filter(|size| size.fract() == 0.0 && *size >= 1.0) {
        Some(entries) => entries as usize,
        None if size.is_nil() => SIZE,
        None => return Err(wrong_field(&size, CALLED, "size", "a whole number above 0")),
    };
    Ok((ttl, size))
}
