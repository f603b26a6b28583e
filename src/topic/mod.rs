//! Topic names and topic filters (4.7).
//!
//! *Invariant*: a [`TopicName`] or [`TopicFilter`] that exists is valid. Nothing is normalised: two that differ in one
//! code point are two [MQTT-4.7.3-4].

pub mod relation;
pub mod tree;

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The longest that a UTF-8 string of MQTT can be, in bytes.
const MAX_LEN: usize = 65_535;

/// What makes shared subscriptions known by their filters (4.8.2).
const SHARE_PREFIX: &str = "$share/";

/// Why a text is not a topic name or filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// [MQTT-4.7.3-1]
    #[error("it is empty; a topic has at least one character")]
    Empty,
    /// [MQTT-4.7.3-3]
    #[error("it is longer than 65,535 bytes")]
    TooLong,
    /// [MQTT-4.7.3-2]
    #[error("it contains the character U+0000")]
    NullCharacter,
    /// [MQTT-3.3.2-2]
    #[error("it contains + or #, which only filters may")]
    WildcardInName,
    /// [MQTT-4.7.1-1], [MQTT-4.7.1-2]
    #[error("a wildcard shares its level with something else, or # is not the last level")]
    MisplacedWildcard,
    /// [MQTT-4.8.2-1]
    #[error("the share name is empty; write $share/NAME/FILTER")]
    EmptyShareName,
    /// [MQTT-4.8.2-2]
    #[error("the share name contains + or #")]
    BadShareName,
    /// [MQTT-4.8.2-2]
    #[error("there is no filter behind the share name; write $share/NAME/FILTER")]
    EmptySharedFilter,
}

/// Checks the text of a topic name.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_name(text: &str) -> Result<(), TopicError> {
    check_text(text)?;
    if text.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(TopicError::WildcardInName);
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > MAX_LEN {
        return Err(TopicError::TooLong);
    }
    if text.as_bytes().contains(&0) {
        return Err(TopicError::NullCharacter);
    }
    Ok(())
}

/// Where a message is published. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The topic name of this text.
    ///
    /// # Errors
    /// It is not a valid topic name.
    pub fn new(text: &str) -> Result<Self, TopicError> {
        check_name(text)?;
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for TopicName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a subscription asks for. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter {
    text: Arc<str>,
    /// Where the filter itself begins: behind `$share/NAME/`, or at 0.
    start: u32,
    wildcard: bool,
}

impl TopicFilter {
    /// Reads a filter as SUBSCRIBE has it, with or without `$share/NAME/`.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        let mut start = 0;
        let is_shared = text == "$share" || text.starts_with(SHARE_PREFIX);
        if is_shared {
            let named = text.get(SHARE_PREFIX.len()..).unwrap_or_default();
            let (name, filter) = named.split_once('/').unwrap_or((named, ""));
            if name.is_empty() {
                return Err(TopicError::EmptyShareName);
            }
            if name.contains(['+', '#']) {
                return Err(TopicError::BadShareName);
            }
            if filter.is_empty() {
                return Err(TopicError::EmptySharedFilter);
            }
            start = text.len() - filter.len();
        }
        let filter = text.get(start..).unwrap_or_default();
        let mut wildcard = false;
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            match level {
                "+" => wildcard = true,
                "#" if levels.peek().is_none() => wildcard = true,
                level if level.contains(['+', '#']) => return Err(TopicError::MisplacedWildcard),
                _ => {}
            }
        }
        Ok(Self {
            text: text.into(),
            start: u32::try_from(start).unwrap_or(0),
            wildcard,
        })
    }

    /// The whole text, as subscribed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the group that shares the subscription.
    #[must_use]
    pub fn share_name(&self) -> Option<&str> {
        let end = (self.start as usize).checked_sub(1)?;
        self.text.get(SHARE_PREFIX.len()..end)
    }

    /// The filter without `$share/NAME/`.
    #[must_use]
    pub fn filter(&self) -> &str {
        self.text.get(self.start as usize..).unwrap_or_default()
    }

    /// Does it contain `+` or `#`?
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Does a message on `topic` belong to it? A wildcard at its start does not match a topic that begins with `$`
    /// [MQTT-4.7.2-1].
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        matches(self.filter(), topic)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        // `#` stands for its parent level as well (4.7.1.2): it is reached when the topic has no level left.
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        let yes = [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/+", "a/"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a"),
            ("#", "/"),
            ("+/+", "/a"),
            ("/+", "/a"),
            ("+", "a"),
            ("a//b", "a//b"),
            ("a/+/b", "a//b"),
            ("$SYS/#", "$SYS/broker"),
            ("$SYS/+", "$SYS/x"),
            ("$share/g/a/+", "a/b"),
            ("$share/g//", "/"),
        ];
        let no = [
            ("a/b", "a/B"),
            ("a/+", "a/b/c"),
            ("a/+", "a"),
            ("a/+/#", "a"),
            ("+", "/a"),
            ("#", "$SYS/broker"),
            ("+/x", "$SYS/x"),
            ("a", "a/"),
            ("a/", "a"),
            ("\u{e9}", "e\u{301}"),
        ];
        for (filter, topic) in yes {
            assert!(
                TopicFilter::parse(filter).unwrap().matches(topic),
                "{filter} {topic}"
            );
        }
        for (filter, topic) in no {
            assert!(
                !TopicFilter::parse(filter).unwrap().matches(topic),
                "{filter} {topic}"
            );
        }
    }

    #[test]
    fn bad_filters_say_what_is_wrong() {
        use TopicError::*;
        let cases = [
            ("", Empty),
            ("a\0", NullCharacter),
            ("a+", MisplacedWildcard),
            ("a/#/b", MisplacedWildcard),
            ("a#", MisplacedWildcard),
            ("##", MisplacedWildcard),
            ("$share", EmptyShareName),
            ("$share/", EmptyShareName),
            ("$share//a", EmptyShareName),
            ("$share/g+/a", BadShareName),
            ("$share/g", EmptySharedFilter),
            ("$share/g/", EmptySharedFilter),
        ];
        for (text, error) in cases {
            assert_eq!(TopicFilter::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(TopicFilter::parse(&"a".repeat(65_536)), Err(TooLong));
        assert_eq!(check_name("a/+"), Err(WildcardInName));
        assert_eq!(check_name("a/#b"), Err(WildcardInName));
    }

    #[test]
    fn a_shared_filter_knows_its_parts() {
        let filter = TopicFilter::parse("$share/g/a/+").unwrap();
        assert_eq!((filter.share_name(), filter.filter()), (Some("g"), "a/+"));
        assert!(filter.is_wildcard());
        let plain = TopicFilter::parse("$shared/a").unwrap();
        assert_eq!((plain.share_name(), plain.filter()), (None, "$shared/a"));
    }
}
