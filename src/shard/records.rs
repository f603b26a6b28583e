//! Records of the registry that logins rest on: when one changes, the logins that rest on it end, and whoever let the client
//! in is asked, as at any login's end.
//!
//! *Invariant*: no change is missed that came while policies were being asked: what they said may be older than it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use super::slot::Slot;
use super::timers::Due;
use super::{ConnId, Shard};
use crate::hooks::Depends;
use crate::store::registry::RecordKey;

/// So many changes are remembered for logins that are under way. When more come meanwhile, any may have changed.
const LATELY: usize = 1024;

/// So many logins end at once: about a millisecond of a policy's time.
const AT_ONCE: usize = 64;
/// And so long is waited before the next.
const PAUSE: Duration = Duration::from_millis(5);

/// What a login rests on.
pub(super) struct Rests {
    depends: Depends,
    /// How many changes there had been when those were asked who said that it is good.
    seen: u64,
}

/// Who rests on what, on this shard.
#[derive(Default)]
pub(super) struct Records {
    /// By record, the slots of the sessions whose login rests on it.
    dependents: HashMap<Box<str>, HashSet<u32, FxBuildHasher>>,
    /// The last changes, and the number of each.
    lately: VecDeque<(u64, RecordKey)>,
    /// Which ones those were up to this number, nobody knows any more.
    forgotten: u64,
}

/// What tells apart records of all instances. No instance has a zero in its id.
fn place(instance: &str, record: &str) -> Box<str> {
    format!("{instance}\0{record}").into()
}

impl Records {
    fn add(&mut self, instance: &str, depends: &Depends, at: u32) {
        for record in depends.records() {
            let dependents = self.dependents.entry(place(instance, record));
            dependents.or_default().insert(at);
        }
    }

    /// The session in `at` is gone, or rests on something else.
    pub(super) fn remove(&mut self, instance: &str, rests: Option<&Rests>, at: u32) {
        for record in rests.iter().flat_map(|rests| rests.depends.records()) {
            let place = place(instance, record);
            if let Some(dependents) = self.dependents.get_mut(&place) {
                dependents.remove(&at);
                if dependents.is_empty() {
                    self.dependents.remove(&place);
                }
            }
        }
    }

    /// The slots of those who rest on what has changed: this record, or any.
    fn changed(&mut self, number: u64, key: Option<&RecordKey>) -> Vec<u32> {
        let Some(key) = key else {
            self.forgotten = number;
            self.lately.clear();
            let all: HashSet<u32, FxBuildHasher> = self.dependents.values().flatten().copied().collect();
            return all.into_iter().collect();
        };
        if self.lately.len() >= LATELY
            && let Some((oldest, _)) = self.lately.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        self.lately.push_back((number, key.clone()));
        let place = place(&key.instance, &format!("{}/{}", key.kind, key.name));
        self.dependents
            .get(&place)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Whether one of them may have changed since.
    fn changed_since(&self, instance: &str, rests: &Rests) -> bool {
        let is_one = |(number, key): &(u64, RecordKey)| {
            *number > rests.seen && *key.instance == *instance && rests.depends.has(&key.kind, &key.name)
        };
        self.forgotten > rests.seen || self.lately.iter().any(is_one)
    }
}

impl Shard {
    /// How many changes of records there were: to be looked at before policies are asked about a login.
    #[must_use]
    pub fn records_seen(&self) -> u64 {
        self.shared.registry.changes_made()
    }

    /// From now on the login of the client in `at` rests on these records. Whoever said so was asked after `seen` changes.
    pub(super) fn rests_on(&mut self, at: u32, depends: Depends, seen: u64) {
        let depends = self.with_certificate(at, depends);
        let Some(live) = self.live(at) else { return };
        let instance = live.key.instance.clone();
        let rests = (!depends.is_empty()).then(|| Box::new(Rests { depends, seen }));
        let before = std::mem::replace(&mut live.rests, rests);
        self.records.remove(instance.as_str(), before.as_deref(), at);
        if let Some(Slot::Live(live)) = self.slots.get(at as usize)
            && let Some(rests) = &live.rests
        {
            self.records.add(instance.as_str(), &rests.depends, at);
        }
        self.catch_up(at);
    }

    /// The login in `at` goes on, says who was asked after `seen` changes.
    pub(super) fn rests_still(&mut self, at: u32, seen: u64) {
        if let Some(rests) = self.live(at).and_then(|live| live.rests.as_mut()) {
            rests.seen = seen;
        }
        self.catch_up(at);
    }

    /// Ends the login in `at` if something it rests on has changed since.
    fn catch_up(&mut self, at: u32) {
        let Some(Slot::Live(live)) = self.slots.get(at as usize) else {
            return;
        };
        let instance = live.key.instance.as_str();
        let rests = live.rests.as_ref();
        if rests.is_some_and(|rests| self.records.changed_since(instance, rests)) {
            self.login_ends_now(at);
        }
    }

    /// The change of this number was of this record; or any may have changed up to it.
    pub(super) fn record_changed(&mut self, number: u64, key: Option<RecordKey>) {
        let slots = self.records.changed(number, key.as_ref());
        let ids: Vec<ConnId> = slots
            .into_iter()
            .filter_map(|slot| {
                let number = self.live(slot)?.conn.number;
                Some(ConnId { slot, number })
            })
            .collect();
        let (first, rest) = ids.split_at(ids.len().min(AT_ONCE));
        self.end_logins(first, number, key.as_ref());
        if rest.is_empty() {
            return;
        }
        let (me, rest) = (self.me.clone(), rest.to_vec());
        tokio::task::spawn_local(async move {
            for some in rest.chunks(AT_ONCE) {
                tokio::time::sleep(PAUSE).await;
                let Some(shard) = me.upgrade() else { return };
                let mut shard = shard.borrow_mut();
                shard.begin_turn();
                shard.end_logins(some, number, key.as_ref());
                shard.end_turn();
            }
        });
    }

    /// The logins of these connections end now, as far as they rest on what has changed.
    fn end_logins(&mut self, ids: &[ConnId], number: u64, key: Option<&RecordKey>) {
        for id in ids {
            // Whoever was asked afterwards knew it already.
            let concerned = |rests: &Rests| {
                rests.seen < number && key.is_none_or(|key| rests.depends.has(&key.kind, &key.name))
            };
            let live = self.live(id.slot).filter(|live| live.conn.number == id.number);
            if live.is_some_and(|live| live.rests.as_deref().is_some_and(concerned)) {
                self.login_ends_now(id.slot);
            }
        }
    }

    /// As if the time of the login in `at` had come.
    fn login_ends_now(&mut self, at: u32) {
        let (subscriber, now) = (self.subscriber(at), self.now);
        let Some(live) = self.live(at) else { return };
        live.login_ends = Some(now);
        let due = Due::Login(subscriber, live.conn.number);
        self.timers.set(now, due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(instance: &str, name: &str) -> RecordKey {
        RecordKey::new(instance, "key", name)
    }

    fn rests(names: &[&str], seen: u64) -> Rests {
        let depends = Depends::on(names.iter().map(|name| format!("key/{name}")));
        Rests {
            depends: depends.unwrap(),
            seen,
        }
    }

    #[test]
    fn a_change_finds_those_who_rest_on_it() {
        let mut records = Records::default();
        let (both, a) = (rests(&["a", "b"], 0), rests(&["a"], 0));
        records.add("i", &both.depends, 1);
        records.add("i", &a.depends, 2);
        records.add("j", &a.depends, 3);
        let sorted = |mut slots: Vec<u32>| {
            slots.sort_unstable();
            slots
        };
        assert_eq!(sorted(records.changed(1, Some(&key("i", "a")))), [1, 2]);
        assert_eq!(records.changed(2, Some(&key("j", "a"))), [3]);
        assert_eq!(sorted(records.changed(3, None)), [1, 2, 3]);
        records.remove("i", Some(&both), 1);
        assert_eq!(records.changed(4, Some(&key("i", "a"))), [2]);
        assert!(records.changed(5, Some(&key("i", "b"))).is_empty());
        records.remove("i", Some(&a), 2);
        records.remove("j", Some(&a), 3);
        assert!(records.dependents.is_empty());
    }

    #[test]
    fn a_login_that_was_under_way_learns_what_changed_meanwhile() {
        let mut records = Records::default();
        records.changed(1, Some(&key("i", "a")));
        records.changed(2, Some(&key("i", "b")));
        assert!(records.changed_since("i", &rests(&["a"], 0)));
        assert!(!records.changed_since("i", &rests(&["a"], 1)));
        assert!(records.changed_since("i", &rests(&["a", "b"], 1)));
        assert!(!records.changed_since("j", &rests(&["a", "b"], 0)));
        // Nobody knows any more what so many changes were.
        for number in 0..LATELY as u64 {
            records.changed(3 + number, Some(&key("i", "c")));
        }
        assert!(records.changed_since("i", &rests(&["x"], 1)));
        assert!(!records.changed_since("i", &rests(&["x"], 2)));
        records.changed(2000, None);
        assert!(records.changed_since("i", &rests(&["x"], 1999)));
        assert!(!records.changed_since("i", &rests(&["x"], 2000)));
    }
}
