//! The filters of SUBSCRIBE and UNSUBSCRIBE as lists, and what policies make of them.

use super::answer::{Said, Word};
use super::fault::Fault;
use super::kind;
use super::message::Fields;
use crate::codec::{QoS, SubscribeFilter};
use mlua::{Lua, Table, Value};

const FIELDS: &[&str] = &[
    "filter",
    "no_local",
    "qos",
    "retain_as_published",
    "retain_handling",
];
/// How many filters a policy may make of one packet.
const MOST: usize = 1024;

pub(crate) fn filters_table(lua: &Lua, filters: &[SubscribeFilter]) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(filters.len(), 0)?;
    for (n, filter) in filters.iter().enumerate() {
        let table = lua.create_table_with_capacity(0, 5)?;
        table.raw_set("filter", filter.filter.as_str())?;
        table.raw_set("qos", filter.qos as u8)?;
        table.raw_set("no_local", filter.no_local)?;
        table.raw_set("retain_as_published", filter.retain_as_published)?;
        table.raw_set("retain_handling", filter.retain_handling)?;
        list.raw_set(n + 1, table)?;
    }
    Ok(list)
}

/// Nothing, or a list in which the first `asked` stand for those that were asked for.
pub(crate) fn filters_of(said: &Said, asked: usize) -> Result<Option<Vec<SubscribeFilter>>, Fault> {
    let Some(list) = list(said, "subscribe")? else {
        return Ok(None);
    };
    let mut filters = Vec::new();
    for value in list.sequence_values::<Value>() {
        let value = value.map_err(|error| Fault::from_lua(&error, None))?;
        let Value::Table(table) = &value else {
            return Err(Fault::answer(format!(
                "subscribe returned a list that holds a {}; it holds filters, such as {{ filter = \"a/#\", qos = 1 }}",
                kind(&value)
            )));
        };
        let mut fields = Fields::of("a filter that `subscribe` returned", table, FIELDS)?;
        let handling = fields.integer::<u8>("retain_handling", "0, 1 or 2")?.unwrap_or(0);
        if handling > 2 {
            return Err(Fault::answer("`retain_handling` must be 0, 1 or 2"));
        }
        filters.push(SubscribeFilter {
            filter: fields
                .text("filter")?
                .ok_or_else(|| Fault::answer("a filter that `subscribe` returned has no `filter`"))?,
            qos: fields.qos()?.unwrap_or(QoS::AtMostOnce),
            no_local: fields.boolean("no_local")?.unwrap_or(false),
            retain_as_published: fields.boolean("retain_as_published")?.unwrap_or(false),
            retain_handling: handling,
        });
    }
    is_counted("subscribe", filters.len(), asked)?;
    Ok(Some(filters))
}

pub(crate) fn names_table(lua: &Lua, names: &[String]) -> mlua::Result<Table> {
    lua.create_sequence_from(names.iter().map(String::as_str))
}

/// Nothing, or a list likewise.
pub(crate) fn names_of(said: &Said, asked: usize) -> Result<Option<Vec<String>>, Fault> {
    let Some(list) = list(said, "unsubscribe")? else {
        return Ok(None);
    };
    let names: Result<Vec<String>, _> = list.sequence_values::<String>().collect();
    let names = names.map_err(|_| Fault::answer("unsubscribe returns a list of topic filters"))?;
    is_counted("unsubscribe", names.len(), asked)?;
    Ok(Some(names))
}

fn list<'a>(said: &'a Said, hook: &str) -> Result<Option<&'a Table>, Fault> {
    match (said.word, &said.other) {
        (Some(Word::Pass), _) | (None, Value::Nil) => Ok(None),
        (None, Value::Table(list)) => Ok(Some(list)),
        _ => Err(Fault::answer(format!(
            "{hook} returned {}; return nothing, or the list of filters as it is to be",
            said.show()
        ))),
    }
}

/// Whether each filter that was asked for has its own.
pub(crate) fn is_counted(hook: &str, got: usize, asked: usize) -> Result<(), Fault> {
    if got < asked {
        return Err(Fault::answer(format!(
            "{hook} returned {got} filters for {asked}; each needs its answer: to deny one, use authorize_subscribe"
        )));
    }
    if got > MOST.max(asked) {
        return Err(Fault::answer(format!(
            "{hook} returned {got} filters, {MOST} are allowed"
        )));
    }
    Ok(())
}
