//! A shard's memory of lookups.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::index::Version;
use super::{Matches, SubscriptionIndex};
use crate::topic::{TopicError, TopicName};

/// How many bytes a topic may have on average before memory bounds the cache rather than the number of topics: 32 MiB
/// for 65,536 topics. A result with very many recipients is large, and quick to look up again beside being delivered.
const BYTES_A_TOPIC: usize = 512;

/// How far the hand goes for one newcomer. Past that it takes whatever it points at, so that no lookup pays for going
/// round a whole cache in which everything was used.
const SWEEP: usize = 32;

/// Results by index and topic, bounded in number and in bytes. Whoever publishes to endless topics pushes out those that nobody
/// uses first.
#[derive(Debug)]
pub struct MatchCache {
    hasher: DefaultHashBuilder,
    /// Places in `entries`, by topic.
    places: HashTable<u32>,
    /// The face of a clock; `hand` goes round and passes over what was used since its last visit.
    entries: Vec<Entry>,
    hand: usize,
    capacity: usize,
    /// What the entries take, in bytes.
    weight: usize,
    budget: usize,
}

/// A hit reads this, the topic's text and nothing else: topic and version are those in `matches`.
#[derive(Debug)]
struct Entry {
    /// The index it is from.
    serial: u64,
    topic: TopicName,
    version: Version,
    matches: Arc<Matches>,
    weight: usize,
    used: bool,
}

impl MatchCache {
    /// A cache of at most `capacity` topics, and of 512 bytes for each of them on average.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, u32::MAX as usize);
        Self {
            hasher: DefaultHashBuilder::default(),
            places: HashTable::new(),
            entries: Vec::new(),
            hand: 0,
            capacity,
            weight: 0,
            budget: capacity.saturating_mul(BYTES_A_TOPIC),
        }
    }

    /// Who gets what is published to `topic`: remembered if that is still right, else looked up.
    ///
    /// # Errors
    /// It is not a valid topic name.
    #[inline]
    pub fn lookup(&mut self, index: &SubscriptionIndex, topic: &str) -> Result<Arc<Matches>, TopicError> {
        let serial = index.serial();
        let hash = self.hasher.hash_one((serial, topic));
        let entries = &self.entries;
        let place = self.places.find(hash, |place| {
            entries
                .get(*place as usize)
                .is_some_and(|entry| entry.serial == serial && *entry.topic == *topic)
        });
        let Some(place) = place.copied() else {
            return self.look_up(index, hash, topic);
        };
        match self.entries.get_mut(place as usize) {
            Some(entry) if index.is_current(entry.version) => {
                entry.used = true;
                Ok(Arc::clone(&entry.matches))
            }
            Some(entry) => {
                let name = entry.topic.clone();
                Ok(self.renew(index, place as usize, &name))
            }
            None => self.look_up(index, hash, topic),
        }
    }

    /// How many topics it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// It knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cold]
    fn look_up(
        &mut self,
        index: &SubscriptionIndex,
        hash: u64,
        topic: &str,
    ) -> Result<Arc<Matches>, TopicError> {
        let matches = Arc::new(index.matches(&TopicName::new(topic)?));
        if self.entries.len() >= self.capacity {
            self.make_room();
        }
        let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let entry = Entry::of(index, &matches);
        self.weight += entry.weight;
        self.entries.push(entry);
        let (hasher, entries) = (&self.hasher, &self.entries);
        self.places
            .insert_unique(hash, place, |place| hash_at(hasher, entries, *place));
        self.trim();
        Ok(matches)
    }

    #[cold]
    fn renew(&mut self, index: &SubscriptionIndex, place: usize, topic: &TopicName) -> Arc<Matches> {
        let matches = Arc::new(index.matches(topic));
        if let Some(entry) = self.entries.get_mut(place) {
            let before = entry.weight;
            *entry = Entry {
                used: true,
                ..Entry::of(index, &matches)
            };
            self.weight = self.weight - before + entry.weight;
        }
        self.trim();
        matches
    }

    /// Keeps within the budget of bytes, except for one entry that is larger than all of it.
    fn trim(&mut self) {
        while self.weight > self.budget && self.entries.len() > 1 {
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        for _ in 0..SWEEP {
            self.hand += 1;
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            match self.entries.get_mut(self.hand) {
                Some(entry) if entry.used => entry.used = false,
                _ => break,
            }
        }
        self.remove(self.hand);
    }

    fn remove(&mut self, place: usize) {
        self.forget_place(place);
        let last = self.entries.len().saturating_sub(1);
        if place < last {
            // The last one moves into the gap.
            let hash = hash_at(&self.hasher, &self.entries, last as u32);
            if let Some(moved) = self.places.find_mut(hash, |at| *at as usize == last) {
                *moved = place as u32;
            }
        }
        if place <= last && !self.entries.is_empty() {
            self.weight -= self.entries.swap_remove(place).weight;
        }
    }

    fn forget_place(&mut self, place: usize) {
        let hash = hash_at(&self.hasher, &self.entries, place as u32);
        if let Ok(found) = self.places.find_entry(hash, |at| *at as usize == place) {
            found.remove();
        }
    }
}

impl Entry {
    fn of(index: &SubscriptionIndex, matches: &Arc<Matches>) -> Self {
        Self {
            serial: index.serial(),
            topic: matches.topic.clone(),
            version: matches.version,
            matches: Arc::clone(matches),
            weight: matches.weight() + size_of::<Self>(),
            used: false,
        }
    }
}

fn hash_at(hasher: &DefaultHashBuilder, entries: &[Entry], place: u32) -> u64 {
    entries
        .get(place as usize)
        .map_or(0, |entry| hasher.hash_one((entry.serial, &*entry.topic)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::message::SubscriptionOptions;
    use crate::router::SubscriberId;
    use crate::topic::TopicFilter;

    fn consistent(cache: &MatchCache) {
        assert_eq!(cache.places.len(), cache.entries.len());
        assert_eq!(
            cache.weight,
            cache.entries.iter().map(|entry| entry.weight).sum::<usize>()
        );
        for (place, entry) in cache.entries.iter().enumerate() {
            let hash = cache.hasher.hash_one((entry.serial, &*entry.topic));
            assert!(cache.places.find(hash, |at| *at as usize == place).is_some());
        }
    }

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_used() {
        let index = SubscriptionIndex::new(1);
        let mut cache = MatchCache::new(10);
        let hot = cache.lookup(&index, "hot").unwrap();
        for n in 0..1000 {
            cache.lookup(&index, &format!("cold/{n}")).unwrap();
            assert!(Arc::ptr_eq(&cache.lookup(&index, "hot").unwrap(), &hot));
            consistent(&cache);
        }
        assert_eq!(cache.len(), 10);
    }

    #[test]
    fn takes_newcomers_when_everything_is_in_use() {
        let index = SubscriptionIndex::new(1);
        let mut cache = MatchCache::new(100);
        for _ in 0..3 {
            for n in 0..101 {
                cache.lookup(&index, &format!("{n}")).unwrap();
                cache.lookup(&index, &format!("{n}")).unwrap();
                consistent(&cache);
            }
        }
        assert_eq!(cache.len(), 100);
    }

    #[test]
    fn many_recipients_and_long_topics_count_for_more() {
        let index = SubscriptionIndex::new(1);
        let options = SubscriptionOptions {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            subscription_id: None,
        };
        for slot in 0..1000 {
            let id = SubscriberId {
                shard: 0,
                generation: 0,
                slot,
            };
            index.subscribe(id, &TopicFilter::parse("t/#").unwrap(), options, &Arc::default());
        }
        let mut cache = MatchCache::new(1000);
        for n in 0..1000 {
            let found = cache.lookup(&index, &format!("t/{n}")).unwrap();
            assert_eq!(found.by_shard[0].len(), 1000);
            assert!(cache.weight <= cache.budget);
        }
        assert!(cache.len() < 50, "{}", cache.len());
        for n in 0..100 {
            cache
                .lookup(&index, &format!("{n}{}", "x".repeat(60_000)))
                .unwrap();
            assert!(cache.weight <= cache.budget);
            consistent(&cache);
        }
        // One that is larger than the whole budget is served, and kept alone.
        let mut cache = MatchCache::new(1);
        for n in 0..3 {
            assert_eq!(
                cache.lookup(&index, &format!("t/{n}")).unwrap().by_shard[0].len(),
                1000
            );
            assert_eq!(cache.len(), 1);
            consistent(&cache);
        }
    }

    #[test]
    fn a_result_that_got_old_is_looked_up_again_in_its_place() {
        let index = SubscriptionIndex::new(1);
        let mut cache = MatchCache::new(10);
        let before = cache.lookup(&index, "a/b").unwrap();
        let id = SubscriberId {
            shard: 0,
            generation: 0,
            slot: 1,
        };
        let options = SubscriptionOptions {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            subscription_id: None,
        };
        index.subscribe(id, &TopicFilter::parse("a/+").unwrap(), options, &Arc::default());
        let after = cache.lookup(&index, "a/b").unwrap();
        assert_eq!((before.by_shard[0].len(), after.by_shard[0].len()), (0, 1));
        assert!(
            std::ptr::eq(before.topic.as_str(), after.topic.as_str()),
            "one text for both"
        );
        assert_eq!(
            cache.lookup(&index, "a/+").unwrap_err(),
            TopicError::WildcardInName
        );
        assert_eq!(cache.len(), 1);
        consistent(&cache);
    }
}
