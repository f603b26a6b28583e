//! JSON text to Luau values, without a tree in between: a payload of a stranger costs what it holds once, and the call's
//! deadline is looked at on the way.

use super::convert::{Converter, ENTRY};
use mlua::{LuaSerdeExt, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt;

/// Why there is no value.
pub(crate) enum Undecoded {
    /// The text is no JSON, in words: an answer.
    Content(String),
    /// The call has to end: no time, no memory.
    Call(mlua::Error),
}

impl From<mlua::Error> for Undecoded {
    fn from(error: mlua::Error) -> Self {
        Undecoded::Call(error)
    }
}

/// Decodes `text`. `null` becomes `json.null`; an integer that a double cannot hold becomes a
/// [`BigInteger`](super::convert::BigInteger).
pub(crate) fn decode(converter: &mut Converter<'_>, text: &[u8]) -> Result<Value, Undecoded> {
    let mut failed = None;
    let mut from = serde_json::Deserializer::from_slice(text);
    let result = Seed {
        converter,
        failed: &mut failed,
        depth: 0,
    }
    .deserialize(&mut from);
    match (result.and_then(|value| from.end().map(|()| value)), failed) {
        (_, Some(failed)) => Err(Undecoded::Call(failed)),
        (Ok(value), None) => Ok(value),
        (Err(error), None) => Err(Undecoded::Content(error.to_string())),
    }
}

struct Seed<'s, 'c> {
    converter: &'s mut Converter<'c>,
    failed: &'s mut Option<mlua::Error>,
    depth: usize,
}

impl<'c> Seed<'_, 'c> {
    fn inner(&mut self) -> Seed<'_, 'c> {
        Seed {
            converter: self.converter,
            failed: self.failed,
            depth: self.depth + 1,
        }
    }

    /// Turns an error of the state into one that stops the parser, and keeps the real one.
    fn or_stop<T, E: Error>(&mut self, result: mlua::Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            *self.failed = Some(error);
            E::custom("stopped")
        })
    }

    fn scalar<E: Error>(mut self, value: &Json) -> Result<Value, E> {
        let made = self.converter.make_lua(value);
        self.or_stop(made)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(mut self, from: D) -> Result<Value, D::Error> {
        if self.depth > super::convert::MAX_DEPTH {
            return Err(D::Error::custom("it nests too deep"));
        }
        let step = self.converter.step(self.depth);
        self.or_stop(step)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(&value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(&value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<Value, E> {
        let made = self.converter.string(value);
        self.or_stop(made).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let lua = self.converter.lua();
        let table = self.converter.new_table();
        let table = self.or_stop(table)?;
        let mut filled = 0;
        while let Some(item) = items.next_element_seed(self.inner())? {
            let put = self.converter.put(filled, || table.raw_push(item));
            self.or_stop(put)?;
            filled += 1;
        }
        // Remembers that an empty table was a list.
        let marked = table.set_metatable(Some(lua.array_metatable()));
        self.or_stop(marked)?;
        Ok(Value::Table(table))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let table = self.converter.new_table();
        let table = self.or_stop(table)?;
        let mut filled = 0;
        while let Some(key) = fields.next_key::<Cow<'de, str>>()? {
            let value = fields.next_value_seed(self.inner())?;
            let put = self
                .converter
                .put(filled + key.len() / ENTRY, || table.raw_set(&*key, value));
            self.or_stop(put)?;
            filled += 1;
        }
        Ok(Value::Table(table))
    }
}
