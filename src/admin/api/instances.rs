//! Instances, their groups and their parent topics.
//!
//! Where a request may leave out the instance, the default one is meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a thing is from: what the configuration names, only the configuration can take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The configuration names it.
    Configuration,
    /// It was made while the broker ran.
    Created,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub region: String,
    /// What it was made as.
    pub edition: String,
    /// Where it is from.
    pub origin: Origin,
    /// The host name by which everybody reaches it.
    pub public: String,
    /// The host name for the machines beside the broker.
    pub internal: String,
    /// Clients that are connected.
    pub connections: u64,
    /// Subscriptions of all its sessions.
    pub subscriptions: u64,
}

/// An instance with everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceShown {
    /// What it is.
    #[serde(flatten)]
    pub row: InstanceRow,
    /// When it was created, as in RFC 3339; an instance of the configuration was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Host names besides its endpoints.
    pub hosts: Vec<String>,
    /// What differs from the sections that hold for all instances.
    pub settings: BTreeMap<String, Setting>,
    /// What it has published and been sent in this second, weighted.
    pub tps: u64,
    /// Retained messages.
    pub retained: u64,
    /// Messages kept for absent clients.
    pub offline: u64,
    /// How often each limit was met since the broker started; those that never were are left out.
    pub hits: BTreeMap<String, u64>,
    /// How many it has of what operators set up: groups, parent topics, credentials.
    pub counts: BTreeMap<String, u64>,
}

/// A setting of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its value.
    pub value: String,
    /// `edition`, `configuration`, or `operator`.
    pub by: String,
}

/// Make an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateInstance {
    /// Its name; its id when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its region; that of the default instance when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `lite`, `standard`, `professional` or `platinum`; platinum when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// What is to differ for it, such as `limits.tps` and `100`.
    pub settings: BTreeMap<String, String>,
}

/// An instance, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceName {
    /// Its id.
    pub id: String,
}

/// Call an instance something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameInstance {
    /// Which.
    pub id: String,
    /// The new name.
    pub name: String,
}

/// Set something for an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetInstance {
    /// Which.
    pub id: String,
    /// The settings, such as `limits.tps` and `100`.
    pub settings: BTreeMap<String, String>,
}

/// Take back what was set for an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsetInstance {
    /// Which.
    pub id: String,
    /// The settings, such as `limits.tps`.
    pub settings: Vec<String>,
}

/// Everything of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfInstance {
    /// Which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// A group or a parent topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Of which instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Its name.
    pub name: String,
}

/// A group or a parent topic that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRow {
    /// Its name.
    pub name: String,
    /// Where it is from.
    pub origin: Origin,
    /// When it was created, as in RFC 3339; what the configuration names was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}
