//! `json`: payloads as tables and back, and single values in a payload that stays what it is.

use super::arguments::{bytes, text, wrong};
use super::{MAX_INPUT, json_path};
use crate::hooks::lua::convert::{BigInteger, Converter};
use crate::hooks::lua::decode::{Undecoded, decode};
use crate::hooks::lua::limits::Limits;
use mlua::{IntoLua, IntoLuaMulti, Lua, LuaSerdeExt, MultiValue, Table, Value, Variadic};
use std::rc::Rc;

pub(super) fn module(lua: &Lua, limits: &Rc<Limits>) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = limits.clone();
    let decode = lua.create_function(move |lua, text: Value| -> mlua::Result<MultiValue> {
        let text = bytes(&text, "json.decode", 1, "text")?;
        held.work(text.as_bytes().len())?;
        decoded(lua, &held, &text.as_bytes())
    })?;
    module.raw_set("decode", decode)?;
    let held = limits.clone();
    let encode = lua.create_function(move |lua, value: Value| {
        let value = Converter::new(lua, &held)
            .make_json(&value)
            .map_err(|e| named("json.encode", &e))?;
        let text =
            serde_json::to_vec(&value).map_err(|e| mlua::Error::runtime(format!("json.encode: {e}")))?;
        held.string(lua, text)
    })?;
    module.raw_set("encode", encode)?;
    let array = lua.create_function(|lua, table: Value| {
        let Value::Table(table) = table else {
            return Err(wrong(&table, "json.array", 1, "list", "a table"));
        };
        table.set_metatable(Some(lua.array_metatable()))?;
        Ok(table)
    })?;
    module.raw_set("array", array)?;
    module.raw_set("int", lua.create_function(int)?)?;
    let held = limits.clone();
    let get = lua.create_function(
        move |lua, (text, path): (Value, Value)| -> mlua::Result<MultiValue> {
            let (text, path) = (payload(&text, "json.get", &held)?, read_path(&path, "json.get")?);
            let text = match std::str::from_utf8(&text) {
                Ok(text) => text,
                Err(_) => return (Value::Nil, "it is not UTF-8").into_lua_multi(lua),
            };
            match json_path::find(text, &path) {
                Ok(Some(value)) => decoded(lua, &held, value.as_bytes()),
                Ok(None) => Value::Nil.into_lua_multi(lua),
                Err(why) => (Value::Nil, why).into_lua_multi(lua),
            }
        },
    )?;
    module.raw_set("get", get)?;
    let held = limits.clone();
    let set = lua.create_function(
        move |lua, (text, path, value): (Value, Value, Variadic<Value>)| -> mlua::Result<MultiValue> {
            // A forgotten argument must not take anything out.
            let Some(value) = value.first() else {
                return Err(mlua::Error::runtime(
                    "json.set: argument 3 (value) is missing; write nil to take out what is there",
                ));
            };
            let (text, path) = (payload(&text, "json.set", &held)?, read_path(&path, "json.set")?);
            let new = match value {
                Value::Nil => None,
                value => {
                    let new = Converter::new(lua, &held).make_json(value);
                    Some(new.map_err(|e| named("json.set", &e))?.to_string())
                }
            };
            let edited = match std::str::from_utf8(&text) {
                Ok(text) => json_path::edit(text, &path, new.as_deref(), RESULT),
                Err(_) => Err("it is not UTF-8".into()),
            };
            match edited {
                Ok(edited) => held.string(lua, edited)?.into_lua_multi(lua),
                Err(why) => (Value::Nil, why).into_lua_multi(lua),
            }
        },
    )?;
    module.raw_set("set", set)?;
    module.raw_set("null", Value::NULL)?;
    module.set_readonly(true);
    Ok(module)
}

/// How long the result of an edit may be.
const RESULT: usize = 4 * MAX_INPUT;

/// The value, or nil and why there is none.
fn decoded(lua: &Lua, limits: &Limits, text: &[u8]) -> mlua::Result<MultiValue> {
    match decode(&mut Converter::new(lua, limits), text) {
        Ok(value) => value.into_lua_multi(lua),
        Err(Undecoded::Content(why)) => (Value::Nil, why).into_lua_multi(lua),
        Err(Undecoded::Call(error)) => Err(error),
    }
}

/// The first argument of functions that work on a text, weighed.
fn payload(text: &Value, called: &str, limits: &Limits) -> mlua::Result<mlua::BorrowedBytes> {
    let text = bytes(text, called, 1, "text")?.as_bytes();
    limits.work(text.len())?;
    Ok(text)
}

/// `"a.b.2"`, or a list for names with dots in them.
fn read_path(path: &Value, called: &str) -> mlua::Result<Vec<String>> {
    const WANTED: &str = "a path such as \"values.1.name\", or a list of its steps";
    let steps: Vec<String> = match path {
        Value::String(_) => match &*text(path, called, 2, "path")? {
            "" => Vec::new(),
            path => path.split('.').map(String::from).collect(),
        },
        Value::Table(list) => {
            let mut steps = Vec::new();
            for step in list.sequence_values::<Value>().take(json_path::LONGEST + 1) {
                let step = step?;
                if !matches!(step, Value::String(_) | Value::Integer(_) | Value::Number(_)) {
                    return Err(wrong(&step, called, 2, "path", "of strings and numbers"));
                }
                steps.push(step.to_string()?);
            }
            steps
        }
        other => return Err(wrong(other, called, 2, "path", WANTED)),
    };
    if steps.len() > json_path::LONGEST {
        return Err(mlua::Error::runtime(format!(
            "{called}: the path has more than {} steps",
            json_path::LONGEST
        )));
    }
    Ok(steps)
}

/// `json.int`: the integer that the text says, also where a number cannot hold it.
fn int(lua: &Lua, digits: Value) -> mlua::Result<MultiValue> {
    let digits = text(&digits, "json.int", 1, "digits")?;
    let number = match (digits.parse::<i64>(), digits.parse::<u64>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(number)) => serde_json::Number::from(number),
        _ => return (Value::Nil, "it is no integer of 64 bits").into_lua_multi(lua),
    };
    BigInteger::value(lua, &number)?
        .into_lua(lua)?
        .into_lua_multi(lua)
}

/// The error with the name of the function before it.
pub(super) fn named(function: &str, error: &mlua::Error) -> mlua::Error {
    match error {
        mlua::Error::RuntimeError(message) => mlua::Error::runtime(format!("{function}: {message}")),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> String {
        let lua = Lua::new();
        lua.globals()
            .set("json", module(&lua, &Rc::new(Limits::new(1 << 24))).unwrap())
            .unwrap();
        lua.load(script)
            .eval::<String>()
            .unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn values_come_back_as_they_went() {
        let text = r#"{"a":[],"b":{},"c":null,"d":[1,2.5,"x"]}"#;
        assert_eq!(run(&format!("return json.encode(json.decode('{text}'))")), text);
        assert_eq!(
            run("return json.encode({ list = json.array({}), none = json.null })").len(),
            23
        );
    }

    #[test]
    fn one_value_is_read_and_written_in_place() {
        let text = r#"{ "id": 9007199254740993, "v": [1.0, {"x": "a"}], "a.b": null }"#;
        let get = |path: &str| run(&format!("return tostring(json.get('{text}', {path}))"));
        assert_eq!(get("'id'"), "9007199254740993");
        assert_eq!(get("'v.2.x'"), "a");
        assert_eq!(get("{ 'v', 2, 'x' }"), "a");
        assert_eq!(get("{ 'a.b' }"), run("return tostring(json.null)"));
        assert_eq!(get("'a.b'"), "nil");
        assert_eq!(get("'v.9'"), "nil");
        let set = |arguments: &str| run(&format!("return json.set('{text}', {arguments})"));
        assert_eq!(
            set("'v.2.x', { 1, json.int('18446744073709551615') }"),
            text.replace("\"a\"}", "[1,18446744073709551615]}")
        );
        assert_eq!(set("'id', nil"), text.replace("\"id\": 9007199254740993, ", ""));
        let said = run("local t, why = json.set('[1', '1', 2) return tostring(t) .. ': ' .. why");
        assert!(said.starts_with("nil: EOF while parsing a list"), "{said}");
        let said = run("local t, why = json.get('\\255', '1') return tostring(t) .. ': ' .. why");
        assert_eq!(said, "nil: it is not UTF-8");
        assert!(
            run("return json.get('{}', 1)").contains("json.get: argument 2 (path) must be a path such as")
        );
        assert!(run("return json.get('{}', { {} })").contains("must be of strings and numbers, it is table"));
        assert!(
            run("return json.set('{}', 'a', print)").contains("json.set: a function has no form in JSON")
        );
        assert!(run("return json.set('{}', 'a')").contains("json.set: argument 3 (value) is missing"));
        assert!(run("return json.get('{}', ('a.'):rep(99))").contains("more than 64 steps"));
    }

    #[test]
    fn integers_beyond_two_to_the_53rd_are_what_they_are() {
        assert_eq!(
            run("return type(json.int('12')) .. type(json.int('9007199254740993'))"),
            "numberuserdata"
        );
        assert_eq!(
            run("return 'id/' .. json.int('9007199254740993') .. '/x'"),
            "id/9007199254740993/x"
        );
        let order = "local a, b, c = json.int('-9007199254740993'), json.int('9007199254740993'), json.int('18446744073709551615')
            return tostring(a < b and b < c and a <= a and not (c < b) and b == json.int('9007199254740993') and a ~= b)";
        assert_eq!(run(order), "true");
        assert_eq!(
            run("local n, why = json.int('1.5') return tostring(n) .. why"),
            "nilit is no integer of 64 bits"
        );
    }

    #[test]
    fn a_payload_that_is_no_json_is_an_answer_and_a_wrong_type_is_an_error() {
        let said = run("local v, why = json.decode('{\"a\":') return tostring(v) .. ': ' .. why");
        assert!(said.starts_with("nil: EOF while parsing"), "{said}");
        assert!(
            run("return json.decode(42)").contains("json.decode: argument 1 (text) must be a string, it is")
        );
        assert!(run("return json.encode(print)").contains("json.encode: a function has no form in JSON"));
        let deep = run("return json.decode(('['):rep(100000))");
        assert!(deep.contains("nil") || deep.contains("recursion"), "{deep}");
    }
}
