//! Values by topic name, found by filter.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{TopicFilter, TopicName};

/// A map from topic names. Names lie in order, so that a filter is looked for only among the names that begin as it does
/// up to its first wildcard. There is no recursion: a topic may have thousands of levels.
#[derive(Debug)]
pub struct TopicTree<T>(BTreeMap<TopicName, T>);

impl<T> Default for TopicTree<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> TopicTree<T> {
    /// Puts a value; answers with the one before.
    pub fn insert(&mut self, topic: &TopicName, value: T) -> Option<T> {
        self.0.insert(topic.clone(), value)
    }

    /// Takes a value out.
    pub fn remove(&mut self, topic: &str) -> Option<T> {
        self.0.remove(topic)
    }

    /// The value of a topic.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&T> {
        self.0.get(topic)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shows every value whose topic the filter matches, in the order of the topics.
    pub fn matching(&self, filter: &TopicFilter, mut show: impl FnMut(&TopicName, &T)) {
        let text = filter.filter();
        if !filter.is_wildcard() {
            if let Some((topic, value)) = self.0.get_key_value(text) {
                show(topic, value);
            }
            return;
        }
        // Up to the level before the first wildcard, without its slash: `a/#` matches `a` too.
        let literal = text.split(['+', '#']).next().unwrap_or_default();
        let prefix = literal.strip_suffix('/').unwrap_or(literal);
        let range = self
            .0
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        for (topic, value) in range.take_while(|(topic, _)| topic.starts_with(prefix)) {
            if filter.matches(topic) {
                show(topic, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_filter_matches_and_nothing_else() {
        let topics = ["a", "a/b", "a/b/c", "a-b", "aa/b", "/a", "$SYS/x", "b"];
        let mut tree = TopicTree::default();
        for topic in topics {
            tree.insert(&TopicName::new(topic).unwrap(), topic);
        }
        for filter in [
            "a", "a/#", "a/+", "#", "+", "+/b", "/+", "$SYS/#", "/#", "a/b/+", "x/#",
        ] {
            let filter = TopicFilter::parse(filter).unwrap();
            let mut found = Vec::new();
            tree.matching(&filter, |_, topic| found.push(*topic));
            let mut expected: Vec<_> = topics.into_iter().filter(|topic| filter.matches(topic)).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{filter}");
        }
        assert_eq!(tree.remove("a"), Some("a"));
        assert_eq!((tree.get("a"), tree.len()), (None, 7));
    }

    #[test]
    fn a_topic_of_very_many_levels_is_nothing_special() {
        let deep = TopicName::new(&"/".repeat(60_000)).unwrap();
        let mut tree = TopicTree::default();
        tree.insert(&deep, ());
        let mut found = 0;
        tree.matching(&TopicFilter::parse("#").unwrap(), |_, ()| found += 1);
        assert_eq!(found, 1);
    }
}
