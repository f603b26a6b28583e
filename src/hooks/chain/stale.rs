//! Decisions to fall back on: with `on_error = "stale"` a client that was known goes on while a backend is down.

use crate::codec::QoS;
use crate::config::hooks::{AnswerFallback, Fallback};
use crate::hooks::lua::answer::{LoginVote, Vote};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

/// How many decisions an entry keeps on one shard. When it is full, the older half goes.
const KEPT: usize = 65_536;

/// A decision of one entry.
#[derive(Debug, Clone)]
pub(crate) enum Remembered {
    Login(LoginVote),
    Publish(Vote<()>),
    Subscribe(Vote<QoS>),
}

/// The last decisions of an entry, by what they were about. It belongs to its generation and dies with it.
pub(crate) struct Stale {
    /// How long a decision may stand in; `None` when the entry does not want any.
    age: Option<Duration>,
    decisions: RefCell<HashMap<u64, (Instant, Remembered)>>,
    hasher: RandomState,
}

impl Stale {
    pub(crate) fn new(fallbacks: [Fallback; 2]) -> Self {
        let ages = fallbacks
            .iter()
            .filter(|fallback| fallback.answer == AnswerFallback::Stale);
        Self {
            age: ages.map(|fallback| fallback.stale).max(),
            decisions: RefCell::default(),
            hasher: RandomState::new(),
        }
    }

    #[inline]
    pub(crate) fn wanted(&self) -> bool {
        self.age.is_some()
    }

    /// The key of what is asked about. Keyed hashing, because part of it may be a password: nothing of it is kept.
    pub(crate) fn key(&self, what: impl Hash) -> u64 {
        self.hasher.hash_one(what)
    }

    pub(crate) fn put(&self, key: u64, decision: Remembered) {
        let mut decisions = self.decisions.borrow_mut();
        let now = Instant::now();
        if decisions.len() >= KEPT {
            let mut times: Vec<Instant> = decisions.values().map(|(at, _)| *at).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            decisions.retain(|_, (at, _)| *at > median);
        }
        decisions.insert(key, (now, decision));
    }

    pub(crate) fn get(&self, key: u64) -> Option<Remembered> {
        let decisions = self.decisions.borrow();
        let (at, decision) = decisions.get(&key)?;
        (at.elapsed() <= self.age?).then(|| decision.clone())
    }
}
