//! `topic`: what MQTT says about topic names and filters, so that no policy has to match them by hand.

use super::arguments::text;
use crate::topic::TopicFilter;
use crate::topic::relation::{covers, overlaps};
use mlua::{Lua, Table, Value};
use std::cell::RefCell;
use std::collections::HashMap;

/// How many parsed filters a state keeps: the filters of its rules come again with every call.
const KEPT: usize = 1024;
/// Longer filters are parsed anew each time, so that what is kept stays small.
const KEPT_LENGTH: usize = 256;

pub(super) fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let parsed: RefCell<HashMap<String, TopicFilter>> = RefCell::default();
    let matches = lua.create_function(move |_, (filter, name): (Value, Value)| {
        let filter = text(&filter, "topic.matches", 1, "filter")?;
        let name = text(&name, "topic.matches", 2, "topic")?;
        if let Some(known) = parsed.borrow().get(&*filter) {
            return Ok(known.matches(&name));
        }
        let new = parse("topic.matches", 1, &filter)?;
        let answer = new.matches(&name);
        if filter.len() <= KEPT_LENGTH {
            let mut parsed = parsed.borrow_mut();
            if parsed.len() >= KEPT {
                parsed.clear();
            }
            parsed.insert((*filter).to_owned(), new);
        }
        Ok(answer)
    })?;
    module.raw_set("matches", matches)?;
    pair(lua, &module, "covers", covers)?;
    pair(lua, &module, "overlaps", overlaps)?;
    let valid = lua.create_function(|_, filter: Value| {
        Ok(TopicFilter::parse(&text(&filter, "topic.valid_filter", 1, "filter")?).is_ok())
    })?;
    module.raw_set("valid_filter", valid)?;
    module.set_readonly(true);
    Ok(module)
}

/// Adds a function of two filters.
fn pair(
    lua: &Lua,
    module: &Table,
    name: &'static str,
    decide: impl Fn(&str, &str) -> bool + 'static,
) -> mlua::Result<()> {
    let function = lua.create_function(move |_, (a, b): (Value, Value)| {
        let called = format!("topic.{name}");
        let a = parse(&called, 1, &text(&a, &called, 1, "filter")?)?;
        let b = parse(&called, 2, &text(&b, &called, 2, "filter")?)?;
        Ok(decide(a.filter(), b.filter()))
    })?;
    module.raw_set(name, function)
}

fn parse(function: &str, n: usize, filter: &str) -> mlua::Result<TopicFilter> {
    TopicFilter::parse(filter).map_err(|why| {
        mlua::Error::runtime(format!(
            "{function}: argument {n}, `{filter}`, is no topic filter: {why}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_named() {
        let lua = Lua::new();
        lua.globals().set("topic", module(&lua).unwrap()).unwrap();
        let run = |script: &str| lua.load(script).eval::<bool>().map_err(|e| e.to_string());
        assert_eq!(
            run("return topic.matches('a/+', 'a/b') and topic.matches('a/+', 'a/c')"),
            Ok(true)
        );
        let said = run("return topic.matches('a/#/b', 'a')").unwrap_err();
        assert!(
            said.contains("topic.matches: argument 1, `a/#/b`, is no topic filter"),
            "{said}"
        );
        assert!(
            run("return topic.covers(1, {})")
                .unwrap_err()
                .contains("topic.covers: argument 1")
        );
    }
}
