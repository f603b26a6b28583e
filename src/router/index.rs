//! The subscriptions of an instance, by filter.
//!
//! Filters without a wildcard lie in a hash map. Those with one lie in a trie: nodes in an arena, each found from its
//! parent and its level by one look-up in one hash table for all of them. Walks are loops; a stranger's topic of thirty
//! thousand levels costs time in proportion, and no stack.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use parking_lot::RwLock;
use slab::Slab;
use smallvec::SmallVec;

use super::matches::{OnShard, Recipients, recipients_of_several};
use super::p2p::{P2p, P2pMode};
use super::subscribers::Subscribers;
use super::wildcards::Wildcards;
use super::{Matches, Presence, SharedGroup, SubscriberId, SubscriptionOptions};
use crate::instance::InstanceId;
use crate::topic::{TopicFilter, TopicName};

/// How many counters tell changes apart.
const COUNTERS: usize = 4096;

/// A state of the index, as far as one topic is concerned.
///
/// A change concerns the topics that share the literal start of its filter, so each is counted by that: an exact filter
/// by all of it, a wildcard filter by its first two levels, or one if the second is a wildcard already. A topic thus has
/// three counters, and the one of filters that begin with a wildcard. They only ever grow, so their sum is the same
/// only if each of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which counters the topic has.
    counters: [u16; 3],
    /// What they were, with the one of filters that begin with a wildcard.
    sum: u64,
}

/// Who is subscribed to what. One for each instance, shared by all shards.
#[derive(Debug)]
pub struct SubscriptionIndex {
    /// Which index it is: a shard remembers results of many.
    serial: u64,
    shards: usize,
    /// Topics that reach one client.
    p2p: P2p,
    /// The recipients of a topic that matches nothing.
    nobody: Recipients,
    /// Seeded, so that strangers cannot choose levels that collide.
    hasher: DefaultHashBuilder,
    filters: RwLock<Filters>,
    /// Changes of filters by a hash of their literal start.
    changes: Box<[AtomicU64]>,
    /// Changes of filters that begin with a wildcard.
    any_changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Filters {
    exact: HashMap<Box<str>, Subscribers>,
    nodes: Slab<Node>,
    /// Nodes by parent and level.
    children: HashTable<u32>,
    /// Nodes at the first level: filters that begin with `+` or `#`.
    root: Wild,
    /// Subscriptions, for the metrics.
    len: usize,
    /// Different filters with a wildcard, for the metrics.
    wildcards: usize,
    /// The same by parent topic, for their limit.
    by_parent: Wildcards,
}

/// The children of a node that are found without a look-up.
#[derive(Debug, Default)]
struct Wild {
    plus: Option<u32>,
    hash: Option<Box<Subscribers>>,
}

#[derive(Debug)]
struct Node {
    /// `ROOT` at the first level.
    parent: u32,
    level: Box<str>,
    wild: Wild,
    /// Who is subscribed to exactly the filter that ends here.
    here: Option<Box<Subscribers>>,
    /// Children by level, apart from those in `wild`.
    children: u32,
}

/// The parent of the first level.
const ROOT: u32 = u32::MAX;

impl Node {
    fn is_empty(&self) -> bool {
        self.children == 0 && self.here.is_none() && self.wild.plus.is_none() && self.wild.hash.is_none()
    }
}

/// There are as many different filters with a wildcard as there may be for a parent topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl SubscriptionIndex {
    /// An empty index for sessions on this many shards.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self::of_instance(InstanceId::new(""), shards, RandomState::new())
    }

    /// The same for an instance; `home_seed` is what spreads its sessions over shards.
    #[must_use]
    pub fn of_instance(instance: InstanceId, shards: usize, home_seed: RandomState) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            p2p: P2p::new(instance, home_seed, shards),
            shards,
            nobody: (0..shards).map(|_| OnShard::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            filters: RwLock::default(),
            changes: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            any_changes: AtomicU64::new(0),
        }
    }

    /// Which index it is: no other of this process has this number.
    #[inline]
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// What P2P topics mean from now on.
    pub fn set_p2p(&self, mode: P2pMode) {
        if self.p2p.mode() != mode {
            self.p2p.set(mode);
            // What was found by the old meaning is wrong.
            self.any_changes.fetch_add(1, Ordering::Release);
        }
    }

    /// Adds a subscription or replaces its options; tells whether it was there.
    pub fn subscribe(
        &self,
        subscriber: SubscriberId,
        filter: &TopicFilter,
        options: SubscriptionOptions,
        presence: &Arc<Presence>,
    ) -> bool {
        self.subscribe_within(subscriber, filter, options, presence, usize::MAX)
            .unwrap_or(false)
    }

    /// The same, where a parent topic may have so many different filters with a wildcard.
    ///
    /// # Errors
    /// This would be one more; nothing has changed.
    pub fn subscribe_within(
        &self,
        subscriber: SubscriberId,
        filter: &TopicFilter,
        options: SubscriptionOptions,
        presence: &Arc<Presence>,
        most: usize,
    ) -> Result<bool, Full> {
        let mut filters = self.filters.write();
        if most != usize::MAX
            && filter.is_wildcard()
            && filters.by_parent.is_full(filter.filter(), most)
            && !filters.has_wildcard(&self.hasher, filter.filter())
        {
            return Err(Full);
        }
        let place = if filter.is_wildcard() {
            filters.wildcard_place(&self.hasher, filter.filter())
        } else {
            filters.exact.entry_ref(filter.filter()).or_default()
        };
        let changed = place.insert(subscriber, filter.share_name(), options, presence);
        if !changed.existed {
            filters.len += 1;
        }
        drop(filters);
        self.changed(filter, changed.visible);
        Ok(changed.existed)
    }

    /// Ends a subscription; tells whether it was there.
    pub fn unsubscribe(&self, subscriber: SubscriberId, filter: &TopicFilter) -> bool {
        let mut filters = self.filters.write();
        let changed = if filter.is_wildcard() {
            filters.remove_wildcard(&self.hasher, subscriber, filter)
        } else {
            let text = filter.filter();
            filters
                .exact
                .get_mut(text)
                .map(|subscribers| {
                    let changed = subscribers.remove(subscriber, filter.share_name());
                    (changed, subscribers.is_empty())
                })
                .map(|(changed, empty)| {
                    if empty {
                        filters.exact.remove(text);
                    }
                    changed
                })
        };
        let Some(changed) = changed else { return false };
        if changed.existed {
            filters.len -= 1;
        }
        drop(filters);
        self.changed(filter, changed.visible);
        changed.existed
    }

    /// Everybody who gets what is published to `topic`, which has to be a valid topic name.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> Matches {
        // Before the walk: a change during it makes the result look old, never an old result look right.
        let version = self.version(topic);
        let p2p = self.p2p.target(topic);
        if p2p.is_some() && self.p2p.mode() == P2pMode::Only {
            return Matches {
                topic: topic.clone(),
                version,
                by_shard: Arc::clone(&self.nobody),
                groups: Box::default(),
                p2p,
            };
        }
        let mut groups: Vec<Arc<SharedGroup>> = Vec::new();
        let found = {
            let filters = self.filters.read();
            let mut matched: SmallVec<[&Subscribers; 8]> = SmallVec::new();
            filters.walk(&self.hasher, topic, |subscribers| {
                groups.extend_from_slice(subscribers.groups());
                if !subscribers.direct().is_empty() {
                    matched.push(subscribers);
                }
            });
            match &*matched {
                [] => Ok(Arc::clone(&self.nobody)),
                [one] => Ok(one.recipients(self.shards)),
                several => Err(several.iter().flat_map(|one| one.direct()).copied().collect()),
            }
        };
        // Sorting takes its time and needs no lock.
        let by_shard = found.unwrap_or_else(|several| recipients_of_several(several, self.shards));
        Matches {
            topic: topic.clone(),
            version,
            by_shard,
            groups: groups.into(),
            p2p,
        }
    }

    /// The state of the index for this topic.
    #[must_use]
    pub fn version(&self, topic: &str) -> Version {
        let mut slashes = memchr::memchr_iter(b'/', topic.as_bytes());
        let first = slashes.next().unwrap_or(topic.len());
        let second = slashes.next().unwrap_or(topic.len());
        let counter = |end| self.counter(topic.get(..end).unwrap_or(topic));
        let counters = [counter(first), counter(second), counter(topic.len())];
        Version {
            counters,
            sum: self.sum(counters),
        }
    }

    /// Is it still the state of the index?
    #[inline]
    #[must_use]
    pub fn is_current(&self, version: Version) -> bool {
        self.sum(version.counters) == version.sum
    }

    #[inline]
    fn sum(&self, counters: [u16; 3]) -> u64 {
        let count = |counter: u16| {
            let changes = self.changes.get(usize::from(counter));
            changes.map_or(0, |changes| changes.load(Ordering::Acquire))
        };
        let counts = counters.map(count);
        let any = self.any_changes.load(Ordering::Acquire);
        counts.iter().fold(any, |sum, count| sum.wrapping_add(*count))
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filters.read().len
    }

    /// How many different filters there are; those of shared subscriptions count without `$share/NAME/`.
    #[must_use]
    pub fn filters(&self) -> usize {
        let filters = self.filters.read();
        filters.exact.len() + filters.wildcards
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which counter has this start of a topic.
    fn counter(&self, start: &str) -> u16 {
        u16::try_from(self.hasher.hash_one(start) % COUNTERS as u64).unwrap_or(0)
    }

    /// Makes results old that a change of this filter concerns. Called when the change can be seen: a lookup that still
    /// missed it has read its version before this.
    fn changed(&self, filter: &TopicFilter, visible: bool) {
        if !visible {
            return;
        }
        let text = filter.filter();
        if text.starts_with(['+', '#']) {
            self.any_changes.fetch_add(1, Ordering::Release);
            return;
        }
        let start = if filter.is_wildcard() {
            literal_start(text)
        } else {
            text
        };
        if let Some(changes) = self.changes.get(usize::from(self.counter(start))) {
            changes.fetch_add(1, Ordering::Release);
        }
    }
}

/// The first two levels of a wildcard filter, or the first alone if the second is a wildcard.
fn literal_start(filter: &str) -> &str {
    let mut slashes = memchr::memchr_iter(b'/', filter.as_bytes());
    let first = slashes.next().unwrap_or(filter.len());
    let second = slashes.next().unwrap_or(filter.len());
    let two = filter.get(..second).unwrap_or(filter);
    if two.ends_with(['+', '#']) {
        return filter.get(..first).unwrap_or(filter);
    }
    two
}

impl Filters {
    /// Shows the subscribers of every filter that `topic` matches.
    fn walk<'a>(&'a self, hasher: &DefaultHashBuilder, topic: &str, mut show: impl FnMut(&'a Subscribers)) {
        if let Some(subscribers) = self.exact.get(topic) {
            show(subscribers);
        }
        // [MQTT-4.7.2-1]
        let wild_start = !topic.starts_with('$');
        let levels: SmallVec<[&str; 16]> = topic.split('/').collect();
        // (node, how many levels it stands for); the root is where nothing has been matched.
        let mut open: SmallVec<[(u32, usize); 16]> = SmallVec::new();
        if wild_start && let Some(subscribers) = &self.root.hash {
            show(subscribers);
        }
        let descend = |open: &mut SmallVec<[(u32, usize); 16]>, parent, plus: Option<u32>, depth: usize| {
            let Some(level) = levels.get(depth) else { return };
            if let Some(plus) = plus {
                open.push((plus, depth + 1));
            }
            if let Some(child) = self.child(hasher, parent, level) {
                open.push((child, depth + 1));
            }
        };
        descend(&mut open, ROOT, self.root.plus.filter(|_| wild_start), 0);
        while let Some((at, depth)) = open.pop() {
            let Some(node) = self.nodes.get(at as usize) else {
                continue;
            };
            // `a/#` matches `a` and everything below it.
            if let Some(subscribers) = &node.wild.hash {
                show(subscribers);
            }
            if depth == levels.len() {
                if let Some(subscribers) = &node.here {
                    show(subscribers);
                }
                continue;
            }
            descend(&mut open, at, node.wild.plus, depth);
        }
    }

    fn child(&self, hasher: &DefaultHashBuilder, parent: u32, level: &str) -> Option<u32> {
        let hash = hasher.hash_one((parent, level));
        let is_it = |child: &u32| {
            let node = self.nodes.get(*child as usize);
            node.is_some_and(|node| node.parent == parent && *node.level == *level)
        };
        self.children.find(hash, is_it).copied()
    }

    fn wild(&mut self, at: u32) -> &mut Wild {
        match self.nodes.get_mut(at as usize) {
            Some(node) => &mut node.wild,
            None => &mut self.root,
        }
    }

    /// The node of `level` below `parent`, made if need be.
    fn open_child(&mut self, hasher: &DefaultHashBuilder, parent: u32, level: &str) -> u32 {
        let known = if level == "+" {
            self.wild(parent).plus
        } else {
            self.child(hasher, parent, level)
        };
        if let Some(known) = known {
            return known;
        }
        let node = Node {
            parent,
            level: level.into(),
            wild: Wild::default(),
            here: None,
            children: 0,
        };
        let at = u32::try_from(self.nodes.insert(node)).unwrap_or(ROOT);
        if level == "+" {
            self.wild(parent).plus = Some(at);
        } else {
            if let Some(node) = self.nodes.get_mut(parent as usize) {
                node.children += 1;
            }
            let nodes = &self.nodes;
            let rehash = |child: &u32| match nodes.get(*child as usize) {
                Some(node) => hasher.hash_one((node.parent, &*node.level)),
                None => 0,
            };
            self.children
                .insert_unique(hasher.hash_one((parent, level)), at, rehash);
        }
        at
    }

    /// Where the subscribers of a wildcard filter are kept, made if need be.
    fn wildcard_place(&mut self, hasher: &DefaultHashBuilder, filter: &str) -> &mut Subscribers {
        let mut at = ROOT;
        let mut ends_in_hash = false;
        for level in filter.split('/') {
            if level == "#" {
                ends_in_hash = true;
                break;
            }
            at = self.open_child(hasher, at, level);
        }
        let place = match self.nodes.get_mut(at as usize) {
            Some(node) if ends_in_hash => &mut node.wild.hash,
            Some(node) => &mut node.here,
            // Only `#` alone ends at the root.
            None => &mut self.root.hash,
        };
        if place.is_none() {
            self.wildcards += 1;
            self.by_parent.add(filter);
        }
        place.get_or_insert_default()
    }

    /// Whether anybody has this filter, which has a wildcard.
    fn has_wildcard(&self, hasher: &DefaultHashBuilder, filter: &str) -> bool {
        let mut at = ROOT;
        for level in filter.split('/') {
            let wild = match self.nodes.get(at as usize) {
                Some(node) => &node.wild,
                None => &self.root,
            };
            let next = match level {
                "#" => return wild.hash.is_some(),
                "+" => wild.plus,
                _ => self.child(hasher, at, level),
            };
            let Some(next) = next else { return false };
            at = next;
        }
        self.nodes
            .get(at as usize)
            .is_some_and(|node| node.here.is_some())
    }

    fn remove_wildcard(
        &mut self,
        hasher: &DefaultHashBuilder,
        subscriber: SubscriberId,
        filter: &TopicFilter,
    ) -> Option<super::subscribers::Changed> {
        let mut at = ROOT;
        let mut ends_in_hash = false;
        for level in filter.filter().split('/') {
            if level == "#" {
                ends_in_hash = true;
                break;
            }
            at = if level == "+" {
                self.wild(at).plus?
            } else {
                self.child(hasher, at, level)?
            };
        }
        let place = if ends_in_hash {
            &mut self.wild(at).hash
        } else {
            &mut self.nodes.get_mut(at as usize)?.here
        };
        let subscribers = place.as_mut()?;
        let changed = subscribers.remove(subscriber, filter.share_name());
        if subscribers.is_empty() {
            *place = None;
            self.wildcards -= 1;
            self.by_parent.remove(filter.filter());
            self.prune(hasher, at);
        }
        Some(changed)
    }

    /// Takes nodes away that nobody needs, from `at` upwards.
    fn prune(&mut self, hasher: &DefaultHashBuilder, mut at: u32) {
        while self.nodes.get(at as usize).is_some_and(Node::is_empty) {
            let Some(node) = self.nodes.try_remove(at as usize) else {
                return;
            };
            if *node.level == *"+" {
                self.wild(node.parent).plus = None;
            } else {
                let hash = hasher.hash_one((node.parent, &*node.level));
                if let Ok(entry) = self.children.find_entry(hash, |child| *child == at) {
                    entry.remove();
                }
                if let Some(parent) = self.nodes.get_mut(node.parent as usize) {
                    parent.children -= 1;
                }
            }
            at = node.parent;
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
