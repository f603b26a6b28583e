//! Sessions with something about each, in a list that is quick to walk and to change.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::SubscriberId;

/// From this many on, sessions are also found by a map: 100,000 devices on one filter come and go in constant time.
pub(super) const INDEXED_FROM: usize = 64;

/// A list without order, in which each session is at most once. One session, which is what most filters have, is held
/// in place.
#[derive(Debug)]
pub(super) struct Roster<T> {
    list: SmallVec<[(SubscriberId, T); 1]>,
    /// Places in `list`, once there are many.
    places: Option<Box<HashMap<SubscriberId, u32>>>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self {
            list: SmallVec::new(),
            places: None,
        }
    }
}

impl<T> Roster<T> {
    pub(super) fn list(&self) -> &[(SubscriberId, T)] {
        &self.list
    }

    /// Adds a session or replaces what is known about it; tells whether it was there.
    pub(super) fn insert(&mut self, subscriber: SubscriberId, value: T) -> bool {
        if let Some(known) = self.place(subscriber).and_then(|place| self.list.get_mut(place)) {
            known.1 = value;
            return true;
        }
        let place = self.list.len() as u32;
        self.list.push((subscriber, value));
        match &mut self.places {
            Some(places) => drop(places.insert(subscriber, place)),
            None if self.list.len() >= INDEXED_FROM => {
                let places = (0..).zip(&self.list).map(|(place, (id, _))| (*id, place));
                self.places = Some(Box::new(places.collect()));
            }
            None => {}
        }
        false
    }

    /// Takes a session out; tells whether it was there.
    pub(super) fn remove(&mut self, subscriber: SubscriberId) -> bool {
        let Some(place) = self.place(subscriber) else {
            return false;
        };
        self.list.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.remove(&subscriber);
            if let Some((moved, _)) = self.list.get(place) {
                places.insert(*moved, place as u32);
            }
        }
        // Memory follows a crowd that has left. At half the bound, so that one who comes and goes does not cost it.
        if self.list.len() < INDEXED_FROM / 2 && self.places.is_some() {
            self.places = None;
            self.list.shrink_to_fit();
        }
        true
    }

    fn place(&self, subscriber: SubscriberId) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&subscriber).map(|place| *place as usize),
            None => self.list.iter().position(|(known, _)| *known == subscriber),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_everyone_while_it_grows_and_shrinks() {
        let id = |slot| SubscriberId {
            shard: 0,
            generation: 0,
            slot,
        };
        let mut roster = Roster::default();
        for slot in 0..200 {
            assert!(!roster.insert(id(slot), slot));
            assert!(roster.insert(id(slot / 2), slot / 2));
        }
        assert!(roster.places.is_some());
        for slot in (0..200).rev() {
            assert!(roster.remove(id(199 - slot)) && !roster.remove(id(199 - slot)));
            assert_eq!(roster.list().len(), slot as usize);
            assert!(
                roster
                    .list()
                    .iter()
                    .all(|(id, value)| id.slot == *value && *value > 199 - slot)
            );
        }
        assert!(roster.places.is_none());
    }
}
