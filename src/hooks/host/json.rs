//! `json`: payloads as tables and back.

use super::arguments::bytes;
use crate::hooks::lua::convert::Converter;
use crate::hooks::lua::decode::{Undecoded, decode};
use crate::hooks::lua::limits::Limits;
use mlua::{IntoLuaMulti, Lua, LuaSerdeExt, MultiValue, Table, Value};
use std::rc::Rc;

pub(super) fn module(lua: &Lua, limits: &Rc<Limits>) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = limits.clone();
    let decode = lua.create_function(move |lua, text: Value| -> mlua::Result<MultiValue> {
        let text = bytes(&text, "json.decode", 1, "text")?;
        held.work(text.as_bytes().len())?;
        match decode(&mut Converter::new(lua, &held), &text.as_bytes()) {
            Ok(value) => value.into_lua_multi(lua),
            Err(Undecoded::Content(why)) => (Value::Nil, why).into_lua_multi(lua),
            Err(Undecoded::Call(error)) => Err(error),
        }
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
            return Err(super::arguments::wrong(
                &table,
                "json.array",
                1,
                "list",
                "a table",
            ));
        };
        table.set_metatable(Some(lua.array_metatable()))?;
        Ok(table)
    })?;
    module.raw_set("array", array)?;
    module.raw_set("null", Value::NULL)?;
    module.set_readonly(true);
    Ok(module)
}

fn named(function: &str, error: &mlua::Error) -> mlua::Error {
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
