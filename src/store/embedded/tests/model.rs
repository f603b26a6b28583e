//! A model of the contract, as simple as can be, and what may be asked of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::observe::{Payload, Seen, SeenEntry, SeenSession};
use super::support::message;
use crate::codec::QoS;
use crate::instance::{InstanceId, SessionKey};
use crate::message::Delivery;
use crate::store::durable::{Change, InboxLimits, InboxSeq};
use crate::store::embedded::index::State as EntryState;
use crate::time::Millis;
use crate::topic::TopicName;

pub(super) const AGE: u64 = 100;

/// A change, of things called by small numbers.
#[derive(Clone, Debug)]
pub(super) enum Small {
    Append {
        to: u8,
        body: u8,
        sent: Option<u16>,
        ids: Vec<u32>,
    },
    /// The first so many of an inbox.
    AcknowledgeFirst {
        of: u8,
        count: usize,
    },
    /// One of an inbox.
    Acknowledge {
        of: u8,
        which: usize,
    },
    Sent {
        of: u8,
        which: usize,
        packet_id: u16,
    },
    Released {
        of: u8,
        which: usize,
    },
    Received {
        of: u8,
        packet_id: u16,
    },
    Forgotten {
        of: u8,
        packet_id: u16,
    },
    Retain {
        topic: u8,
        body: Option<u8>,
    },
}

/// Something to ask the store for.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Commit(Vec<Small>),
    Save { of: u8, stale: bool, packet_id: u16 },
    Discard(u8),
    Forget(u8),
    Tidy,
    Cap(u8, usize),
}

fn small() -> impl Strategy<Value = Small> {
    let of = 0..6_u8;
    let id = 0..4_u16;
    prop_oneof![
        8 => (of.clone(), any::<u8>(), prop::option::weighted(0.3, id.clone()), prop::collection::vec(0..3_u32, 0..3))
            .prop_map(|(to, body, sent, ids)| Small::Append { to, body, sent, ids }),
        2 => (of.clone(), 1..9_usize).prop_map(|(of, count)| Small::AcknowledgeFirst { of, count }),
        2 => (of.clone(), 0..9_usize).prop_map(|(of, which)| Small::Acknowledge { of, which }),
        2 => (of.clone(), 0..9_usize, id.clone()).prop_map(|(of, which, packet_id)| Small::Sent { of, which, packet_id }),
        2 => (of.clone(), 0..9_usize).prop_map(|(of, which)| Small::Released { of, which }),
        1 => (of.clone(), id.clone()).prop_map(|(of, packet_id)| Small::Received { of, packet_id }),
        1 => (of, id).prop_map(|(of, packet_id)| Small::Forgotten { of, packet_id }),
        1 => (0..4_u8, prop::option::weighted(0.7, any::<u8>())).prop_map(|(topic, body)| Small::Retain { topic, body }),
    ]
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        20 => prop::collection::vec(small(), 1..8).prop_map(Ask::Commit),
        4 => (0..6_u8, prop::bool::weighted(0.1), any::<u16>())
            .prop_map(|(of, stale, packet_id)| Ask::Save { of, stale, packet_id }),
        1 => (0..6_u8).prop_map(Ask::Discard),
        1 => (0..2_u8).prop_map(Ask::Forget),
        2 => Just(Ask::Tidy),
        1 => (0..2_u8, 0..30_usize).prop_map(|(instance, cap)| Ask::Cap(instance, cap)),
    ]
}

pub(super) fn instance_of(number: u8) -> InstanceId {
    InstanceId::new(if number.is_multiple_of(2) { "even" } else { "odd" })
}

pub(super) fn key(number: u8) -> SessionKey {
    SessionKey {
        instance: instance_of(number),
        client_id: format!("client {number}").into(),
    }
}

fn names(number: u8) -> (String, String) {
    let key = key(number);
    (key.instance.as_str().into(), key.client_id.to_string())
}

pub(super) fn topic(number: u8) -> TopicName {
    TopicName::new(&format!("topic/{number}")).unwrap()
}

/// A body's payload: told from all others, and of various lengths.
pub(super) fn payload(body: u8) -> Bytes {
    vec![body; 1 + usize::from(body) * 4].into()
}

/// What the store should hold, and the numbers it gives next.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) seen: Seen,
    pub(super) caps: BTreeMap<String, usize>,
    pub(super) next_seq: u64,
    pub(super) next_revision: u64,
}

impl Model {
    pub(super) fn limits(&self, instance: u8) -> Option<InboxLimits> {
        let cap = self.caps.get(instance_of(instance).as_str())?;
        Some(InboxLimits {
            messages_per_instance: *cap,
            age_ms: AGE,
            visible_after_ms: 0,
        })
    }

    /// The change as the store is asked for it.
    pub(super) fn change(&self, small: &Small) -> Change {
        match *small {
            Small::Append {
                to,
                body,
                sent,
                ref ids,
            } => Change::Append {
                session: key(to),
                delivery: Delivery {
                    message: message(body.into(), &payload(body)),
                    qos: QoS::AtLeastOnce,
                    retain: false,
                    subscription_ids: ids.clone().into(),
                },
                sent,
            },
            Small::AcknowledgeFirst { of, count } => Change::Acknowledge {
                session: key(of),
                from: InboxSeq(0),
                up_to: self.seq(of, count - 1),
            },
            Small::Acknowledge { of, which } => Change::Acknowledge {
                session: key(of),
                from: self.seq(of, which),
                up_to: self.seq(of, which),
            },
            Small::Sent { of, which, packet_id } => Change::Sent {
                session: key(of),
                seq: self.seq(of, which),
                packet_id,
            },
            Small::Released { of, which } => Change::Released {
                session: key(of),
                seq: self.seq(of, which),
            },
            Small::Received { of, packet_id } => Change::Received {
                session: key(of),
                packet_id,
            },
            Small::Forgotten { of, packet_id } => Change::Forgotten {
                session: key(of),
                packet_id,
            },
            Small::Retain { topic: number, body } => Change::Retain {
                instance: instance_of(number),
                topic: topic(number),
                message: body.map(|body| message(body.into(), &payload(body))),
            },
        }
    }

    fn seq(&self, of: u8, which: usize) -> InboxSeq {
        let session = self.seen.sessions.get(&names(of));
        let entry = session.and_then(|session| session.entries.get(which));
        InboxSeq(entry.map_or(0, |entry| entry.seq))
    }

    /// Makes a change; the number it gave, if it gave one.
    pub(super) fn make(&mut self, change: &Change, now: Millis) -> Option<InboxSeq> {
        match change {
            Change::Append {
                session,
                delivery,
                sent,
            } => return Some(self.append(session, delivery, *sent, now)),
            Change::Acknowledge { session, from, up_to } => {
                let session = self.session(session);
                session
                    .entries
                    .retain(|entry| !(from.0..=up_to.0).contains(&entry.seq));
            }
            Change::Sent {
                session,
                seq,
                packet_id,
            } => {
                if let Some(entry) = self.entry(session, *seq)
                    && !matches!(entry.state, EntryState::Released(_))
                {
                    entry.state = EntryState::Sent(*packet_id);
                }
            }
            Change::Released { session, seq } => {
                if let Some(entry) = self.entry(session, *seq)
                    && let EntryState::Sent(packet_id) = entry.state
                {
                    entry.state = EntryState::Released(packet_id);
                    entry.payload = Payload::default();
                }
            }
            Change::Received { session, packet_id } => {
                self.session(session).received.insert(*packet_id);
            }
            Change::Forgotten { session, packet_id } => {
                self.session(session).received.remove(packet_id);
            }
            Change::Retain {
                instance,
                topic,
                message,
            } => {
                let key = (instance.as_str().to_owned(), topic.to_string());
                match message {
                    Some(message) => self.seen.retained.insert(key, Payload::of(&message.payload)),
                    None => self.seen.retained.remove(&key),
                };
            }
        }
        self.forget_empty();
        None
    }

    fn append(&mut self, key: &SessionKey, delivery: &Delivery, sent: Option<u16>, now: Millis) -> InboxSeq {
        let instance = key.instance.as_str();
        let Some(cap) = self.caps.get(instance).copied() else {
            return InboxSeq(0);
        };
        self.make_room(instance, cap.saturating_sub(1), now);
        if cap == 0 {
            return InboxSeq(0);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.session(key).entries.push(SeenEntry {
            seq,
            stored_at: now.0,
            state: sent.map_or(EntryState::Waiting, EntryState::Sent),
            ids: delivery.subscription_ids.to_vec(),
            payload: Payload::of(&delivery.message.payload),
        });
        InboxSeq(seq)
    }

    fn make_room(&mut self, instance: &str, keep: usize, now: Millis) -> usize {
        let mut evicted = 0;
        loop {
            let sessions = self.seen.sessions.iter_mut();
            let mut own: Vec<_> = sessions
                .filter(|((of, _), _)| of == instance)
                .flat_map(|(_, session)| {
                    let entries = session.entries.iter();
                    let counted = entries.filter(|entry| !matches!(entry.state, EntryState::Released(_)));
                    counted
                        .map(|entry| (entry.seq, entry.stored_at))
                        .collect::<Vec<_>>()
                })
                .collect();
            own.sort_unstable();
            let Some((oldest, stored_at)) = own.first() else {
                break;
            };
            if own.len() <= keep && stored_at + AGE > now.0 {
                break;
            }
            for session in self.seen.sessions.values_mut() {
                session.entries.retain(|entry| entry.seq != *oldest);
            }
            evicted += 1;
        }
        self.forget_empty();
        evicted
    }

    pub(super) fn tidy(&mut self, now: Millis) -> Vec<(InstanceId, usize)> {
        let caps = self.caps.clone().into_iter();
        let evicted = caps.map(|(instance, cap)| {
            let count = self.make_room(&instance, cap, now);
            (InstanceId::new(&instance), count)
        });
        evicted.filter(|(_, count)| *count > 0).collect()
    }

    /// The revision of a record; 0 if there is none.
    pub(super) fn revision(&self, of: u8) -> u64 {
        let session = self.seen.sessions.get(&names(of));
        session
            .and_then(|session| session.record)
            .map_or(0, |(_, revision)| revision)
    }

    pub(super) fn save(&mut self, of: u8, packet_id: u16) -> u64 {
        let revision = self.next_revision;
        self.next_revision += 1;
        self.session(&key(of)).record = Some((packet_id, revision));
        revision
    }

    pub(super) fn discard(&mut self, of: u8) {
        self.seen.sessions.remove(&names(of));
    }

    pub(super) fn forget(&mut self, instance: u8) {
        let id = instance_of(instance);
        self.seen.sessions.retain(|(of, _), _| of != id.as_str());
        self.seen.retained.retain(|(of, _), _| of != id.as_str());
        self.caps.remove(id.as_str());
    }

    pub(super) fn of(&self, number: u8) -> SeenSession {
        self.seen
            .sessions
            .get(&names(number))
            .cloned()
            .unwrap_or_default()
    }

    fn session(&mut self, key: &SessionKey) -> &mut SeenSession {
        let names = (key.instance.as_str().to_owned(), key.client_id.to_string());
        self.seen.sessions.entry(names).or_default()
    }

    fn entry(&mut self, key: &SessionKey, seq: InboxSeq) -> Option<&mut SeenEntry> {
        let entries = &mut self.session(key).entries;
        entries.iter_mut().find(|entry| entry.seq == seq.0)
    }

    fn forget_empty(&mut self) {
        let empty = SeenSession::default();
        self.seen.sessions.retain(|_, session| *session != empty);
    }
}
