//! `time`: what time it is.

use mlua::{Lua, Table};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    // A clock before 1970 is a broken clock; a policy is not the one to deal with it.
    let now = lua.create_function(|_, ()| {
        Ok(SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64())
    })?;
    module.raw_set("now", now)?;
    module.set_readonly(true);
    Ok(module)
}
