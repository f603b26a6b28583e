//! All that a store holds, and whether its books are right.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::store::embedded::EmbeddedStore;
use crate::store::embedded::disk::read_full;
use crate::store::embedded::format::{body, record};
use crate::store::embedded::index::{Location, Session, State as EntryState};
use crate::store::embedded::shared::State;

/// A payload, told by its check sum and its length; without any for one that is released.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Payload(u32, usize);

impl Payload {
    pub(super) fn of(bytes: &Bytes) -> Self {
        Self(crc32fast::hash(bytes), bytes.len())
    }
}

/// A message in an inbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenEntry {
    pub(super) seq: u64,
    pub(super) stored_at: u64,
    pub(super) state: EntryState,
    pub(super) ids: Vec<u32>,
    pub(super) payload: Payload,
}

/// A session, or an inbox without one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SeenSession {
    pub(super) record: Option<(u16, u64)>,
    pub(super) received: BTreeSet<u16>,
    pub(super) entries: Vec<SeenEntry>,
}

/// All.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) sessions: BTreeMap<(String, String), SeenSession>,
    pub(super) retained: BTreeMap<(String, String), Payload>,
}

impl Seen {
    /// What is not the same, short.
    pub(super) fn differences(&self, other: &Self) -> String {
        let mut all = String::new();
        let keys: BTreeSet<_> = self.sessions.keys().chain(other.sessions.keys()).collect();
        for key in keys {
            let (one, two) = (self.sessions.get(key), other.sessions.get(key));
            if one != two {
                all += &format!("{key:?}:\n   {one:?}\n   {two:?}\n");
            }
        }
        if self.retained != other.retained {
            all += &format!("{:?}\n   {:?}\n", self.retained, other.retained);
        }
        all
    }
}

/// What the store holds.
pub(super) fn observe(store: &EmbeddedStore) -> Seen {
    let mut state = store.shared.state.lock();
    // Compaction goes on by itself: what it copies just now cannot be read.
    while !is_written(&mut state) {
        drop(state);
        std::thread::yield_now();
        state = store.shared.state.lock();
    }
    check_books(&state);
    let mut seen = Seen::default();
    for (_, instance) in &state.index.instances {
        let id = instance.id.as_str();
        for (_, session) in &instance.sessions {
            let key = (id.to_owned(), session.client.to_string());
            assert!(
                seen.sessions
                    .insert(key, observe_session(&state, session))
                    .is_none()
            );
        }
        for (topic, handle) in instance.retained.iter() {
            let location = state.index.bodies.get(*handle).unwrap().location;
            let payload = message(&state, location);
            seen.retained.insert((id.to_owned(), topic.to_string()), payload);
        }
    }
    seen
}

fn is_written(state: &mut State) -> bool {
    let mut all = Vec::new();
    state.index.relocate(|at| all.push(*at));
    all.iter().all(|at| state.needs(*at) == 0)
}

fn observe_session(state: &State, session: &Session) -> SeenSession {
    let inbox = session.inbox.iter();
    let entries = inbox.flat_map(|inbox| {
        inbox.entries().map(|entry| SeenEntry {
            seq: entry.seq,
            stored_at: entry.stored_at(),
            state: entry.state(),
            ids: inbox.ids(entry).to_vec(),
            payload: match entry.has_body() {
                true => message(state, state.index.bodies.get(entry.body).unwrap().location),
                false => Payload::default(),
            },
        })
    });
    SeenSession {
        record: session.record().map(|known| {
            let bytes = bytes(state, known.location);
            (record::decode(&bytes).unwrap().next_packet_id, known.revision)
        }),
        received: session.received().collect(),
        entries: entries.collect(),
    }
}

fn message(state: &State, at: Location) -> Payload {
    let bytes = bytes(state, at);
    let message = body::decode(&bytes, None, Bytes::copy_from_slice);
    let message = message.unwrap_or_else(|| panic!("{at:?} has no body"));
    Payload::of(&message.payload)
}

fn bytes(state: &State, at: Location) -> Vec<u8> {
    let mut bytes = vec![0; at.len as usize];
    let read = read_full(&*state.files[&at.segment], &mut bytes, at.offset.into());
    assert_eq!(read.unwrap(), bytes.len(), "{at:?}");
    bytes
}

/// What is counted is what is there.
fn check_books(state: &State) {
    let mut bodies = crate::store::embedded::index::Bodies::default();
    let mut refs = BTreeMap::new();
    for (_, instance) in &state.index.instances {
        let mut len = 0;
        let mut last = 0;
        for (_, session) in &instance.sessions {
            assert!(!session.is_empty(), "{}", session.client);
            session.want_all(&mut bodies);
            for entry in session.inbox.iter().flat_map(|inbox| inbox.entries()) {
                bodies.want(session.names as usize);
                bodies.want_more(5 * session.inbox.as_ref().unwrap().ids(entry).len());
                if entry.has_body() {
                    len += 1;
                    *refs.entry(entry.body).or_insert(0) += 1;
                }
                last = last.max(entry.seq);
            }
        }
        assert_eq!(instance.len(), len);
        assert!(last < state.index.next.seq);
        for (topic, handle) in instance.retained.iter() {
            bodies.want(instance.id.as_str().len() + topic.len());
            *refs.entry(*handle).or_insert(0) += 1;
        }
    }
    assert_eq!(state.index.bodies.len(), refs.len());
    let mut live = bodies.live();
    for (handle, refs) in refs {
        let body = state.index.bodies.get(handle).unwrap();
        assert_eq!(body.refs(), refs);
        assert!(body.id < state.index.next.body);
        live += 48 + u64::from(body.location.len);
    }
    assert_eq!(state.index.bodies.live(), live);
}
