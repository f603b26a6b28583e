//! Checked arguments of host functions.

use super::MAX_INPUT;
use crate::hooks::lua::kind;
use crate::hooks::suggest;
use mlua::{LuaString, Table, Value};
use std::ops::RangeInclusive;
use std::time::Duration;

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

/// The finite number that the argument must be.
pub(super) fn number(value: &Value, function: &str, n: usize, name: &str) -> mlua::Result<f64> {
    as_number(value).ok_or_else(|| wrong(value, function, n, name, "a number"))
}

/// The same, or `default` where there is none.
pub(super) fn number_or(
    value: &Value,
    default: f64,
    function: &str,
    n: usize,
    name: &str,
) -> mlua::Result<f64> {
    match value {
        Value::Nil => Ok(default),
        value => number(value, function, n, name),
    }
}

/// The whole number in `range` that the argument must be, or `default` where there is none.
pub(super) fn whole_or(
    value: &Value,
    default: usize,
    range: RangeInclusive<usize>,
    function: &str,
    n: usize,
    name: &str,
) -> mlua::Result<usize> {
    if value.is_nil() {
        return Ok(default);
    }
    let whole = as_number(value).filter(|number| number.fract() == 0.0 && *number >= 0.0);
    let whole = whole.map(|number| number as usize);
    whole.filter(|whole| range.contains(whole)).ok_or_else(|| {
        let (from, to) = range.into_inner();
        let wanted = format!("a whole number, {from} to {to}");
        wrong(value, function, n, name, &wanted)
    })
}

/// The time that the argument is in seconds, if there is one.
pub(super) fn seconds(value: &Value, function: &str, n: usize, name: &str) -> mlua::Result<Option<Duration>> {
    if value.is_nil() {
        return Ok(None);
    }
    as_number(value)
        .filter(|seconds| *seconds > 0.0)
        // Longer than a `Duration` can be is for ever.
        .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        .map(Some)
        .ok_or_else(|| wrong(value, function, n, name, "a number of seconds above 0"))
}

/// The table of options that the argument is, if there is one, with no other fields than those in `known`.
pub(super) fn options(
    value: &Value,
    known: &[&str],
    function: &str,
    n: usize,
    name: &str,
) -> mlua::Result<Option<Table>> {
    let table = match value {
        Value::Nil => return Ok(None),
        Value::Table(table) => table,
        other => {
            return Err(wrong(other, function, n, name, "a table"));
        }
    };
    for pair in table.pairs::<Value, Value>() {
        let (field, _) = pair?;
        let field = field.to_string()?;
        if !known.contains(&field.as_str()) {
            let known = suggest::list(known.iter().copied());
            return Err(mlua::Error::runtime(format!(
                "{function}: there is no option `{field}`; there is {known}"
            )));
        }
    }
    Ok(Some(table.clone()))
}

/// What is said of a field of such a table that is of a wrong type.
pub(super) fn wrong_field(value: &Value, function: &str, name: &str, wanted: &str) -> mlua::Error {
    let got = kind(value);
    mlua::Error::runtime(format!("{function}: `{name}` must be {wanted}, it is {got}"))
}

/// The finite number that a value is.
pub(super) fn as_number(value: &Value) -> Option<f64> {
    let number = value.as_number().or_else(|| value.as_integer().map(|n| n as f64));
    number.filter(|number| number.is_finite())
}
