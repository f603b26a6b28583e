//! What the first walk learns of a file's variables, for the second to rely on.

use super::Place;
use std::collections::{HashMap, HashSet};

/// By the place of a declaration.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Locals that get another value later.
    pub(super) reassigned: HashSet<Place>,
    /// Locals whose value is handed to somebody who may change it.
    pub(super) escaped: HashSet<Place>,
    /// How often a local is read.
    pub(super) reads: HashMap<Place, usize>,
    /// Fields that are written to the table in a local.
    pub(super) written: HashMap<Place, Vec<String>>,
    /// Globals that the file assigns to: said once, where that is done.
    pub(super) globals: HashSet<String>,
}

impl Facts {
    pub(super) fn reads(&self, declared: Place) -> usize {
        self.reads.get(&declared).copied().unwrap_or(0)
    }

    pub(super) fn writes(&self, declared: Place) -> &[String] {
        self.written.get(&declared).map_or(&[], Vec::as_slice)
    }
}
