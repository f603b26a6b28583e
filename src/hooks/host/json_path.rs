//! One value in a JSON text: found, replaced or taken out without building the rest, and without touching a byte of it.
//!
//! The text is gone through by `serde_json`, which checks all of it; values that are not on the path are skipped. A name
//! that stands twice in an object means its last value when it is read, as in `json.decode`, and all of them when it
//! is replaced or taken out: who reads the result may see it otherwise, and what was redacted must be gone.
//!
//! *Invariant*: what an edit does not name stays byte for byte.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// How long a path may be.
pub(super) const LONGEST: usize = 64;

/// The value at `path`, as it stands in `text`.
///
/// # Errors
/// The text is no JSON, in words.
pub(super) fn find<'t>(text: &'t str, path: &[String]) -> Result<Option<&'t str>, String> {
    let mut at = whole(text)?;
    for step in path {
        let level = Level::read(at, step)?;
        let Some(place) = level.places.last() else {
            return Ok(None);
        };
        at = at.get(place.value.clone()).unwrap_or_default();
    }
    Ok(Some(at))
}

/// `text` with `new` at `path`, or with nothing there. What is missing on the way is made, as objects.
///
/// # Errors
/// In words: the text is no JSON, there is no such place, or the result would have more than `most` bytes.
pub(super) fn edit(text: &str, path: &[String], new: Option<&str>, most: usize) -> Result<String, String> {
    let root = whole(text)?;
    let mut edits = Vec::new();
    collect(root, offset(text, root), path, 0, new, &mut edits)?;
    let added: usize = edits.iter().map(|edit| edit.new.len()).sum();
    if text.len() + added > most {
        return Err(format!("the result would have more than {most} bytes"));
    }
    let mut out = String::with_capacity(text.len() + added);
    let mut from = 0;
    for Edit { old, new } in &edits {
        out.push_str(text.get(from..old.start).unwrap_or_default());
        out.push_str(new);
        from = old.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Ok(out)
}

/// A stretch of the text, and what comes there. Edits are in order and do not overlap.
struct Edit<'n> {
    old: Range<usize>,
    new: Cow<'n, str>,
}

/// Notes what has to change in `at`, which begins at `base` in the text, for what is behind the first `done` steps.
fn collect<'n>(
    at: &str,
    base: usize,
    path: &[String],
    done: usize,
    new: Option<&'n str>,
    edits: &mut Vec<Edit<'n>>,
) -> Result<(), String> {
    let Some(step) = path.get(done) else {
        let new = new.ok_or("the whole value cannot be taken out")?;
        edits.push(Edit {
            old: base..base + at.len(),
            new: new.into(),
        });
        return Ok(());
    };
    let level = Level::read(at, step)?;
    let is_last = done + 1 == path.len();
    match new {
        None if is_last => {
            let stretches = level.without().into_iter();
            edits.extend(stretches.map(|old| Edit {
                old: base + old.start..base + old.end,
                new: "".into(),
            }));
            Ok(())
        }
        None if level.places.is_empty() => Ok(()),
        Some(new) if level.places.is_empty() => {
            let added = level.addition(path, done, new)?;
            edits.push(Edit {
                old: base + level.end..base + level.end,
                new: added.into(),
            });
            Ok(())
        }
        _ => level.places.iter().try_for_each(|place| {
            let inner = at.get(place.value.clone()).unwrap_or_default();
            collect(inner, base + place.value.start, path, done + 1, new, edits)
        }),
    }
}

/// The one value that `text` is, without the blanks around it.
fn whole(text: &str) -> Result<&str, String> {
    serde_json::from_str::<&RawValue>(text)
        .map(RawValue::get)
        .map_err(|error| error.to_string())
}

/// Where `inner`, a part of `outer`, begins in it.
fn offset(outer: &str, inner: &str) -> usize {
    inner.as_ptr().addr() - outer.as_ptr().addr()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    List,
    Other,
}

/// One object or list, as far as one step of a path is concerned.
struct Level {
    kind: Kind,
    /// How many values are in it.
    count: usize,
    /// Behind the last of them, or behind the opening bracket.
    end: usize,
    /// Those that the step names.
    places: Vec<Place>,
}

/// Where a value stands in its object or list.
struct Place {
    /// The how manieth it is.
    number: usize,
    /// Where its name begins, or itself in a list.
    start: usize,
    value: Range<usize>,
    /// Where the value before ends, and the one behind begins.
    before: Option<usize>,
    behind: Option<usize>,
}

impl Level {
    fn read(at: &str, step: &str) -> Result<Self, String> {
        let kind = match at.bytes().next() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            _ => Kind::Other,
        };
        let mut level = Self {
            kind,
            count: 0,
            end: 1,
            places: Vec::new(),
        };
        if kind != Kind::Other {
            let mut from = serde_json::Deserializer::from_str(at);
            let reader = Reader {
                at,
                step,
                level: &mut level,
            };
            reader.deserialize(&mut from).map_err(|error| error.to_string())?;
        }
        Ok(level)
    }

    /// Notes one more value, and whether the step names it.
    fn note(&mut self, start: usize, value: Range<usize>, named: bool) {
        self.count += 1;
        let number = self.count;
        if let Some(last) = self.places.last_mut().filter(|last| last.number + 1 == number) {
            last.behind = Some(start);
        }
        let before = (number > 1).then_some(self.end);
        self.end = value.end;
        if named {
            self.places.push(Place {
                number,
                start,
                value,
                before,
                behind: None,
            });
        }
    }

    /// The stretches that the places and their commas fill.
    fn without(&self) -> Vec<Range<usize>> {
        let neighbours = |a: &Place, b: &Place| a.number + 1 == b.number;
        let runs = self.places.chunk_by(neighbours);
        runs.filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            Some(match (first.before, last.behind) {
                (Some(before), _) => before..last.value.end,
                (None, Some(behind)) => first.start..behind,
                (None, None) => first.start..last.value.end,
            })
        })
        .collect()
    }

    /// What to write at the end of the level, so that `new` is at `path`.
    fn addition(&self, path: &[String], done: usize, new: &str) -> Result<String, String> {
        let (step, rest) = match path.get(done..) {
            Some([step, rest @ ..]) => (step, rest),
            _ => return Ok(new.to_owned()),
        };
        let here = path.get(..done).unwrap_or_default().join(".");
        let place = if here.is_empty() {
            "the value".to_owned()
        } else {
            format!("`{here}`")
        };
        let comma = if self.count > 0 { "," } else { "" };
        let mut value = new.to_owned();
        for step in rest.iter().rev() {
            value = format!("{{{}:{value}}}", quoted(step));
        }
        match self.kind {
            Kind::Object => Ok(format!("{comma}{}:{value}", quoted(step))),
            Kind::List if index(step) == Some(self.count + 1) => Ok(format!("{comma}{value}")),
            Kind::List => Err(format!("{place} is a list of {}, without `{step}`", self.count)),
            Kind::Other => Err(format!("{place} is no object and no list")),
        }
    }
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// Lists count from 1, as in Lua.
fn index(step: &str) -> Option<usize> {
    // Not `+1` and not `01`.
    step.starts_with(|first: char| first.is_ascii_digit() && first != '0')
        .then(|| step.parse().ok())
        .flatten()
}

struct Reader<'l> {
    at: &'l str,
    step: &'l str,
    level: &'l mut Level,
}

impl Reader<'_> {
    fn range(&self, value: &RawValue) -> Range<usize> {
        let start = offset(self.at, value.get());
        start..start + value.get().len()
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<&RawValue>()? {
            let value: &RawValue = members.next_value()?;
            // A name that is no text at all, such as half of a surrogate pair, is none that a step has.
            let text = serde_json::from_str::<Name<'_>>(name.get()).ok();
            let named = text.is_some_and(|name| name.0 == self.step);
            let start = self.range(name).start;
            self.level.note(start, self.range(value), named);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let wanted = index(self.step);
        while let Some(item) = items.next_element::<&RawValue>()? {
            let range = self.range(item);
            let named = wanted == Some(self.level.count + 1);
            self.level.note(range.start, range, named);
        }
        Ok(())
    }
}

/// A name in an object, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn path(path: &str) -> Vec<String> {
        path.split('.')
            .filter(|step| !step.is_empty())
            .map(String::from)
            .collect()
    }

    fn get<'t>(text: &'t str, at: &str) -> Option<&'t str> {
        find(text, &path(at)).unwrap()
    }

    fn set(text: &str, at: &str, new: &str) -> String {
        edit(text, &path(at), Some(new), 1 << 20).unwrap_or_else(|why| why)
    }

    fn without(text: &str, at: &str) -> String {
        edit(text, &path(at), None, 1 << 20).unwrap_or_else(|why| why)
    }

    #[test]
    fn values_are_found_as_they_stand() {
        let text = r#" { "a" : [ 1.50, {"b":"x\u0041"} ] , "c\u0041": 1e400, "d": null, "a.b": 3 } "#;
        assert_eq!(get(text, "a.1"), Some("1.50"));
        assert_eq!(get(text, "a.2.b"), Some(r#""x\u0041""#));
        assert_eq!(get(text, "cA"), Some("1e400"));
        assert_eq!(get(text, "d"), Some("null"));
        assert_eq!(find(text, &["a.b".into()]).unwrap(), Some("3"));
        for none in ["a.0", "a.3", "a.b", "x", "d.x", "a.1.x", "a.-1"] {
            assert_eq!(get(text, none), None, "{none}");
        }
        assert_eq!(get(text, ""), Some(text.trim()));
        assert_eq!(get(r#"{"a":1,"a":2}"#, "a"), Some("2"));
        for broken in ["", "{", r#"{"a":1}}"#, r#"{"a":1,}"#, r#"{"a":tru}"#, "[1 2]"] {
            assert!(find(broken, &path("a")).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_edit_touches_nothing_else() {
        let text = " {\n  \"a\": 1.0,\t\"b\": [1, 2 ,3],  \"c\": {} }\n";
        assert_eq!(set(text, "a", "2"), text.replace("1.0", "2"));
        assert_eq!(set(text, "b.2", "\"x\""), text.replace("2 ,", "\"x\" ,"));
        assert_eq!(set(text, "b.4", "4"), text.replace("3]", "3,4]"));
        assert_eq!(set(text, "c.x.y", "0"), text.replace("{}", r#"{"x":{"y":0}}"#));
        assert_eq!(set(text, "d", "0"), text.replace("{} }", "{},\"d\":0 }"));
        assert_eq!(set("[ ]", "1", "0"), "[0 ]");
        assert_eq!(set(" 1 ", "", "2"), " 2 ");
        assert_eq!(set("{}", "a\"b", "1"), r#"{"a\"b":1}"#);
        assert_eq!(set(text, "b.9", "0"), "`b` is a list of 3, without `9`");
        assert_eq!(set(text, "b.x", "0"), "`b` is a list of 3, without `x`");
        assert_eq!(set(text, "a.x", "0"), "`a` is no object and no list");
        assert_eq!(set("1", "x", "0"), "the value is no object and no list");
    }

    #[test]
    fn what_is_taken_out_takes_its_comma_along() {
        for (text, at, left) in [
            (r#"{ "a": 1 }"#, "a", "{  }"),
            (r#"{ "a": 1, "b": 2 }"#, "a", r#"{ "b": 2 }"#),
            (r#"{ "a": 1, "b": 2 }"#, "b", r#"{ "a": 1 }"#),
            (r#"{"a":1,"b":2,"c":3}"#, "b", r#"{"a":1,"c":3}"#),
            (r#"{"a":1,"a":2,"b":3,"a":4}"#, "a", r#"{"b":3}"#),
            (r#"{"b":3,"a":1,"a":2,"c":4}"#, "a", r#"{"b":3,"c":4}"#),
            (r#"{"a":1,"a":2}"#, "a", "{}"),
            ("[1,2,3]", "1", "[2,3]"),
            ("[1,2,3]", "3", "[1,2]"),
            (
                r#"{"a":{"x":1},"a":{"x":2,"y":3}}"#,
                "a.x",
                r#"{"a":{},"a":{"y":3}}"#,
            ),
            (r#"{"a":1}"#, "x.y", r#"{"a":1}"#),
            ("[1]", "7", "[1]"),
        ] {
            assert_eq!(without(text, at), left, "{text} {at}");
        }
        assert_eq!(without("1", ""), "the whole value cannot be taken out");
    }

    #[test]
    fn doubled_names_are_all_replaced_and_the_result_is_bounded() {
        assert_eq!(set(r#"{"a":1,"b":2,"a":{}}"#, "a", "0"), r#"{"a":0,"b":2,"a":0}"#);
        let doubled = format!("{{{}}}", vec!["\"a\":1"; 1000].join(","));
        let long = format!("\"{}\"", "x".repeat(10_000));
        assert_eq!(
            set(&doubled, "a", &long),
            "the result would have more than 1048576 bytes"
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i64>().prop_map(Value::from),
            "[a-c\"\\\\é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same with a tree in between.
    fn pointer(path: &[String]) -> String {
        path.iter()
            .map(|step| format!("/{}", index(step).map_or(step.clone(), |n| (n - 1).to_string())))
            .collect()
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_tree(value in value(), path in prop::collection::vec("[a-c1-3]", 0..4), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let there = value.pointer(&pointer(&path));
            let found = find(&text, &path).unwrap();
            let found: Option<Value> = found.map(|found| serde_json::from_str(found).unwrap());
            prop_assert_eq!(found.as_ref(), there);
            if let Ok(changed) = edit(&text, &path, Some("[7]"), 1 << 20) {
                serde_json::from_str::<Value>(&changed).unwrap();
                prop_assert_eq!(find(&changed, &path).unwrap(), Some("[7]"));
            }
            if let Ok(changed) = edit(&text, &path, None, 1 << 20) {
                serde_json::from_str::<Value>(&changed).unwrap();
                prop_assert!(there.is_some() || changed == text);
            }
        }
    }
}
