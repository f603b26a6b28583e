//! A Luau state in which a policy can do no harm: a limited standard library, Dunlin's modules, an interrupt and a
//! memory limit.

use super::PRELUDE;
use super::answer::{RawSaid, Said};
use super::fault::Fault;
use super::limits::Limits;
use super::waiting::Waiting;
use crate::hooks::host::{self, Host, modules::Modules};
use crate::hooks::suggest;
use mlua::chunk::{ChunkMode, Compiler};
use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, LuaOptions, LuaString, StdLib, Table, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

/// No `io` (Luau has none), no `debug`, and of `os` only the clock, which is all of it that Luau has.
fn libraries() -> StdLib {
    StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::OS
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::BIT
        | StdLib::MATH
        | StdLib::BUFFER
        | StdLib::VECTOR
}

/// Globals of Luau that a policy does not get. `loadstring` runs code that no check saw; the environment functions
/// switch off Luau's optimisations for good; a full garbage collection is one long uninterrupted call.
pub(crate) const REMOVED: &[&str] = &[
    "collectgarbage",
    "gcinfo",
    "getfenv",
    "loadstring",
    "newproxy",
    "require",
    "setfenv",
];

/// What scripts for other Lua engines look for, and Luau never had.
pub(crate) const ABSENT: &[&str] = &["debug", "io", "load", "package"];

/// Garbage is let grow to twice what a state holds, so this is what a healthy state stays below.
const SLACK: usize = 256 << 10;

/// A state and its limits.
pub(crate) struct Sandbox {
    pub(crate) lua: Lua,
    pub(crate) limits: Rc<Limits>,
    /// What its modules work with.
    pub(crate) host: Host,
    /// Calls a function; see the prelude.
    enter: Function,
    /// Calls a function and classifies its answer.
    ask: Function,
}

impl Sandbox {
    /// A fresh state with these surroundings, that may require `modules`.
    pub(crate) fn new(host: Host, modules: Rc<Modules>) -> mlua::Result<Self> {
        Self::with(host, modules, |_, _| Ok(()))
    }

    /// The same with what `more` puts into its globals.
    pub(crate) fn with(
        host: Host,
        modules: Rc<Modules>,
        more: impl FnOnce(&Lua, &Host) -> mlua::Result<()>,
    ) -> mlua::Result<Self> {
        let lua = Lua::new_with(libraries(), LuaOptions::new())?;
        let limits = host.limits.clone();
        let globals = lua.globals();
        for name in REMOVED {
            globals.raw_remove(*name)?;
        }
        let (enter, ask) = guard_library(&lua, &limits)?;
        host::install(&lua, &host, modules)?;
        more(&lua, &host)?;
        explain_missing_globals(&lua, &globals)?;
        lua.sandbox(true)?;
        let held = limits.clone();
        lua.set_interrupt(move |lua| held.interrupt(lua));
        Ok(Self {
            lua,
            limits,
            host,
            enter,
            ask,
        })
    }

    /// Calls `function` under these limits. Neither an error, an overrun nor a panic gets past it.
    pub(crate) fn call<R: FromLuaMulti>(
        &self,
        function: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<R, Fault> {
        self.run(&self.enter, budget, steps, (function, arguments))
    }

    /// Calls `function` likewise, and reads what it answers.
    #[inline]
    pub(crate) fn ask(
        &self,
        function: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<Said, Fault> {
        self.run::<RawSaid>(&self.ask, budget, steps, (function, arguments))
            .map(Said::read)
    }

    /// Calls `function` as a coroutine that may wait. `budget` and `steps` bound what it computes, not how long it waits.
    pub(crate) fn wait<R: FromLuaMulti>(
        &self,
        function: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<Waiting<R>, Fault> {
        Waiting::begin(self, &self.enter, budget, steps, (function, arguments))
    }

    /// Calls `function` likewise, for an answer that [`Said::read`] understands.
    pub(crate) fn ask_waiting(
        &self,
        function: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<Waiting<RawSaid>, Fault> {
        Waiting::begin(self, &self.ask, budget, steps, (function, arguments))
    }

    #[inline]
    fn run<R: FromLuaMulti>(
        &self,
        through: &Function,
        budget: Duration,
        steps: Option<u64>,
        arguments: impl IntoLuaMulti,
    ) -> Result<R, Fault> {
        self.limits.begin(budget, steps);
        let result = catch_unwind(AssertUnwindSafe(|| through.call::<R>(arguments)));
        let stopped = self.limits.end(&self.lua);
        match (result, stopped) {
            (Ok(Ok(value)), None) => Ok(value),
            // It caught the error that should have ended it, and returned in time for no one.
            (Ok(Ok(_)), Some(stop)) => Err(Fault::from_lua(&self.limits.error(stop), Some(stop))),
            (Ok(Err(error)), stopped) => Err(Fault::from_lua(&error, stopped)),
            (Err(panic), _) => Err(Fault::panicked(panic.as_ref())),
        }
    }

    /// The function that bytecode of ours compiles to; `file` is what errors call it.
    pub(crate) fn load(&self, bytecode: &[u8], file: &str) -> mlua::Result<Function> {
        load(&self.lua, bytecode, file)
    }

    /// Says that loading is over: from here on much more memory means that a call is watched closely.
    pub(crate) fn loaded(&self) {
        self.limits
            .watch_closely_above(self.lua.used_memory() * 2 + SLACK);
    }
}

/// Loads bytecode that [`compile`] made. Bytecode from elsewhere never gets here: Luau trusts it blindly.
pub(crate) fn load(lua: &Lua, bytecode: &[u8], file: &str) -> mlua::Result<Function> {
    lua.load(bytecode)
        .set_mode(ChunkMode::Binary)
        .set_name(format!("={file}"))
        .into_function()
}

/// Compiles Luau source to bytecode.
pub(crate) fn compile(source: &[u8]) -> mlua::Result<Vec<u8>> {
    compile_with(source, 0)
}

/// The same with line counts, for telling which lines were run.
pub(crate) fn compile_traced(source: &[u8]) -> mlua::Result<Vec<u8>> {
    compile_with(source, 1)
}

fn compile_with(source: &[u8], coverage: u8) -> mlua::Result<Vec<u8>> {
    // Editors on some systems begin a file with a byte order mark, which Luau does not know.
    let source = source.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source);
    Compiler::new()
        .set_optimization_level(1)
        .set_debug_level(1)
        .set_coverage_level(coverage)
        .compile(source)
}

/// Replaces the library functions that could run long without an interrupt; returns the prelude's two functions.
fn guard_library(lua: &Lua, limits: &Rc<Limits>) -> mlua::Result<(Function, Function)> {
    static BYTECODE: OnceLock<Vec<u8>> = OnceLock::new();
    let bytecode = match BYTECODE.get() {
        Some(bytecode) => bytecode,
        None => {
            let compiled = compile(include_bytes!("prelude.luau"))?;
            BYTECODE.get_or_init(|| compiled)
        }
    };
    let held = limits.clone();
    let work = lua.create_function(move |_, bytes: usize| held.work(bytes))?;
    let held = limits.clone();
    let search = lua.create_function(
        move |_, (text, needle, init): (LuaString, LuaString, Option<i64>)| {
            held.work(text.as_bytes().len())?;
            Ok(search(&text.as_bytes(), &needle.as_bytes(), init.unwrap_or(1)).unzip())
        },
    )?;
    let words = lua.create_function(|_, error: Value| {
        Ok(match &error {
            Value::Error(error) => Fault::from_lua(error, None).to_string(),
            other => other.to_string()?,
        })
    })?;
    load(lua, bytecode, PRELUDE)?.call((work, search, words))
}

/// `string.find(text, needle, init, true)` in linear time.
fn search(text: &[u8], needle: &[u8], init: i64) -> Option<(usize, usize)> {
    let length = i64::try_from(text.len()).ok()?;
    let start = if init < 0 {
        (length + init).max(0)
    } else {
        (init - 1).max(0)
    };
    let start = usize::try_from(start).ok()?;
    let found = start + memchr::memmem::find(text.get(start..)?, needle)?;
    Some((found + 1, found + needle.len()))
}

/// Makes reading a global that does not exist an error that says so, where Lua would go on with nil.
fn explain_missing_globals(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let mut known: Vec<String> = Vec::new();
    for pair in globals.pairs::<Value, Value>() {
        if let (Value::String(name), _) = pair? {
            known.push(name.to_string_lossy());
        }
    }
    let meta = lua.create_table()?;
    let missing = lua.create_function(move |_, (_, name): (Value, Value)| -> mlua::Result<Value> {
        let name = name.to_string().unwrap_or_default();
        let withheld = REMOVED.iter().chain(ABSENT).any(|gone| *gone == name);
        let help = match suggest::nearest(&name, known.iter().map(String::as_str)) {
            _ if withheld => "policies run without it".to_owned(),
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "declare it with `local`".to_owned(),
        };
        Err(mlua::Error::runtime(format!("`{name}` is not defined; {help}")))
    })?;
    meta.raw_set("__index", missing)?;
    globals.set_metatable(Some(meta))
}

#[cfg(test)]
mod tests {
    use super::search;

    #[test]
    fn searching_agrees_with_string_find() {
        let lua = mlua::Lua::new();
        let find: mlua::Function = lua.load("return string.find").eval().unwrap();
        for (text, needle) in [
            ("abcabc", "bc"),
            ("abc", ""),
            ("", "a"),
            ("aaa", "aa"),
            ("abc", "x"),
        ] {
            for init in -5..=8 {
                let theirs: (Option<usize>, Option<usize>) = find.call((text, needle, init, true)).unwrap();
                let ours = search(text.as_bytes(), needle.as_bytes(), init);
                assert_eq!(ours, theirs.0.zip(theirs.1), "{text:?} {needle:?} {init}");
            }
        }
    }
}
