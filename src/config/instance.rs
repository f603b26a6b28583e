//! `[instance]` and `[instances.ID]`: the tenants that the configuration itself names. Others are made while the broker runs,
//! with `dunlin ctl instance create`.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// One instance. Its tables `limits`, `mqtt` and `product` hold what differs from the sections of those names.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstanceConfig {
    /// `[instance]` alone: its id, in letters, digits, `-` and `_`. Default: "mqtt-cn-dunlindemo".
    pub id: String,
    /// Its name: 3 to 64 letters, digits, `-` and `_`, unique in its region. Default: its id.
    pub name: Option<String>,
    /// Its region. Default: "local".
    pub region: String,
    /// "lite", "standard", "professional" or "platinum": a set of limits. Default: "platinum".
    pub edition: Edition,
    /// Groups, such as "GID_demo".
    pub groups: Vec<String>,
    /// Parent topics: first levels of topics.
    pub topics: Vec<String>,
    /// Host names besides its endpoints by which clients reach it (TLS server name, WebSocket host).
    pub hosts: Vec<String>,
    /// What differs from `[limits]`: see [`super::Terms`].
    #[serde(deserialize_with = "elsewhere")]
    limits: (),
    /// What differs from `[mqtt]`.
    #[serde(deserialize_with = "elsewhere")]
    mqtt: (),
    /// What differs from `[product]`.
    #[serde(deserialize_with = "elsewhere")]
    product: (),
}

/// Read by [`super::Config::terms`], merged with the section of the same name.
fn elsewhere<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(from).map(|_| ())
}

impl Default for InstanceConfig {
    fn default() -> Self {
        Self {
            id: "mqtt-cn-dunlindemo".to_owned(),
            name: None,
            region: "local".to_owned(),
            edition: Edition::default(),
            groups: Vec::new(),
            topics: Vec::new(),
            hosts: Vec::new(),
            limits: (),
            mqtt: (),
            product: (),
        }
    }
}

/// A set of limits, as the product sells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edition {
    /// QoS 0, clean sessions, no wildcards, nothing offline, no MQTT 5.0.
    Lite,
    /// All QoS, sessions, wildcards, offline messages; no MQTT 5.0.
    Standard,
    /// All of that and MQTT 5.0.
    Professional,
    /// The same; in the product it can have limits of its own, which here every edition can.
    #[default]
    Platinum,
}

impl Edition {
    /// All of them.
    pub const ALL: [Edition; 4] = [
        Edition::Lite,
        Edition::Standard,
        Edition::Professional,
        Edition::Platinum,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Edition::Lite => "lite",
            Edition::Standard => "standard",
            Edition::Professional => "professional",
            Edition::Platinum => "platinum",
        }
    }

    /// The edition of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Edition> {
        Self::ALL.into_iter().find(|edition| edition.name() == name)
    }

    /// What it sets, by name.
    pub(super) const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Edition::Lite => &[
                ("product.qos_ignored_above", "0"),
                ("product.persistent_sessions", "false"),
                ("product.mqtt5", "false"),
                ("mqtt.wildcard_subscription_available", "false"),
            ],
            Edition::Standard => &[("product.mqtt5", "false")],
            Edition::Professional | Edition::Platinum => &[],
        }
    }
}
