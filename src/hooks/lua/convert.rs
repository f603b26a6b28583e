//! Values between JSON (settings, attributes, the `json` module) and Luau.

use super::kind;
use super::limits::{Limits, SMALL_OBJECT};
use mlua::{Lua, LuaSerdeExt, LuaString, MetaMethod, Table, UserData, UserDataMethods, UserDataRef, Value};
use serde_json::{Map, Number, Value as Json};

/// Numbers of Luau are doubles: up to here they hold every integer.
const EXACT: i64 = 1 << 53;
/// How deep a value may nest. It bounds recursion here and in the scripts that walk it.
pub(crate) const MAX_DEPTH: usize = 64;
/// How much a small value holds: so many values, where 64 bytes of text count as one more.
const SMALL: usize = 1024;
/// What an entry of a table takes, in bytes: key, value and link.
pub(crate) const ENTRY: usize = 40;
/// After how many values the time of the call is looked at.
const BATCH: usize = 256;

/// Walks one value in either direction, within the time of the call.
pub(crate) struct Converter<'a> {
    lua: &'a Lua,
    limits: &'a Limits,
    seen: usize,
    looked: usize,
    most: usize,
}

impl<'a> Converter<'a> {
    pub(crate) fn new(lua: &'a Lua, limits: &'a Limits) -> Self {
        Self {
            lua,
            limits,
            seen: 0,
            looked: 0,
            most: usize::MAX,
        }
    }

    /// For what the broker keeps of a script's answer: attributes, the state of an exchange. It is read after the call,
    /// when the call's time no longer counts, and kept as long as the client.
    pub(crate) fn small(lua: &'a Lua, limits: &'a Limits) -> Self {
        Self {
            most: SMALL,
            ..Self::new(lua, limits)
        }
    }

    /// Counts one value, and looks at the time now and then.
    pub(crate) fn step(&mut self, depth: usize) -> mlua::Result<()> {
        if depth > MAX_DEPTH {
            return Err(mlua::Error::runtime(format!(
                "the value nests deeper than {MAX_DEPTH} levels"
            )));
        }
        self.weigh(1)
    }

    fn weigh(&mut self, values: usize) -> mlua::Result<()> {
        self.seen += values;
        if self.seen > self.most {
            let most = self.most;
            return Err(mlua::Error::runtime(format!(
                "it holds too much: {most} values, or 64 bytes of text for each"
            )));
        }
        if self.seen - self.looked < BATCH {
            return Ok(());
        }
        self.looked = self.seen;
        // So many bytes of work always look at the clock.
        self.limits.work(usize::MAX)
    }

    /// The state that values are made in.
    pub(crate) fn lua(&self) -> &'a Lua {
        self.lua
    }

    /// A string in the state.
    pub(crate) fn string(&self, text: impl AsRef<[u8]>) -> mlua::Result<LuaString> {
        self.limits.string(self.lua, text)
    }

    /// Bytes as a string in the state.
    pub(crate) fn bytes(&self, data: &[u8]) -> mlua::Result<LuaString> {
        self.limits.string(self.lua, data)
    }

    /// An empty table in the state.
    pub(crate) fn new_table(&self) -> mlua::Result<Table> {
        self.limits
            .room(self.lua, SMALL_OBJECT, || self.lua.create_table())
    }

    /// Puts into a table that has `filled` entries already: it may have to grow to twice that.
    pub(crate) fn put(&self, filled: usize, put: impl FnOnce() -> mlua::Result<()>) -> mlua::Result<()> {
        self.limits.room(self.lua, SMALL_OBJECT + filled * 2 * ENTRY, put)
    }

    /// JSON to Luau. `null` becomes `json.null`; an integer that a double cannot hold becomes a [`BigInteger`].
    pub(crate) fn make_lua(&mut self, value: &Json) -> mlua::Result<Value> {
        self.lua_at(value, 0)
    }

    fn lua_at(&mut self, value: &Json, depth: usize) -> mlua::Result<Value> {
        self.step(depth)?;
        Ok(match value {
            Json::Null => Value::NULL,
            Json::Bool(b) => Value::Boolean(*b),
            Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(n), _) if n.unsigned_abs() <= EXACT.unsigned_abs() => Value::Integer(n),
                (None, Some(f)) if !n.is_u64() => Value::Number(f),
                _ => self
                    .limits
                    .room(self.lua, SMALL_OBJECT, || BigInteger::value(self.lua, n))?,
            },
            Json::String(s) => Value::String(self.string(s)?),
            Json::Array(items) => {
                let table = self.lua.create_table_with_capacity(items.len(), 0)?;
                for (n, item) in items.iter().enumerate() {
                    table.raw_set(n + 1, self.lua_at(item, depth + 1)?)?;
                }
                // Remembers that an empty table was a list.
                table.set_metatable(Some(self.lua.array_metatable()))?;
                Value::Table(table)
            }
            Json::Object(fields) => {
                let table = self.lua.create_table_with_capacity(0, fields.len())?;
                for (key, item) in fields {
                    table.raw_set(key.as_str(), self.lua_at(item, depth + 1)?)?;
                }
                Value::Table(table)
            }
        })
    }

    /// Luau to JSON. A table with only the keys 1 to n is a list, one with only string keys an object.
    pub(crate) fn make_json(&mut self, value: &Value) -> mlua::Result<Json> {
        self.json_at(value, 0)
    }

    fn json_at(&mut self, value: &Value, depth: usize) -> mlua::Result<Json> {
        self.step(depth)?;
        Ok(match value {
            Value::Nil => Json::Null,
            value if value.is_null() => Json::Null,
            Value::Boolean(b) => Json::Bool(*b),
            Value::Integer(n) => Json::Number((*n).into()),
            Value::Number(n) => Json::Number(number(*n)?),
            Value::String(s) => {
                self.weigh(s.as_bytes().len() / 64)?;
                let text = std::str::from_utf8(&s.as_bytes()).map(String::from);
                Json::String(text.map_err(|_| {
                    mlua::Error::runtime(
                        "a string is not UTF-8; encode it, with crypto.base64_encode for instance",
                    )
                })?)
            }
            Value::Table(table) => self.table(table, depth)?,
            Value::UserData(data) if data.is::<BigInteger>() => {
                Json::Number(data.borrow::<BigInteger>()?.0.clone())
            }
            other => {
                return Err(mlua::Error::runtime(format!(
                    "a {} has no form in JSON",
                    kind(other)
                )));
            }
        })
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<Json> {
        let length = table.raw_len();
        let is_list = length > 0 || table.metatable().is_some_and(|m| m == self.lua.array_metatable());
        if is_list {
            let mut items = Vec::new();
            for (n, pair) in table.pairs::<Value, Value>().enumerate() {
                let (key, item) = pair?;
                if key.as_integer() != i64::try_from(n + 1).ok() {
                    return Err(mlua::Error::runtime(
                        "a table has both numbered and named fields, or gaps; JSON knows lists and objects",
                    ));
                }
                items.push(self.json_at(&item, depth + 1)?);
            }
            return Ok(Json::Array(items));
        }
        let mut fields = Map::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, item) = pair?;
            let Value::String(key) = &key else {
                return Err(mlua::Error::runtime(format!(
                    "a field is named by a {}; names are strings",
                    kind(&key)
                )));
            };
            fields.insert(key.to_string_lossy(), self.json_at(&item, depth + 1)?);
        }
        Ok(Json::Object(fields))
    }
}

fn number(n: f64) -> mlua::Result<Number> {
    if n.fract() == 0.0 && n.abs() <= EXACT as f64 {
        return Ok((n as i64).into());
    }
    Number::from_f64(n).ok_or_else(|| mlua::Error::runtime(format!("{n} has no form in JSON")))
}

/// An integer of JSON or CBOR that a double cannot hold. Scripts can compare it with its like, print it, join it to a string,
/// and put it where it came from.
pub(crate) struct BigInteger(pub(crate) Number);

impl BigInteger {
    /// A number as scripts have it: this where a double cannot hold it.
    pub(crate) fn value(lua: &Lua, number: &Number) -> mlua::Result<Value> {
        match number.as_i64() {
            Some(small) if small.unsigned_abs() <= EXACT.unsigned_abs() => Ok(Value::Integer(small)),
            _ => lua.create_userdata(Self(number.clone())).map(Value::UserData),
        }
    }

    fn wide(&self) -> i128 {
        let signed = self.0.as_i64().map(i128::from);
        signed.or(self.0.as_u64().map(i128::from)).unwrap_or_default()
    }
}

impl UserData for BigInteger {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        type Other = UserDataRef<BigInteger>;
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.to_string()));
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: Other| Ok(this.0 == other.0));
        methods.add_meta_method(MetaMethod::Lt, |_, this, other: Other| {
            Ok(this.wide() < other.wide())
        });
        methods.add_meta_method(MetaMethod::Le, |_, this, other: Other| {
            Ok(this.wide() <= other.wide())
        });
        // Either side may be the integer.
        methods.add_meta_function(MetaMethod::Concat, |lua, (left, right): (Value, Value)| {
            let part = |value: &Value| match value {
                Value::String(text) => Ok(text.as_bytes().to_vec()),
                Value::Integer(_) | Value::Number(_) | Value::UserData(_) => {
                    value.to_string().map(String::into_bytes)
                }
                other => Err(mlua::Error::runtime(format!(
                    "an integer cannot be joined to a {}",
                    kind(other)
                ))),
            };
            lua.create_string([part(&left)?, part(&right)?].concat())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round(value: &Json) -> Json {
        let (lua, limits) = (Lua::new(), Limits::new(1 << 24));
        let mut converter = Converter::new(&lua, &limits);
        let there = converter.make_lua(value).unwrap();
        converter.make_json(&there).unwrap()
    }

    #[test]
    fn json_comes_back_as_it_went() {
        let value = json!({"a": [1, 2.5, "x", true, null, []], "b": {}, "big": 9007199254740992_i64});
        assert_eq!(round(&value), value);
        for big in [json!(9007199254740993_i64), json!(i64::MIN), json!(u64::MAX)] {
            assert_eq!(round(&big), big);
        }
    }

    #[test]
    fn what_json_cannot_say_is_named() {
        let (lua, limits) = (Lua::new(), Limits::new(1 << 24));
        let error = |script: &str| {
            let value: Value = lua.load(script).eval().unwrap();
            Converter::new(&lua, &limits)
                .make_json(&value)
                .unwrap_err()
                .to_string()
        };
        assert!(error("return print").contains("a function has no form"));
        assert!(error("return {1, 2, x = 3}").contains("numbered and named"));
        assert!(error("return {[true] = 1}").contains("named by a boolean"));
        assert!(error("return 0/0").contains("no form"));
        assert!(error("return '\\255'").contains("UTF-8"));
        assert!(error("local t = {} t.t = t return t").contains("deeper than 64"));
    }
}
