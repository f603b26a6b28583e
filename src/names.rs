//! What the product calls its things: which names there may be.

use thiserror::Error;

/// Stands between group and device in a client id.
pub const GROUP_SEPARATOR: &str = "@@@";

/// The second level of a topic that reaches one client.
pub const P2P: &str = "p2p";

/// Why a name cannot be one: a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NameError(pub &'static str);

/// A letter, a digit, `-` or `_`: what the product makes all its names of.
#[must_use]
pub fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn plain(text: &str) -> bool {
    text.bytes().all(is_plain)
}

/// The name, or the id, of an instance.
///
/// # Errors
/// What it has to be.
pub fn instance(name: &str) -> Result<(), NameError> {
    if (3..=64).contains(&name.len()) && plain(name) {
        return Ok(());
    }
    Err(NameError(
        "an instance's name has 3 to 64 letters, digits, `-` and `_`",
    ))
}

/// The region of an instance, such as `cn-hangzhou`.
///
/// # Errors
/// What it has to be.
pub fn region(name: &str) -> Result<(), NameError> {
    if (1..=64).contains(&name.len()) && plain(name) {
        return Ok(());
    }
    Err(NameError(
        "a region's name has 1 to 64 letters, digits, `-` and `_`",
    ))
}

/// The id of a group.
///
/// # Errors
/// What it has to be.
pub fn group(id: &str) -> Result<(), NameError> {
    let begins = id.starts_with("GID_") || id.starts_with("GID-");
    if begins && (7..=64).contains(&id.len()) && plain(id) {
        return Ok(());
    }
    Err(NameError(
        "a group's id begins with GID_ or GID- and has 7 to 64 letters, digits, `-` and `_`",
    ))
}

/// A parent topic: the first level of topics.
///
/// # Errors
/// What it has to be.
pub fn parent_topic(name: &str) -> Result<(), NameError> {
    if (1..=64).contains(&name.len()) && plain(name) {
        return Ok(());
    }
    Err(NameError(
        "a parent topic is one level of 1 to 64 letters, digits, `-` and `_`",
    ))
}

/// The group of a client id that is made as the product wants it.
///
/// # Errors
/// How it has to be made.
pub fn group_of(client_id: &str) -> Result<&str, NameError> {
    let (group, device) = client_id
        .split_once(GROUP_SEPARATOR)
        .ok_or(NameError("the client id is not GroupID@@@DeviceID"))?;
    if group.is_empty() || device.is_empty() || !plain(group) || !plain(device) {
        return Err(NameError(
            "group and device of a client id are letters, digits, `-` and `_`, one or more of each",
        ));
    }
    Ok(group)
}

/// Whether every level of a topic name or filter is made of what the product takes; wildcards pass.
#[must_use]
pub fn is_plain_topic(topic: &str) -> bool {
    let level = |level: &str| level == "+" || level == "#" || (!level.is_empty() && plain(level));
    topic.split('/').all(level)
}

/// Whom a P2P topic, `PARENT/p2p/CLIENT_ID`, is for.
#[inline]
#[must_use]
pub fn p2p_target(topic: &str) -> Option<&str> {
    let (parent, rest) = topic.split_once('/')?;
    let target = rest.strip_prefix(P2P)?.strip_prefix('/')?;
    (!parent.is_empty() && !target.is_empty() && !target.contains('/')).then_some(target)
}

/// The first level of a topic.
#[inline]
#[must_use]
pub fn parent_of(topic: &str) -> &str {
    topic.split_once('/').map_or(topic, |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_product_has_them() {
        assert!(instance("abc").is_ok() && instance("ab").is_err() && instance(&"a".repeat(65)).is_err());
        assert!(instance("a b").is_err() && instance("mqtt-cn_1").is_ok());
        assert!(group("GID_abc").is_ok() && group("GID-abc").is_ok());
        assert!(group("GID_ab").is_err() && group("GIDxabc").is_err() && group("GID_ab@").is_err());
        assert!(group(&format!("GID_{}", "a".repeat(61))).is_err());
        assert!(parent_topic("T1").is_ok() && parent_topic("a/b").is_err() && parent_topic("").is_err());
    }

    #[test]
    fn a_client_id_has_a_group_and_a_device() {
        assert_eq!(group_of("GID_Test@@@0001"), Ok("GID_Test"));
        for wrong in [
            "GID_Test",
            "@@@a",
            "GID_Test@@@",
            "GID_Test@@@a@@@b",
            "GID_Test@@@a b",
            "GID Test@@@a",
        ] {
            assert!(group_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_p2p_topic_names_one_client() {
        assert_eq!(p2p_target("t/p2p/GID_a@@@b"), Some("GID_a@@@b"));
        for other in [
            "t",
            "t/p2p",
            "t/p2p/",
            "t/p2px/a",
            "/p2p/a",
            "p2p/a",
            "t/p2p/a/b",
            "t/x/p2p/a",
        ] {
            assert_eq!(p2p_target(other), None, "{other}");
        }
    }

    #[test]
    fn topics_are_plain_level_by_level() {
        assert!(is_plain_topic("a/b-c/d_1") && is_plain_topic("a/+/#") && is_plain_topic("#"));
        assert!(!is_plain_topic("a//b") && !is_plain_topic("a/b c") && !is_plain_topic("a/b+"));
        assert!(!is_plain_topic("/a") && !is_plain_topic("a/") && !is_plain_topic("ä"));
    }
}
