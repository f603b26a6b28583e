//! What a policy's function returned, read strictly: an answer that is none is an error, never a guess.

use super::fault::Fault;
use super::kind;
use super::message::{Fields, patch, qos_of};
use crate::codec::{QoS, ReasonCode};
use crate::hooks::suggest;
use crate::hooks::verdict::{Grant, NewMessage, Patch, SessionSettings};
use bytes::Bytes;
use mlua::Value;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// What one entry says to a question of authorization; `T` comes with a yes.
#[derive(Debug, PartialEq)]
pub(crate) enum Vote<T> {
    Allow(T),
    Deny(Option<Arc<str>>),
    Disconnect(Option<Arc<str>>),
    Next,
}

/// What one entry says to a login.
#[derive(Debug, PartialEq)]
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

/// `"allow"` · `"deny", reason` · `"disconnect", reason` · `"next"`.
pub(crate) fn publish_vote(hook: &str, (word, more): (Value, Value)) -> Result<Vote<()>, Fault> {
    authorize(hook, &word, &more, |more| match more {
        Value::Nil => Ok(()),
        other => Err(Fault::answer(format!(
            "{hook} returned \"allow\" and a {}; it takes nothing more",
            kind(other)
        ))),
    })
}

/// The same, and `"allow"` may name the highest QoS.
pub(crate) fn subscribe_vote(hook: &str, (word, more): (Value, Value)) -> Result<Vote<QoS>, Fault> {
    authorize(hook, &word, &more, |more| match more {
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

fn authorize<T>(
    hook: &str,
    word: &Value,
    more: &Value,
    allow: impl FnOnce(&Value) -> Result<T, Fault>,
) -> Result<Vote<T>, Fault> {
    let said = word.as_string().map(|word| word.as_bytes());
    match said.as_deref() {
        Some(b"allow") => Ok(Vote::Allow(allow(more)?)),
        Some(b"next") => Ok(Vote::Next),
        Some(b"deny") => Ok(Vote::Deny(reason(hook, more)?)),
        Some(b"disconnect") => Ok(Vote::Disconnect(reason(hook, more)?)),
        _ => Err(nonsense(hook, word, &["allow", "deny", "next", "disconnect"])),
    }
}

/// `"allow", { attrs = ..., ... }` · `"deny", code, reason` · `"continue", data, state` · `"next"`.
pub(crate) fn login_vote(
    hook: &str,
    (word, first, second): (Value, Value, Value),
    to_json: ToJson<'_>,
) -> Result<LoginVote, Fault> {
    let said = word.as_string().map(|word| word.as_bytes());
    match said.as_deref() {
        Some(b"allow") => match &first {
            Value::Nil => Ok(LoginVote::Allow(Box::default())),
            Value::Table(_) => grant(&first, to_json).map(|grant| LoginVote::Allow(Box::new(grant))),
            other => Err(Fault::answer(format!(
                "{hook} returned \"allow\" and {}; what is granted is a table, such as {{ attrs = {{ role = \"meter\" }} }}",
                show(other)
            ))),
        },
        Some(b"deny") => match &first {
            Value::Nil | Value::String(_) => {
                Ok(LoginVote::Deny(ReasonCode::NOT_AUTHORIZED, reason(hook, &first)?))
            }
            code => Ok(LoginVote::Deny(connack_code(hook, code)?, reason(hook, &second)?)),
        },
        Some(b"continue") => match &first {
            Value::String(data) => {
                let state = to_json(&second).map_err(|e| Fault::from_lua(&e, None))?;
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
        Some(b"next") => Ok(LoginVote::Next),
        _ => Err(nonsense(hook, &word, &["allow", "deny", "next", "continue"])),
    }
}

const GRANT_FIELDS: &[&str] = &[
    "attrs",
    "data",
    "keep_alive",
    "maximum_packet_size",
    "receive_maximum",
    "session_expiry",
];

fn grant(value: &Value, to_json: ToJson<'_>) -> Result<Grant, Fault> {
    let Some(table) = value.as_table() else {
        return Ok(Grant::default());
    };
    let mut fields = Fields::of("what \"allow\" grants", table, GRANT_FIELDS)?;
    let session = SessionSettings {
        keep_alive: fields.integer("keep_alive", "a number of seconds, 0 to 65,535")?,
        session_expiry: fields.integer("session_expiry", "a number of seconds, 0 to 4,294,967,295")?,
        receive_maximum: fields.integer("receive_maximum", "a number of messages, 1 to 65,535")?,
        maximum_packet_size: fields
            .integer("maximum_packet_size", "a number of bytes, 1 to 4,294,967,295")?,
    };
    // Zero is a Protocol Error for both in CONNACK [MQTT-3.2.2-3 ff.], so it must not get that far.
    if session.receive_maximum == Some(0) || session.maximum_packet_size == Some(0) {
        return Err(Fault::answer(
            "`receive_maximum` and `maximum_packet_size` must not be 0",
        ));
    }
    let attrs = match fields.table("attrs")? {
        None => Map::new(),
        Some(attrs) => match to_json(&Value::Table(attrs)).map_err(|e| Fault::from_lua(&e, None))? {
            Json::Object(attrs) => attrs,
            _ => {
                return Err(Fault::answer(
                    "`attrs` has named fields, such as { role = \"meter\" }; it is a list",
                ));
            }
        },
    };
    Ok(Grant {
        attrs,
        session,
        data: fields.bytes("data")?,
    })
}

/// A reason code that CONNACK knows for a refusal (MQTT 5, table 3-1).
fn connack_code(hook: &str, value: &Value) -> Result<ReasonCode, Fault> {
    let code = value.as_u32().and_then(|code| u8::try_from(code).ok());
    match code {
        Some(code @ (0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99 | 0x9A..=0x9D | 0x9F)) => {
            Ok(ReasonCode(code))
        }
        _ => Err(Fault::answer(format!(
            "{hook} returned \"deny\" and {}; write a reason code of CONNACK, such as 0x86 (bad user name or password) or 0x87 (not authorized)",
            show(value)
        ))),
    }
}

/// Nothing or `"pass"` · `"drop", reason` · a table of what changes.
pub(crate) fn change(hook: &str, (word, more): (Value, Value)) -> Result<Change, Fault> {
    if let Value::Table(table) = &word {
        let (patched, more) = patch(table)?;
        return Ok(Change::Patch(Box::new(patched), more));
    }
    let said = word.as_string().map(|word| word.as_bytes());
    match (&word, said.as_deref()) {
        (Value::Nil, _) | (_, Some(b"pass")) => Ok(Change::Pass),
        (_, Some(b"drop")) => Ok(Change::Drop(reason(hook, &more)?)),
        _ => Err(Fault::answer(format!(
            "{hook} returned {}; return nothing, \"drop\" and a reason, or a table of what changes, such as {{ topic = \"a/b\" }}",
            show(&word)
        ))),
    }
}

fn reason(hook: &str, value: &Value) -> Result<Option<Arc<str>>, Fault> {
    match value {
        Value::Nil => Ok(None),
        Value::String(text) => Ok(Some(text.to_string_lossy().into())),
        other => Err(Fault::answer(format!(
            "{hook} gave {} as its reason; a reason is a string",
            show(other)
        ))),
    }
}

fn nonsense(hook: &str, word: &Value, known: &[&str]) -> Fault {
    let words = known
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let said = word.as_string().map(|word| word.to_string_lossy());
    let near = said
        .as_deref()
        .and_then(|said| suggest::nearest(said, known.iter().copied()));
    let help = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("an answer is one of {words}"),
    };
    Fault::answer(format!("{hook} returned {}; {help}", show(word)))
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
