//! What is said when a policy cannot be loaded.

use crate::config::Problem;
use std::fmt;

/// Why a policy was refused: where, what is wrong, and what to write instead.
///
/// ```text
/// scripts/acl.lua:12: unknown hook `authorise_publish`; write `authorize_publish`
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file, as the configuration names it.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl LoadError {
    pub(crate) fn new(file: impl Into<String>, line: Option<u32>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// Something that is wrong with the file in which the chain is written.
impl From<&Problem> for LoadError {
    fn from(problem: &Problem) -> Self {
        let line = problem.line().and_then(|line| u32::try_from(line).ok());
        LoadError::new(problem.source(), line, problem.message())
    }
}

#[cfg(test)]
mod tests {
    use super::LoadError;

    #[test]
    fn it_reads_as_editors_expect() {
        let error = LoadError::new("scripts/acl.lua", Some(12), "unknown hook `x`").help("write `y`");
        assert_eq!(
            error.to_string(),
            "scripts/acl.lua:12: unknown hook `x`; write `y`"
        );
        assert_eq!(LoadError::new("a.lua", None, "gone").to_string(), "a.lua: gone");
    }
}
