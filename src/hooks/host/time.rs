//! `time`: the clock, and times as text. All of it is UTC.

use super::Host;
use super::arguments::{number, text, wrong};
use ::time::OffsetDateTime;
use ::time::format_description::{parse_strftime_borrowed, well_known::Rfc3339};
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

/// How long a format may be.
const LONGEST: usize = 256;

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let clock = host.clock.clone();
    let now = lua.create_function(move |_, ()| Ok(clock.now().as_secs_f64()))?;
    module.raw_set("now", now)?;
    module.raw_set(
        "format",
        lua.create_function(|_, (s, f): (Value, Value)| format(&s, &f))?,
    )?;
    module.raw_set("parse_rfc3339", lua.create_function(parse)?)?;
    module.set_readonly(true);
    Ok(module)
}

/// `seconds` since 1970, by a format of `strftime`, or as RFC 3339 has it.
fn format(seconds: &Value, format: &Value) -> mlua::Result<String> {
    const CALLED: &str = "time.format";
    let number = number(seconds, CALLED, 1, "seconds")?;
    // Doubles of our times have about four decimals of a microsecond: beyond milliseconds it is noise.
    let nanos = ((number * 1000.0).round() as i128).saturating_mul(1_000_000);
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .map_err(|_| wrong(seconds, CALLED, 1, "seconds", "a time in the years up to 9999"))?;
    let written = match format {
        Value::Nil => at.format(&Rfc3339),
        format => {
            let format = text(format, CALLED, 2, "format")?;
            if format.len() > LONGEST {
                return Err(mlua::Error::runtime(format!(
                    "{CALLED}: the format is longer than {LONGEST} bytes"
                )));
            }
            let items = parse_strftime_borrowed(&format)
                .map_err(|why| mlua::Error::runtime(format!("{CALLED}: argument 2 (format): {why}")))?;
            at.format(&items)
        }
    };
    written.map_err(|why| mlua::Error::runtime(format!("{CALLED}: {why}")))
}

/// Seconds since 1970, or nil and why the text is no time.
fn parse(lua: &Lua, written: Value) -> mlua::Result<MultiValue> {
    let written = text(&written, "time.parse_rfc3339", 1, "text")?;
    match OffsetDateTime::parse(&written, &Rfc3339) {
        Ok(at) => (at.unix_timestamp_nanos() as f64 / 1e9).into_lua_multi(lua),
        Err(why) => (Value::Nil, why.to_string()).into_lua_multi(lua),
    }
}
