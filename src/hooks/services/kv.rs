//! `kv`: values that all shards and all generations share, each policy in a space of its own. They have an age, and there
//! is an end to how many there are.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How many values a space may hold.
const MOST: usize = 1_000_000;
/// How many bytes, keys included.
const BYTES: usize = 256 << 20;
/// What an entry takes besides its key and its text.
const OVERHEAD: usize = 96;

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
}

/// One space.
#[derive(Debug, Default)]
pub(crate) struct Kv {
    values: DashMap<Box<[u8]>, Held>,
    bytes: AtomicUsize,
}

impl Kv {
    pub(crate) fn get(&self, key: &[u8], now: Duration) -> Option<KvValue> {
        let held = self.values.get(key)?;
        held.lives(now).then(|| held.value.clone())
    }

    /// How long the value will live; `None` when there is none, `Some(None)` for ever.
    pub(crate) fn ttl(&self, key: &[u8], now: Duration) -> Option<Option<Duration>> {
        let held = self.values.get(key)?;
        held.lives(now).then(|| held.ends.map(|ends| ends - now))
    }

    /// Puts a value where `may` agrees with what is there; whether it did.
    pub(crate) fn put_if(
        &self,
        key: &[u8],
        value: KvValue,
        ttl: Option<Duration>,
        now: Duration,
        may: impl FnOnce(Option<&KvValue>) -> bool,
    ) -> Result<bool, KvError> {
        self.change(key, now, |before| {
            if !may(before.map(|held| &held.value)) {
                return Ok((None, false));
            }
            let ends = ttl.map(|ttl| now + ttl);
            Ok((Some(Held { value, ends }), true))
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
            let (sum, ends) = match before {
                None => (by, ttl.map(|ttl| now + ttl)),
                Some(Held {
                    value: KvValue::Number(number),
                    ends,
                }) => (number + by, *ends),
                Some(_) => return Err(KvError::NoNumber),
            };
            let value = KvValue::Number(sum);
            Ok((Some(Held { value, ends }), sum))
        })
    }

    /// Looks at what lives under `key` and puts what `decide` makes of it, in one step.
    fn change<T>(
        &self,
        key: &[u8],
        now: Duration,
        decide: impl FnOnce(Option<&Held>) -> Result<(Option<Held>, T), KvError>,
    ) -> Result<T, KvError> {
        self.make_room(now);
        match self.values.entry(key.into()) {
            Entry::Occupied(mut there) => {
                let (new, answer) = decide(Some(there.get()).filter(|held| held.lives(now)))?;
                if let Some(new) = new {
                    self.bytes.fetch_add(new.value.bytes(), Relaxed);
                    let old = there.insert(new);
                    self.bytes.fetch_sub(old.value.bytes(), Relaxed);
                }
                Ok(answer)
            }
            Entry::Vacant(place) => {
                let (new, answer) = decide(None)?;
                if let Some(new) = new {
                    if self.bytes.load(Relaxed) > BYTES {
                        return Err(KvError::Full);
                    }
                    self.bytes
                        .fetch_add(OVERHEAD + key.len() + new.value.bytes(), Relaxed);
                    place.insert(new);
                }
                Ok(answer)
            }
        }
    }

    pub(crate) fn delete(&self, key: &[u8], now: Duration) -> bool {
        let Some((key, held)) = self.values.remove(key) else {
            return false;
        };
        self.bytes
            .fetch_sub(OVERHEAD + key.len() + held.value.bytes(), Relaxed);
        held.lives(now)
    }

    /// At most `most` keys that begin with `prefix`.
    pub(crate) fn keys(&self, prefix: &[u8], most: usize, now: Duration) -> Vec<Box<[u8]>> {
        let found = self
            .values
            .iter()
            .filter(|held| held.key().starts_with(prefix) && held.lives(now));
        found.take(most).map(|held| held.key().clone()).collect()
    }

    /// Throws out what is dead, when there is much: rarely, because it looks at everything.
    fn make_room(&self, now: Duration) {
        let many = self.values.len() >= MOST || self.bytes.load(Relaxed) > BYTES;
        if many {
            self.values.retain(|key, held| {
                let lives = held.lives(now);
                if !lives {
                    self.bytes
                        .fetch_sub(OVERHEAD + key.len() + held.value.bytes(), Relaxed);
                }
                lives
            });
            if self.values.len() >= MOST {
                self.bytes.fetch_max(BYTES + 1, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn counting_is_atomic_and_a_window_ends() {
        let kv = Arc::new(Kv::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        kv.incr(b"n", 1.0, Some(Duration::from_secs(10)), NOW).unwrap();
                    }
                });
            }
        });
        assert_eq!(kv.get(b"n", NOW), Some(KvValue::Number(40_000.0)));
        assert_eq!(kv.ttl(b"n", NOW), Some(Some(Duration::from_secs(10))));
        let later = NOW + Duration::from_secs(10);
        assert_eq!(kv.get(b"n", later), None);
        assert_eq!(kv.incr(b"n", 1.0, None, later), Ok(1.0));
    }

    #[test]
    fn values_are_put_under_conditions() {
        let kv = Kv::default();
        let text = |text: &str| KvValue::Text(text.as_bytes().into());
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
        assert_eq!(kv.keys(b"", 10, NOW).len(), 1);
        assert!(kv.delete(b"a", NOW) && !kv.delete(b"a", NOW));
        assert_eq!(kv.bytes.load(Relaxed), 0);
    }
}
