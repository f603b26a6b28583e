//! Luau states: built, limited, asked, and read.

pub(crate) mod action;
pub(crate) mod answer;
pub(crate) mod asked;
pub(crate) mod connect;
pub(crate) mod context;
pub(crate) mod convert;
pub(crate) mod decode;
pub(crate) mod fair;
pub(crate) mod fault;
pub(crate) mod filters;
pub(crate) mod grant;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod sandbox;
pub(crate) mod state;
pub(crate) mod waiting;

/// What the guarded part of the standard library is called in tracebacks.
pub(crate) const PRELUDE: &str = "prelude";

/// What scripts call the type of a value: `mlua` tells integers from other numbers, Luau does not.
pub(crate) fn kind(value: &mlua::Value) -> &'static str {
    match value {
        mlua::Value::Integer(_) => "number",
        other => other.type_name(),
    }
}
