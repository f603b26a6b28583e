//! What hooks answer. These are plain values of the plugin's own; the host copies what it needs.

use serde_json::Value;

/// What `authenticate` and `auth_continue` say.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// Yes.
    Allow(Grant),
    /// No.
    Deny {
        /// The reason code; 0x87 (not authorized) when it is `None`.
        code: Option<u8>,
        /// Why, for the log and the client.
        reason: String,
    },
    /// MQTT 5: send AUTH with `data`; the client's answer goes to this plugin's `auth_continue` with `state`.
    Continue {
        /// The Authentication Data to send.
        data: Vec<u8>,
        /// What to be given back.
        state: Value,
    },
    /// Not mine: ask the next policy.
    Next,
}

impl Login {
    /// Yes, and nothing besides.
    #[must_use]
    pub fn allow() -> Self {
        Login::Allow(Grant::default())
    }

    /// No, with the usual reason code.
    pub fn deny(reason: impl Into<String>) -> Self {
        Login::Deny {
            code: None,
            reason: reason.into(),
        }
    }
}

/// What a login brings. What is `None` stays as it was asked and configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grant {
    /// What later hooks read as the client's attributes: a JSON object, or null for none.
    pub attrs: Value,
    /// The client's own rules, such as `["allow", "publish", "a/#"]`; the first that fits decides.
    pub acl: Vec<Vec<String>>,
    /// When the login ends, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// Server Keep Alive, in seconds.
    pub keep_alive: Option<u16>,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// Receive Maximum, in messages.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// Authentication Data of CONNACK or AUTH.
    pub data: Option<Vec<u8>>,
    /// Whether the client id may have any form, and not that of `GroupID@@@DeviceID` alone.
    pub any_client_id: bool,
    /// Records of the client's instance in the registry, as `kind/name`: when one appears, changes or goes, the login ends then,
    /// and `expiring` is asked.
    pub depends: Vec<String>,
}

/// What `authorize_*` and `p2p` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Yes, as far as this policy is concerned.
    Allow,
    /// Yes, at most at this QoS: `authorize_subscribe` alone; elsewhere it is an error.
    AllowAt(u8),
    /// No; the client stays.
    Deny {
        /// The reason code; 0x87 (not authorized) when it is `None`.
        code: Option<u8>,
        /// Why. When it is empty, the answer is a plain integer: the fastest way to say no.
        reason: String,
    },
    /// No, and the connection ends.
    Disconnect {
        /// Why.
        reason: String,
    },
    /// No opinion.
    Next,
}

impl Access {
    /// No, with the usual reason code.
    pub fn deny(reason: impl Into<String>) -> Self {
        Access::Deny {
            code: None,
            reason: reason.into(),
        }
    }
}

/// What becomes of something on its way.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<T> {
    /// It goes on as it is.
    Pass,
    /// It goes on with these changes.
    Patch(T),
    /// It goes nowhere, and why. (`deliver` and `offline` call it skip, `will` calls it suppress.)
    Drop(String),
}

/// What becomes of a CONNECT.
#[derive(Debug, Clone, PartialEq)]
pub enum Connecting {
    /// It goes on as it is.
    Pass,
    /// It goes on with these changes.
    Patch(ConnectPatch),
    /// It ends here.
    Reject {
        /// The reason code of CONNACK.
        code: u8,
        /// Why.
        reason: String,
    },
    /// The client is to use another server.
    Redirect {
        /// Which.
        server: String,
        /// Whether from now on (0x9D) and not just this once (0x9C).
        permanently: bool,
    },
}

/// What is done about a login: `expiring` and `control`.
#[derive(Debug, Clone, PartialEq)]
pub enum Controlling {
    /// Nothing.
    Pass,
    /// This.
    Do(Controlled),
    /// The connection ends.
    Disconnect {
        /// The reason code; 0x87 (not authorized) when it is `None`.
        code: Option<u8>,
        /// Why.
        reason: String,
    },
}

/// Messages to a client, a new end of its login, and what that brings from now on. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controlled {
    /// Messages to the client itself, whatever it is subscribed to.
    pub messages: Vec<NewMessage>,
    /// When the login ends now, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// What later hooks read as the client's attributes from now on: a JSON object.
    pub attrs: Option<Value>,
    /// The client's own rules from now on.
    pub acl: Option<Vec<Vec<String>>>,
    /// The records that the login depends on from now on.
    pub depends: Option<Vec<String>>,
}

/// Changes of a CONNECT: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectPatch {
    /// Another client id.
    pub client_id: Option<String>,
    /// Whether the session begins anew.
    pub clean_start: Option<bool>,
    /// Keep Alive, in seconds.
    pub keep_alive: Option<u16>,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// No will any more; `will` does not count then.
    pub remove_will: bool,
    /// Changes of the will.
    pub will: Option<ConnectWill>,
    /// The instance that the client is of, if it is another.
    pub instance: Option<String>,
}

/// A will, or changes of one: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectWill {
    /// The topic name.
    pub topic: Option<String>,
    /// The payload.
    pub payload: Option<Vec<u8>>,
    /// 0, 1 or 2.
    pub qos: Option<u8>,
    /// The RETAIN flag.
    pub retain: Option<bool>,
    /// Will Delay Interval, in seconds.
    pub delay: Option<u32>,
}

/// What a client is told besides in CONNACK.
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

/// Changes of a message in `publish`: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishPatch {
    /// Another topic name.
    pub topic: Option<String>,
    /// Another payload.
    pub payload: Option<Vec<u8>>,
    /// Another QoS.
    pub qos: Option<u8>,
    /// Whether it is retained.
    pub retain: Option<bool>,
    /// All properties anew.
    pub properties: Option<Properties>,
    /// Messages to publish besides; no hook is asked about them.
    pub more: Vec<NewMessage>,
}

/// Changes of a message for one receiver: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliverPatch {
    /// Another payload.
    pub payload: Option<Vec<u8>>,
    /// All properties anew.
    pub properties: Option<Properties>,
}

/// Changes of a will that is about to be published: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WillPatch {
    /// Another topic name.
    pub topic: Option<String>,
    /// Another payload.
    pub payload: Option<Vec<u8>>,
    /// Another QoS.
    pub qos: Option<u8>,
    /// Whether it is retained.
    pub retain: Option<bool>,
    /// All properties anew.
    pub properties: Option<Properties>,
}

/// Where a message goes besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routed {
    /// More topics.
    pub topics: Vec<String>,
    /// More clients, by client id, whatever they are subscribed to.
    pub clients: Vec<String>,
}

/// A message that a plugin makes, or that a rule matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// The topic name, without wildcards.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The RETAIN flag.
    pub retain: bool,
    /// Its properties.
    pub properties: Properties,
}

impl NewMessage {
    /// A message at QoS 0 without properties.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            ..Self::default()
        }
    }
}

/// The properties of a message.
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
    pub correlation_data: Option<Vec<u8>>,
    /// User Properties, in their order; a name may occur more than once.
    pub user: Vec<(String, String)>,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The topic filter, with `$share/NAME/` if it is shared.
    pub filter: String,
    /// 0, 1 or 2.
    pub qos: Option<u8>,
    /// No Local.
    pub no_local: Option<bool>,
    /// Retain As Published.
    pub retain_as_published: Option<bool>,
    /// Retain Handling: 0, 1 or 2.
    pub retain_handling: Option<u8>,
}

/// How a rule's batch went.
#[derive(Debug, Clone, PartialEq)]
pub enum Batch {
    /// All messages are done with.
    Done,
    /// One result for each message, in their order.
    Each(Vec<ActionResult>),
}

/// What became of one message of a rule's batch.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionResult {
    /// It is done with.
    Done,
    /// It is to come again after so many seconds.
    Retry(f64),
    /// It can never succeed, and why.
    DeadLetter(String),
}

/// State that is handed over to the next generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What the bytes are. 0 is JSON text, which scripts can read and write too; others are the plugin's own.
    pub version: u32,
    /// The state.
    pub bytes: Vec<u8>,
}

/// The filters that `subscribe` answers: `None` when they stay.
pub type Filters = Option<Vec<Filter>>;
/// The filters that `unsubscribe` answers: `None` when they stay.
pub type Topics = Option<Vec<String>>;
/// What `limit` answers: `None` for no opinion. Also what `on_tick` answers: seconds to the next tick.
pub type Number = Option<f64>;
