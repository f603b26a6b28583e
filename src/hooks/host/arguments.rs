//! Checked arguments of host functions.

use super::MAX_INPUT;
use crate::hooks::lua::kind;
use mlua::{LuaString, Value};

/// The string that argument number `n` of `function`, called `name`, must be.
pub(super) fn bytes<'a>(
    value: &'a Value,
    function: &str,
    n: usize,
    name: &str,
) -> mlua::Result<&'a LuaString> {
    let Value::String(text) = value else {
        return Err(wrong(value, function, n, name, "a string"));
    };
    let length = text.as_bytes().len();
    if length > MAX_INPUT {
        let message =
            format!("{function}: argument {n} ({name}) has {length} bytes, {MAX_INPUT} are allowed");
        return Err(mlua::Error::runtime(message));
    }
    Ok(text)
}

/// The same, and it must be UTF-8.
pub(super) fn text(value: &Value, function: &str, n: usize, name: &str) -> mlua::Result<mlua::BorrowedStr> {
    bytes(value, function, n, name)?
        .to_str()
        .map_err(|_| mlua::Error::runtime(format!("{function}: argument {n} ({name}) is not UTF-8")))
}

/// The error for an argument of a wrong type.
pub(super) fn wrong(value: &Value, function: &str, n: usize, name: &str, wanted: &str) -> mlua::Error {
    let got = kind(value);
    mlua::Error::runtime(format!(
        "{function}: argument {n} ({name}) must be {wanted}, it is {got}"
    ))
}
