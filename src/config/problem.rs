//! What is wrong with the settings, and where: one sentence each, all of them at once.

use std::fmt;

use super::tree::Place;

/// One thing to put right: the place, what is wrong there, what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    message: String,
}

impl Problem {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }

    /// Where it stands: the path of a file, the name of an environment variable, or `--set KEY`.
    pub fn source(&self) -> &str {
        &self.place.source
    }

    /// The line, from 1, when it stands in a file.
    pub fn line(&self) -> Option<usize> {
        self.place.position.map(|(line, _)| line)
    }

    /// What is wrong and what to write, as one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.source)?;
        if let Some((line, column)) = self.place.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything that is wrong with the settings. Displays as one line a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// `problems` in the order of the files' lines, then of the other sources.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.place.position.is_none(), problem.place.position));
        Self { problems }
    }

    /// The problems, files first, in the order of their lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
