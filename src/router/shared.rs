//! Shared subscriptions: one member of a group gets each message (4.8.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use smallvec::SmallVec;

use super::roster::Roster;
use super::{Presence, SubscriberId, SubscriptionOptions};
use crate::codec::QoS;

#[derive(Debug)]
struct Member {
    options: SubscriptionOptions,
    presence: Arc<Presence>,
}

/// All sessions that share one filter under one name.
#[derive(Debug)]
pub struct SharedGroup {
    name: Box<str>,
    members: RwLock<Roster<Member>>,
    /// Whose turn it is, counted over all shards.
    turn: AtomicUsize,
}

/// The member that gets a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Who.
    pub subscriber: SubscriberId,
    /// The highest QoS that it wants.
    pub qos: QoS,
    /// Whether RETAIN stays as published.
    pub retain_as_published: bool,
    /// Its subscription's identifier, if it has one.
    pub ids: SmallVec<[u32; 1]>,
    /// Its session outlives its connections.
    pub persistent: bool,
}

impl SharedGroup {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            members: RwLock::default(),
            turn: AtomicUsize::new(0),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a member or replaces its options; tells whether it was one.
    pub(super) fn join(
        &self,
        subscriber: SubscriberId,
        options: SubscriptionOptions,
        presence: &Arc<Presence>,
    ) -> bool {
        let presence = Arc::clone(presence);
        self.members
            .write()
            .insert(subscriber, Member { options, presence })
    }

    /// Takes a member out; tells whether it was one.
    pub(super) fn part(&self, subscriber: SubscriberId) -> bool {
        self.members.write().remove(subscriber)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.read().list().is_empty()
    }

    /// The next member in turn that is there; if none is, the next one that messages can wait for.
    #[must_use]
    pub fn pick(&self) -> Option<Picked> {
        self.choose(|_| true)
    }

    /// The same, of all members but one: who has just turned out unable to take the message.
    #[must_use]
    pub fn pick_except(&self, failed: SubscriberId) -> Option<Picked> {
        self.choose(|subscriber| subscriber != failed)
    }

    fn choose(&self, may: impl Fn(SubscriberId) -> bool) -> Option<Picked> {
        let members = self.members.read();
        let members = members.list();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
        let (before, after) = members.split_at_checked(turn)?;
        let in_turn = || {
            let all = after.iter().chain(before).enumerate();
            all.filter(|(_, (subscriber, _))| may(*subscriber))
        };
        let (passed, (subscriber, member)) =
            in_turn()
                .find(|(_, (_, member))| member.presence.is_online())
                .or_else(|| in_turn().find(|(_, (_, member))| member.presence.is_persistent()))?;
        if passed > 0 {
            // The turn goes on behind who was chosen, or the one behind an absent member would get its share as well.
            self.turn.fetch_add(passed, Ordering::Relaxed);
        }
        Some(Picked {
            subscriber: *subscriber,
            qos: member.options.qos,
            retain_as_published: member.options.retain_as_published,
            ids: member.options.subscription_id.into_iter().collect(),
            persistent: member.presence.is_persistent(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(slot: u32) -> SubscriberId {
        SubscriberId {
            shard: 0,
            generation: 0,
            slot,
        }
    }

    #[test]
    fn takes_turns_among_those_who_are_there_and_falls_back_on_those_who_can_wait() {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            subscription_id: Some(7),
        };
        let group = SharedGroup::new("g");
        assert_eq!(group.pick(), None);
        let presences: Vec<Arc<Presence>> = (0..3).map(|_| Arc::default()).collect();
        for (slot, presence) in (0..).zip(&presences) {
            presence.set_online(slot < 2);
            assert!(!group.join(member(slot), options, presence));
        }
        let mut counts = [0; 3];
        for _ in 0..30 {
            counts[group.pick().unwrap().subscriber.slot as usize] += 1;
        }
        assert_eq!(
            counts,
            [15, 15, 0],
            "an absent member's turns are shared out evenly"
        );
        for _ in 0..5 {
            assert_eq!(group.pick_except(member(0)).unwrap().subscriber, member(1));
        }
        presences[0].set_online(false);
        presences[1].set_online(false);
        assert_eq!(group.pick(), None);
        presences[1].set_persistent(true);
        assert_eq!(group.pick().unwrap().subscriber, member(1));
        assert_eq!(group.pick_except(member(1)), None);
        assert!(group.part(member(1)) && !group.part(member(1)));
        assert_eq!(group.pick(), None);
    }
}
