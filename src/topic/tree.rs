//! Values by topic name, found by filter.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{TopicFilter, TopicName};

/// How many names in a row are passed over one by one before the next that can match is searched for in the map.
const PATIENCE: usize = 8;

/// A map from topic names, compact: an entry holds the shared text and nothing else. Names lie in the order of their
/// bytes, and a query goes from one that matches to the next that can: `site/+/state` costs a search for each site,
/// however many topics each has. There is no recursion: a topic may have thousands of levels.
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

    /// All of them, in the order of the topics.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicName, &T)> {
        self.0.iter()
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
        let mut target = literal.strip_suffix('/').unwrap_or(literal).to_owned();
        let mut passed = 0;
        let mut names = self.from(&target);
        while let Some((topic, value)) = names.next() {
            if **topic < *target {
                passed += 1;
                if passed < PATIENCE {
                    continue;
                }
                names = self.from(&target);
                passed = 0;
                continue;
            }
            passed = 0;
            match step(text, topic) {
                Step::Match => show(topic, value),
                Step::Next => {}
                Step::Seek(next) => target = next,
                Step::End => return,
            }
        }
    }

    fn from(&self, name: &str) -> std::collections::btree_map::Range<'_, TopicName, T> {
        self.0.range::<str, _>((Bound::Included(name), Bound::Unbounded))
    }
}

/// What a name says about those behind it.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The filter matches it.
    Match,
    /// It does not, and the next one may.
    Next,
    /// No name before this text matches.
    Seek(String),
    /// No further name matches.
    End,
}

/// Compares level by level. Behind a level, names are ordered as if it ended in `/`, the character before `0`; names with
/// characters below `/` (`a-b`) lie between `a` and `a/b`.
fn step(filter: &str, topic: &str) -> Step {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        // [MQTT-4.7.2-1]; `%` is the character behind `$`.
        return Step::Seek("%".to_owned());
    }
    let mut wanted = filter.split('/');
    // Where the level begins that is looked at, and where the last one ends that a `+` stands for.
    let mut start = 0;
    let mut plus_end = None;
    loop {
        let level = topic
            .get(start..)
            .map(|rest| rest.split('/').next().unwrap_or_default());
        match (wanted.next(), level) {
            (None, None) | (Some("#"), _) => return Step::Match,
            // Too short: what is longer comes behind it.
            (Some(_), None) => return Step::Next,
            // Too long, as all others are that go on like this.
            (None, Some(_)) => return behind(topic, plus_end),
            (Some("+"), Some(level)) => {
                start += level.len() + 1;
                plus_end = Some(start - 1);
            }
            (Some(literal), Some(level)) if literal == level => start += level.len() + 1,
            (Some(literal), Some(_)) => {
                let mut next = topic.get(..start).unwrap_or_default().to_owned();
                next.push_str(literal);
                if *topic < *next {
                    return Step::Seek(next);
                }
                next.push('/');
                if *topic < *next {
                    return Step::Seek(next);
                }
                return behind(topic, plus_end);
            }
        }
    }
}

/// Behind all names that have the same levels as this one up to here.
fn behind(topic: &str, plus_end: Option<usize>) -> Step {
    match plus_end.and_then(|end| topic.get(..end)) {
        Some(same) => Step::Seek(format!("{same}0")),
        None => Step::End,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree_of<'a>(topics: impl IntoIterator<Item = &'a str>) -> TopicTree<String> {
        let mut tree = TopicTree::default();
        for topic in topics {
            tree.insert(&TopicName::new(topic).unwrap(), topic.to_owned());
        }
        tree
    }

    fn found(tree: &TopicTree<String>, filter: &str) -> Vec<String> {
        let mut found = Vec::new();
        tree.matching(&TopicFilter::parse(filter).unwrap(), |topic, value| {
            assert_eq!(**topic, **value);
            found.push(value.clone());
        });
        found
    }

    #[test]
    fn finds_what_the_filter_matches_and_nothing_else() {
        let topics = ["a", "a/b", "a/b/c", "a-b", "aa/b", "/a", "$SYS/x", "b"];
        let mut tree = tree_of(topics);
        for filter in [
            "a", "a/#", "a/+", "#", "+", "+/b", "/+", "$SYS/#", "/#", "a/b/+", "x/#",
        ] {
            let filter_parsed = TopicFilter::parse(filter).unwrap();
            let mut expected: Vec<_> = topics
                .into_iter()
                .filter(|topic| filter_parsed.matches(topic))
                .collect();
            expected.sort_unstable();
            assert_eq!(found(&tree, filter), expected, "{filter}");
        }
        assert_eq!(tree.remove("a"), Some("a".to_owned()));
        assert_eq!((tree.get("a"), tree.len()), (None, 7));
    }

    proptest! {
        #[test]
        fn agrees_with_a_look_at_every_topic(
            topics in prop::collection::btree_set("[ab/$%.0é-]{1,7}", 0..120),
            filters in prop::collection::vec("(([ab.0é-]{0,2}|\\+|\\$)/){0,4}(\\+|#|[ab0é-]{0,2})", 1..20),
        ) {
            let tree = tree_of(topics.iter().map(String::as_str));
            for filter in filters {
                let Ok(parsed) = TopicFilter::parse(&filter) else { continue };
                let expected: Vec<_> = topics.iter().filter(|topic| parsed.matches(topic)).cloned().collect();
                prop_assert_eq!(found(&tree, &filter), expected, "{}", filter);
            }
        }
    }

    #[test]
    fn topics_that_cannot_match_are_passed_over() {
        // A topic that is looked at costs a comparison; of those that are not, there may be any number.
        assert_eq!(step("a/#", "a-b"), Step::Seek("a/".to_owned()));
        assert_eq!(step("a/#", "a0"), Step::End);
        assert_eq!(step("s/+/x", "s/1/w/y"), Step::Seek("s/1/x".to_owned()));
        assert_eq!(step("s/+/x", "s/1/x/y"), Step::Seek("s/10".to_owned()));
        assert_eq!(step("s/+/x", "s/1/y"), Step::Seek("s/10".to_owned()));
        assert_eq!(step("#", "$SYS/x"), Step::Seek("%".to_owned()));
    }

    #[test]
    fn a_topic_of_very_many_levels_is_nothing_special() {
        let deep = "/".repeat(60_000);
        let tree = tree_of([deep.as_str()]);
        assert_eq!(found(&tree, "#").len(), 1);
        assert_eq!(found(&tree, &"+/".repeat(30_000)).len(), 0);
        assert_eq!(found(&tree, &format!("{}#", "+/".repeat(30_000))).len(), 1);
    }
}
