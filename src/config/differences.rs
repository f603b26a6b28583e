//! What sets an instance apart from the sections that hold for all: by its edition, in the configuration, by an operator.

use std::collections::BTreeMap;

use super::{Config, Edition, terms::SECTIONS};

/// Who set something for one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// Its edition.
    Edition,
    /// Its own tables in the configuration.
    Configuration,
    /// An operator, while the broker ran.
    Operator,
}

/// A setting of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its value, as written.
    pub value: String,
    /// Who set it.
    pub by: SetBy,
}

impl Config {
    /// The settings of an instance that differ from what holds for all, by name: of those who set one, the one that counts.
    pub fn differences<'s>(
        &self,
        id: &str,
        edition: Edition,
        own: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> BTreeMap<String, Difference> {
        let mut differences = BTreeMap::new();
        let mut set = |name: &str, value: &str, by| {
            let value = value.to_owned();
            differences.insert(name.to_owned(), Difference { value, by });
        };
        for (name, value) in edition.settings() {
            set(name, value, SetBy::Edition);
        }
        let table = match id == self.instance.id {
            true => "instance.".to_owned(),
            false => format!("instances.{id}."),
        };
        for (name, value) in &self.written {
            let name = name.strip_prefix(&table).unwrap_or_default();
            if name
                .split_once('.')
                .is_some_and(|(section, _)| SECTIONS.contains(&section))
            {
                set(name, value, SetBy::Configuration);
            }
        }
        for (name, value) in own {
            set(name, value, SetBy::Operator);
        }
        differences
    }
}
