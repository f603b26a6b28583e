//! What a policy's function returned, read strictly: an answer that is none is an error, never a guess.

use super::fault::Fault;
use super::grant::{controlled, grant};
use super::kind;
use super::message::{DELIVER_FIELDS, Fields, PATCH_FIELDS, WILL_FIELDS, patch, qos_of};
use crate::codec::{QoS, ReasonCode};
use crate::hooks::codes;
use crate::hooks::suggest;
use crate::hooks::verdict::{Controlled, Grant, NewMessage, Patch, Routed};
use crate::topic;
use bytes::Bytes;
use dunlin_plugin_api::Hook;
use mlua::{MultiValue, Value};
use serde_json::Value as Json;
use std::sync::Arc;

/// What one entry says to a question of authorization; `T` comes with a yes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Vote<T> {
    Allow(T),
    Deny(Option<ReasonCode>, Option<Arc<str>>),
    Disconnect(Option<Arc<str>>),
    Next,
}

/// What one entry says to a login.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LoginVote {
    Allow(Box<Grant>),
    Deny(ReasonCode, Option<Arc<str>>),
    Continue(Bytes, Json),
    Next,
}

/// What one entry does with a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Pass,
    Drop(Option<Arc<str>>),
    Patch(Box<Patch>, Vec<NewMessage>),
}

/// Turns a table of attributes, or a challenge's state, into JSON.
pub(crate) type ToJson<'a> = &'a dyn Fn(&Value) -> mlua::Result<Json>;

/// The words of answers; the numbers are the prelude's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Allow,
    Deny,
    Next,
    Disconnect,
    Continue,
    Pass,
    Drop,
    Skip,
    Keep,
    Suppress,
    Reject,
    Redirect,
    Done,
}

impl Word {
    pub(crate) fn of(code: i64) -> Option<Word> {
        use Word::{
            Allow, Continue, Deny, Disconnect, Done, Drop, Keep, Next, Pass, Redirect, Reject, Skip, Suppress,
        };
        let words = [
            Allow, Deny, Next, Disconnect, Continue, Pass, Drop, Skip, Keep, Suppress, Reject, Redirect, Done,
        ];
        words.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
    }

    fn named(name: &str) -> Option<Word> {
        (1..).map_while(Word::of).find(|word| word.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Word::Allow => "allow",
            Word::Deny => "deny",
            Word::Next => "next",
            Word::Disconnect => "disconnect",
            Word::Continue => "continue",
            Word::Pass => "pass",
            Word::Drop => "drop",
            Word::Skip => "skip",
            Word::Keep => "keep",
            Word::Suppress => "suppress",
            Word::Reject => "reject",
            Word::Redirect => "redirect",
            Word::Done => "done",
        }
    }
}

/// What a function returned.
#[derive(Debug)]
pub(crate) struct Said {
    /// The first value, when it is a word.
    pub(crate) word: Option<Word>,
    /// The first value, when it is none.
    pub(crate) other: Value,
    /// The second value.
    pub(crate) first: Value,
    /// The third.
    pub(crate) second: Value,
}

/// `"allow"` · `"deny", reason` · `"deny", code, reason` · `"disconnect", reason` · `"next"`.
pub(crate) fn publish_vote(hook: &str, said: &Said) -> Result<Vote<()>, Fault> {
    authorize(hook, said, |more| match more {
        Value::Nil => Ok(()),
        other => Err(Fault::answer(format!(
            "{hook} returned \"allow\" and a {}; it takes nothing more",
            kind(other)
        ))),
    })
}

/// The same, and `"allow"` may name the highest QoS.
pub(crate) fn subscribe_vote(hook: &str, said: &Said) -> Result<Vote<QoS>, Fault> {
    authorize(hook, said, |more| match more {
        Value::Nil => Ok(QoS::ExactlyOnce),
        more => more
            .as_u32()
            .and_then(|n| u8::try_from(n).ok())
            .and_then(qos_of)
            .ok_or_else(|| {
                Fault::answer(format!(
                    "{hook} returned \"allow\" and {}; the highest QoS is 0, 1 or 2",
                    show(more)
                ))
            }),
    })
}

#[inline]
fn authorize<T>(
    hook: &str,
    said: &Said,
    allow: impl FnOnce(&Value) -> Result<T, Fault>,
) -> Result<Vote<T>, Fault> {
    match said.word {
        Some(Word::Allow) => Ok(Vote::Allow(allow(&said.first)?)),
        Some(Word::Next) => Ok(Vote::Next),
        Some(Word::Deny) => match &said.first {
            Value::Nil | Value::String(_) => Ok(Vote::Deny(None, reason(hook, &said.first)?)),
            code => Ok(Vote::Deny(
                Some(refusal_code(hook, code)?),
                reason(hook, &said.second)?,
            )),
        },
        Some(Word::Disconnect) => Ok(Vote::Disconnect(reason(hook, &said.first)?)),
        _ => Err(nonsense(
            hook,
            said,
            &[Word::Allow, Word::Deny, Word::Next, Word::Disconnect],
        )),
    }
}

/// `"allow", { attrs = ..., ... }` · `"deny", code, reason` · `"continue", data, state` · `"next"`.
pub(crate) fn login_vote(hook: &str, said: &Said, to_json: ToJson<'_>) -> Result<LoginVote, Fault> {
    let Said { first, second, .. } = said;
    match said.word {
        Some(Word::Allow) => match first {
            Value::Nil => Ok(LoginVote::Allow(Box::default())),
            Value::Table(table) => grant(table, to_json).map(|grant| LoginVote::Allow(Box::new(grant))),
            other => Err(Fault::answer(format!(
                "{hook} returned \"allow\" and {}; what is granted is a table, such as {{ attrs = {{ role = \"meter\" }} }}",
                show(other)
            ))),
        },
        Some(Word::Deny) => match first {
            Value::Nil | Value::String(_) => {
                Ok(LoginVote::Deny(ReasonCode::NOT_AUTHORIZED, reason(hook, first)?))
            }
            code => Ok(LoginVote::Deny(
                connack_code(hook, "deny", code)?,
                reason(hook, second)?,
            )),
        },
        Some(Word::Continue) => match first {
            Value::String(data) => {
                let state = to_json(second).map_err(|e| Fault::from_lua(&e, None))?;
                Ok(LoginVote::Continue(
                    Bytes::copy_from_slice(&data.as_bytes()),
                    state,
                ))
            }
            other => Err(Fault::answer(format!(
                "{hook} returned \"continue\" and {}; the data to send is a string",
                show(other)
            ))),
        },
        Some(Word::Next) => Ok(LoginVote::Next),
        _ => Err(nonsense(
            hook,
            said,
            &[Word::Allow, Word::Deny, Word::Next, Word::Continue],
        )),
    }
}

/// How much of a reason is kept, in bytes: answers are cached, and CONNACK has little room.
pub(crate) const MAX_REASON: usize = 1024;

/// A reason code that PUBACK, PUBREC and SUBACK all know (MQTT 5, table 2-6).
fn refusal_code(hook: &str, value: &Value) -> Result<ReasonCode, Fault> {
    match value.as_u32().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if codes::is_refusal(code) => Ok(ReasonCode(code)),
        _ => Err(Fault::answer(format!(
            "{hook} returned \"deny\" and {}; {}",
            show(value),
            codes::REFUSALS
        ))),
    }
}

/// A reason code that CONNACK knows for a refusal (MQTT 5, table 3-1).
pub(crate) fn connack_code(hook: &str, word: &str, value: &Value) -> Result<ReasonCode, Fault> {
    let code = value.as_u32().and_then(|code| u8::try_from(code).ok());
    match code {
        Some(code) if codes::is_connack_refusal(code) => Ok(ReasonCode(code)),
        _ => Err(Fault::answer(format!(
            "{hook} returned \"{word}\" and {}; {}",
            show(value),
            codes::CONNACK_REFUSALS
        ))),
    }
}

/// Nothing or `"pass"` · the hook's word for a message that goes nowhere, and a reason · a table of what changes.
pub(crate) fn change(hook: Hook, said: &Said) -> Result<Change, Fault> {
    let (stays, goes, may) = match hook {
        Hook::Deliver => (Word::Pass, Word::Skip, DELIVER_FIELDS),
        Hook::Offline => (Word::Keep, Word::Skip, &[][..]),
        Hook::Will => (Word::Pass, Word::Suppress, WILL_FIELDS),
        _ => (Word::Pass, Word::Drop, PATCH_FIELDS),
    };
    match (said.word, &said.other) {
        (None, Value::Nil) => Ok(Change::Pass),
        (Some(word), _) if word == stays => Ok(Change::Pass),
        (Some(word), _) if word == goes => Ok(Change::Drop(reason(hook.name(), &said.first)?)),
        (None, Value::Table(table)) if !may.is_empty() => {
            let (patched, more) = patch(table, may)?;
            Ok(Change::Patch(Box::new(patched), more))
        }
        _ => Err(Fault::answer(format!(
            "{hook} returned {}; return nothing, \"{}\" and a reason{}",
            said.show(),
            goes.name(),
            if may.is_empty() {
                ""
            } else {
                ", or a table of what changes, such as { payload = \"x\" }"
            }
        ))),
    }
}

/// Nothing or `"pass"` · `"drop", reason` · `{ topics = {...}, clients = {...} }`.
pub(crate) fn route_change(said: &Said) -> Result<Routed, Fault> {
    match (said.word, &said.other) {
        (Some(Word::Pass), _) | (None, Value::Nil) => Ok(Routed::default()),
        (Some(Word::Drop), _) => Ok(Routed {
            drop: Some(reason("route", &said.first)?),
            ..Routed::default()
        }),
        (None, Value::Table(table)) => {
            let mut fields = Fields::of("what `route` returned", table, &["clients", "topics"])?;
            let topics = fields.texts("topics")?;
            for topic in &topics {
                topic::check_name(topic)
                    .map_err(|why| Fault::answer(format!("\"{topic}\" in `topics` of `route`: {why}")))?;
            }
            Ok(Routed {
                drop: None,
                topics,
                clients: fields.texts("clients")?,
            })
        }
        _ => Err(Fault::answer(format!(
            "route returned {}; return nothing, \"drop\" and a reason, or a table such as {{ topics = {{ \"a/b\" }} }}",
            said.show()
        ))),
    }
}

/// `"allow"` · `"deny", reason` · `"next"`.
pub(crate) fn p2p_vote(said: &Said) -> Result<Vote<()>, Fault> {
    publish_vote(Hook::P2p.name(), said)
}

/// Nothing · `"disconnect", code, reason` · `{ messages = {...}, expires_at = n, ... }`.
pub(crate) fn control_answer(hook: Hook, said: &Said, to_json: ToJson<'_>) -> Result<Controlled, Fault> {
    match (said.word, &said.other) {
        (Some(Word::Pass), _) | (None, Value::Nil) => Ok(Controlled::default()),
        (Some(Word::Disconnect), _) => {
            let (code, why) = match &said.first {
                Value::Nil | Value::String(_) => (ReasonCode::NOT_AUTHORIZED, &said.first),
                code => match code.as_u32().and_then(|code| u8::try_from(code).ok()) {
                    Some(known) if codes::is_disconnect(known) => (ReasonCode(known), &said.second),
                    _ => {
                        return Err(Fault::answer(format!(
                            "{hook} returned \"disconnect\" and {}; {}",
                            show(code),
                            codes::DISCONNECTS
                        )));
                    }
                },
            };
            let why = reason(hook.name(), why)?;
            Ok(Controlled {
                disconnect: Some((code, why.unwrap_or_else(|| "a policy ended the login".into()))),
                ..Controlled::default()
            })
        }
        (None, Value::Table(table)) => controlled(&format!("what `{hook}` returned"), table, to_json),
        _ => Err(Fault::answer(format!(
            "{hook} returned {}; return nothing, \"disconnect\", code, reason, or a table such as {{ messages = {{}}, expires_at = 0 }}",
            said.show()
        ))),
    }
}

pub(crate) fn reason(hook: &str, value: &Value) -> Result<Option<Arc<str>>, Fault> {
    match value {
        Value::Nil => Ok(None),
        Value::String(text) => {
            let text = text.to_string_lossy();
            Ok(Some(
                text.get(..text.floor_char_boundary(MAX_REASON))
                    .unwrap_or_default()
                    .into(),
            ))
        }
        other => Err(Fault::answer(format!(
            "{hook} gave {} as its reason; a reason is a string",
            show(other)
        ))),
    }
}

fn nonsense(hook: &str, said: &Said, known: &[Word]) -> Fault {
    let typed = said.other.as_string().map(|word| word.to_string_lossy());
    let near = typed.and_then(|typed| suggest::nearest(&typed, known.iter().map(|word| word.name())));
    let help = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            let words: Vec<String> = known.iter().map(|word| format!("\"{}\"", word.name())).collect();
            format!("an answer is one of {}", words.join(", "))
        }
    };
    Fault::answer(format!("{hook} returned {}; {help}", said.show()))
}

/// What the prelude makes of a function's answer: the number of its word (or 0), and the rest.
pub(crate) type RawSaid = (i64, Value, Value, Value);

impl Said {
    /// The same of what a function returned to Lua.
    pub(crate) fn of_values(values: &MultiValue) -> Self {
        let at = |n: usize| values.get(n).cloned().unwrap_or(Value::Nil);
        let word = at(0)
            .as_string()
            .and_then(|word| Word::named(&word.to_string_lossy()));
        Self {
            other: if word.is_some() { Value::Nil } else { at(0) },
            word,
            first: at(1),
            second: at(2),
        }
    }

    #[inline]
    pub(crate) fn read((code, other, first, second): RawSaid) -> Self {
        Self {
            word: Word::of(code),
            other,
            first,
            second,
        }
    }

    /// The first value in an error sentence.
    pub(crate) fn show(&self) -> String {
        self.word
            .map_or_else(|| show(&self.other), |word| format!("\"{}\"", word.name()))
    }
}

/// A value in an error sentence.
fn show(value: &Value) -> String {
    match value {
        Value::Nil => "nothing".into(),
        Value::Boolean(b) => b.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => format!(
            "{:?}",
            text.to_string_lossy().chars().take(40).collect::<String>()
        ),
        other => format!("a {}", kind(other)),
    }
}
