//! Clients that change cleanSession between two connections. The product forbids it; here they are served as MQTT says,
//! counted, and warned about once.

use std::num::NonZeroUsize;

use lru::LruCache;
use rustc_hash::FxBuildHasher;

use super::Shard;
use crate::instance::{Hit, SessionKey};

/// How many clients a shard remembers.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// What clients did when they were here last: the least recently seen are forgotten.
pub(super) struct Habits(LruCache<SessionKey, Habit, FxBuildHasher>);

#[derive(Clone, Copy)]
struct Habit {
    clean: bool,
    warned: bool,
}

impl Default for Habits {
    fn default() -> Self {
        let mut habits = LruCache::unbounded_with_hasher(FxBuildHasher);
        // Made small: most brokers see fewer clients than this.
        habits.resize(REMEMBERED);
        Self(habits)
    }
}

/// What became of a client's habit.
#[derive(Debug, PartialEq, Eq)]
enum Noted {
    Same,
    Changed { first: bool },
}

impl Habits {
    fn note(&mut self, key: &SessionKey, clean: bool) -> Noted {
        let Some(habit) = self.0.get_mut(key) else {
            let warned = false;
            self.0.put(key.clone(), Habit { clean, warned });
            return Noted::Same;
        };
        if habit.clean == clean {
            return Noted::Same;
        }
        habit.clean = clean;
        let first = !std::mem::replace(&mut habit.warned, true);
        Noted::Changed { first }
    }
}

impl Shard {
    /// A 3.x client came with this cleanSession.
    pub(super) fn note_habit(&mut self, at: u32, clean: bool) {
        let Some(live) = self.live(at) else { return };
        let (key, tenant) = (live.key.clone(), std::rc::Rc::clone(&live.tenant));
        let Noted::Changed { first } = self.habits.note(&key, clean) else {
            return;
        };
        tenant.usage.hit(Hit::CleanSession);
        let now = u8::from(clean);
        if first {
            tracing::warn!(
                instance = %key.instance,
                client_id = &*key.client_id,
                "a client changed cleanSession to {now} between two connections; a client id should keep to one"
            );
        }
        self.trace_note(at, Hit::CleanSession.name(), || {
            format!("cleanSession is {now} now, and was not in the connection before")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::InstanceId;

    #[test]
    fn a_change_is_told_and_warned_about_once() {
        let key = |client: &str| SessionKey {
            instance: InstanceId::new("i"),
            client_id: client.into(),
        };
        let mut habits = Habits::default();
        let said: Vec<Noted> = [true, true, false, false, true]
            .map(|clean| habits.note(&key("a"), clean))
            .into();
        let changed = |first| Noted::Changed { first };
        assert_eq!(
            said,
            [
                Noted::Same,
                Noted::Same,
                changed(true),
                Noted::Same,
                changed(false)
            ]
        );
        for n in 0..REMEMBERED.get() + 10 {
            habits.note(&key(&n.to_string()), true);
        }
        assert_eq!(habits.0.len(), REMEMBERED.get());
        assert_eq!(habits.note(&key("a"), false), Noted::Same, "forgotten");
    }
}
