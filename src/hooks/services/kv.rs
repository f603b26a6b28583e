//! `kv`: values that all shards and all generations share, each policy in a space of its own. They have an age, and there
//! is an end to how many there are.
//!
//! A space is cut into parts by the hash of the key, each behind a lock that is held for one look-up. Beside its values a part
//! keeps their names in order, so that `keys` costs what it finds, and when they end, so that who comes by can
//! take away what is dead. (Measured against `DashMap` with a thousand to a million values: look-ups take the same, 50 to 900
//! ns by how much is in the processor's caches; increments up to half as long again, a new value 2 to 3 µs and not 0.6. But
//! listing the keys of a prefix takes 0.2 ms and not 200, which `DashMap` needs to look at all there are, on a shard's
//! thread.)
//!
//! *Invariant*: `entries` and `bytes` are what the parts hold, and neither is ever above its bound.

use hashbrown::{DefaultHashBuilder, HashMap};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How much a space may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    entries: usize,
    /// Keys, texts and [`OVERHEAD`].
    bytes: usize,
}

/// Of `kv`.
const VALUES: Room = Room {
    entries: 1_000_000,
    bytes: 256 << 20,
};
/// Of `state`: it holds a few values, and each reload may read them.
const STATE: Room = Room {
    entries: 1000,
    bytes: 4 << 20,
};
/// What an entry takes besides its key and its text: its places in the three collections of a part.
const OVERHEAD: usize = 192;
/// Parts of a space: enough that shards seldom meet.
const PARTS: usize = 64;
/// How many dead values who comes by takes away.
const SWEPT: usize = 4;
/// How many of a part when there is no room, or when names are listed.
const SWEPT_AT_ONCE: usize = 256;

/// Which space.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    /// `kv` of a policy.
    Of(Arc<str>),
    /// `state` of a policy.
    State(Arc<str>),
    /// `kv.shared`.
    Shared,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KvValue {
    Bool(bool),
    Number(f64),
    Text(Arc<[u8]>),
    /// A table, as JSON.
    Json(Arc<str>),
}

impl KvValue {
    fn bytes(&self) -> usize {
        match self {
            KvValue::Bool(_) | KvValue::Number(_) => 0,
            KvValue::Text(text) => text.len(),
            KvValue::Json(text) => text.len(),
        }
    }
}

#[derive(Debug, Clone)]
struct Held {
    value: KvValue,
    /// Since 1970; `None` is for ever.
    ends: Option<Duration>,
}

impl Held {
    fn new(value: KvValue, ttl: Option<Duration>, now: Duration) -> Self {
        // An end that no clock reaches is none.
        let ends = ttl.and_then(|ttl| now.checked_add(ttl));
        Self { value, ends }
    }

    fn lives(&self, now: Duration) -> bool {
        self.ends.is_none_or(|ends| ends > now)
    }
}

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KvError {
    /// The space is full of values that live.
    Full,
    /// The value is no number.
    NoNumber,
    /// The sum is none that a number can hold.
    TooLarge,
}

/// One space.
#[derive(Debug)]
pub(crate) struct Kv {
    room: Room,
    hasher: DefaultHashBuilder,
    parts: Box<[Mutex<Part>]>,
    held: Use,
}

/// How much a space holds, and what it had no room for.
#[derive(Debug, Default)]
struct Use {
    entries: AtomicUsize,
    bytes: AtomicUsize,
    refused: AtomicU64,
}

/// The same at one moment, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KvTotals {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Part {
    values: HashMap<Arc<[u8]>, Held, DefaultHashBuilder>,
    names: BTreeSet<Arc<[u8]>>,
    /// Those that end, the first to end first.
    ends: BTreeSet<(Duration, Arc<[u8]>)>,
}

impl Kv {
    pub(crate) fn new(space: &Space) -> Self {
        Self::with_room(match space {
            Space::Of(_) | Space::Shared => VALUES,
            Space::State(_) => STATE,
        })
    }

    fn with_room(room: Room) -> Self {
        let hasher = DefaultHashBuilder::default();
        let part = || {
            Mutex::new(Part {
                values: HashMap::with_hasher(hasher.clone()),
                ..Part::default()
            })
        };
        Self {
            room,
            parts: (0..PARTS).map(|_| part()).collect(),
            hasher: hasher.clone(),
            held: Use::default(),
        }
    }

    pub(crate) fn totals(&self) -> KvTotals {
        KvTotals {
            entries: self.held.entries.load(Relaxed),
            bytes: self.held.bytes.load(Relaxed),
            refused: self.held.refused.load(Relaxed),
        }
    }

    pub(crate) fn get(&self, key: &[u8], now: Duration) -> Option<KvValue> {
        self.with(key, now, |part| {
            part.living(key, now).map(|held| held.value.clone())
        })
        .flatten()
    }

    /// How long the value will live; `None` when there is none, `Some(None)` for ever.
    pub(crate) fn ttl(&self, key: &[u8], now: Duration) -> Option<Option<Duration>> {
        let left = |held: &Held| held.ends.map(|ends| ends.saturating_sub(now));
        self.with(key, now, |part| part.living(key, now).map(left))
            .flatten()
    }

    /// Puts a value where `may` agrees with what is there; whether it did.
    pub(crate) fn put_if(
        &self,
        key: &[u8],
        value: KvValue,
        ttl: Option<Duration>,
        now: Duration,
        may: impl Fn(Option<&KvValue>) -> bool,
    ) -> Result<bool, KvError> {
        let new = Held::new(value, ttl, now);
        self.change(key, now, |before| {
            let may = may(before.map(|held| &held.value));
            Ok((may.then(|| new.clone()), may))
        })
    }

    /// Adds to a number, which begins at 0 and lives for `ttl` from then on. Nobody sees it in between.
    pub(crate) fn incr(
        &self,
        key: &[u8],
        by: f64,
        ttl: Option<Duration>,
        now: Duration,
    ) -> Result<f64, KvError> {
        self.change(key, now, |before| {
            let new = match before {
                None => Held::new(KvValue::Number(by), ttl, now),
                Some(Held {
                    value: KvValue::Number(number),
                    ends,
                }) => Held {
                    value: KvValue::Number(number + by),
                    ends: *ends,
                },
                Some(_) => return Err(KvError::NoNumber),
            };
            match new.value {
                KvValue::Number(sum) if sum.is_finite() => Ok((Some(new), sum)),
                _ => Err(KvError::TooLarge),
            }
        })
    }

    pub(crate) fn delete(&self, key: &[u8], now: Duration) -> bool {
        self.with(key, now, |part| part.remove(key, &self.held))
            .flatten()
            .is_some_and(|held| held.lives(now))
    }

    /// The first `most` keys behind `after` that begin with `prefix`, in order. `look` is asked now and then whether to go
    /// on.
    pub(crate) fn keys<E>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        most: usize,
        now: Duration,
        mut look: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<Arc<[u8]>>, E> {
        let mut from = match after {
            Some(after) if after >= prefix => Bound::Excluded(Arc::from(after)),
            _ => Bound::Included(Arc::from(prefix)),
        };
        let mut found = Vec::new();
        loop {
            // Twice what is this part's share, so that one round nearly always suffices.
            let share = (most - found.len()) / PARTS * 2 + 16;
            let mut round: Vec<Arc<[u8]>> = Vec::new();
            // Up to where no part has a key that is not in the round.
            let mut complete: Option<Arc<[u8]>> = None;
            for part in &self.parts {
                look()?;
                let mut part = part.lock();
                part.sweep(now, SWEPT_AT_ONCE, &self.held);
                let before = round.len();
                round.extend(part.names_behind(&from, prefix, now).take(share).cloned());
                if round.len() - before == share {
                    complete = complete.into_iter().chain(round.last().cloned()).min();
                }
            }
            round.sort_unstable();
            if let Some(complete) = &complete {
                round.truncate(round.partition_point(|name| name <= complete));
            }
            found.extend(round);
            match complete {
                Some(complete) if found.len() < most => from = Bound::Excluded(complete),
                _ => break,
            }
        }
        found.truncate(most);
        Ok(found)
    }

    /// Looks at what lives under `key` and puts what `decide` makes of it, in one step.
    fn change<T>(
        &self,
        key: &[u8],
        now: Duration,
        decide: impl Fn(Option<&Held>) -> Result<(Option<Held>, T), KvError>,
    ) -> Result<T, KvError> {
        let attempt = || {
            self.with(key, now, |part| {
                let (new, answer) = decide(part.living(key, now))?;
                if let Some(new) = new {
                    part.put(key, new, &self.held, self.room)?;
                }
                Ok(answer)
            })
            .unwrap_or(Err(KvError::Full))
        };
        let mut done = attempt();
        if matches!(done, Err(KvError::Full)) && self.sweep(now) {
            done = attempt();
        }
        if matches!(done, Err(KvError::Full)) {
            self.held.refused.fetch_add(1, Relaxed);
        }
        done
    }

    /// Takes dead values away in all parts; whether there were any.
    fn sweep(&self, now: Duration) -> bool {
        let swept = self
            .parts
            .iter()
            .map(|part| part.lock().sweep(now, SWEPT_AT_ONCE, &self.held));
        swept.fold(false, |any, some| any | some)
    }

    /// The part that `key` belongs to, after a little tidying. (There always is one.)
    fn with<R>(&self, key: &[u8], now: Duration, with: impl FnOnce(&mut Part) -> R) -> Option<R> {
        // Not the bits that the tables inside the parts look at.
        let index = (self.hasher.hash_one(key) >> 40) as usize % PARTS;
        let mut part = self.parts.get(index)?.lock();
        part.sweep(now, SWEPT, &self.held);
        Some(with(&mut part))
    }
}

impl Part {
    fn living(&self, key: &[u8], now: Duration) -> Option<&Held> {
        self.values.get(key).filter(|held| held.lives(now))
    }

    /// Names that live, in order.
    fn names_behind(
        &self,
        from: &Bound<Arc<[u8]>>,
        prefix: &[u8],
        now: Duration,
    ) -> impl Iterator<Item = &Arc<[u8]>> {
        let names = self.names.range((from.clone(), Bound::Unbounded));
        let names = names.take_while(move |name| name.starts_with(prefix));
        names.filter(move |name| self.living(name, now).is_some())
    }

    fn put(&mut self, key: &[u8], new: Held, held: &Use, room: Room) -> Result<(), KvError> {
        let Some((name, old)) = self.values.get_key_value(key) else {
            held.take(1, OVERHEAD + key.len() + new.value.bytes(), room)?;
            let name: Arc<[u8]> = key.into();
            if let Some(ends) = new.ends {
                self.ends.insert((ends, name.clone()));
            }
            self.names.insert(name.clone());
            self.values.insert(name, new);
            return Ok(());
        };
        held.take(0, new.value.bytes(), room)?;
        held.give_back(0, old.value.bytes());
        if old.ends != new.ends {
            let (before, name) = (old.ends, name.clone());
            if let Some(ends) = before {
                self.ends.remove(&(ends, name.clone()));
            }
            if let Some(ends) = new.ends {
                self.ends.insert((ends, name));
            }
        }
        if let Some(place) = self.values.get_mut(key) {
            *place = new;
        }
        Ok(())
    }

    fn remove(&mut self, key: &[u8], held: &Use) -> Option<Held> {
        let (name, old) = self.values.remove_entry(key)?;
        held.give_back(1, OVERHEAD + key.len() + old.value.bytes());
        self.names.remove(&name);
        if let Some(ends) = old.ends {
            self.ends.remove(&(ends, name));
        }
        Some(old)
    }

    /// Takes up to `most` dead values away; whether there were any.
    fn sweep(&mut self, now: Duration, most: usize, held: &Use) -> bool {
        for swept in 0..most {
            let Some((_, name)) = self.ends.first().filter(|(ends, _)| *ends <= now) else {
                return swept > 0;
            };
            let name = name.clone();
            self.remove(&name, held);
        }
        true
    }
}

impl Use {
    /// Takes room for so much more, if there is.
    fn take(&self, entries: usize, bytes: usize, room: Room) -> Result<(), KvError> {
        let had = self.entries.fetch_add(entries, Relaxed);
        let had_bytes = self.bytes.fetch_add(bytes, Relaxed);
        if had + entries > room.entries || had_bytes + bytes > room.bytes {
            self.give_back(entries, bytes);
            return Err(KvError::Full);
        }
        Ok(())
    }

    fn give_back(&self, entries: usize, bytes: usize) {
        self.entries.fetch_sub(entries, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const NOW: Duration = Duration::from_secs(1000);

    fn kv() -> Kv {
        Kv::new(&Space::Shared)
    }

    fn small(entries: usize, bytes: usize) -> Kv {
        Kv::with_room(Room { entries, bytes })
    }

    fn text(text: &str) -> KvValue {
        KvValue::Text(text.as_bytes().into())
    }

    fn seconds(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    fn keys(kv: &Kv, prefix: &str, after: Option<&str>, most: usize, now: Duration) -> Vec<String> {
        let look = || Ok::<_, Infallible>(());
        let after = after.map(str::as_bytes);
        let found = kv.keys(prefix.as_bytes(), after, most, now, look).unwrap();
        found
            .iter()
            .map(|key| String::from_utf8(key.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn counting_is_atomic_and_a_window_ends() {
        let kv = kv();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        kv.incr(b"n", 1.0, seconds(10), NOW).unwrap();
                    }
                });
            }
        });
        assert_eq!(kv.get(b"n", NOW), Some(KvValue::Number(40_000.0)));
        assert_eq!(kv.ttl(b"n", NOW), Some(seconds(10)));
        let later = NOW + Duration::from_secs(10);
        assert_eq!(kv.get(b"n", later), None);
        assert_eq!(kv.incr(b"n", 1.0, None, later), Ok(1.0));
        assert_eq!(kv.incr(b"n", f64::MAX, None, later), Ok(f64::MAX));
        assert_eq!(kv.incr(b"n", f64::MAX, None, later), Err(KvError::TooLarge));
    }

    #[test]
    fn values_are_put_under_conditions() {
        let kv = kv();
        assert_eq!(
            kv.put_if(b"a", text("1"), None, NOW, |old| old.is_none()),
            Ok(true)
        );
        assert_eq!(
            kv.put_if(b"a", text("2"), None, NOW, |old| old.is_none()),
            Ok(false)
        );
        assert_eq!(
            kv.put_if(b"a", text("3"), None, NOW, |old| old == Some(&text("1"))),
            Ok(true)
        );
        assert_eq!(kv.incr(b"a", 1.0, None, NOW), Err(KvError::NoNumber));
        assert!(kv.delete(b"a", NOW) && !kv.delete(b"a", NOW));
        assert_eq!(kv.totals(), KvTotals::default());
    }

    #[test]
    fn a_full_space_says_so_and_has_room_again_when_values_end_or_go() {
        let kv = small(100, 1 << 20);
        for n in 0..100 {
            kv.incr(format!("{n}").as_bytes(), 1.0, seconds(10), NOW).unwrap();
        }
        assert_eq!(kv.incr(b"more", 1.0, None, NOW), Err(KvError::Full));
        assert_eq!(kv.totals().refused, 1);
        // What is there can be changed all the same.
        assert_eq!(kv.incr(b"7", 1.0, None, NOW), Ok(2.0));
        assert!(kv.delete(b"7", NOW));
        assert_eq!(kv.incr(b"more", 1.0, None, NOW), Ok(1.0));
        assert_eq!(kv.incr(b"and more", 1.0, None, NOW), Err(KvError::Full));
        let later = NOW + Duration::from_secs(10);
        for n in 0..98 {
            let key = format!("new {n}");
            assert_eq!(kv.incr(key.as_bytes(), 1.0, None, later), Ok(1.0));
        }
        assert_eq!(kv.totals().entries, 100 - 1);
    }

    #[test]
    fn bytes_are_bounded_for_new_and_for_changed_values() {
        let kv = small(1000, 10_000);
        let put = |key: &[u8], length: usize| kv.put_if(key, text(&"x".repeat(length)), None, NOW, |_| true);
        assert_eq!(put(b"a", 6000), Ok(true));
        assert_eq!(put(b"b", 6000), Err(KvError::Full));
        assert_eq!(put(b"b", 10), Ok(true));
        assert_eq!(put(b"b", 6000), Err(KvError::Full));
        assert_eq!(kv.get(b"b", NOW), Some(text("xxxxxxxxxx")));
        assert_eq!(kv.totals().bytes, 2 * OVERHEAD + 2 + 6010);
        assert_eq!(put(b"a", 0), Ok(true));
        assert_eq!(put(b"b", 6000), Ok(true));
    }

    #[test]
    fn who_comes_by_takes_the_dead_away() {
        let kv = kv();
        for n in 0..10_000 {
            kv.incr(format!("dead {n}").as_bytes(), 1.0, seconds(1), NOW)
                .unwrap();
        }
        let later = NOW + Duration::from_secs(1);
        // Each look-up tidies its own part a little; none looks at all of them.
        for n in 0..10_000 {
            assert_eq!(kv.get(format!("{n}").as_bytes(), later), None);
        }
        assert_eq!(kv.totals(), KvTotals::default());
        assert!(kv.parts.iter().all(|part| part.lock().names.is_empty()));
    }

    #[test]
    fn a_new_end_takes_the_place_of_the_old_one() {
        let kv = kv();
        for ttl in [seconds(5), None, seconds(1), seconds(60)] {
            kv.put_if(b"a", text("x"), ttl, NOW, |_| true).unwrap();
        }
        assert_eq!(kv.ttl(b"a", NOW), Some(seconds(60)));
        assert_eq!(kv.get(b"a", NOW + Duration::from_secs(59)), Some(text("x")));
        kv.put_if(b"a", text("x"), Some(Duration::MAX), NOW, |_| true)
            .unwrap();
        assert_eq!(kv.ttl(b"a", NOW), Some(None));
        let ends: usize = kv.parts.iter().map(|part| part.lock().ends.len()).sum();
        assert_eq!(ends, 0);
    }

    #[test]
    fn keys_come_in_order_page_by_page_and_without_the_dead() {
        let kv = kv();
        for n in 0..100 {
            kv.put_if(format!("p/{n:02}").as_bytes(), text(""), None, NOW, |_| true)
                .unwrap();
        }
        kv.put_if(b"p/50x", text(""), seconds(1), NOW, |_| true).unwrap();
        kv.put_if(b"q", text(""), None, NOW, |_| true).unwrap();
        assert_eq!(keys(&kv, "p/", None, 2, NOW), ["p/00", "p/01"]);
        assert_eq!(keys(&kv, "p/", Some("p/49"), 3, NOW), ["p/50", "p/50x", "p/51"]);
        assert_eq!(
            keys(&kv, "p/", Some("p/49"), 2, NOW + Duration::from_secs(1)),
            ["p/50", "p/51"]
        );
        assert_eq!(keys(&kv, "p/", Some("a"), 1000, NOW).len(), 100);
        assert_eq!(keys(&kv, "", Some("p/99"), 9, NOW), ["q"]);
        assert_eq!(keys(&kv, "r", None, 9, NOW), Vec::<String>::new());
        let many: Vec<String> = (0..5000).map(|n| format!("m/{n:04}")).collect();
        for key in &many {
            kv.incr(key.as_bytes(), 1.0, None, NOW).unwrap();
        }
        assert_eq!(keys(&kv, "m", None, 4000, NOW), many[..4000]);
        assert_eq!(keys(&kv, "m", Some("m/3999"), 4000, NOW), many[4000..]);
        // However unevenly they lie in the parts.
        let part = &kv.parts[7];
        let names: Vec<_> = part.lock().names.iter().cloned().collect();
        kv.parts
            .iter()
            .filter(|other| !std::ptr::eq(*other, part))
            .for_each(|other| *other.lock() = Part::default());
        let theirs: Vec<_> = names
            .iter()
            .map(|name| String::from_utf8(name.to_vec()).unwrap())
            .collect();
        assert!(theirs.len() > 40);
        assert_eq!(keys(&kv, "", None, 20, NOW), theirs[..20]);
        assert_eq!(keys(&kv, "", None, 1000, NOW), theirs);
        assert_eq!(kv.keys(b"", None, 9, NOW, || Err("enough")), Err("enough"));
    }
}
