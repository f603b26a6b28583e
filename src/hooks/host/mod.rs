//! What a policy can use besides Luau's own library: the modules that Dunlin puts into every state.
//!
//! Two rules hold for each function here. It bounds its own time, because Luau cannot interrupt it: it takes at most
//! [`MAX_INPUT`] bytes and announces what it is about to do. And it checks what it is given: an argument of a wrong type
//! is an error that names function, argument and what was expected; bad *content* (a payload that is no JSON) comes from
//! strangers and is an ordinary answer, `nil` and a message.

mod arguments;
mod crypto;
mod json;
mod log;
pub(crate) mod modules;
mod time;
mod topic;

use super::lua::limits::Limits;
use mlua::Lua;
use modules::Modules;
use std::rc::Rc;

/// The largest string that a host function takes, in bytes: hashing that much takes about a millisecond.
pub(crate) const MAX_INPUT: usize = 1 << 20;

/// Puts all modules into the globals of `lua`.
pub(crate) fn install(
    lua: &Lua,
    limits: &Rc<Limits>,
    policy: &str,
    modules: Rc<Modules>,
) -> mlua::Result<()> {
    let globals = lua.globals();
    globals.raw_set("crypto", crypto::module(lua, limits)?)?;
    globals.raw_set("json", json::module(lua, limits)?)?;
    globals.raw_set("log", log::module(lua, limits, policy)?)?;
    globals.raw_set("print", log::print(lua, policy)?)?;
    globals.raw_set("time", time::module(lua)?)?;
    globals.raw_set("topic", topic::module(lua)?)?;
    globals.raw_set("require", modules::require(lua, modules)?)
}
