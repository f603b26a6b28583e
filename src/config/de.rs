//! Reads a [`Node`] into plain data with serde, and says at which setting it failed and why.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use super::problem::Problem;
use super::tree::{self, Entry, Node, Step, Value};

/// Why a value could not be read.
#[derive(Debug)]
pub(super) struct DeError {
    kind: Kind,
    /// From the value up to the root.
    path: Vec<Step>,
}

#[derive(Debug)]
enum Kind {
    UnknownField {
        expected: &'static [&'static str],
    },
    UnknownVariant {
        variant: String,
        expected: &'static [&'static str],
    },
    MissingField(&'static str),
    Wrong {
        found: String,
        expected: String,
    },
    Other(String),
}

impl DeError {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            path: Vec::new(),
        }
    }

    fn under(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    /// The setting that is wrong and the sentence about it.
    pub fn explain(self, root: &Node) -> (Vec<Step>, Problem) {
        let mut path = self.path;
        path.reverse();
        let name = tree::name(&path);
        let at_value = root.place_of(&path).clone();
        let problem = match self.kind {
            Kind::UnknownField { expected } => {
                let at_key = root.key_place(&path).clone();
                Problem::new(at_key, unknown_field(&path, &name, expected))
            }
            Kind::UnknownVariant { variant, expected } => {
                let choices = expected
                    .iter()
                    .map(|choice| format!("{choice:?}"))
                    .collect::<Vec<_>>()
                    .join(", ");
                let hint = match nearest(&variant, expected) {
                    Some(choice) => format!("did you mean {choice:?}? The choices are {choices}"),
                    None => format!("write one of {choices}"),
                };
                Problem::new(at_value, format!("`{name}` is {variant:?}; {hint}"))
            }
            Kind::MissingField(field) => Problem::new(
                at_value,
                format!("`{name}` has no `{field}`; add `{field} = ...`"),
            ),
            Kind::Wrong { found, expected } => {
                Problem::new(at_value, format!("`{name}` is {found}; write {expected}"))
            }
            Kind::Other(message) => Problem::new(at_value, format!("`{name}`: {message}")),
        };
        (path, problem)
    }
}

fn unknown_field(path: &[Step], name: &str, expected: &'static [&'static str]) -> String {
    let key = match path.last() {
        Some(Step::Key(key)) => key,
        _ => "",
    };
    let what = if path.len() == 1 { "section" } else { "setting" };
    match nearest(key, expected) {
        Some(known) => format!("there is no {what} `{name}`; did you mean `{known}`?"),
        None => format!("there is no {what} `{name}`; there are {}", expected.join(", ")),
    }
}

/// The known word that `word` was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |known: &str| strsim::jaro_winkler(&word.to_lowercase(), known);
    let best = known
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(best)
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Other(message) => f.write_str(message),
            kind => write!(f, "{kind:?}"),
        }
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Other(message.to_string()))
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Kind::Wrong {
            found: describe(found),
            expected: in_words(&expected.to_string()),
        })
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownVariant {
            variant: variant.to_owned(),
            expected,
        })
    }
    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownField { expected })
    }
    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingField(field))
    }
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// Rust's name of a type as the operator's: serde's own visitors say only `u16`.
fn in_words(expected: &str) -> String {
    let most = match expected {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        "u64" | "usize" => return "a whole number of 0 or more".to_owned(),
        "f32" | "f64" => return "a number".to_owned(),
        "a boolean" => return "true or false".to_owned(),
        "a string" | "path string" => return "text in quotes".to_owned(),
        "a sequence" => return "a list of tables, each under its own [[...]]".to_owned(),
        "a map" => return "a table".to_owned(),
        other if other.starts_with("struct ") => return "a table".to_owned(),
        other => return other.to_owned(),
    };
    format!("a whole number from 0 to {most}")
}

/// A deserializer over one node.
#[derive(Clone, Copy)]
pub(super) struct De<'t>(pub &'t Node);

impl<'t> De<'t> {
    fn wrong<'de, V: Visitor<'de>>(self, visitor: &V) -> DeError {
        let found = match &self.0.value {
            Value::Removed => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Integer(number) => Unexpected::Signed(*number),
            Value::Float(number) => Unexpected::Float(*number),
            Value::Text(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Table(_) => Unexpected::Map,
        };
        de::Error::invalid_type(found, visitor)
    }

    fn text(self) -> Option<&'t str> {
        match (&self.0.bare, &self.0.value) {
            (Some(bare), _) => Some(bare),
            (None, Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Removed => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries, value: None }),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    /// Serde would fill a struct from a list too, by position; no setting is written so.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Table(entries) => visitor.visit_map(Entries { entries, value: None }),
            _ => Err(self.wrong(&visitor)),
        }
    }

    /// A choice is a word, or a table of one entry whose key is the word.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match (self.text(), &self.0.value) {
            (Some(text), _) => StrDeserializer::new(text).deserialize_enum(name, variants, visitor),
            (None, Value::Table(entries)) => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries { entries, value: None }))
            }
            _ => {
                let choices = variants
                    .iter()
                    .map(|choice| format!("{choice:?}"))
                    .collect::<Vec<_>>()
                    .join(", ");
                let mut error = self.wrong(&visitor);
                if let Kind::Wrong { expected, .. } = &mut error.kind {
                    *expected = format!("one of {choices}");
                }
                Err(error)
            }
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'t> {
    items: &'t [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DeError> {
        while let Some(node) = self.items.get(self.next) {
            let index = self.next;
            self.next += 1;
            if !matches!(node.value, Value::Removed) {
                return seed
                    .deserialize(De(node))
                    .map(Some)
                    .map_err(|error| error.under(Step::Index(index)));
            }
        }
        Ok(None)
    }
}

struct Entries<'t> {
    entries: &'t [Entry],
    value: Option<&'t Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        while let Some((entry, rest)) = self.entries.split_first() {
            self.entries = rest;
            if !matches!(entry.node.value, Value::Removed) {
                self.value = Some(entry);
                let key = seed.deserialize(StrDeserializer::new(&entry.key));
                return key
                    .map(Some)
                    .map_err(|error: DeError| error.under(Step::Key(entry.key.clone())));
            }
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DeError> {
        match self.value.take() {
            Some(entry) => seed
                .deserialize(De(&entry.node))
                .map_err(|error| error.under(Step::Key(entry.key.clone()))),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}
