//! All that a store holds, and whether its books are right.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::store::embedded::EmbeddedStore;
use crate::store::embedded::disk::read_full;
use crate::store::embedded::format::{body, record};
use crate::store::embedded::index::{Location, Session, State as EntryState};
use crate::store::embedded::shared::State;

/// A message in an inbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenEntry {
    pub(super) seq: u64,
    pub(super) stored_at: u64,
    pub(super) state: EntryState,
    pub(super) ids: Vec<u32>,
    /// Empty for one that is released.
    pub(super) payload: Bytes,
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
    pub(super) retained: BTreeMap<(String, String), Bytes>,
}

/// What the store holds.
pub(super) fn observe(store: &EmbeddedStore) -> Seen {
    let state = store.shared.state.lock();
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
                false => Bytes::new(),
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

fn message(state: &State, at: Location) -> Bytes {
    let bytes = bytes(state, at);
    let message = body::decode(&bytes, Bytes::copy_from_slice);
    message.unwrap_or_else(|| panic!("{at:?} has no body")).payload
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
