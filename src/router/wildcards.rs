//! How many different filters with a wildcard there are for each parent topic: the product has a limit.

use hashbrown::HashMap;

use crate::instance::names::parent_of;

/// Different filters by the parent topic that they can reach.
#[derive(Debug, Default)]
pub(super) struct Wildcards {
    by_parent: HashMap<Box<str>, usize>,
    /// Filters that begin with a wildcard: they can reach every parent.
    of_all: usize,
}

impl Wildcards {
    /// Whether another filter would be one too many for a parent that it can reach.
    pub(super) fn is_full(&self, filter: &str, most: usize) -> bool {
        let of_parents = match parent(filter) {
            Some(parent) => self.by_parent.get(parent).copied(),
            None => self.by_parent.values().max().copied(),
        };
        of_parents.unwrap_or(0) + self.of_all >= most
    }

    /// There is another filter.
    pub(super) fn add(&mut self, filter: &str) {
        match parent(filter) {
            Some(parent) => *self.by_parent.entry_ref(parent).or_default() += 1,
            None => self.of_all += 1,
        }
    }

    /// A filter is gone.
    pub(super) fn remove(&mut self, filter: &str) {
        let Some(parent) = parent(filter) else {
            self.of_all = self.of_all.saturating_sub(1);
            return;
        };
        if let Some(count) = self.by_parent.get_mut(parent) {
            *count -= 1;
            if *count == 0 {
                self.by_parent.remove(parent);
            }
        }
    }
}

/// The one parent topic that a filter can reach; `None` is all.
fn parent(filter: &str) -> Option<&str> {
    Some(parent_of(filter)).filter(|first| *first != "+" && *first != "#")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_counts_for_each_parent_that_it_can_reach() {
        let mut filters = Wildcards::default();
        for filter in ["a/#", "a/+", "b/#"] {
            filters.add(filter);
        }
        assert!(filters.is_full("a/x/#", 2) && !filters.is_full("b/+", 2) && !filters.is_full("c/#", 1));
        // It can reach `a`, which is full.
        assert!(filters.is_full("#", 2) && !filters.is_full("#", 3));
        filters.add("+/x");
        assert!(filters.is_full("b/+", 2) && filters.is_full("c/#", 1) && filters.is_full("+/y", 3));
        filters.remove("+/x");
        filters.remove("a/+");
        assert!(!filters.is_full("a/y/#", 2) && !filters.is_full("c/#", 1));
        assert_eq!(filters.by_parent.len(), 2);
    }
}
