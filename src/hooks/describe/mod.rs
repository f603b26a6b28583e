//! What is written about hooks and host modules, and what is made of it.
//!
//! The hooks are described in `plugin-api`; `modules` describes what scripts can use besides, and `policy` the table that
//! they return. Of that are made: the type definitions for editors ([`luau`] for luau-lsp, [`annotations`] for LuaLS), the
//! reference part of `docs/hooks.md`, and what `lint` checks scripts against.
//!
//! Invariant: a name that a script can use is written down here or in `plugin-api` and nowhere else; tests load a real
//! state and compare.

pub(crate) mod annotations;
pub(crate) mod luau;
pub(crate) mod modules;
pub(crate) mod policy;
#[cfg(test)]
pub(crate) mod reference;

#[cfg(test)]
pub(super) mod tests;

use dunlin_plugin_api::describe::{Field, Form, Says, Type};

/// The type definitions for editors, as file names and contents: `dunlin types` writes them beside the scripts.
#[must_use]
pub fn editor_types() -> [(&'static str, String); 2] {
    [
        ("dunlin.d.luau", luau::definitions()),
        ("dunlin.lua", annotations::definitions()),
    ]
}

/// A module that scripts can use.
#[derive(Debug, PartialEq)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) functions: &'static [Function],
    /// What is in it besides functions.
    pub(crate) values: &'static [Field],
    /// Modules in it, by the names that they have there.
    pub(crate) inner: &'static [(&'static str, &'static Module)],
}

impl Module {
    pub(crate) fn function(&self, name: &str) -> Option<&'static Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// What can stand behind its name and a dot.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let functions = self.functions.iter().map(|function| function.name);
        let inner = self.inner.iter().map(|(name, _)| *name);
        functions
            .chain(self.values.iter().map(|value| value.name))
            .chain(inner)
    }
}

/// An object that a module's function makes. Its functions are called with a colon.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) methods: &'static [Function],
}

/// A function of a module.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Field],
    /// Whether it takes any number of further arguments.
    pub(crate) variadic: bool,
    pub(crate) results: &'static [Field],
    /// Whether it waits: only a hook that may wait can call it.
    pub(crate) waits: bool,
    pub(crate) doc: &'static str,
}

impl Function {
    const fn new(
        name: &'static str,
        parameters: &'static [Field],
        results: &'static [Field],
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            parameters,
            variadic: false,
            results,
            waits: false,
            doc,
        }
    }

    const fn waits(self) -> Self {
        Self { waits: true, ..self }
    }

    const fn variadic(self) -> Self {
        Self {
            variadic: true,
            ..self
        }
    }

    /// How few arguments it takes.
    pub(crate) fn least(&self) -> usize {
        let needed = self.parameters.iter().rposition(|parameter| !parameter.optional);
        needed.map_or(0, |last| last + 1)
    }

    /// How many it takes, if that is limited.
    pub(crate) fn most(&self) -> Option<usize> {
        (!self.variadic).then_some(self.parameters.len())
    }

    /// Its parameters as documentation writes them: `(client_id, code?, reason?)`.
    pub(crate) fn signature(&self) -> String {
        signature(self.parameters, self.variadic)
    }
}

/// Parameters as documentation writes them.
pub(crate) fn signature(parameters: &[Field], variadic: bool) -> String {
    let mark = |field: &Field| format!("{}{}", field.name, if field.optional { "?" } else { "" });
    let more = variadic.then(|| "...".to_owned());
    let names: Vec<String> = parameters.iter().map(mark).chain(more).collect();
    format!("({})", names.join(", "))
}

/// How a language of types writes its types.
trait Notation {
    fn record(&self, name: &str) -> String;
    fn list(&self, of: &str) -> String;
    const MAP: &'static str;
    const FUNCTION: &'static str;
    const INTEGER: &'static str;

    /// The type.
    fn of(&self, of: Type) -> String {
        match of {
            Type::Text | Type::Bytes => "string".into(),
            Type::Number => "number".into(),
            Type::Integer => Self::INTEGER.into(),
            Type::Boolean => "boolean".into(),
            Type::Any => "any".into(),
            Type::Map => Self::MAP.into(),
            Type::Function => Self::FUNCTION.into(),
            Type::Words(words) => union(words.iter().map(|word| format!("\"{word}\""))),
            Type::Record(record) => self.record(record.name),
            Type::Object(name) => self.record(name),
            Type::List(of) => self.list(&self.of(*of)),
            Type::Either(types) => union(types.iter().map(|of| self.of(*of))),
        }
    }

    /// The type of something that may be nil.
    fn maybe(&self, of: Type, optional: bool) -> String {
        or_nil(self.of(of), optional)
    }

    /// What the first value of an answer can be.
    fn answer(&self, forms: &[Form]) -> String {
        let nothing = forms.iter().any(|form| form.says == Says::Nothing);
        let types = forms.iter().filter_map(|form| {
            Some(match form.says {
                Says::Nothing => return None,
                Says::Word(word) => format!("\"{word}\""),
                Says::Table(record) => self.record(record.name),
                Says::List(of) => self.list(&self.of(of)),
                Says::Number => "number".into(),
                Says::Anything => "any".into(),
            })
        });
        let types = union(types);
        if types.is_empty() {
            "nil".into()
        } else {
            or_nil(types, nothing)
        }
    }
}

fn union(types: impl Iterator<Item = String>) -> String {
    types.collect::<Vec<_>>().join(" | ")
}

fn or_nil(of: String, optional: bool) -> String {
    match optional {
        false => of,
        true if of == "any" => of,
        true if of.contains([' ', '|']) && !of.starts_with('{') => format!("({of})?"),
        true => format!("{of}?"),
    }
}

/// The lines that begin a generated file, as comments of Lua.
const HEADER: &str = "made by `dunlin types` from Dunlin's description of its hooks; changes here are lost";
