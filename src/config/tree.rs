//! The settings as they were written, each value with the place it came from, before they become a [`Config`](super::Config).
//!
//! The layers (file, environment, `--set`) are merged here, so that an error in the result can still name the line or the
//! variable that caused it.

use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// A file's path, a variable's name, or `--set KEY`. Never a value: it may be a secret.
    pub source: Arc<str>,
    /// Line and column from 1, in a file.
    pub position: Option<(usize, usize)>,
}

impl Place {
    pub fn source(source: impl Into<Arc<str>>) -> Self {
        Self {
            source: source.into(),
            position: None,
        }
    }
}

/// One step from a table or list to a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The setting's name for a human: `policy[1].budget`.
pub(super) fn name(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Reported as wrong and taken out, so that the rest can still be read. Keeps its place in a list.
    Removed,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
    /// The text as typed, when it came bare from the environment or `--set`: there, `123` is a good string too.
    pub bare: Option<String>,
}

impl Node {
    pub fn empty_table(place: Place) -> Self {
        Self {
            value: Value::Table(Vec::new()),
            place,
            bare: None,
        }
    }

    fn child(&self, step: &Step) -> Option<(&Node, &Place)> {
        match (step, &self.value) {
            (Step::Key(key), Value::Table(entries)) => entries
                .iter()
                .find(|entry| entry.key == *key)
                .map(|entry| (&entry.node, &entry.key_place)),
            (Step::Index(index), Value::List(items)) => items.get(*index).map(|node| (node, &node.place)),
            _ => None,
        }
    }

    /// Tells of every value in it that is neither a table nor a list, and what it is.
    pub fn each(&self, path: &mut Vec<Step>, tell: &mut dyn FnMut(&[Step], String)) {
        match &self.value {
            Value::Table(entries) => {
                for entry in entries {
                    path.push(Step::Key(entry.key.clone()));
                    entry.node.each(path, tell);
                    path.pop();
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    item.each(path, tell);
                    path.pop();
                }
            }
            Value::Removed => {}
            Value::Bool(value) => tell(path, value.to_string()),
            Value::Integer(value) => tell(path, value.to_string()),
            Value::Float(value) => tell(path, value.to_string()),
            Value::Text(value) => tell(path, format!("{value:?}")),
        }
    }

    pub fn get(&self, path: &[Step]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, step| node.child(step).map(|(child, _)| child))
    }

    pub fn get_mut(&mut self, path: &[Step]) -> Option<&mut Node> {
        path.iter()
            .try_fold(self, |node, step| match (step, &mut node.value) {
                (Step::Key(key), Value::Table(entries)) => entries
                    .iter_mut()
                    .find(|entry| entry.key == *key)
                    .map(|entry| &mut entry.node),
                (Step::Index(index), Value::List(items)) => items.get_mut(*index),
                _ => None,
            })
    }

    /// Where the key of the last step was written; what does not exist has the place of the table it would be in.
    pub fn key_place(&self, path: &[Step]) -> &Place {
        let mut node = self;
        let mut place = &self.place;
        for step in path {
            let Some((child, key_place)) = node.child(step) else {
                break;
            };
            node = child;
            place = key_place;
        }
        place
    }

    /// Where the value was written; what does not exist has the place of the table it would be in.
    pub fn place_of(&self, path: &[Step]) -> &Place {
        let mut node = self;
        for step in path {
            let Some((child, _)) = node.child(step) else { break };
            node = child;
        }
        &node.place
    }

    /// Takes the value out. False when there is none.
    pub fn remove(&mut self, path: &[Step]) -> bool {
        match self.get_mut(path) {
            Some(node) if !matches!(node.value, Value::Removed) => {
                node.value = Value::Removed;
                true
            }
            _ => false,
        }
    }

    /// Puts `value` at `path`, in front of what an earlier layer said; tables on the way are made, tables are merged.
    ///
    /// # Errors
    /// A sentence, when the path names an entry of a list that is not there.
    pub fn set(&mut self, path: &[String], value: Node) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            self.merge(value);
            return Ok(());
        };
        if let Value::List(items) = &mut self.value {
            let names: Vec<String> = items
                .iter()
                .filter_map(Node::entry_name)
                .map(str::to_owned)
                .collect();
            let index = first
                .parse()
                .ok()
                .or_else(|| names.iter().position(|name| name == first));
            let item = index.and_then(|index: usize| items.get_mut(index));
            return match item {
                Some(item) => item.set(rest, value),
                None if names.is_empty() => Err(format!("there is no entry `{first}`; the list is empty")),
                None => Err(format!(
                    "there is no entry `{first}`; there are {}",
                    names.join(", ")
                )),
            };
        }
        if !matches!(self.value, Value::Table(_)) {
            *self = Node::empty_table(value.place.clone());
        }
        if let Value::Table(entries) = &mut self.value {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *first) {
                return entry.node.set(rest, value);
            }
            let mut node = Node::empty_table(value.place.clone());
            let key_place = value.place.clone();
            node.set(rest, value)?;
            entries.push(Entry {
                key: first.clone(),
                key_place,
                node,
            });
        }
        Ok(())
    }

    fn merge(&mut self, over: Node) {
        match (&mut self.value, over.value) {
            (Value::Table(mine), Value::Table(theirs)) => {
                for entry in theirs {
                    match mine.iter_mut().find(|known| known.key == entry.key) {
                        Some(known) => known.node.merge(entry.node),
                        None => mine.push(entry),
                    }
                }
            }
            (_, value) => {
                *self = Node {
                    value,
                    place: over.place,
                    bare: over.bare,
                }
            }
        }
    }

    fn entry_name(&self) -> Option<&str> {
        match self.child(&Step::Key("name".to_owned())) {
            Some((
                Node {
                    value: Value::Text(name),
                    ..
                },
                _,
            )) => Some(name),
            _ => None,
        }
    }
}

/// Reads the text of a file. Every mistake of notation is a problem with its line.
pub(super) fn parse_file(file: &Path, text: &str) -> Result<Node, Vec<Problem>> {
    let place = Placer {
        source: file.display().to_string().into(),
        text: Some(text),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let at = place.at(error.span().unwrap_or(0..0).start);
            Problem::new(at, format!("this is not TOML: {}", error.message()))
        })
        .collect();
    // One slip makes the parser stumble several times on the same line; the first time says what is wrong.
    problems.dedup_by_key(|problem| problem.line());
    if !problems.is_empty() {
        return Err(problems);
    }
    let node = place.table(table.get_ref(), place.at(0), &mut problems);
    if problems.is_empty() {
        Ok(node)
    } else {
        Err(problems)
    }
}

/// Reads the value of an override: TOML, or a bare word, which is text.
///
/// # Errors
/// A sentence, when quotes or brackets are opened and not closed.
pub(super) fn parse_override(place: &Place, text: &str) -> Result<Node, String> {
    let placer = Placer {
        source: place.source.clone(),
        text: None,
    };
    let word = |value| Node {
        value,
        place: place.clone(),
        bare: Some(text.to_owned()),
    };
    match DeValue::parse(text) {
        Ok(value) => {
            let mut problems = Vec::new();
            let mut node = placer.value(value.get_ref(), place.clone(), &mut problems);
            if let Some(problem) = problems.first() {
                return Err(problem.message().to_owned());
            }
            if !text.starts_with(['"', '\'']) {
                node.bare = Some(text.to_owned());
            }
            Ok(node)
        }
        Err(error) if text.starts_with(['"', '\'', '[', '{']) => {
            Err(format!("the value is not TOML: {}", error.message()))
        }
        Err(_) => Ok(word(Value::Text(text.to_owned()))),
    }
}

/// The keys of `a.b."c.d"`.
pub(super) fn parse_key(text: &str) -> Option<Vec<String>> {
    let line = format!("{text} = 0");
    let table = DeTable::parse(&line).ok()?.into_inner();
    let mut keys = Vec::new();
    let mut entries = table.into_iter();
    while let Some((key, value)) = entries.next() {
        keys.push(key.into_inner().into_owned());
        if entries.next().is_some() {
            return None;
        }
        match value.into_inner() {
            DeValue::Table(next) => entries = next.into_iter(),
            _ => return Some(keys),
        }
    }
    None
}

/// Turns byte offsets into places.
struct Placer<'t> {
    source: Arc<str>,
    text: Option<&'t str>,
}

impl Placer<'_> {
    fn at(&self, offset: usize) -> Place {
        let position = self.text.map(|text| {
            let before = text.get(..offset).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
            (line, column)
        });
        Place {
            source: self.source.clone(),
            position,
        }
    }

    fn table(&self, table: &DeTable<'_>, place: Place, problems: &mut Vec<Problem>) -> Node {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_place: self.at(key.span().start),
            node: self.value(value.get_ref(), self.at(value.span().start), problems),
        });
        Node {
            value: Value::Table(entries.collect()),
            place,
            bare: None,
        }
    }

    fn value(&self, value: &DeValue<'_>, place: Place, problems: &mut Vec<Problem>) -> Node {
        let value = match value {
            DeValue::Table(table) => return self.table(table, place, problems),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| self.value(item.get_ref(), self.at(item.span().start), problems))
                    .collect(),
            ),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            // TOML's dates mean nothing to any setting; as text they reach a policy's own settings unharmed.
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => {
                    let message = format!("the number {number} is too large; write at most {}", i64::MAX);
                    problems.push(Problem::new(place.clone(), message));
                    Value::Removed
                }
            },
        };
        Node {
            value,
            place,
            bare: None,
        }
    }
}
