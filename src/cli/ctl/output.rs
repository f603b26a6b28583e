//! Printing: JSON as it is, or columns for people.

use std::fmt::{Arguments, Write as _};
use std::io::{self, Write};

use serde::Serialize;

use super::Error;

/// Standard output.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether answers are wanted as JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line.
    pub(super) fn line(&self, line: Arguments<'_>) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        // Whoever watches a trace through a pipe is to see it now.
        Ok(out.flush()?)
    }

    /// Prints an answer as JSON, on one line.
    pub(super) fn json(&self, answer: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(answer).map_err(io::Error::other)?;
        self.line(format_args!("{text}"))
    }

    /// Prints that something went well: the answer, or a sentence for people.
    pub(super) fn done(&self, answer: &impl Serialize, said: &str) -> Result<(), Error> {
        if self.json {
            return self.json(answer);
        }
        self.line(format_args!("{}", shown(said)))
    }

    /// Prints names and values below each other.
    pub(super) fn pairs(&self, pairs: &[(&str, String)]) -> Result<(), Error> {
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in pairs {
            let value = shown(value);
            // A value of several lines stays in its column.
            let value = value.replace('\n', &format!("\n{:width$}  ", ""));
            self.line(format_args!("{name:width$}  {value}"))?;
        }
        Ok(())
    }

    /// Prints rows below their heads. A column whose head begins with `>` stands to the right.
    pub(super) fn table<const N: usize>(
        &self,
        heads: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Error> {
        let mut lines: Vec<[String; N]> = vec![heads.map(|head| head.trim_start_matches('>').to_owned())];
        lines.extend(
            rows.into_iter()
                .map(|row| row.map(|cell| shown(&cell).replace('\n', "\\n"))),
        );
        let widths: Vec<usize> = (0..N)
            .map(|at| {
                let column = lines.iter().filter_map(|line| line.get(at));
                column.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for line in &lines {
            let mut row = String::new();
            for ((cell, width), head) in line.iter().zip(&widths).zip(heads) {
                // Writing to a String does not fail.
                let _ = match head.starts_with('>') {
                    true => write!(row, "{cell:>width$}  "),
                    false => write!(row, "{cell:width$}  "),
                };
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}

/// A text that strangers may have written, made safe for a terminal: control characters are shown, not obeyed.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('\n'),
            c if c.is_control() || is_invisible(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Turns the direction of writing, or takes no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The beginning of a hash.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// A number of things: `1 error`, `2 errors`.
pub(super) fn count(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_does_not_reach_the_terminal_as_it_is() {
        assert_eq!(shown("a\x1b[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(shown("Grüße, 世界"), "Grüße, 世界");
    }
}
