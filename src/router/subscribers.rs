//! Who is subscribed to one filter.

use std::sync::{Arc, OnceLock};

use super::matches::{Found, Recipients, Subscription, recipients_of_one};
use super::roster::{INDEXED_FROM, Roster};
use super::{Presence, SharedGroup, SubscriberId, SubscriptionOptions};

/// The subscribers of one filter, and the groups that share it.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    direct: Roster<Subscription>,
    /// What few filters have.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Default)]
struct Rare {
    groups: Vec<Arc<SharedGroup>>,
    /// The recipients of a topic that matches this filter alone, when they are many: made for the first such topic and
    /// shared by all others, until someone comes or goes.
    recipients: OnceLock<Recipients>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// The subscription had been there.
    pub(super) existed: bool,
    /// Lookups come out differently from now on.
    pub(super) visible: bool,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.direct().is_empty() && self.groups().is_empty()
    }

    pub(super) fn direct(&self) -> &[Found] {
        self.direct.list()
    }

    pub(super) fn groups(&self) -> &[Arc<SharedGroup>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.groups)
    }

    /// The recipients of a topic that matches no other filter.
    pub(super) fn recipients(&self, shards: usize) -> Recipients {
        match &self.rare {
            Some(rare) if self.direct().len() >= INDEXED_FROM => Arc::clone(
                rare.recipients
                    .get_or_init(|| recipients_of_one(self.direct(), shards)),
            ),
            _ => recipients_of_one(self.direct(), shards),
        }
    }

    pub(super) fn insert(
        &mut self,
        subscriber: SubscriberId,
        share: Option<&str>,
        options: SubscriptionOptions,
        presence: &Arc<Presence>,
    ) -> Changed {
        if let Some(name) = share {
            let groups = &mut self.rare.get_or_insert_default().groups;
            if let Some(group) = groups.iter().find(|group| group.name() == name) {
                // Members are looked up for each message, so results that name the group stay right.
                return Changed {
                    existed: group.join(subscriber, options, presence),
                    visible: false,
                };
            }
            let group = SharedGroup::new(name);
            group.join(subscriber, options, presence);
            groups.push(Arc::new(group));
            return Changed {
                existed: false,
                visible: true,
            };
        }
        let persistent = presence.is_persistent();
        let existed = self
            .direct
            .insert(subscriber, Subscription { options, persistent });
        self.direct_changed();
        Changed {
            existed,
            visible: true,
        }
    }

    pub(super) fn remove(&mut self, subscriber: SubscriberId, share: Option<&str>) -> Changed {
        let Some(name) = share else {
            let existed = self.direct.remove(subscriber);
            self.direct_changed();
            return Changed {
                existed,
                visible: existed,
            };
        };
        let Some(rare) = &mut self.rare else {
            return Changed::default();
        };
        let Some(place) = rare.groups.iter().position(|group| group.name() == name) else {
            return Changed::default();
        };
        let group = rare.groups.get(place);
        let existed = group.is_some_and(|group| group.part(subscriber));
        let emptied = group.is_some_and(|group| group.is_empty());
        if emptied {
            rare.groups.swap_remove(place);
        }
        Changed {
            existed,
            visible: emptied,
        }
    }

    fn direct_changed(&mut self) {
        if self.direct().len() >= INDEXED_FROM {
            self.rare.get_or_insert_default().recipients.take();
        } else if let Some(rare) = &mut self.rare {
            rare.recipients.take();
        }
    }
}
