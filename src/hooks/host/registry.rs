//! `registry`: what operators have set up, for reading. See [`crate::store::registry`].

use super::Host;
use super::arguments::{text, whole_or, wrong};
use crate::hooks::lua::convert::Converter;
use crate::store::registry::{Record, Registry};
use mlua::{Lua, Table, Value};
use std::cell::RefCell;
use std::sync::Arc;

/// How many records `registry.list` gives when nothing is said, and at most.
const RECORDS: (usize, usize) = (100, 1000);

const GET: &str = "registry.get";
const LIST: &str = "registry.list";

/// The registry that a state reads: the broker's, unless a test has given it one of its own.
#[derive(Default)]
pub(crate) struct Records(RefCell<Option<Arc<Registry>>>);

impl Records {
    /// From now on the state reads this one.
    pub(crate) fn replace(&self, registry: Registry) {
        *self.0.borrow_mut() = Some(Arc::new(registry));
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    let get = lua.create_function(move |lua, (instance, kind, name): (Value, Value, Value)| {
        let instance = text(&instance, GET, 1, "instance")?;
        let kind = text(&kind, GET, 2, "kind")?;
        let name = text(&name, GET, 3, "name")?;
        match held.registry().get(&instance, &kind, &name) {
            Some(record) => held.value_of(lua, &record),
            None => Ok(Value::Nil),
        }
    })?;
    module.raw_set("get", get)?;
    let held = host.clone();
    let list = lua.create_function(move |lua, (instance, kind, options): (Value, Value, Value)| {
        let instance = text(&instance, LIST, 1, "instance")?;
        let kind = text(&kind, LIST, 2, "kind")?;
        let (after, most) = page(&options)?;
        held.limits.work(1 << 16)?;
        let found = held.registry().list(&instance, &kind, after.as_deref(), most);
        let rows = lua.create_table_with_capacity(found.len(), 0)?;
        for (name, record) in found {
            let row = lua.create_table_with_capacity(0, 2)?;
            row.raw_set("name", held.limits.string(lua, &*name)?)?;
            row.raw_set("value", held.value_of(lua, &record)?)?;
            rows.raw_push(row)?;
        }
        Ok(rows)
    })?;
    module.raw_set("list", list)?;
    module.set_readonly(true);
    Ok(module)
}

/// Which page: those behind which name, and how many.
fn page(options: &Value) -> mlua::Result<(Option<String>, usize)> {
    let form = "a table such as { after = \"GID_a\", limit = 100 }";
    let table = match options {
        Value::Nil => return Ok((None, RECORDS.0)),
        Value::Table(table) => table,
        other => return Err(wrong(other, LIST, 3, "options", form)),
    };
    let (mut after, mut most) = (None, RECORDS.0);
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        match name.as_string().map(|name| name.to_string_lossy()).as_deref() {
            Some("after") => after = Some(text(&value, LIST, 3, "after")?.to_owned()),
            Some("limit") => most = whole_or(&value, RECORDS.0, 1..=RECORDS.1, LIST, 3, "limit")?,
            _ => return Err(wrong(options, LIST, 3, "options", form)),
        }
    }
    Ok((after, most))
}

impl Host {
    fn registry(&self) -> Arc<Registry> {
        let own = self.records.0.borrow().clone();
        own.unwrap_or_else(|| self.services.registry().clone())
    }

    /// What a record says, as a table of the script's own.
    fn value_of(&self, lua: &Lua, record: &Record) -> mlua::Result<Value> {
        let table = lua.create_table_with_capacity(0, record.value.len())?;
        let mut converter = Converter::new(lua, &self.limits);
        for (field, value) in &record.value {
            table.raw_set(field.as_str(), converter.make_lua(value)?)?;
        }
        Ok(Value::Table(table))
    }
}
