//! `[product]`: what the hosted product asks of its clients beyond MQTT. Each restriction is a setting; `dunlin.open.toml` has
//! them all off.

use std::time::Duration;

use serde::Deserialize;

use super::humane;

/// `[product]`. The defaults are the product's behaviour. An instance may set any of it for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProductConfig {
    /// "group": a client id is `GroupID@@@DeviceID` of an existing group, in letters, digits, `-` and `_`. "any": as in MQTT.
    /// Default: "group".
    pub client_ids: ClientIds,
    /// "created": the first level of a topic has to be created before. "auto": whoever may publish or subscribe there creates
    /// it. "any": nobody asks. Default: "created".
    pub parent_topics: ParentTopics,
    /// "product": letters, digits, `-` and `_` in every level. "any": as in MQTT. `$` and P2P topics are exempt.
    /// Default: "product".
    pub topic_characters: Characters,
    /// Who goes when a client id connects a second time: "takeover" is the older connection [MQTT-3.1.4-3], "reject" the new
    /// one. Default: "takeover".
    pub duplicate_client_id: Duplicate,
    /// What becomes of a 3.x client that publishes or subscribes where it may not: "disconnect", or "deny" (a PUBLISH is
    /// acknowledged and goes nowhere, SUBACK says 0x80). A 5.0 client is told with a reason code either way.
    /// Default: "disconnect".
    pub on_refusal: OnRefusal,
    /// What becomes of a 3.x client whose message of QoS 1 or 2 is too much (`limits.tps`, `limits.payload_size`): "disconnect", so
    /// that it sends again when it comes again, or "ignore": it waits for an acknowledgement that does not come. A 5.0 client is
    /// told 0x97; messages of QoS 0 are dropped. Default: "disconnect".
    pub on_excess: OnExcess,
    /// How long a QoS 2 subscription of a persistent session holds: "connection" (and nothing of QoS 2 is kept for an absent
    /// client), or "session" as in MQTT. Default: "connection".
    pub qos2_subscriptions: Lifetime,
    /// Messages above this QoS go on with this QoS; their publisher is answered all the same. Default: 2.
    pub qos_ignored_above: u8,
    /// Whether a session can outlive its connection; if not, what CONNECT asks for is ignored. Default: true.
    pub persistent_sessions: bool,
    /// Whether MQTT 5.0 is spoken. Default: true.
    pub mqtt5: bool,
    /// Whether `PARENT/p2p/CLIENT_ID` reaches that client alone, subscribed or not. Default: true.
    pub p2p: bool,
    /// Whether subscribers of a filter that matches a P2P topic get the message as well. Default: false.
    pub p2p_to_subscribers: bool,
    /// How long a message is stored before it counts as an offline message, in metrics and in what operators are told. A client
    /// that comes gets everything at once all the same. Default: "10s".
    #[serde(with = "humane::duration")]
    pub offline_visible_after: Duration,
}

impl Default for ProductConfig {
    fn default() -> Self {
        Self {
            client_ids: ClientIds::Group,
            parent_topics: ParentTopics::Created,
            topic_characters: Characters::Product,
            duplicate_client_id: Duplicate::Takeover,
            on_refusal: OnRefusal::Disconnect,
            on_excess: OnExcess::Disconnect,
            qos2_subscriptions: Lifetime::Connection,
            qos_ignored_above: 2,
            persistent_sessions: true,
            mqtt5: true,
            p2p: true,
            p2p_to_subscribers: false,
            offline_visible_after: Duration::from_secs(10),
        }
    }
}

/// See [`ProductConfig::client_ids`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientIds {
    /// `GroupID@@@DeviceID`.
    Group,
    /// Any.
    Any,
}

/// See [`ProductConfig::parent_topics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParentTopics {
    /// Have to be there.
    Created,
    /// Are made when they are used.
    Auto,
    /// Mean nothing.
    Any,
}

/// See [`ProductConfig::topic_characters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Characters {
    /// Letters, digits, `-` and `_`.
    Product,
    /// Any that MQTT allows.
    Any,
}

/// See [`ProductConfig::duplicate_client_id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicate {
    /// The older connection goes.
    Takeover,
    /// The newer one is refused.
    Reject,
}

/// See [`ProductConfig::on_refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRefusal {
    /// The connection ends.
    Disconnect,
    /// The client stays.
    Deny,
}

/// See [`ProductConfig::on_excess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExcess {
    /// The connection ends.
    Disconnect,
    /// Nothing.
    Ignore,
}

/// See [`ProductConfig::qos2_subscriptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// As long as the connection.
    Connection,
    /// As long as the session.
    Session,
}
