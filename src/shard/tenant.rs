//! An instance as shards see it: its names, what holds for it, who is subscribed in it, what it uses.
//!
//! A tenant never changes: another one with the same number takes its place, in the directory at once and in every
//! session by a message on the control lane. So a session reads what holds for it without a lock. Each shard has a copy of
//! its own ([`Shard::own_tenant`]): sessions count references to it, and cores must not fight over those counts.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use super::Shard;
use super::shared::Endpoints;
use crate::codec::ReasonCode;
use crate::config::{Characters, ClientIds, Edition, Limits, ParentTopics, ProductConfig};
use crate::instance::{Hit, InstanceId, Purse, Usage, names};
use crate::router::SubscriptionIndex;
use crate::session::Settings;

/// One instance, as of now. Copies share what is large.
#[derive(Clone)]
pub struct Tenant {
    /// Its id.
    pub id: InstanceId,
    /// Which instance of this process: never given twice, and the same for all tenants that take each other's place.
    pub number: u32,
    /// What it is called.
    pub name: Arc<str>,
    /// Where it is.
    pub region: Arc<str>,
    /// What it was made as.
    pub edition: Edition,
    /// The host names by which it is reached.
    pub endpoints: Endpoints,
    /// The groups that client ids may have.
    pub groups: Arc<HashSet<Box<str>>>,
    /// The parent topics that there are.
    pub parents: Arc<HashSet<Box<str>>>,
    /// What sessions may do.
    pub settings: Settings,
    /// How much of anything.
    pub limits: Limits,
    /// What beyond MQTT.
    pub product: ProductConfig,
    /// Who is subscribed to what, on all shards.
    pub index: Arc<SubscriptionIndex>,
    /// What it has and does.
    pub usage: Arc<Usage>,
}

/// What a topic is looked at as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of a message.
    Name,
    /// Of a subscription, without `$share/NAME/`.
    Filter,
}

/// A name that an instance does not take, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is counted.
    pub hit: Hit,
    /// What a 5.0 client is told.
    pub code: ReasonCode,
    /// A sentence for the log.
    pub what: &'static str,
}

impl Refused {
    const fn topic(hit: Hit, what: &'static str) -> Self {
        Self {
            hit,
            code: ReasonCode::TOPIC_NAME_INVALID,
            what,
        }
    }
}

impl Tenant {
    /// May there be messages of this topic, or subscriptions of this filter?
    ///
    /// # Errors
    /// Why not.
    pub fn admit_topic(&self, topic: &str, kind: Kind) -> Result<(), Refused> {
        if topic.starts_with('$') {
            return self.admit_length(topic);
        }
        let parent = names::parent_of(topic);
        let is_p2p = self.product.p2p && names::p2p_target(topic).is_some();
        if is_p2p && (kind == Kind::Name || (parent != "+" && !topic.ends_with('+'))) {
            return self.admit_parent(parent);
        }
        self.admit_length(topic)?;
        if topic.len() < self.limits.topic_length_minimum && topic != "#" && topic != "+" {
            let what = "the topic is shorter than limits.topic_length_minimum";
            return Err(Refused::topic(Hit::TopicName, what));
        }
        if self.product.topic_characters == Characters::Product && !names::is_plain_topic(topic) {
            let what = "a level of the topic is empty, or has other characters than letters, digits, `-` and `_` (product.topic_characters)";
            return Err(Refused::topic(Hit::TopicName, what));
        }
        if parent == "+" || parent == "#" {
            return Ok(());
        }
        self.admit_parent(parent)
    }

    fn admit_length(&self, topic: &str) -> Result<(), Refused> {
        if topic.len() > self.limits.topic_length {
            let what = "the topic is longer than limits.topic_length";
            return Err(Refused::topic(Hit::TopicName, what));
        }
        if topic.split('/').count() > self.limits.topic_levels {
            let what = "the topic has more levels than limits.topic_levels";
            return Err(Refused::topic(Hit::TopicName, what));
        }
        Ok(())
    }

    fn admit_parent(&self, parent: &str) -> Result<(), Refused> {
        if self.product.parent_topics == ParentTopics::Any
            || self.parents.contains(parent)
            || self.can_make(parent)
        {
            return Ok(());
        }
        let what = "the parent topic has not been created";
        Err(Refused::topic(Hit::ParentTopic, what))
    }

    /// Whether a parent topic that is missing is made when somebody uses it.
    fn can_make(&self, parent: &str) -> bool {
        self.product.parent_topics == ParentTopics::Auto
            && self.parents.len() < self.limits.parent_topics
            && names::parent_topic(parent).is_ok()
            && !self
                .parents
                .iter()
                .any(|known| known.eq_ignore_ascii_case(parent))
    }

    /// May a client that has been let in have this client id?
    ///
    /// # Errors
    /// Why not.
    pub fn admit_client_id(&self, client_id: &str) -> Result<(), Refused> {
        if self.product.client_ids == ClientIds::Any {
            return Ok(());
        }
        let refused = |hit, what| Refused {
            hit,
            code: ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            what,
        };
        let group = names::group_of(client_id).map_err(|error| refused(Hit::ClientId, error.0))?;
        if self.groups.contains(group) {
            return Ok(());
        }
        Err(Refused {
            code: ReasonCode::NOT_AUTHORIZED,
            ..refused(Hit::Group, "the group of the client id has not been created")
        })
    }

    /// Whether messages of this QoS are kept for a client that is not there: QoS 0 never is.
    #[inline]
    #[must_use]
    pub fn keeps_offline(&self, qos: crate::codec::QoS) -> bool {
        match qos {
            crate::codec::QoS::AtMostOnce => false,
            crate::codec::QoS::AtLeastOnce => true,
            crate::codec::QoS::ExactlyOnce => self.settings.qos2_offline,
        }
    }

    /// Whether what it publishes and is sent is counted against a limit.
    #[inline]
    #[must_use]
    pub fn has_quota(&self) -> bool {
        self.limits.tps != u32::MAX
    }
}

impl Shard {
    /// This shard's own copy of a tenant, for its sessions, and a purse for it.
    pub(super) fn own_tenant(&mut self, tenant: &Tenant) -> Rc<Tenant> {
        let purses = tenant.number as usize + 1;
        if self.purses.len() < purses {
            self.purses.resize_with(purses, Purse::default);
        }
        let own = self.tenants.entry(tenant.number);
        Rc::clone(own.or_insert_with(|| Rc::new(tenant.clone())))
    }
}
