//! What a statement must not do: leave something behind in a connection that the next caller gets.

use std::iter::Peekable;
use std::str::CharIndices;

/// What begins a statement that changes its connection, or that waits on it.
const OF_THE_CONNECTION: [&str; 22] = [
    "abort",
    "attach",
    "begin",
    "close",
    "commit",
    "deallocate",
    "declare",
    "detach",
    "discard",
    "end",
    "fetch",
    "listen",
    "lock",
    "pragma",
    "prepare",
    "release",
    "reset",
    "rollback",
    "savepoint",
    "set",
    "start",
    "use",
];

/// Whether `sql` is one statement that leaves its connection as it was.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn check(sql: &str) -> Result<(), String> {
    let mut words = Words {
        text: sql,
        chars: sql.char_indices().peekable(),
    };
    let Some(first) = words.next() else {
        return Err("the statement is empty".to_owned());
    };
    let first = first.to_ascii_lowercase();
    if OF_THE_CONNECTION.contains(&first.as_str()) {
        return Err(format!(
            "`{first}` would change the connection for who uses it next; each statement is a transaction of its own, so write several as one (WITH ... AS (...), a function of the database)"
        ));
    }
    let mut ended = false;
    for word in words {
        if ended && word != ";" {
            return Err("there is more than one statement; send each by itself".to_owned());
        }
        ended |= word == ";";
    }
    Ok(())
}

/// The words of a statement, and `;` and every other sign as one; quoted text is a sign, comments are nothing.
struct Words<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl Words<'_> {
    /// Skips to behind `end`; says whether it was there.
    fn behind(&mut self, end: &str) -> bool {
        let from = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        let found = self.text.get(from..).and_then(|rest| rest.find(end));
        let until = found.map_or(self.text.len(), |at| from + at + end.len());
        while self.chars.next_if(|(at, _)| *at < until).is_some() {}
        found.is_some()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let (at, c) = self.chars.next()?;
            let rest = self.text.get(at..)?;
            let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
            match c {
                c if c.is_whitespace() => {}
                '-' if rest.starts_with("--") => _ = self.behind("\n"),
                '/' if rest.starts_with("/*") => _ = self.behind("*/"),
                '\'' | '"' | '`' => {
                    self.behind(c.encode_utf8(&mut [0; 4]));
                    return self.text.get(at..=at);
                }
                // PostgreSQL's `$$text$$` and `$tag$text$tag$`; `$1` is a parameter.
                '$' if !rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    let tag = rest
                        .get(1..)
                        .and_then(|rest| rest.split_once('$'))
                        .map(|(tag, _)| tag);
                    if let Some(tag) = tag.filter(|tag| {
                        tag.chars().all(inside) && !tag.starts_with(|c: char| c.is_ascii_digit())
                    }) {
                        let tag = format!("${tag}$");
                        self.behind(tag.get(1..)?);
                        self.behind(&tag);
                    }
                    return self.text.get(at..=at);
                }
                c if inside(c) => {
                    let mut until = at + c.len_utf8();
                    while let Some((at, c)) = self.chars.next_if(|(_, c)| inside(*c)) {
                        until = at + c.len_utf8();
                    }
                    return self.text.get(at..until);
                }
                c => return self.text.get(at..at + c.len_utf8()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn one_statement_that_leaves_nothing_behind() {
        for good in [
            "select 1",
            "  /* begin */ -- set\n select 'a; begin', \"b;\" from t where x = $1;",
            "insert into t values ($tag$ ; drop $tag$, $$;$$)",
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x ; -- done",
            "select 'it''s; fine'",
            "update settings set a = $1 where b = $2",
            "select 'ü;ö'",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            " -- only this",
            "begin",
            "/* x */ COMMIT",
            "Set search_path = x",
            "start transaction",
            "select 1; begin",
            "select $1; select $2",
            "select $$a$$; commit",
            "use other",
            "PRAGMA journal_mode = off",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(
            check("rollback")
                .unwrap_err()
                .starts_with("`rollback` would change the connection")
        );
    }
}
