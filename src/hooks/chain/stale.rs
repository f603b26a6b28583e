//! Decisions to fall back on: with `on_error = "stale"` a client that was known goes on while a backend is down.

use crate::codec::QoS;
use crate::config::hooks::{AnswerFallback, Fallback};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{LoginVote, Vote};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::time::{Duration, Instant};

/// Whom a decision was about, as part of its key: all that policies see of a client and that is the same when it comes
/// again. A client id alone is anybody's; an address changes with each connection.
pub(crate) struct Whom<'a>(pub(crate) &'a Client);

impl Hash for Whom<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(client) = self;
        (&client.instance, &client.client_id, &client.username).hash(state);
        (&client.listener, &client.tls, client.attrs()).hash(state);
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ProtocolVersion;
    use crate::hooks::client::{ClientParts, TlsInfo};
    use std::sync::Arc;

    #[test]
    fn a_key_tells_logins_apart_and_connections_not() {
        let stale = Stale::new([Fallback::default(); 2]);
        let parts = ClientParts {
            instance: "mqtt-demo".into(),
            client_id: "a".into(),
            username: Some("alice".into()),
            peer: "192.0.2.7:51234".into(),
            listener: "tls".into(),
            tls: None,
            protocol_version: ProtocolVersion::V5,
        };
        let key = |change: &dyn Fn(&mut ClientParts)| {
            let mut parts = parts.clone();
            change(&mut parts);
            stale.key(Whom(&Client::new(parts)))
        };
        let known = key(&|_| {});
        assert_eq!(known, key(&|parts| parts.peer = "192.0.2.7:51235".into()));
        assert_ne!(known, key(&|parts| parts.instance = "other".into()));
        assert_ne!(known, key(&|parts| parts.client_id = "b".into()));
        assert_ne!(known, key(&|parts| parts.username = Some("mallory".into())));
        assert_ne!(known, key(&|parts| parts.username = None));
        assert_ne!(known, key(&|parts| parts.listener = "tcp".into()));
        let shows = |fingerprint: &str| {
            let info = TlsInfo {
                fingerprint: Some(fingerprint.into()),
                ..TlsInfo::default()
            };
            key(&|parts| parts.tls = Some(Arc::new(info.clone())))
        };
        assert_ne!(known, shows("aa"));
        assert_ne!(shows("bb"), shows("aa"));
        let client = Client::new(parts.clone());
        let attrs = serde_json::json!({ "role": "admin" });
        let admin = client.with_attrs(attrs.as_object().unwrap().clone());
        assert_ne!(known, stale.key(Whom(&admin)));
    }
}
