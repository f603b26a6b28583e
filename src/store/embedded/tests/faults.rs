//! Whatever the disk does, and whenever the process or the power goes: what was acknowledged is there, and nothing that was never
//! asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::model::{Ask, Model, ask, instance_of, key};
use super::observe::{Payload, Seen, observe};
use super::sim::{Chance, Fault, Sim};
use super::support::{NOW, record, wait};
use crate::store::durable::{InboxSeq, Revision, Store, StoreError, StoreFuture, Unacknowledged};
use crate::store::embedded::index::State as EntryState;
use crate::store::embedded::queue::Request;
use crate::store::embedded::writer::is_lazy;
use crate::store::embedded::{EmbeddedStore, Fsync, Options};
use crate::time::Millis;

#[derive(Clone, Debug)]
enum Step {
    Ask(Ask),
    Read(u8),
    Load(u8),
    Later(u64),
    Fault(Fault),
    Sync,
    /// Closes it as one should.
    Reopen {
        power: bool,
        seed: u64,
    },
    /// Many things are asked for, and nobody waits for them; then all stops, maybe in the middle of a write.
    Crash {
        asks: Vec<Ask>,
        after: Option<usize>,
        power: bool,
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        (0..600_usize, 1..4_usize).prop_map(|(after, times)| Fault::Full { after, times }),
        Just(Fault::Sync),
        Just(Fault::Short),
    ];
    let crash = (
        prop::collection::vec(ask(), 0..8),
        prop::option::of(0..3000_usize),
        any::<bool>(),
        any::<u64>(),
    );
    prop_oneof![
        30 => ask().prop_map(Step::Ask),
        3 => (0..6_u8).prop_map(Step::Read),
        3 => (0..6_u8).prop_map(Step::Load),
        3 => (1..40_u64).prop_map(Step::Later),
        2 => fault.prop_map(Step::Fault),
        1 => Just(Step::Sync),
        1 => (any::<bool>(), any::<u64>()).prop_map(|(power, seed)| Step::Reopen { power, seed }),
        2 => crash.prop_map(|(asks, after, power, seed)| Step::Crash { asks, after, power, seed }),
    ]
}

/// What the store should hold after each thing that it was asked for, and how much of it must be there.
struct History {
    after: Vec<Seen>,
    /// It was answered.
    answered: usize,
    /// It was answered, and the answer promises that it outlasts the power.
    promised: usize,
}

impl History {
    fn new(seen: Seen) -> Self {
        Self {
            after: vec![seen],
            answered: 0,
            promised: 0,
        }
    }

    /// The store was opened with this. What was never promised is not promised by that: the power may still take it.
    fn go_on_with(&mut self, seen: &Seen, least: usize) {
        let at = self.after.iter().rposition(|after| after == seen).unwrap();
        assert!(at >= least);
        self.after.truncate(at + 1);
        self.after.drain(..self.promised.min(at));
        self.promised = 0;
        self.answered = self.last();
    }

    fn last(&self) -> usize {
        self.after.len() - 1
    }
}

/// An answer that is awaited, and what it should be.
type Expected = Pin<Box<dyn Future<Output = Result<(), StoreError>>>>;

struct Run {
    sim: Sim,
    store: Arc<EmbeddedStore>,
    options: Options,
    model: Model,
    history: History,
    now: Millis,
}

impl Run {
    fn new(fsync: Fsync) -> Self {
        let options = Options {
            fsync,
            segment_bytes: 4096,
        };
        let sim = Sim::default();
        let store = EmbeddedStore::on(Arc::new(sim.clone()), options, None).unwrap();
        let mut run = Self {
            sim,
            store: Arc::new(store),
            options,
            model: Model {
                next_seq: 1,
                next_revision: 1,
                ..Model::default()
            },
            history: History::new(Seen::default()),
            now: NOW,
        };
        for number in 0..2 {
            run.model.caps.insert(instance_of(number).as_str().into(), 20);
        }
        run.limit();
        run
    }

    fn limit(&self) {
        for number in 0..2 {
            if let Some(limits) = self.model.limits(number) {
                self.store.limit_inboxes(&instance_of(number), limits);
            }
        }
    }

    /// Asks the store, and the model; whether nobody need wait for the disk, and the answer.
    fn ask(&mut self, ask: &Ask) -> (bool, Expected) {
        let store = Arc::clone(&self.store);
        let answer = match ask {
            Ask::Commit(small) => {
                let mut batch = Vec::new();
                let mut seqs = Vec::new();
                // What a batch is about is what was there before it.
                let before = self.model.clone();
                for small in small {
                    let change = before.change(small);
                    seqs.extend(self.model.make(&change, self.now));
                    batch.push(change);
                }
                let lazy = batch.iter().all(is_lazy);
                let now = self.now;
                let future = store.ask(0, |answer| Request::Commit { batch, now, answer });
                (lazy, boxed(future, move |done| assert_eq!(done.seqs, seqs)))
            }
            Ask::Save { of, stale, packet_id } => {
                let expected = self.model.revision(*of) + u64::from(*stale);
                let saved = (!stale).then(|| self.model.save(*of, *packet_id));
                let future = store.ask(0, |answer| Request::Save {
                    session: key(*of),
                    record: Box::new(record(*packet_id)),
                    expected: Revision(expected),
                    answer,
                });
                let future = async move {
                    match (future.await, saved) {
                        (Ok(revision), Some(saved)) => assert_eq!(revision, Revision(saved)),
                        (Err(StoreError::Stale), None) => {}
                        (Err(error), _) => return Err(error),
                        (Ok(_), None) => panic!("it was stale"),
                    }
                    Ok(())
                };
                (*stale, Box::pin(future) as Expected)
            }
            Ask::Discard(of) => {
                self.model.discard(*of);
                let session = key(*of);
                let future = store.ask(0, |answer| Request::Discard { session, answer });
                (false, boxed(future, |()| ()))
            }
            Ask::Forget(instance) => {
                self.model.forget(*instance);
                let id = instance_of(*instance);
                let future = store.ask(0, |answer| Request::Forget { instance: id, answer });
                // It comes back at once, empty.
                self.model.caps.insert(instance_of(*instance).as_str().into(), 20);
                self.limit();
                (false, boxed(future, |()| ()))
            }
            Ask::Tidy => {
                let mut evicted = self.model.tidy(self.now);
                let now = self.now;
                let future = store.ask(0, |answer| Request::Tidy { now, answer });
                let check = move |mut done: Vec<_>| {
                    done.sort();
                    evicted.sort();
                    assert_eq!(done, evicted);
                };
                (true, boxed(future, check))
            }
            Ask::Cap(instance, cap) => {
                self.model
                    .caps
                    .insert(instance_of(*instance).as_str().into(), *cap);
                self.limit();
                (true, Box::pin(async { Ok(()) }) as Expected)
            }
        };
        self.history.after.push(self.model.seen.clone());
        answer
    }

    fn answered(&mut self, at: usize, lazy: bool) {
        self.history.answered = self.history.answered.max(at);
        if !lazy && matches!(self.options.fsync, Fsync::Always) {
            self.history.promised = self.history.promised.max(at);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask(ask) => {
                let (lazy, answer) = self.ask(ask);
                wait(answer).unwrap();
                self.answered(self.history.last(), lazy);
            }
            Step::Read(of) => self.read(*of),
            Step::Load(of) => self.load(*of),
            Step::Later(ms) => self.now = Millis(self.now.0 + ms),
            Step::Fault(fault) => self.sim.fail([*fault]),
            Step::Sync => {
                wait(self.store.sync()).unwrap();
                self.history.promised = self.history.last();
            }
            Step::Reopen { power, seed } => {
                // A store that is being closed waits for no disk.
                self.sim.heal();
                self.store.close();
                let sim = match power {
                    true => self.sim.after_power_loss(&mut Chance(*seed)),
                    false => self.sim.after_kill(),
                };
                self.history.promised = self.history.last();
                self.open(sim, self.history.last());
            }
            Step::Crash {
                asks,
                after,
                power,
                seed,
            } => self.crash(asks, *after, *power, *seed),
        }
    }

    fn crash(&mut self, asks: &[Ask], after: Option<usize>, power: bool, seed: u64) {
        let mut chance = Chance(seed);
        if let Some(after) = after {
            self.sim.die_after(after);
        }
        let first = self.history.after.len();
        let mut answers: Vec<_> = asks.iter().map(|ask| self.ask(ask)).collect();
        if chance.next(2) == 0 {
            std::thread::sleep(std::time::Duration::from_micros(chance.next(2000) as u64));
        }
        // What is answered by now is on the disk by now.
        let mut context = Context::from_waker(Waker::noop());
        let mut done = Vec::new();
        for (at, (lazy, answer)) in answers.iter_mut().enumerate() {
            if matches!(asks[at], Ask::Cap(..)) {
                continue;
            }
            if let Poll::Ready(Ok(())) = answer.as_mut().poll(&mut context) {
                done.push((first + at, *lazy));
            }
        }
        for (at, lazy) in done {
            self.answered(at, lazy);
        }
        let (sim, least) = match power {
            true => (self.sim.after_power_loss(&mut chance), self.history.promised),
            false => (self.sim.after_kill(), self.history.answered),
        };
        self.open(sim, least);
    }

    /// Goes on with this disk, which must have all that was asked for up to `least`, and nothing in part.
    fn open(&mut self, sim: Sim, least: usize) {
        self.store.close();
        let store = EmbeddedStore::on(Arc::new(sim.clone()), self.options, None);
        self.store = Arc::new(store.unwrap());
        self.sim = sim;
        let seen = observe(&self.store);
        let possible = &self.history.after[least..];
        let differences = || {
            let each = possible.iter().map(|possible| seen.differences(possible));
            each.collect::<Vec<_>>().join("\nor\n")
        };
        assert!(
            possible.contains(&seen),
            "found, not expected:\n{}",
            differences()
        );
        let next = self.store.shared.state.lock().index.next;
        if least == self.history.last() {
            assert_eq!(
                (next.seq, next.revision),
                (self.model.next_seq, self.model.next_revision)
            );
        }
        self.model.seen = seen.clone();
        self.model.next_seq = next.seq;
        self.model.next_revision = next.revision;
        self.history.go_on_with(&seen, least);
        self.limit();
    }

    fn read(&self, of: u8) {
        let mut after = InboxSeq(0);
        let mut found = Vec::new();
        loop {
            let page = wait(self.store.read(&key(of), after, 3, self.now)).unwrap();
            assert!(page.deliveries.len() <= 3 && page.upto >= after);
            for (seq, delivery) in page.deliveries {
                let ids = delivery.subscription_ids.to_vec();
                found.push((seq.0, ids, Payload::of(&delivery.message.payload)));
            }
            after = page.upto;
            if !page.more {
                break;
            }
        }
        let entries = self.model.of(of).entries.into_iter();
        let waiting = entries.filter(|entry| {
            entry.state == EntryState::Waiting && entry.stored_at + super::model::AGE > self.now.0
        });
        let expected: Vec<_> = waiting
            .map(|entry| (entry.seq, entry.ids, entry.payload))
            .collect();
        assert_eq!(found, expected);
    }

    fn load(&self, of: u8) {
        let stored = wait(self.store.load(&key(of), self.now)).unwrap();
        let expected = self.model.of(of);
        let Some((packet_id, revision)) = expected.record else {
            return assert!(stored.is_none());
        };
        let stored = stored.unwrap();
        assert_eq!(stored.record.next_packet_id, packet_id);
        assert_eq!(stored.revision, Revision(revision));
        assert_eq!(
            stored.received,
            expected.received.iter().copied().collect::<Vec<_>>()
        );
        let owed = stored
            .unacknowledged
            .into_iter()
            .map(|(packet_id, seq, what)| match what {
                Unacknowledged::Publish(delivery) => (
                    seq.0,
                    EntryState::Sent(packet_id),
                    Payload::of(&delivery.message.payload),
                ),
                Unacknowledged::Pubrel => (seq.0, EntryState::Released(packet_id), Payload::default()),
            });
        let young = |at: u64| at + super::model::AGE > self.now.0;
        let entries = expected.entries.iter();
        let in_flight = entries.filter(|entry| match entry.state {
            EntryState::Waiting => false,
            EntryState::Sent(_) => young(entry.stored_at),
            EntryState::Released(_) => true,
        });
        let in_flight: Vec<_> = in_flight
            .map(|entry| (entry.seq, entry.state, entry.payload))
            .collect();
        assert_eq!(owed.collect::<Vec<_>>(), in_flight);
        let mut entries = expected.entries.iter();
        let waits = entries.any(|entry| entry.state == EntryState::Waiting && young(entry.stored_at));
        assert_eq!(stored.waiting, waits);
    }
}

fn boxed<T: 'static>(future: StoreFuture<'static, T>, check: impl FnOnce(T) + 'static) -> Expected {
    Box::pin(async move { future.await.map(check) })
}

fn run(fsync: Fsync, steps: &[Step]) {
    let mut run = Run::new(fsync);
    for step in steps {
        run.step(step);
    }
    wait(run.store.tidy(run.now)).unwrap();
    run.model.tidy(run.now);
    assert_eq!(observe(&run.store), run.model.seen);
    wait(run.store.sync()).unwrap();
    run.sim.heal();
    // Compaction goes on by itself, and may be in trouble just now.
    while run.store.health().trouble.is_some() {
        std::thread::yield_now();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_lost_that_was_promised(steps in prop::collection::vec(step(), 1..120)) {
        run(Fsync::Always, &steps);
    }

    #[test]
    fn nothing_is_lost_with_a_process_where_syncs_are_rare(steps in prop::collection::vec(step(), 1..120)) {
        run(Fsync::Interval(std::time::Duration::from_millis(1)), &steps);
        run(Fsync::Never, &steps);
    }
}

/// More with `DUNLIN_CASES`.
fn cases() -> u32 {
    let more = std::env::var("DUNLIN_CASES").ok();
    more.and_then(|more| more.parse().ok()).unwrap_or(64)
}
