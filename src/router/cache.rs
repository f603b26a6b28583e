//! A shard's memory of lookups.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Matches, SubscriptionIndex};
use crate::topic::{TopicError, TopicName};

/// Results by topic, of a bounded number. Whoever publishes to endless topics pushes out those that nobody uses first.
#[derive(Debug)]
pub struct MatchCache {
    entries: HashMap<TopicName, Entry>,
    /// The topics in the order of a clock's face; `hand` goes round and passes over what was used since its last visit.
    face: Vec<TopicName>,
    hand: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Entry {
    matches: Arc<Matches>,
    used: bool,
}

impl MatchCache {
    /// A cache of at most `capacity` topics.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            face: Vec::new(),
            hand: 0,
            capacity: capacity.max(1),
        }
    }

    /// Who gets what is published to `topic`: remembered if that is still right, else looked up.
    ///
    /// # Errors
    /// It is not a valid topic name.
    pub fn lookup(&mut self, index: &SubscriptionIndex, topic: &str) -> Result<Arc<Matches>, TopicError> {
        if let Some(entry) = self.entries.get_mut(topic) {
            entry.used = true;
            if !entry.matches.is_current(index) {
                entry.matches = Arc::new(index.matches(&entry.matches.topic));
            }
            return Ok(Arc::clone(&entry.matches));
        }
        let name = TopicName::new(topic)?;
        let matches = Arc::new(index.matches(&name));
        self.remember(name, Arc::clone(&matches));
        Ok(matches)
    }

    fn remember(&mut self, topic: TopicName, matches: Arc<Matches>) {
        if self.face.len() < self.capacity {
            self.face.push(topic.clone());
        } else {
            self.make_room(topic.clone());
        }
        self.entries.insert(topic, Entry { matches, used: false });
    }

    fn make_room(&mut self, newcomer: TopicName) {
        loop {
            self.hand = (self.hand + 1) % self.face.len().max(1);
            let Some(place) = self.face.get_mut(self.hand) else {
                return;
            };
            match self.entries.get_mut(&**place) {
                Some(entry) if entry.used => entry.used = false,
                _ => {
                    self.entries.remove(&**place);
                    *place = newcomer;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_used() {
        let index = SubscriptionIndex::new(1);
        let mut cache = MatchCache::new(10);
        let hot = cache.lookup(&index, "hot").unwrap();
        for n in 0..1000 {
            cache.lookup(&index, &format!("cold/{n}")).unwrap();
            assert!(Arc::ptr_eq(&cache.lookup(&index, "hot").unwrap(), &hot));
        }
        assert_eq!((cache.entries.len(), cache.face.len()), (10, 10));
    }
}
