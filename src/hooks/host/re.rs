//! `re`: regular expressions in linear time, whatever a stranger puts into a topic or a payload.

use super::Host;
use super::arguments::{bytes, text, wrong};
use mlua::{Function, Lua, LuaString, Table, Value};
use regex::bytes::{Captures, Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// How many compiled expressions a state keeps.
const KEPT: usize = 256;
/// How large a compiled expression may be, in bytes.
const SIZE: usize = 1 << 20;
/// How long an expression may be.
const PATTERN: usize = 4096;

#[derive(Default)]
struct Compiled(RefCell<HashMap<String, Rc<Regex>>>);

impl Compiled {
    fn get(&self, host: &Host, pattern: &str, called: &str) -> mlua::Result<Rc<Regex>> {
        if let Some(known) = self.0.borrow().get(pattern) {
            return Ok(known.clone());
        }
        if pattern.len() > PATTERN {
            return Err(mlua::Error::runtime(format!(
                "{called}: the expression is longer than {PATTERN} bytes"
            )));
        }
        // Compiling costs more than most searches.
        host.limits.work(1 << 16)?;
        let compiled = RegexBuilder::new(pattern)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build();
        let compiled = compiled.map_err(|why| mlua::Error::runtime(format!("{called}: {why}")))?;
        let mut kept = self.0.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        let compiled = Rc::new(compiled);
        kept.insert(pattern.to_owned(), compiled.clone());
        Ok(compiled)
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let compiled = Rc::new(Compiled::default());
    let arguments = {
        let (host, compiled) = (host.clone(), compiled.clone());
        move |called: &str, pattern: &Value, subject: &Value| -> mlua::Result<(Rc<Regex>, LuaString)> {
            let regex = compiled.get(&host, &text(pattern, called, 1, "pattern")?, called)?;
            let subject = bytes(subject, called, 2, "text")?;
            host.limits.work(subject.as_bytes().len())?;
            Ok((regex, subject.clone()))
        }
    };

    let checked = arguments.clone();
    let test = lua.create_function(move |_, (pattern, subject): (Value, Value)| {
        let (regex, subject) = checked("re.test", &pattern, &subject)?;
        Ok(regex.is_match(&subject.as_bytes()))
    })?;
    module.raw_set("test", test)?;

    let (checked, held) = (arguments.clone(), host.clone());
    let matches = lua.create_function(move |lua, (pattern, subject): (Value, Value)| {
        let (regex, subject) = checked("re.match", &pattern, &subject)?;
        let subject = subject.as_bytes();
        let found = regex.captures(&subject);
        found
            .map(|found| captures(lua, &held, &regex, &found))
            .transpose()
    })?;
    module.raw_set("match", matches)?;

    let checked = arguments.clone();
    let find = lua.create_function(move |_, (pattern, subject): (Value, Value)| {
        let (regex, subject) = checked("re.find", &pattern, &subject)?;
        Ok(regex
            .find(&subject.as_bytes())
            .map(|found| (found.start() + 1, found.end()))
            .unzip())
    })?;
    module.raw_set("find", find)?;

    let (checked, held) = (arguments.clone(), host.clone());
    let split = lua.create_function(move |lua, (pattern, subject): (Value, Value)| {
        let (regex, subject) = checked("re.split", &pattern, &subject)?;
        let list = lua.create_table()?;
        for (n, part) in regex.split(&subject.as_bytes()).enumerate() {
            list.raw_set(n + 1, held.limits.string(lua, part)?)?;
        }
        Ok(list)
    })?;
    module.raw_set("split", split)?;

    let held = host.clone();
    let gsub = lua.create_function(move |lua, (pattern, subject, with): (Value, Value, Value)| {
        let (regex, subject) = arguments("re.gsub", &pattern, &subject)?;
        let subject = subject.as_bytes();
        let mut count = 0;
        let replaced = match &with {
            Value::String(with) => {
                let with = with.as_bytes();
                regex.replace_all(&subject, |found: &Captures<'_>| {
                    count += 1;
                    let mut out = Vec::new();
                    found.expand(&with, &mut out);
                    out
                })
            }
            Value::Function(with) => {
                let mut out = Vec::with_capacity(subject.len());
                let mut copied = 0;
                for found in regex.captures_iter(&subject) {
                    count += 1;
                    let Some(whole) = found.get(0) else { continue };
                    out.extend_from_slice(subject.get(copied..whole.start()).unwrap_or_default());
                    match replacement(lua, &held, &regex, &found, with)? {
                        Some(new) => out.extend_from_slice(&new),
                        None => out.extend_from_slice(whole.as_bytes()),
                    }
                    copied = whole.end();
                    // A replacement can be longer than what it replaces.
                    held.limits.work(out.len() / 64)?;
                }
                out.extend_from_slice(subject.get(copied..).unwrap_or_default());
                out.into()
            }
            other => {
                return Err(wrong(
                    other,
                    "re.gsub",
                    3,
                    "replacement",
                    "a string or a function",
                ));
            }
        };
        Ok((held.limits.string(lua, &replaced)?, count))
    })?;
    module.raw_set("gsub", gsub)?;
    module.set_readonly(true);
    Ok(module)
}

fn replacement(
    lua: &Lua,
    host: &Host,
    regex: &Regex,
    found: &Captures<'_>,
    with: &Function,
) -> mlua::Result<Option<Vec<u8>>> {
    match with.call::<Value>(captures(lua, host, regex, found)?)? {
        Value::Nil => Ok(None),
        Value::String(new) => Ok(Some(new.as_bytes().to_vec())),
        other => Err(wrong(
            &other,
            "re.gsub",
            3,
            "what the function returned",
            "a string or nil",
        )),
    }
}

/// `[0]` is all of it, `[1]` and on the groups, and groups that have a name stand under it as well.
fn captures(lua: &Lua, host: &Host, regex: &Regex, found: &Captures<'_>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (n, (name, group)) in regex.capture_names().zip(found.iter()).enumerate() {
        let Some(group) = group else { continue };
        let text = host.limits.string(lua, group.as_bytes())?;
        if let Some(name) = name {
            table.raw_set(name, text.clone())?;
        }
        table.raw_set(n, text)?;
    }
    Ok(table)
}
