//! What those who watch a client read.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// What kind of thing a [`TraceLine`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceKind {
    /// A packet from the client.
    In,
    /// A packet to the client.
    Out,
    /// What the policies answered.
    Hook,
    /// The connection began or ended.
    Connection,
    /// A limit was met, or a rule of the product broken.
    Limit,
    /// Lines that were lost, since the reader was too slow.
    Missed,
}

/// One thing that happened to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// When, as in RFC 3339.
    pub at: String,
    /// What kind of thing.
    pub kind: TraceKind,
    /// The packet's name, or the hook's.
    pub what: Cow<'static, str>,
    /// The topic or filter that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The rest, in words.
    pub text: String,
}

impl TraceLine {
    pub(super) fn new(at: Millis, kind: TraceKind, what: &'static str, text: String) -> Self {
        let at = UNIX_EPOCH + Duration::from_millis(at.0);
        Self {
            at: humantime::format_rfc3339_millis(at).to_string(),
            kind,
            what: what.into(),
            topic: None,
            text,
        }
    }

    pub(super) fn about(mut self, topic: Option<String>) -> Self {
        self.topic = topic;
        self
    }
}
