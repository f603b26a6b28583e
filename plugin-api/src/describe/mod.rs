//! What each hook is given, what it may return, and how it is asked: one description, from which everything that
//! explains or checks hooks is made.
//!
//! Invariant: this is data. What is described here is done in the broker, and the broker's tests compare the two.
//!
//! ```
//! use dunlin_plugin_api::{Hook, describe::Waits};
//!
//! let publish = Hook::AuthorizePublish.description();
//! assert_eq!(publish.parameters[1].name, "topic");
//! assert_eq!(publish.waits, Waits::IfDeclared);
//! assert!(publish.words().any(|word| word == "allow"));
//! ```

mod answers;
mod life;
mod login;
mod message;
mod observe;
pub mod records;

use super::Hook;

/// The type of a value, as far as a description goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text in UTF-8.
    Text,
    /// Any bytes; in Lua a string all the same.
    Bytes,
    /// A number, with fractions.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// Whatever the policy makes it.
    Any,
    /// A table whose keys are the policy's own affair.
    Map,
    /// A function of the policy.
    Function,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A table with these fields.
    Record(&'static Record),
    /// An object of a host module, by its name.
    Object(&'static str),
    /// A list.
    List(&'static Type),
    /// One of these.
    Either(&'static [Type]),
}

/// A named value: a field of a record, or a parameter of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub of: Type,
    /// Whether it may be missing: nil.
    pub optional: bool,
    /// What it means.
    pub doc: &'static str,
}

impl Field {
    /// A value that is always there.
    #[must_use]
    pub const fn new(name: &'static str, of: Type, doc: &'static str) -> Self {
        Self {
            name,
            of,
            optional: false,
            doc,
        }
    }

    /// A value that may be nil.
    #[must_use]
    pub const fn maybe(name: &'static str, of: Type, doc: &'static str) -> Self {
        Self {
            name,
            of,
            optional: true,
            doc,
        }
    }
}

/// A table with known fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// What the type definitions call it.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Whether the broker guards it: reading a field that it does not have is an error, and so is writing to it.
    pub guarded: bool,
    /// Its fields.
    pub fields: &'static [Field],
}

impl Record {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The first value of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Nothing, that is nil.
    Nothing,
    /// A word.
    Word(&'static str),
    /// A table with these fields.
    Table(&'static Record),
    /// A list of such values.
    List(Type),
    /// A number.
    Number,
    /// Any value at all.
    Anything,
}

/// One form that an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Its first value.
    pub says: Says,
    /// The table that may follow a word.
    pub with: Option<&'static Record>,
    /// The whole of it, as a policy writes it behind `return`.
    pub text: &'static str,
    /// What it means.
    pub doc: &'static str,
}

impl Form {
    const fn nothing(doc: &'static str) -> Self {
        Self {
            says: Says::Nothing,
            with: None,
            text: "nothing",
            doc,
        }
    }

    const fn word(word: &'static str, text: &'static str, doc: &'static str) -> Self {
        Self {
            says: Says::Word(word),
            with: None,
            text,
            doc,
        }
    }

    const fn table(record: &'static Record, text: &'static str, doc: &'static str) -> Self {
        Self {
            says: Says::Table(record),
            with: None,
            text,
            doc,
        }
    }
}

/// Whether a hook may call functions that wait for something, such as a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Yes.
    Always,
    /// Only where the policy names the hook in `waits`.
    IfDeclared,
    /// No: it answers at once.
    Never,
}

/// Everything about a hook besides its name, kind and summary.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// What it is called with, in order.
    pub parameters: &'static [Field],
    /// What it may return.
    pub results: &'static [Form],
    /// Whether it may wait.
    pub waits: Waits,
    /// The inputs that its answers can be cached by; none when they cannot be.
    pub cached_by: &'static [&'static str],
    /// Whether the payload is handed over only to a policy that names the hook in `payload`.
    pub payload: bool,
    /// Whether a policy can say about messages of which origins it wants to be asked.
    pub origins: bool,
    /// What `on_error` and `on_timeout` can say stands in for an answer; the first is meant when they say nothing.
    pub fallback: &'static [&'static str],
    /// What happens when a call fails, in words.
    pub failure: &'static str,
    /// What else is worth knowing.
    pub notes: &'static str,
}

impl Description {
    /// The words that an answer can begin with.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.results.iter().filter_map(|form| match form.says {
            Says::Word(word) => Some(word),
            _ => None,
        })
    }

    /// Whether it may return nothing.
    #[must_use]
    pub fn may_say_nothing(&self) -> bool {
        let silent = |form: &Form| matches!(form.says, Says::Nothing | Says::Anything);
        self.results.iter().any(silent)
    }
}

/// Where messages come from; a hook is asked about those of clients and about wills when its policy says nothing else.
pub const ORIGINS: &[(&str, &str)] = &[
    ("client", "a client published it"),
    ("will", "the will of a client whose connection ended"),
    ("script", "a policy published it"),
    ("broker", "Dunlin itself, such as its `$SYS` topics"),
];

/// The origins that a hook is asked about when its policy names none.
pub const DEFAULT_ORIGINS: &[&str] = &["client", "will"];

impl Hook {
    /// What it is given, what it may return, and how it is asked.
    #[must_use]
    pub const fn description(self) -> &'static Description {
        match self {
            Hook::OnLoad => &life::ON_LOAD,
            Hook::OnUnload => &life::ON_UNLOAD,
            Hook::OnTick => &life::ON_TICK,
            Hook::Connect => &login::CONNECT,
            Hook::Authenticate => &login::AUTHENTICATE,
            Hook::Expiring => &login::EXPIRING,
            Hook::Control => &login::CONTROL,
            Hook::AuthContinue => &login::AUTH_CONTINUE,
            Hook::Connack => &login::CONNACK,
            Hook::AuthorizePublish => &answers::AUTHORIZE_PUBLISH,
            Hook::Publish => &message::PUBLISH,
            Hook::AuthorizeSubscribe => &answers::AUTHORIZE_SUBSCRIBE,
            Hook::Subscribe => &answers::SUBSCRIBE,
            Hook::Unsubscribe => &answers::UNSUBSCRIBE,
            Hook::Route => &message::ROUTE,
            Hook::AuthorizeDeliver => &answers::AUTHORIZE_DELIVER,
            Hook::Deliver => &message::DELIVER,
            Hook::P2p => &message::P2P,
            Hook::Offline => &message::OFFLINE,
            Hook::Will => &message::WILL,
            Hook::SessionStart => &observe::SESSION_START,
            Hook::SessionEnd => &observe::SESSION_END,
            Hook::Disconnect => &observe::DISCONNECT,
            Hook::Acked => &observe::ACKED,
            Hook::Dropped => &observe::DROPPED,
            Hook::Limit => &answers::LIMIT,
            Hook::RuleAction => &message::RULE_ACTION,
        }
    }
}

/// What most hooks have in common: it answers at once, about everything, and nothing of it is kept.
const PLAIN: Description = Description {
    parameters: &[],
    results: &[],
    waits: Waits::Never,
    cached_by: &[],
    payload: false,
    origins: false,
    fallback: &[],
    failure: "",
    notes: "",
};

/// The client that a hook is about.
const CTX: Field = Field::new("ctx", Type::Record(&records::CONTEXT), "the client");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn every_hook_says_what_it_may_return_and_what_a_failure_is() {
        for hook in Hook::ALL {
            let described = hook.description();
            assert!(
                !described.results.is_empty() && !described.failure.is_empty(),
                "{hook}"
            );
            assert!(
                described.cached_by.iter().all(|input| described
                    .parameters
                    .iter()
                    .any(|parameter| parameter.name == *input)),
                "{hook}"
            );
            let has_payload = described.parameters.iter().any(|p| p.name == "payload");
            assert_eq!(has_payload, described.payload, "{hook}");
        }
    }

    #[test]
    fn fallbacks_are_those_of_the_kind() {
        for hook in Hook::ALL {
            let may: &[&str] = match hook.kind() {
                Kind::Answer => &["deny", "allow", "next", "stale"],
                Kind::Transform => &["pass", "drop"],
                _ => &[],
            };
            let said = hook.description().fallback;
            assert!(said.iter().all(|word| may.contains(word)), "{hook}");
            assert!(said.is_empty() || said.first() == may.first(), "{hook}");
        }
    }

    #[test]
    fn records_say_each_field_once() {
        for record in records::ALL {
            let mut names: Vec<_> = record.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), record.fields.len(), "{}", record.name);
        }
    }
}
