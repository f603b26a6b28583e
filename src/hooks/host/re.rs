//! `re`: regular expressions that take little time, whatever a stranger puts into a topic or a payload. See
//! [`super::pattern`].

use super::arguments::{bytes, text, wrong};
use super::pattern::{Pattern, TooSlow};
use super::{Host, MAX_INPUT};
use crate::hooks::lua::convert::Converter;
use lru::LruCache;
use mlua::{Function, IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};
use regex_automata::util::captures::Captures;
use regex_automata::util::{interpolate, iter::Searcher};
use regex_automata::{Input, Match, MatchError};
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;

/// How many compiled expressions a state keeps: those that were used last.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);
/// How long the result of a replacement may be.
const RESULT: usize = 4 * MAX_INPUT;
/// What compiling and searching count as, in bytes of work: as much as makes the call look at the clock.
const LOOK: usize = 64 << 10;

/// What the functions work with.
#[derive(Clone)]
struct Expressions {
    host: Host,
    kept: Rc<RefCell<LruCache<String, Rc<Pattern>>>>,
}

/// One search: what was asked for, and of which text.
struct Search<'a> {
    called: &'static str,
    host: &'a Host,
    pattern: Rc<Pattern>,
    text: LuaString,
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let expressions = Expressions {
        host: host.clone(),
        kept: Rc::new(RefCell::new(LruCache::new(KEPT))),
    };

    let all = expressions.clone();
    let test = lua.create_function(move |_, (pattern, subject): (Value, Value)| {
        let search = all.search("re.test", &pattern, &subject)?;
        let text = search.text.as_bytes();
        Ok(search.find(&Input::new(&*text))?.is_some())
    })?;
    module.raw_set("test", test)?;

    let all = expressions.clone();
    let matches = lua.create_function(move |lua, (pattern, subject): (Value, Value)| {
        let search = all.search("re.match", &pattern, &subject)?;
        let text = search.text.as_bytes();
        let found = search.find(&Input::new(&*text))?;
        found.map(|found| search.groups(lua, &text, found)).transpose()
    })?;
    module.raw_set("match", matches)?;

    let all = expressions.clone();
    let find = lua.create_function(move |_, (pattern, subject): (Value, Value)| {
        let search = all.search("re.find", &pattern, &subject)?;
        let text = search.text.as_bytes();
        let found = search.find(&Input::new(&*text))?;
        Ok(found.map(|found| (found.start() + 1, found.end())).unzip())
    })?;
    module.raw_set("find", find)?;

    let all = expressions.clone();
    let split = lua.create_function(move |lua, (pattern, subject): (Value, Value)| {
        let search = all.search("re.split", &pattern, &subject)?;
        let text = search.text.as_bytes();
        let mut list = List::new(lua, &search.host.limits)?;
        let mut from = 0;
        search.each(&text, |found| {
            let part = text.get(from..found.start()).unwrap_or_default();
            from = found.end();
            list.push(part)
        })?;
        list.push(text.get(from..).unwrap_or_default())?;
        Ok(list.table)
    })?;
    module.raw_set("split", split)?;

    let gsub = lua.create_function(move |lua, (pattern, subject, with): (Value, Value, Value)| {
        let search = expressions.search("re.gsub", &pattern, &subject)?;
        match &with {
            Value::String(_) => {
                let template = bytes(&with, "re.gsub", 3, "replacement")?.as_bytes();
                search.replace(lua, |text, found, out| search.expand(&template, text, found, out))
            }
            Value::Function(with) => {
                search.replace(lua, |text, found, out| search.ask(lua, with, text, found, out))
            }
            other => Err(wrong(
                other,
                "re.gsub",
                3,
                "replacement",
                "a string or a function",
            )),
        }
    })?;
    module.raw_set("gsub", gsub)?;
    module.set_readonly(true);
    Ok(module)
}

impl Expressions {
    fn search<'a>(
        &'a self,
        called: &'static str,
        pattern: &Value,
        subject: &Value,
    ) -> mlua::Result<Search<'a>> {
        let pattern = text(pattern, called, 1, "pattern")?;
        let text = bytes(subject, called, 2, "text")?.clone();
        let pattern = self.compiled(&pattern, called)?;
        self.host.limits.work(text.as_bytes().len())?;
        Ok(Search {
            called,
            host: &self.host,
            pattern,
            text,
        })
    }

    fn compiled(&self, pattern: &str, called: &str) -> mlua::Result<Rc<Pattern>> {
        if let Some(known) = self.kept.borrow_mut().get(pattern) {
            return Ok(known.clone());
        }
        // Compiling costs more than most searches.
        self.host.limits.work(LOOK)?;
        let compiled = Pattern::new(pattern);
        let compiled = compiled.map_err(|why| mlua::Error::runtime(format!("{called}: {why}")))?;
        let compiled = Rc::new(compiled);
        self.kept.borrow_mut().put(pattern.to_owned(), compiled.clone());
        Ok(compiled)
    }
}

impl Search<'_> {
    fn find(&self, input: &Input<'_>) -> mlua::Result<Option<Match>> {
        self.pattern.find(input).map_err(|slow| self.slow(&slow))
    }

    /// All matches, one behind the other.
    fn each(&self, text: &[u8], mut with: impl FnMut(Match) -> mlua::Result<()>) -> mlua::Result<()> {
        let mut searcher = Searcher::new(Input::new(text));
        let mut failed = None;
        loop {
            let next = searcher.try_advance(|input| {
                // A search may go through all that is left to find one letter, so each looks at the clock.
                let worked = self.host.limits.work(LOOK);
                worked.and_then(|()| self.find(input)).map_err(|error| {
                    failed = Some(error);
                    MatchError::gave_up(0)
                })
            });
            match (next, failed.take()) {
                (_, Some(error)) => return Err(error),
                (Ok(Some(found)), None) => with(found)?,
                (Ok(None) | Err(_), None) => return Ok(()),
            }
        }
    }

    /// The text with each match replaced by what `with` puts behind the result, and how many there were.
    fn replace(
        &self,
        lua: &Lua,
        mut with: impl FnMut(&[u8], Match, &mut Vec<u8>) -> mlua::Result<()>,
    ) -> mlua::Result<MultiValue> {
        let text = self.text.as_bytes();
        let (mut out, mut from, mut count) = (Vec::new(), 0, 0_u32);
        self.each(&text, |found| {
            out.extend_from_slice(text.get(from..found.start()).unwrap_or_default());
            from = found.end();
            count += 1;
            with(&text, found, &mut out)?;
            if out.len() > RESULT {
                return Err(mlua::Error::runtime(format!(
                    "{}: the result has more than {RESULT} bytes",
                    self.called
                )));
            }
            Ok(())
        })?;
        out.extend_from_slice(text.get(from..).unwrap_or_default());
        (self.host.limits.string(lua, &out)?, count).into_lua_multi(lua)
    }

    /// Puts the template, with the groups in their places, behind `out`.
    fn expand(&self, template: &[u8], text: &[u8], found: Match, out: &mut Vec<u8>) -> mlua::Result<()> {
        if !template.contains(&b'$') {
            out.extend_from_slice(template);
            return Ok(());
        }
        let groups = self.captures(text, found)?;
        let append = |n: usize, out: &mut Vec<u8>| {
            let group = groups.get_group(n).and_then(|span| text.get(span.range()));
            // What is too long is refused by the caller; here it only stops growing.
            if out.len() <= RESULT {
                out.extend_from_slice(group.unwrap_or_default());
            }
        };
        interpolate::bytes(template, append, |name| self.pattern.group(name), out);
        Ok(())
    }

    /// Puts what the function makes of the groups behind `out`.
    fn ask(
        &self,
        lua: &Lua,
        with: &Function,
        text: &[u8],
        found: Match,
        out: &mut Vec<u8>,
    ) -> mlua::Result<()> {
        match with.call::<Value>(self.groups(lua, text, found)?)? {
            Value::Nil => out.extend_from_slice(text.get(found.range()).unwrap_or_default()),
            Value::String(new) => out.extend_from_slice(&new.as_bytes()),
            other => {
                const WHAT: &str = "what the function returned";
                return Err(wrong(&other, self.called, 3, WHAT, "a string or nil"));
            }
        }
        Ok(())
    }

    fn captures(&self, text: &[u8], found: Match) -> mlua::Result<Captures> {
        self.pattern.groups(text, found).map_err(|slow| self.slow(&slow))
    }

    /// `[0]` is all of it, `[1]` and on the groups, and groups that have a name stand under it as well.
    fn groups(&self, lua: &Lua, text: &[u8], found: Match) -> mlua::Result<Table> {
        let groups = self.captures(text, found)?;
        let converter = Converter::new(lua, &self.host.limits);
        let table = converter.new_table()?;
        for (n, name) in self.pattern.names().enumerate() {
            let group = groups.get_group(n).and_then(|span| text.get(span.range()));
            let Some(group) = group else { continue };
            let group = converter.bytes(group)?;
            converter.put(n, || {
                if let Some(name) = name {
                    table.raw_set(name, &group)?;
                }
                table.raw_set(n, &group)
            })?;
        }
        Ok(table)
    }

    fn slow(&self, TooSlow: &TooSlow) -> mlua::Error {
        let length = self.text.as_bytes().len();
        mlua::Error::runtime(format!(
            "{}: the expression takes too long on a text of {length} bytes; simplify it, or look at less",
            self.called
        ))
    }
}

/// A list in the making.
struct List<'a> {
    table: Table,
    length: usize,
    converter: Converter<'a>,
}

impl<'a> List<'a> {
    fn new(lua: &'a Lua, limits: &'a crate::hooks::lua::limits::Limits) -> mlua::Result<Self> {
        let converter = Converter::new(lua, limits);
        Ok(Self {
            table: converter.new_table()?,
            length: 0,
            converter,
        })
    }

    fn push(&mut self, item: &[u8]) -> mlua::Result<()> {
        let item = self.converter.bytes(item)?;
        let table = &self.table;
        self.converter.put(self.length, || table.raw_push(item))?;
        self.length += 1;
        Ok(())
    }
}
