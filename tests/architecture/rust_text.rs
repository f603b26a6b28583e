//! Rust as text: what is a comment, a string, a test.

/// `source` with comments blanked, and with `texts` false also what is in string literals. No byte moves.
pub fn blank(source: &str, texts: bool) -> String {
    let from = source.as_bytes();
    let mut to = from.to_vec();
    let mut at = 0;
    while at < from.len() {
        let rest = &from[at..];
        let (length, keep) = if rest.starts_with(b"//") {
            (
                rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
                false,
            )
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), false)
        } else if let Some(length) = string(rest, at == 0 || !is_name(from[at - 1])) {
            (length, texts)
        } else {
            (character(rest).unwrap_or(1), true)
        };
        if !keep {
            to[at..at + length]
                .iter_mut()
                .filter(|byte| **byte != b'\n')
                .for_each(|byte| *byte = b' ');
        }
        at += length;
    }
    String::from_utf8(to).unwrap()
}

pub fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of a comment, which may hold others.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of the string literal that begins here, if one does. `start`: this is not in the middle of a name.
fn string(rest: &[u8], start: bool) -> Option<usize> {
    let prefix = if start {
        rest.iter().take_while(|byte| b"brc".contains(byte)).count()
    } else {
        0
    };
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let raw = rest[..prefix].contains(&b'r');
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') || (hashes > 0 && !raw) {
        return None;
    }
    let mut at = open + 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if !raw => at += 2,
            b'"' if rest[at + 1..].iter().take_while(|byte| **byte == b'#').count() >= hashes => {
                return Some(at + 1 + hashes);
            }
            _ => at += 1,
        }
    }
    Some(rest.len())
}

/// The length of the character literal that begins here, if one does: `'"'` begins no string, `'a` is a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest[0] != b'\'' || rest.len() < 3 {
        return None;
    }
    let end = rest.iter().skip(2).take(11).position(|byte| *byte == b'\'')? + 2;
    let one = std::str::from_utf8(&rest[1..end]).is_ok_and(|text| text.chars().count() == 1);
    (one || rest[1] == b'\\').then_some(end + 1)
}

/// `text` without the items under `#[cfg(test)]`. `bare` is the same text without comments and strings.
pub fn without_tests(text: &str, bare: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = bare[from..].find("#[cfg(test)]") {
        let start = from + found;
        let mut depth = 0;
        let mut end = bare.len();
        for (at, byte) in bare.bytes().enumerate().skip(start + "#[cfg(test)]".len()) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (byte == b'}' || byte == b';') {
                end = at + 1;
                break;
            }
        }
        out[start..end]
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b' ');
        from = end;
    }
    String::from_utf8(out).unwrap()
}
