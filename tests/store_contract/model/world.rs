//! The model: all messages in one list, in the order of their coming.

use std::collections::{BTreeMap, BTreeSet};

use dunlin::instance::{InstanceId, SessionKey};
use dunlin::store::durable::{InboxLimits, InboxSeq, Revision};
use dunlin::time::Millis;

use crate::made::{LIMITS, instance, session_of};

/// `tight`.
pub const TIGHT: InboxLimits = InboxLimits {
    messages_per_instance: 7,
    age_ms: 20_000,
    visible_after_ms: 0,
};

/// `wide`: older than any test grows.
pub const WIDE: InboxLimits = InboxLimits {
    age_ms: u64::MAX / 4,
    ..LIMITS
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Sent(u16),
    Released(u16),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub session: usize,
    pub number: u128,
    /// Not known until the batch has been committed.
    pub seq: Option<InboxSeq>,
    pub stored_at: Millis,
    pub expires_at: Option<Millis>,
    pub state: State,
}

impl Entry {
    pub fn counts(&self) -> bool {
        !matches!(self.state, State::Released(_))
    }

    pub fn has_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A retained message: its number, and when it expires.
pub type Kept = (u128, Option<Millis>);

pub struct World {
    pub instances: [InstanceId; 2],
    /// The first three are of `tight`.
    pub sessions: Vec<SessionKey>,
    pub entries: Vec<Entry>,
    pub records: BTreeMap<usize, (u16, Revision)>,
    pub received: BTreeSet<(usize, u16)>,
    pub retained: BTreeMap<(usize, usize), Kept>,
}

impl World {
    pub fn new() -> Self {
        let instances = ["tight", "wide"].map(instance);
        let sessions = (0..6).map(|n| session_of(&instances[n / 3], &format!("client {}", n % 3)));
        Self {
            sessions: sessions.collect(),
            instances,
            entries: Vec::new(),
            records: BTreeMap::new(),
            received: BTreeSet::new(),
            retained: BTreeMap::new(),
        }
    }

    pub fn limits(&self) -> [(&InstanceId, InboxLimits); 2] {
        [(&self.instances[0], TIGHT), (&self.instances[1], WIDE)]
    }

    /// How many messages of `tight` count.
    pub fn tight(&self) -> usize {
        let counted = self
            .entries
            .iter()
            .filter(|entry| entry.session < 3 && entry.counts());
        counted.count()
    }

    /// Adds a message; answers with how many had to make room. There is room enough in `wide`.
    pub fn append(&mut self, entry: Entry) -> usize {
        let full = entry.session < 3 && self.tight() == TIGHT.messages_per_instance;
        if full {
            let oldest = self
                .entries
                .iter()
                .position(|entry| entry.session < 3 && entry.counts());
            self.entries.remove(oldest.unwrap());
        }
        self.entries.push(entry);
        usize::from(full)
    }

    pub fn entry(&mut self, session: usize, seq: InboxSeq) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.session == session && entry.seq == Some(seq))
    }

    /// Is it too old? Nothing of `wide` is.
    pub fn is_too_old(entry: &Entry, now: Millis) -> bool {
        entry.session < 3 && entry.counts() && entry.stored_at.0 + TIGHT.age_ms <= now.0
    }

    /// Lets go what is too old; how many there were.
    pub fn tidy(&mut self, now: Millis) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| !Self::is_too_old(entry, now));
        before - self.entries.len()
    }

    pub fn discard(&mut self, session: usize) {
        self.entries.retain(|entry| entry.session != session);
        self.received.retain(|(of, _)| *of != session);
        self.records.remove(&session);
    }

    pub fn forget(&mut self, instance: usize) {
        for session in 3 * instance..3 * instance + 3 {
            self.discard(session);
        }
        self.retained.retain(|(of, _), _| *of != instance);
    }

    /// What a session has in its inbox that is not too old.
    pub fn inbox(&self, session: usize, now: Millis) -> impl Iterator<Item = &Entry> {
        let of_it = self.entries.iter().filter(move |entry| entry.session == session);
        of_it.filter(move |entry| !Self::is_too_old(entry, now))
    }
}
