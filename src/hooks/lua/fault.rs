//! What went wrong in a call, in words and with the line.

use super::limits::Stop;
use std::any::Any;
use std::fmt;

/// A call that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// The file, when it is known: the script, or a module that it requires.
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) message: String,
}

/// The kinds of fault that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// An error in the script, or an answer that is none.
    Script,
    /// Too long, or too many steps.
    Timeout,
    /// Out of memory, or a panic in a host function: the state is not to be used again.
    Spoilt,
    /// A compiled plugin panicked, and its SDK caught it.
    Panicked,
}

impl Fault {
    /// An answer that the hook does not know.
    pub(crate) fn answer(message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Script,
            file: None,
            line: None,
            message: message.into(),
        }
    }

    /// A call that took too long.
    pub(crate) fn timeout(message: String) -> Self {
        Self {
            kind: FaultKind::Timeout,
            ..Self::answer(message)
        }
    }

    /// A compiled plugin panicked in the call; the panic itself is in the log already.
    pub(crate) fn plugin_panicked(said: Option<&str>) -> Self {
        let message = match said {
            Some(said) => format!("the plugin panicked: {said}"),
            None => "the plugin panicked".to_owned(),
        };
        Self {
            kind: FaultKind::Panicked,
            ..Self::answer(message)
        }
    }

    /// A host function panicked through the call.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied().map(String::from);
        let said = said
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let message = format!("a host function panicked: {said}");
        Self {
            kind: FaultKind::Spoilt,
            file: None,
            line: None,
            message,
        }
    }

    /// What an error of `mlua` was; `stopped` says whether the limits ended the call.
    pub(crate) fn from_lua(error: &mlua::Error, stopped: Option<Stop>) -> Self {
        let (message, traceback, memory) = unwrap(error);
        let (text, mut traced) = message.split_once("\nstack traceback:").unwrap_or((&message, ""));
        if traced.is_empty() {
            traced = traceback.as_deref().unwrap_or_default();
        }
        // An error that a host function raised has no position of its own; the traceback has.
        let (at, text) = match position(text) {
            Some((file, line, rest)) => (Some((file, line)), rest),
            None => (traced.lines().find_map(trace_position), text),
        };
        let kind = match (stopped, memory) {
            (Some(_), _) => FaultKind::Timeout,
            (None, true) => FaultKind::Spoilt,
            (None, false) => FaultKind::Script,
        };
        let message = if memory {
            "out of memory: the state reached its `memory` limit"
        } else {
            text.trim()
        };
        let (file, line) = at.map_or((None, None), |(file, line)| (Some(file.to_owned()), Some(line)));
        Self {
            kind,
            file,
            line,
            message: message.to_owned(),
        }
    }

    /// The same fault with the file of the policy where none is known.
    pub(crate) fn of_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

/// The innermost message, the innermost traceback, and whether memory ran out.
fn unwrap(error: &mlua::Error) -> (String, Option<String>, bool) {
    match error {
        mlua::Error::CallbackError { traceback, cause } => {
            let (message, inner, memory) = unwrap(cause);
            (message, inner.or_else(|| Some(traceback.clone())), memory)
        }
        mlua::Error::RuntimeError(message) => (message.clone(), None, false),
        mlua::Error::SyntaxError { message, .. } => (message.clone(), None, false),
        mlua::Error::MemoryError(message) => (message.clone(), None, true),
        other => (other.to_string(), None, false),
    }
}

/// Takes `scripts/acl.lua:12: message` apart.
fn position(text: &str) -> Option<(&str, u32, &str)> {
    let (file, rest) = text.split_once(':')?;
    let (line, message) = rest.split_once(':')?;
    Some((file, line.parse().ok()?, message.trim_start()))
}

/// Finds `scripts/acl.lua:12` in a line of a traceback, passing over host functions.
fn trace_position(line: &str) -> Option<(&str, u32)> {
    let (file, rest) = line.trim().split_once(':')?;
    if file.starts_with('[') || file == super::PRELUDE {
        return None;
    }
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((file, rest.get(..digits)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_taken_from_messages_and_tracebacks() {
        assert_eq!(
            position("a/b.lua:12: it: broke"),
            Some(("a/b.lua", 12, "it: broke"))
        );
        assert_eq!(position("nothing to see"), None);
        assert_eq!(trace_position("\ta.lua:7 function f"), Some(("a.lua", 7)));
        assert_eq!(trace_position("\t[C] in ?"), None);
    }

    #[test]
    fn memory_spoils_a_state_and_a_stop_is_a_timeout() {
        let memory = mlua::Error::MemoryError("not enough memory".into());
        assert_eq!(Fault::from_lua(&memory, None).kind, FaultKind::Spoilt);
        let stop = mlua::Error::runtime("a.lua:3: the call took longer");
        let fault = Fault::from_lua(&stop, Some(Stop::Time));
        assert_eq!((fault.kind, fault.line), (FaultKind::Timeout, Some(3)));
        assert_eq!(fault.to_string(), "a.lua:3: the call took longer");
    }
}
