//! `time`: the clock.

use super::Host;
use mlua::{Lua, Table};

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let clock = host.clock.clone();
    let now = lua.create_function(move |_, ()| Ok(clock.now().as_secs_f64()))?;
    module.raw_set("now", now)?;
    module.set_readonly(true);
    Ok(module)
}
