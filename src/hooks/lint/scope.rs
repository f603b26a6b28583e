//! Which local a name means, and what is known of its value.

use super::standard::Library;
use super::{Place, place, text};
use crate::hooks::describe::{Function, Module, Object, modules};
use dunlin_plugin_api::describe::{Record, Type};
use full_moon::tokenizer::TokenReference;

/// What is known of a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// A module of Dunlin's.
    Module(&'static Module),
    /// A library of Luau's.
    Library(&'static Library),
    /// A function of a module, or one that stands by itself.
    Function(Option<&'static Module>, &'static Function),
    /// An object that a module's function made.
    Object(&'static Object),
    /// A table with known fields, and the local that it was first in.
    Record(&'static Record, Place),
    /// A list of such values.
    List(Type, Place),
}

impl Known {
    /// A value of this type, kept in the local declared at `root`.
    pub(super) fn of(of: Type, root: Place) -> Known {
        match of {
            Type::Record(record) => Known::Record(record, root),
            Type::List(of) => Known::List(*of, root),
            Type::Object(name) => modules::OBJECTS
                .iter()
                .find(|object| object.name == name)
                .map_or(Known::Nothing, Known::Object),
            _ => Known::Nothing,
        }
    }
}

/// A local.
#[derive(Debug, Clone)]
pub(super) struct Local {
    name: String,
    /// Where it is declared.
    pub(super) declared: Place,
    /// Where the local is declared whose value it is: itself, unless it is an alias.
    pub(super) root: Place,
    pub(super) known: Known,
}

/// The locals that can be seen, innermost last.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    locals: Vec<Local>,
}

impl Scopes {
    /// How many there are: to go back to.
    pub(super) fn mark(&self) -> usize {
        self.locals.len()
    }

    /// Forgets those declared since.
    pub(super) fn back(&mut self, mark: usize) {
        self.locals.truncate(mark);
    }

    pub(super) fn declare(&mut self, name: &TokenReference, root: Option<Place>, known: Known) {
        let declared = place(name);
        self.locals.push(Local {
            name: text(name),
            declared,
            root: root.unwrap_or(declared),
            known,
        });
    }

    /// `self`, which no token declares.
    pub(super) fn declare_self(&mut self, at: &TokenReference) {
        self.declare(at, None, Known::Nothing);
        if let Some(local) = self.locals.last_mut() {
            "self".clone_into(&mut local.name);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name == name)
    }
}
