//! Does the same to the store and to the model, and compares.

use std::collections::BTreeMap;

use dunlin::instance::InstanceId;
use dunlin::message::Message;
use dunlin::store::durable::{Change, InboxSeq, Revision, SessionRecord, StoreError};
use dunlin::time::Millis;

use super::step::{Act, Step};
use super::world::{Entry, State, World};
use crate::fixture::Fixture;
use crate::made::{
    NOW, acknowledge, append_this, delivery, forgotten, instance, message, owed, received, released, retain,
    retain_nothing, sent, topic,
};

struct Run<'a> {
    store: &'a mut Fixture,
    world: World,
    now: Millis,
    /// How many messages there were.
    number: u128,
    packet_id: u16,
    /// Every place that a session ever had, whatever became of it.
    places: BTreeMap<usize, Vec<InboxSeq>>,
    /// Every revision that a session's record ever had.
    revisions: BTreeMap<usize, Vec<Revision>>,
}

pub async fn run(store: &mut Fixture, steps: &[Step]) {
    let mut run = Run {
        store,
        world: World::new(),
        now: NOW,
        number: 0,
        packet_id: 0,
        places: BTreeMap::new(),
        revisions: BTreeMap::new(),
    };
    run.limit();
    for step in steps {
        run.step(step).await;
        run.compare(100).await;
    }
    run.store.reopen().await;
    run.limit();
    run.compare(2).await;
}

impl Run<'_> {
    fn limit(&self) {
        for (instance, limits) in self.world.limits() {
            self.store.limit(instance, limits);
        }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Commit(acts) => self.commit(acts).await,
            Step::Read(max) => self.compare(*max).await,
            Step::Save {
                session,
                next_packet_id,
                stale,
            } => self.save(*session, *next_packet_id, *stale).await,
            Step::Discard(session) => {
                self.world.discard(*session);
                self.store.discard(&self.world.sessions[*session]).await;
            }
            Step::Forget(instance) => {
                self.world.forget(*instance);
                let instance = &self.world.instances[*instance];
                self.store.store().forget_instance(instance).await.unwrap();
                self.limit();
            }
            Step::Pass(ms) => {
                self.now = Millis(self.now.0 + ms);
                self.compare(3).await;
                let gone = self.world.tidy(self.now);
                let expected: Vec<_> = (gone > 0)
                    .then(|| (instance("tight"), gone))
                    .into_iter()
                    .collect();
                assert_eq!(self.store.store().tidy(self.now).await.unwrap(), expected);
            }
            Step::Reopen => {
                self.store.reopen().await;
                self.limit();
            }
        }
    }

    async fn commit(&mut self, acts: &[Act]) {
        let mut gone = 0;
        let mut batch = Vec::new();
        // The numbers of what is appended, by session, to find them when their places are known.
        let mut appended = Vec::new();
        for act in acts {
            let Some((change, evicted)) = self.change(act) else {
                continue;
            };
            if let Act::Append { session, .. } = act {
                appended.push((*session, self.number));
            }
            gone += evicted;
            batch.push(change);
        }
        let committed = self.store.commit_at(batch, self.now).await;
        let expected: Vec<(InstanceId, usize)> = (gone > 0)
            .then(|| (instance("tight"), gone))
            .into_iter()
            .collect();
        assert_eq!(committed.evicted, expected);
        assert_eq!(committed.seqs.len(), appended.len());
        for ((session, number), seq) in appended.into_iter().zip(committed.seqs) {
            let places = self.places.entry(session).or_default();
            assert!(
                places.last().copied().unwrap_or_default() < seq,
                "places rise, for ever"
            );
            places.push(seq);
            if let Some(entry) = self.world.entries.iter_mut().find(|entry| entry.number == number) {
                entry.seq = Some(seq);
            }
        }
    }

    /// Makes a change to the model, and the same for the store; with how many had to make room.
    fn change(&mut self, act: &Act) -> Option<(Change, usize)> {
        let key = |session: usize| self.world.sessions[session].clone();
        let place = |session: usize, which: usize| {
            let places = self.places.get(&session)?;
            Some(places[which % places.len()])
        };
        let change = match *act {
            Act::Append {
                session,
                sent,
                expires_in,
            } => return Some(self.append(session, sent, expires_in)),
            Act::Acknowledge { session, from, count } => {
                let places = self.places.get(&session)?;
                let first = from % places.len();
                let (from, up_to) = (places[first], places[(first + count).min(places.len() - 1)]);
                self.world.entries.retain(|entry| {
                    entry.session != session || !entry.seq.is_some_and(|seq| from <= seq && seq <= up_to)
                });
                acknowledge(&self.world.sessions[session], from, up_to)
            }
            Act::Sent { session, which } => {
                let seq = place(session, which)?;
                self.packet_id += 1;
                let packet_id = self.packet_id;
                let now = self.now;
                match self.world.entry(session, seq) {
                    // Nobody sends what has expired, which may be gone by now.
                    Some(entry) if entry.state == State::Waiting && entry.has_expired(now) => return None,
                    // What is released cannot be sent again.
                    Some(Entry {
                        state: State::Released(_),
                        ..
                    }) => return None,
                    Some(entry) => entry.state = State::Sent(packet_id),
                    None => {}
                }
                sent(&self.world.sessions[session], seq, packet_id)
            }
            Act::Released { session, which } => {
                let seq = place(session, which)?;
                if let Some(entry) = self.world.entry(session, seq) {
                    match entry.state {
                        // What was not sent cannot be released.
                        State::Waiting => return None,
                        State::Sent(packet_id) | State::Released(packet_id) => {
                            entry.state = State::Released(packet_id);
                        }
                    }
                }
                released(&self.world.sessions[session], seq)
            }
            Act::Received { session, packet_id } => {
                self.world.received.insert((session, packet_id));
                received(&self.world.sessions[session], packet_id)
            }
            Act::Forgotten { session, packet_id } => {
                self.world.received.remove(&(session, packet_id));
                forgotten(&key(session), packet_id)
            }
            Act::Retain {
                instance,
                topic,
                some,
                expires_in,
            } => self.retain(instance, topic, some, expires_in),
        };
        Some((change, 0))
    }

    fn append(&mut self, session: usize, sent: bool, expires_in: Option<u64>) -> (Change, usize) {
        self.number += 1;
        let expires_in = expires_in.filter(|_| session >= 3);
        let expires_at = expires_in.map(|ms| Millis(self.now.0 + ms));
        self.packet_id += 1;
        let entry = Entry {
            session,
            number: self.number,
            seq: None,
            stored_at: self.now,
            expires_at,
            state: if sent {
                State::Sent(self.packet_id)
            } else {
                State::Waiting
            },
        };
        let message = Message {
            expires_at,
            ..message(self.number)
        };
        let mut change = append_this(&self.world.sessions[session], delivery(message));
        if let Change::Append { sent: packet_id, .. } = &mut change {
            *packet_id = sent.then_some(self.packet_id);
        }
        (change, self.world.append(entry))
    }

    fn retain(
        &mut self,
        instance: usize,
        topic_number: usize,
        some: bool,
        expires_in: Option<u64>,
    ) -> Change {
        let text = format!("topic/{topic_number}");
        let place = (instance, topic_number);
        // Those of `wide` may expire, as messages do.
        let expires_at = expires_in
            .filter(|_| instance == 1)
            .map(|ms| Millis(self.now.0 + ms));
        let instance = &self.world.instances[instance];
        if !some {
            self.world.retained.remove(&place);
            return retain_nothing(instance, &text);
        }
        self.number += 1;
        self.world.retained.insert(place, (self.number, expires_at));
        let message = Message {
            topic: topic(&text),
            expires_at,
            ..message(self.number)
        };
        retain(instance, message)
    }

    async fn save(&mut self, session: usize, next_packet_id: u16, stale: bool) {
        let current = self.world.records.get(&session).map(|(_, revision)| *revision);
        let current = current.unwrap_or_default();
        let old = self.revisions.entry(session).or_default();
        let earlier = old.iter().copied().find(|revision| stale && *revision != current);
        let record = SessionRecord {
            next_packet_id,
            ..SessionRecord::default()
        };
        let key = &self.world.sessions[session];
        let saved = self.store.save(key, record, earlier.unwrap_or(current)).await;
        if earlier.is_some() {
            assert_eq!(saved, Err(StoreError::Stale));
            return;
        }
        let revision = saved.unwrap();
        assert!(
            revision != Revision(0) && !old.contains(&revision),
            "{revision:?} is new"
        );
        old.push(revision);
        self.world.records.insert(session, (next_packet_id, revision));
    }

    /// All that can be asked, inboxes in pages of `max`.
    async fn compare(&self, max: usize) {
        for session in 0..self.world.sessions.len() {
            self.compare_session(session, max).await;
        }
        for (n, instance) in self.world.instances.iter().enumerate() {
            let of_it = self.world.retained.iter().filter(|((of, _), _)| *of == n);
            let left = of_it.filter(|(_, (_, expires_at))| expires_at.is_none_or(|at| self.now < at));
            let expected: Vec<_> = left
                .map(|((_, topic), (number, _))| (format!("topic/{topic}"), *number))
                .collect();
            let found = self.store.retained(instance, "topic/+", self.now).await;
            let found = found
                .iter()
                .map(|message| (message.topic.to_string(), message.id.0));
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
        let tight = self.store.store().counts(&self.world.instances[0], self.now);
        let retained = self.world.retained.keys().filter(|(of, _)| *of == 0).count();
        assert_eq!((tight.stored, tight.retained), (self.world.tight(), retained));
        // What has expired may be gone at any time, or not.
        let of_wide = self
            .world
            .entries
            .iter()
            .filter(|entry| entry.session >= 3 && entry.counts());
        let fresh = of_wide.clone().filter(|entry| !entry.has_expired(self.now));
        let possible = fresh.count()..=of_wide.count();
        let wide = self
            .store
            .store()
            .counts(&self.world.instances[1], self.now)
            .stored;
        assert!(possible.contains(&wide), "{wide} in {possible:?}");
        let all = self.store.store().offline_count();
        assert!(possible.contains(&(all - tight.stored)), "{all}");
        let mut sessions = self.store.store().sessions().await.unwrap();
        sessions.sort();
        let expected: Vec<_> = self
            .world
            .records
            .keys()
            .map(|n| self.world.sessions[*n].clone())
            .collect();
        assert_eq!(sessions, expected);
    }

    async fn compare_session(&self, session: usize, max: usize) {
        let (key, inbox) = (&self.world.sessions[session], || {
            self.world.inbox(session, self.now)
        });
        let waiting: Vec<_> = inbox().filter(|entry| entry.state == State::Waiting).collect();
        let fresh = waiting.iter().filter(|entry| !entry.has_expired(self.now));
        let expected: Vec<_> = fresh.map(|entry| (entry.seq.unwrap(), entry.number)).collect();
        let read = self.store.read_by(key, max, self.now).await;
        let read: Vec<_> = read
            .iter()
            .map(|(seq, delivery)| (*seq, delivery.message.id.0))
            .collect();
        assert_eq!(read, expected, "{key}");

        let stored = self.store.load_at(key, self.now).await;
        let Some((next_packet_id, revision)) = self.world.records.get(&session) else {
            assert!(stored.is_none());
            return;
        };
        let stored = stored.unwrap();
        assert_eq!(
            (stored.record.next_packet_id, stored.revision),
            (*next_packet_id, *revision)
        );
        let in_flight = inbox().filter_map(|entry| match entry.state {
            State::Waiting => None,
            State::Sent(packet_id) => Some((packet_id, entry.seq.unwrap(), Some(entry.number))),
            State::Released(packet_id) => Some((packet_id, entry.seq.unwrap(), None)),
        });
        assert_eq!(owed(&stored.unacknowledged), in_flight.collect::<Vec<_>>());
        let mut ids = stored.received;
        ids.sort_unstable();
        let of_it = self.world.received.iter().filter(|(of, _)| *of == session);
        assert_eq!(ids, of_it.map(|(_, packet_id)| *packet_id).collect::<Vec<_>>());
        if !read.is_empty() || waiting.is_empty() {
            assert_eq!(stored.waiting, !read.is_empty());
        }
    }
}
