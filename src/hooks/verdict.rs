//! What the chain answers: plain values that the rest of the broker acts on.

use super::acl::Acl;
use super::cache::CacheRule;
use super::client::Client;
use super::depends::Depends;
use crate::codec::{Connect, QoS, ReasonCode};
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
    /// When the login ends, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// The client's own rules; they vote before every entry of the chain.
    pub acl: Option<Arc<Acl>>,
    /// Authentication Data for CONNACK (or for the last AUTH), when an exchange ends in a yes.
    pub data: Option<Bytes>,
    /// The client id may have any form.
    pub any_client_id: bool,
    /// Records that the login rests on.
    pub depends: Depends,
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

/// What becomes of a CONNECT.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectChange {
    /// It goes on as it is.
    Pass,
    /// It goes on with these changes.
    Patch(Box<ConnectPatch>),
    /// The client is refused.
    Reject {
        /// The reason code for CONNACK.
        code: ReasonCode,
        /// And in words.
        reason: Arc<str>,
    },
    /// The client is sent to another server.
    Redirect {
        /// Which.
        server: Arc<str>,
        /// Whether it is to go there from now on (0x9D) and not just this once (0x9C).
        for_good: bool,
    },
}

/// Changes to a CONNECT: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectPatch {
    /// Another client id: another session.
    pub client_id: Option<String>,
    /// Whether the session begins anew.
    pub clean_start: Option<bool>,
    /// Keep Alive, in seconds.
    pub keep_alive: Option<u16>,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// The will.
    pub will: WillChange,
    /// Another instance, already checked.
    pub instance: Option<Arc<str>>,
}

/// What becomes of a will.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum WillChange {
    /// It stays.
    #[default]
    Keep,
    /// There is none.
    Remove,
    /// It changes: what is `None` stays. A client that has no will gets none by this.
    Change {
        /// A new topic name, already checked.
        topic: Option<Arc<str>>,
        /// A new payload.
        payload: Option<Bytes>,
        /// A new QoS.
        qos: Option<QoS>,
        /// Whether it is retained.
        retain: Option<bool>,
        /// Will Delay Interval, in seconds.
        delay: Option<u32>,
    },
}

impl ConnectPatch {
    /// Makes the changes.
    pub fn apply(self, connect: &mut Connect) {
        if let Some(client_id) = self.client_id {
            connect.client_id = client_id;
        }
        connect.clean_start = self.clean_start.unwrap_or(connect.clean_start);
        connect.keep_alive = self.keep_alive.unwrap_or(connect.keep_alive);
        if self.session_expiry.is_some() {
            connect.properties.session_expiry = self.session_expiry;
        }
        match (self.will, &mut connect.will) {
            (WillChange::Remove, will) => *will = None,
            (
                WillChange::Change {
                    topic,
                    payload,
                    qos,
                    retain,
                    delay,
                },
                Some(will),
            ) => {
                if let Some(topic) = topic {
                    will.topic = topic.to_string();
                }
                if let Some(payload) = payload {
                    will.payload = payload;
                }
                will.qos = qos.unwrap_or(will.qos);
                will.retain = retain.unwrap_or(will.retain);
                will.delay = delay.unwrap_or(will.delay);
            }
            _ => {}
        }
    }
}

/// A CONNACK that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Connack<'a> {
    /// Its reason code.
    pub code: ReasonCode,
    /// Whether there was a session to resume.
    pub session_present: bool,
    /// The client id that the broker chose.
    pub assigned_client_id: Option<&'a str>,
}

/// What a client is told besides in CONNACK (5.0).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnackPatch {
    /// User Properties.
    pub user: Vec<(String, String)>,
    /// Reason String.
    pub reason_string: Option<String>,
    /// Response Information.
    pub response_information: Option<String>,
    /// Server Reference.
    pub server_reference: Option<String>,
}

impl ConnackPatch {
    /// Puts `later` on top.
    pub(crate) fn merge(&mut self, later: ConnackPatch) {
        self.user.extend(later.user);
        self.reason_string = later.reason_string.or(self.reason_string.take());
        self.response_information = later.response_information.or(self.response_information.take());
        self.server_reference = later.server_reference.or(self.server_reference.take());
    }
}

/// What a policy wants done about a client's login.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controlled {
    /// Messages for the client itself, whatever it is subscribed to.
    pub messages: Vec<NewMessage>,
    /// A new end of its login, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// New attributes.
    pub attrs: Option<Map<String, Value>>,
    /// New rules of its own.
    pub acl: Option<Arc<Acl>>,
    /// Other records that its login rests on.
    pub depends: Option<Depends>,
    /// The end of its connection.
    pub disconnect: Option<(ReasonCode, Arc<str>)>,
}

impl Controlled {
    /// What it makes of the client: nothing, unless its login is to bring something else.
    #[must_use]
    pub fn renewed(&self, client: &Client) -> Option<Arc<Client>> {
        if self.attrs.is_none() && self.acl.is_none() {
            return None;
        }
        Some(client.renewed(self.attrs.clone(), self.acl.clone()))
    }

    /// Adds what another entry wants.
    pub(crate) fn merge(&mut self, later: Controlled) {
        self.messages.extend(later.messages);
        self.expires_at = later.expires_at.or(self.expires_at);
        self.attrs = later.attrs.or(self.attrs.take());
        self.acl = later.acl.or(self.acl.take());
        self.depends = later.depends.or(self.depends.take());
        self.disconnect = self.disconnect.take().or(later.disconnect);
    }
}

/// Where else a message goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Routed {
    /// It goes nowhere; the reason, if one was given.
    pub drop: Option<Option<Arc<str>>>,
    /// More topics, already checked.
    pub topics: Vec<Arc<str>>,
    /// More clients, by client id.
    pub clients: Vec<Arc<str>>,
}

/// What one receiver gets of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivered {
    /// The message as it is.
    Pass,
    /// With these changes.
    Patch(Box<Patch>),
    /// Nothing.
    Skip(Arc<str>),
}

/// What became of a message that a rule acted on.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionOutcome {
    /// It is done with.
    Done,
    /// It is to come again after a while.
    Retry(std::time::Duration),
    /// It can never succeed.
    DeadLetter(Arc<str>),
}
