//! Who is subscribed to one filter.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{Presence, SharedGroup, SubscriberId, SubscriptionOptions};

/// From this many subscribers on, they are also found by a map.
const INDEXED_FROM: usize = 64;

/// The subscribers of one filter, and the groups that share it.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    direct: SmallVec<[(SubscriberId, SubscriptionOptions); 1]>,
    /// Places in `direct`, once there are many: 100,000 devices on one filter come and go in constant time.
    places: Option<Box<HashMap<SubscriberId, usize>>>,
    groups: Vec<Arc<SharedGroup>>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// The subscription had been there.
    pub(super) existed: bool,
    /// Lookups come out differently from now on.
    pub(super) visible: bool,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.groups.is_empty()
    }

    pub(super) fn direct(&self) -> &[(SubscriberId, SubscriptionOptions)] {
        &self.direct
    }

    pub(super) fn groups(&self) -> &[Arc<SharedGroup>] {
        &self.groups
    }

    pub(super) fn insert(
        &mut self,
        subscriber: SubscriberId,
        share: Option<&str>,
        options: SubscriptionOptions,
        presence: &Arc<Presence>,
    ) -> Changed {
        if let Some(name) = share {
            if let Some(group) = self.groups.iter().find(|group| group.name() == name) {
                return Changed {
                    existed: group.join(subscriber, options, presence),
                    visible: false,
                };
            }
            let group = SharedGroup::new(name);
            group.join(subscriber, options, presence);
            self.groups.push(Arc::new(group));
            return Changed {
                existed: false,
                visible: true,
            };
        }
        if let Some(known) = self
            .place(subscriber)
            .and_then(|place| self.direct.get_mut(place))
        {
            known.1 = options;
            return Changed {
                existed: true,
                visible: true,
            };
        }
        let place = self.direct.len();
        self.direct.push((subscriber, options));
        match &mut self.places {
            Some(places) => drop(places.insert(subscriber, place)),
            None if self.direct.len() >= INDEXED_FROM => {
                let places = self
                    .direct
                    .iter()
                    .enumerate()
                    .map(|(place, (id, _))| (*id, place));
                self.places = Some(Box::new(places.collect()));
            }
            None => {}
        }
        Changed {
            existed: false,
            visible: true,
        }
    }

    pub(super) fn remove(&mut self, subscriber: SubscriberId, share: Option<&str>) -> Changed {
        if let Some(name) = share {
            let Some(place) = self.groups.iter().position(|group| group.name() == name) else {
                return Changed {
                    existed: false,
                    visible: false,
                };
            };
            let group = self.groups.get(place);
            let existed = group.is_some_and(|group| group.part(subscriber));
            let emptied = group.is_some_and(|group| group.is_empty());
            if emptied {
                self.groups.swap_remove(place);
            }
            return Changed {
                existed,
                visible: emptied,
            };
        }
        let Some(place) = self.place(subscriber) else {
            return Changed {
                existed: false,
                visible: false,
            };
        };
        self.direct.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.remove(&subscriber);
            if let Some((moved, _)) = self.direct.get(place) {
                places.insert(*moved, place);
            }
        }
        Changed {
            existed: true,
            visible: true,
        }
    }

    fn place(&self, subscriber: SubscriberId) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&subscriber).copied(),
            None => self.direct.iter().position(|(known, _)| *known == subscriber),
        }
    }
}
