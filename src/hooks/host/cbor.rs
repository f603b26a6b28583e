//! `cbor`: RFC 8949, by the same rules as `json`. A string that is no UTF-8 goes out as bytes, one that is as text;
//! `cbor.bytes(s)` says that it is bytes in any case. Bytes come in as strings.

use super::Host;
use super::arguments::{bytes, wrong};
use crate::hooks::lua::convert::{BigInteger, Converter, MAX_DEPTH};
use crate::hooks::lua::decode::Undecoded;
use ciborium::Value as Cbor;
use ciborium::value::CanonicalValue;
use mlua::{AnyUserData, IntoLuaMulti, Lua, LuaSerdeExt, LuaString, MultiValue, Table, UserData, Value};

/// A string that is bytes.
struct Bytes(Vec<u8>);

impl UserData for Bytes {}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    let decode = lua.create_function(move |lua, data: Value| -> mlua::Result<MultiValue> {
        let data = bytes(&data, "cbor.decode", 1, "data")?;
        let data = data.as_bytes();
        held.limits.work(data.len())?;
        let mut rest: &[u8] = &data;
        let read = ciborium::de::from_reader_with_recursion_limit::<Cbor, _>(&mut rest, MAX_DEPTH);
        match read {
            Ok(_) if !rest.is_empty() => (Value::Nil, "there is more behind the value").into_lua_multi(lua),
            Ok(value) => match to_lua(&mut Converter::new(lua, &held.limits), &value, 0) {
                Ok(value) => value.into_lua_multi(lua),
                Err(Undecoded::Content(why)) => (Value::Nil, why).into_lua_multi(lua),
                Err(Undecoded::Call(error)) => Err(error),
            },
            Err(why) => (Value::Nil, words(&why)).into_lua_multi(lua),
        }
    })?;
    module.raw_set("decode", decode)?;
    let held = host.clone();
    let encode = lua.create_function(move |lua, value: Value| {
        let value = of_lua(&mut Converter::new(lua, &held.limits), &value, 0)?;
        let mut out = Vec::new();
        ciborium::into_writer(&value, &mut out)
            .map_err(|why| mlua::Error::runtime(format!("cbor.encode: {why}")))?;
        held.limits.string(lua, out)
    })?;
    module.raw_set("encode", encode)?;
    let as_bytes = lua.create_function(|lua, text: Value| {
        let text = bytes(&text, "cbor.bytes", 1, "text")?;
        lua.create_userdata(Bytes(text.as_bytes().to_vec()))
    })?;
    module.raw_set("bytes", as_bytes)?;
    module.set_readonly(true);
    Ok(module)
}

fn words(why: &ciborium::de::Error<std::io::Error>) -> String {
    use ciborium::de::Error;
    match why {
        Error::Io(_) => "it ends too early".into(),
        Error::Syntax(at) => format!("what begins at byte {} is no CBOR", at + 1),
        Error::Semantic(_, why) => why.clone(),
        Error::RecursionLimitExceeded => format!("it nests deeper than {MAX_DEPTH} levels"),
    }
}

fn to_lua(converter: &mut Converter<'_>, value: &Cbor, depth: usize) -> Result<Value, Undecoded> {
    converter.step(depth)?;
    let lua = converter.lua();
    Ok(match value {
        Cbor::Null => Value::NULL,
        Cbor::Bool(b) => Value::Boolean(*b),
        Cbor::Integer(n) => {
            let n = i128::from(*n);
            match (i64::try_from(n), u64::try_from(n)) {
                (Ok(n), _) => converter.make_lua(&n.into())?,
                (_, Ok(n)) => converter.make_lua(&n.into())?,
                // Below the 64 bits that JSON's integers have here.
                _ => Value::Number(n as f64),
            }
        }
        Cbor::Float(n) => Value::Number(*n),
        Cbor::Text(text) => Value::String(converter.string(text)?),
        Cbor::Bytes(data) => Value::String(converter.bytes(data)?),
        Cbor::Tag(_, inner) => to_lua(converter, inner, depth + 1)?,
        Cbor::Array(items) => {
            let table = converter.new_table()?;
            for (n, item) in items.iter().enumerate() {
                let item = to_lua(converter, item, depth + 1)?;
                converter.put(n, || table.raw_set(n + 1, item))?;
            }
            table.set_metatable(Some(lua.array_metatable()))?;
            Value::Table(table)
        }
        Cbor::Map(pairs) => {
            let table = converter.new_table()?;
            for (n, (key, item)) in pairs.iter().enumerate() {
                let key = to_lua(converter, key, depth + 1)?;
                if matches!(key, Value::Number(n) if n.is_nan()) {
                    return Err(Undecoded::Content("a map has a key that is no number".into()));
                }
                let item = to_lua(converter, item, depth + 1)?;
                converter.put(n, || table.raw_set(key, item))?;
            }
            Value::Table(table)
        }
        _ => return Err(Undecoded::Content("it holds a value of an unknown kind".into())),
    })
}

fn of_lua(converter: &mut Converter<'_>, value: &Value, depth: usize) -> mlua::Result<Cbor> {
    converter.step(depth)?;
    Ok(match value {
        Value::Nil => Cbor::Null,
        value if value.is_null() => Cbor::Null,
        Value::Boolean(b) => Cbor::Bool(*b),
        Value::Integer(n) => Cbor::Integer((*n).into()),
        Value::Number(n) if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 => {
            Cbor::Integer((*n as i64).into())
        }
        Value::Number(n) => Cbor::Float(*n),
        Value::String(text) => of_text(text),
        Value::UserData(data) => of_userdata(data)?,
        Value::Table(table) => {
            let is_list = table.raw_len() > 0
                || table
                    .metatable()
                    .is_some_and(|metatable| metatable == converter.lua().array_metatable());
            let mut pairs = Vec::new();
            for pair in table.pairs::<Value, Value>() {
                // Taking a large table apart takes time as well.
                converter.step(depth)?;
                let (key, item) = pair?;
                pairs.push((key, item));
            }
            let in_order = || {
                pairs
                    .iter()
                    .zip(1..)
                    .all(|((key, _), n): (_, i64)| key.as_integer() == Some(n))
            };
            if is_list && in_order() {
                let items = pairs.iter().map(|(_, item)| of_lua(converter, item, depth + 1));
                Cbor::Array(items.collect::<mlua::Result<_>>()?)
            } else {
                let mut map = Vec::with_capacity(pairs.len());
                for (key, item) in &pairs {
                    map.push((
                        of_lua(converter, key, depth + 1)?,
                        of_lua(converter, item, depth + 1)?,
                    ));
                }
                // One value has one text, as with JSON: the shorter key first, then by its bytes (RFC 8949, 4.2.3).
                map.sort_by_cached_key(|(key, _)| CanonicalValue::from(key.clone()));
                Cbor::Map(map)
            }
        }
        other => {
            return Err(wrong(
                other,
                "cbor.encode",
                1,
                "value",
                "made of tables, strings, numbers and booleans",
            ));
        }
    })
}

fn of_text(text: &LuaString) -> Cbor {
    match text.to_str() {
        Ok(text) => Cbor::Text((*text).to_owned()),
        Err(_) => Cbor::Bytes(text.as_bytes().to_vec()),
    }
}

fn of_userdata(data: &AnyUserData) -> mlua::Result<Cbor> {
    if let Ok(bytes) = data.borrow::<Bytes>() {
        return Ok(Cbor::Bytes(bytes.0.clone()));
    }
    if let Ok(integer) = data.borrow::<BigInteger>() {
        let n: i128 = integer.0.to_string().parse().map_err(mlua::Error::external)?;
        let n = ciborium::value::Integer::try_from(n);
        return n
            .map(Cbor::Integer)
            .map_err(|_| mlua::Error::runtime("cbor.encode: the integer has more than 64 bits"));
    }
    Err(mlua::Error::runtime(
        "cbor.encode: a userdata has no form in CBOR",
    ))
}
