//! How two topic filters relate: does one cover the other, do they overlap?

/// Whether every topic that `inner` matches is matched by `outer` too.
#[must_use]
pub fn covers(outer: &str, inner: &str) -> bool {
    if hides_system_topics(outer, inner) {
        return false;
    }
    let mut inner = inner.split('/');
    for level in outer.split('/') {
        match (level, inner.next()) {
            // `a/#` matches `a` as well [MQTT-4.7.1-2], hence also with nothing left of the inner filter.
            ("#", _) => return true,
            ("+", Some(other)) if other != "#" => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    inner.next().is_none()
}

/// Whether there is a topic that both match.
#[must_use]
pub fn overlaps(a: &str, b: &str) -> bool {
    if hides_system_topics(a, b) || hides_system_topics(b, a) {
        return false;
    }
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(x), Some(y)) if x == y => {}
            _ => return false,
        }
    }
}

/// A wildcard in the first level does not reach topics that begin with `$` [MQTT-4.7.2-1].
fn hides_system_topics(wild: &str, other: &str) -> bool {
    other.starts_with('$') && wild.starts_with(['+', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covering() {
        for (outer, inner) in [
            ("#", "a"),
            ("#", "#"),
            ("a/#", "a"),
            ("a/#", "a/+/b"),
            ("a/+", "a/b"),
            ("+/b", "+/b"),
        ] {
            assert!(covers(outer, inner), "{outer} {inner}");
        }
        for (outer, inner) in [
            ("a/+", "a/#"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("a/b", "a/+"),
            ("#", "$SYS/x"),
            ("+", "a/b"),
        ] {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }

    #[test]
    fn overlapping() {
        for (a, b) in [
            ("#", "a/b"),
            ("a/+", "+/b"),
            ("a/#", "a"),
            ("a/+/c", "a/b/#"),
            ("$SYS/#", "$SYS/+"),
        ] {
            assert!(overlaps(a, b) && overlaps(b, a), "{a} {b}");
        }
        for (a, b) in [("a", "b"), ("a/+", "a"), ("#", "$SYS/x"), ("a/b", "a/b/c")] {
            assert!(!overlaps(a, b) && !overlaps(b, a), "{a} {b}");
        }
    }
}
