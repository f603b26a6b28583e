//! What the chain answers: plain values that the rest of the broker acts on.

use super::cache::CacheRule;
use crate::codec::{QoS, ReasonCode};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::sync::Arc;

/// An answer, and for how long and under which key the connection may keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<D> {
    /// The answer.
    pub decision: D,
    /// How to cache it; `None` when it must be asked again every time.
    pub cache: Option<CacheRule>,
}

/// May this client come in?
#[derive(Debug, Clone, PartialEq)]
pub enum AuthDecision {
    /// Yes, with these attributes and settings.
    Allow(Grant),
    /// No.
    Deny {
        /// The reason code for CONNACK (or for DISCONNECT, when a re-authentication failed).
        code: ReasonCode,
        /// For the log, and for the Reason String where the client may have one.
        reason: Arc<str>,
    },
    /// The exchange goes on: send AUTH with this data.
    Continue(Challenge),
}

/// What an authenticated client gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grant {
    /// Readable as `ctx.attrs` in every later hook.
    pub attrs: Map<String, Value>,
    /// What the policy sets for this session; the rest stays as asked and configured.
    pub session: SessionSettings,
    /// Authentication Data for CONNACK (or for the last AUTH), when an exchange ends in a yes.
    pub data: Option<Bytes>,
}

/// What a policy may set for a session when it lets a client in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// Server Keep Alive, in seconds.
    pub keep_alive: Option<u16>,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// How many QoS 1 and 2 messages the client may have in flight towards the broker.
    pub receive_maximum: Option<u16>,
    /// The largest packet that the broker takes from this client, in bytes.
    pub maximum_packet_size: Option<u32>,
}

/// A step of an enhanced authentication: what to send, and what to hand back with the client's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Challenge {
    /// Authentication Data to send.
    pub data: Bytes,
    /// To be handed to `auth_continue` with the client's next AUTH.
    pub pending: PendingAuth,
}

/// Whose exchange it is and where it stands. It survives a swap: the entry of the same name goes on with it.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingAuth {
    pub(crate) policy: Arc<str>,
    pub(crate) state: Value,
}

/// A no that the client survives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What a 5.0 client is told: 0x87 (not authorized), if the policy did not say otherwise.
    pub code: ReasonCode,
    /// For the log and for observers.
    pub reason: Arc<str>,
}

impl From<&str> for Denial {
    fn from(reason: &str) -> Self {
        Self {
            code: ReasonCode::NOT_AUTHORIZED,
            reason: reason.into(),
        }
    }
}

/// May this client publish this message?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishDecision {
    /// Yes.
    Allow,
    /// No; the client stays, and a 5.0 client is told in PUBACK or PUBREC.
    Deny(Denial),
    /// No, and the connection ends.
    Disconnect(Arc<str>),
}

/// May this client subscribe to this filter?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscribeDecision {
    /// Yes, at most at this QoS.
    Allow(QoS),
    /// No; the client stays, and is told in SUBACK (0x80 for 3.1.1).
    Deny(Denial),
    /// No, and the connection ends.
    Disconnect(Arc<str>),
}

/// What becomes of a message in the `publish` hook.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Published {
    /// What becomes of the message itself.
    pub transform: Transform,
    /// Messages to publish besides. They have a script's origin, and no hook is asked about them.
    pub more: Vec<NewMessage>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Transform {
    /// It goes on as it is.
    #[default]
    Pass,
    /// It goes on with these changes.
    Patch(Box<Patch>),
    /// It goes nowhere; the publisher is told success, and observers are told the reason.
    Drop(Arc<str>),
}

/// Changes to a message: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// A new topic name, already checked.
    pub topic: Option<Arc<str>>,
    /// A new payload.
    pub payload: Option<Bytes>,
    /// A new QoS.
    pub qos: Option<QoS>,
    /// Whether it is retained.
    pub retain: Option<bool>,
    /// All properties anew.
    pub properties: Option<Properties>,
}

/// A message that a policy made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Its topic name, already checked.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Bytes,
    /// Its QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Its properties.
    pub properties: Properties,
}

/// The properties of a PUBLISH that travel with the message from publisher to subscriber.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// Payload Format Indicator: whether the payload is UTF-8 text.
    pub payload_is_text: Option<bool>,
    /// Message Expiry Interval, in seconds.
    pub message_expiry: Option<u32>,
    /// Content Type.
    pub content_type: Option<String>,
    /// Response Topic.
    pub response_topic: Option<String>,
    /// Correlation Data.
    pub correlation_data: Option<Bytes>,
    /// User Properties, in their order; a name may occur more than once.
    pub user: Vec<(String, String)>,
}
