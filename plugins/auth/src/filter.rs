//! Topic filters, as MQTT has them (4.7).

/// The longest that a text of MQTT can be, in bytes.
const LONGEST: usize = 65_535;

/// Whether it is a filter, of a shared subscription or not.
pub(crate) fn is_valid(text: &str) -> bool {
    if text.is_empty() || text.len() > LONGEST || text.contains('\0') {
        return false;
    }
    if text == "$share" || text.starts_with("$share/") {
        let named = text
            .get("$share/".len()..)
            .and_then(|named| named.split_once('/'));
        return named.is_some_and(|(name, filter)| {
            !name.is_empty() && !name.contains(['+', '#']) && !filter.is_empty() && are_levels(filter)
        });
    }
    are_levels(text)
}

/// A wildcard has a level of its own, and `#` the last one.
fn are_levels(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "+" => {}
            "#" if levels.peek().is_none() => {}
            level if level.contains(['+', '#']) => return false,
            _ => {}
        }
    }
    true
}

/// Whether every topic that `inner` matches is matched by `outer` too. A topic is a filter that matches itself alone.
pub(crate) fn covers(outer: &str, inner: &str) -> bool {
    // A wildcard at its start does not match what begins with `$` [MQTT-4.7.2-1].
    if inner.starts_with('$') && outer.starts_with(['+', '#']) {
        return false;
    }
    let mut inner = inner.split('/');
    for level in outer.split('/') {
        match (level, inner.next()) {
            // `a/#` matches `a` as well (4.7.1.2).
            ("#", _) => return true,
            ("+", Some(other)) if other != "#" => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    inner.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_filter() {
        for good in [
            "a",
            "/",
            "a/#",
            "#",
            "+",
            "+/a/+",
            "$SYS/#",
            "$share/g/a/#",
            "$sharea",
            "a b",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "a#",
            "#/a",
            "+a",
            "a/b+",
            "a\0",
            "$share",
            "$share/",
            "$share/g",
            "$share//a",
            "$share/g/",
            "$share/+/a",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(is_valid(&"a".repeat(LONGEST)) && !is_valid(&"a".repeat(LONGEST + 1)));
    }

    #[test]
    fn what_covers_what() {
        for (outer, inner) in [
            ("#", "a"),
            ("a/#", "a"),
            ("a/#", "a/+/b"),
            ("a/+", "a/b"),
            ("a/+", "a/+"),
            ("$SYS/#", "$SYS/a"),
        ] {
            assert!(covers(outer, inner), "{outer} {inner}");
        }
        for (outer, inner) in [
            ("a/+", "a/#"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("#", "$SYS/a"),
            ("+/a", "$x/a"),
            ("+", "#"),
            ("+", "a/b"),
        ] {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }
}
