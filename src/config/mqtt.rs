//! `[mqtt]`: what Dunlin offers of MQTT, and the values it grants or cuts.

use std::time::Duration;

use serde::Deserialize;

use super::humane;

/// `[mqtt]`. A 5.0 client is told what differs from MQTT's own default in CONNACK; a 3.x client is held to the same silently.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttConfig {
    /// Highest QoS of a PUBLISH from a client, and the highest granted to a subscription: 0, 1 or 2. Default: 2.
    pub maximum_qos: u8,
    /// Whether messages can be retained. Default: true.
    pub retain_available: bool,
    /// QoS 1 and 2 messages that one client may have sent and not seen acknowledged: 1 to 65535. Default: 1024.
    pub receive_maximum: u16,
    /// Topic aliases that a client may use towards Dunlin; 0 is none. Default: 16.
    pub topic_alias_maximum: u16,
    /// Topic aliases that Dunlin uses towards a client, when the client allows as many; 0 is none. Default: 16.
    pub outgoing_topic_alias_maximum: u16,
    /// Server Keep Alive: every 5.0 client gets this one instead of its own. Whole seconds. Default: "none".
    #[serde(with = "humane::duration_or_none")]
    pub server_keep_alive: Option<Duration>,
    /// Shortest keep alive; a shorter one counts as this, and a 5.0 client is told so. Keep alive 0 (off) stays off. Whole
    /// seconds. Default: "0s".
    #[serde(with = "humane::duration")]
    pub minimum_keep_alive: Duration,
    /// Longest keep alive; a longer one counts as this, and a 5.0 client is told so. Keep alive 0 (off) stays off. Whole
    /// seconds, at most 65535. Default: "8m"; "unlimited" is possible.
    #[serde(with = "humane::duration_or_unlimited")]
    pub maximum_keep_alive: Option<Duration>,
    /// Shortest Session Expiry Interval of a 5.0 client other than 0; a shorter one counts as this. Default: "10m".
    #[serde(with = "humane::duration")]
    pub session_expiry_minimum: Duration,
    /// Longest Session Expiry Interval of a 5.0 client. Default: "2147483647s"; "unlimited" lets a session never end.
    #[serde(with = "humane::duration_or_unlimited")]
    pub session_expiry_maximum: Option<Duration>,
    /// Shortest Message Expiry Interval; a shorter one counts as this. Default: "1m".
    #[serde(with = "humane::duration")]
    pub message_expiry_minimum: Duration,
    /// Longest Message Expiry Interval; a longer one counts as this. Default: "3d"; "unlimited" is possible.
    #[serde(with = "humane::duration_or_unlimited")]
    pub message_expiry_maximum: Option<Duration>,
    /// Whether filters may have wildcards. Default: true.
    pub wildcard_subscription_available: bool,
    /// Whether there are shared subscriptions. Default: true.
    pub shared_subscription_available: bool,
    /// Whether subscriptions may have identifiers. Default: true.
    pub subscription_identifiers_available: bool,
    /// How often the `$SYS/broker/...` topics are published. Default: "10s"; "none" turns them off.
    #[serde(with = "humane::duration_or_none")]
    pub sys_interval: Option<Duration>,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            maximum_qos: 2,
            retain_available: true,
            receive_maximum: 1024,
            topic_alias_maximum: 16,
            outgoing_topic_alias_maximum: 16,
            server_keep_alive: None,
            minimum_keep_alive: Duration::ZERO,
            maximum_keep_alive: Some(Duration::from_secs(8 * 60)),
            session_expiry_minimum: Duration::from_secs(10 * 60),
            session_expiry_maximum: Some(Duration::from_secs(2_147_483_647)),
            message_expiry_minimum: Duration::from_secs(60),
            message_expiry_maximum: Some(Duration::from_secs(3 * 24 * 60 * 60)),
            wildcard_subscription_available: true,
            shared_subscription_available: true,
            subscription_identifiers_available: true,
            sys_interval: Some(Duration::from_secs(10)),
        }
    }
}
