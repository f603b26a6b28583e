//! What happens while the disk does not do as it should: who waits, who does not, and what is told.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::sim::{Chance, Fault, Sim};
use super::support::*;
use crate::message::Message;
use crate::store::durable::{Change, InboxSeq, Revision, Store, StoreError};
use crate::store::embedded::{EmbeddedStore, Fsync, Options};
use crate::time::Millis;
use crate::topic::{TopicFilter, TopicName};

const FOREVER: Fault = Fault::Full {
    after: 0,
    times: usize::MAX,
};

fn on(sim: &Sim, fsync: Fsync) -> EmbeddedStore {
    let options = Options {
        fsync,
        segment_bytes: 64 << 10,
    };
    let store = EmbeddedStore::on(Arc::new(sim.clone()), options, None).unwrap();
    store.limit_inboxes(&instance(), LIMITS);
    store
}

fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..5000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it does not come");
}

fn is_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    std::pin::Pin::new(future).poll(&mut context).is_ready()
}

#[test]
fn a_full_disk_keeps_acknowledgements_waiting_and_nothing_else() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    commit(&store, vec![append("a", &message(1, b"before"))]);
    sim.fail([Fault::Full { after: 7, times: 3 }, FOREVER]);
    thread::scope(|scope| {
        let stuck = scope.spawn(|| commit(&store, vec![append("b", &message(2, &[1; 1000]))]));
        until(|| store.health().trouble.is_some());
        let trouble = store.health().trouble.unwrap();
        assert!(
            trouble.contains("/sim/0000000001.log cannot be written to: no storage space"),
            "{trouble}"
        );
        assert!(store.health().waiting >= 1000);
        assert!(!stuck.is_finished());
        // Who has not asked for anything to be written can read.
        assert_eq!(payloads(&store, "a"), ["before"]);
        assert_eq!(wait(store.load(&session("a"), NOW)).unwrap().map(|_| ()), None);
        sim.heal();
        assert_eq!(stuck.join().unwrap().seqs, [InboxSeq(2)]);
    });
    assert_eq!(store.health().trouble, None);
    until(|| store.health().waiting == 0);
    let sim = sim.after_power_loss(&mut Chance(1));
    assert_eq!(payloads(&on(&sim, Fsync::Always), "b").len(), 1);
}

#[test]
fn what_a_sync_failed_for_is_written_again_elsewhere() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    commit(&store, vec![append("a", &message(1, b"one"))]);
    sim.fail([Fault::Sync]);
    commit(&store, vec![append("a", &message(2, b"two"))]);
    assert_eq!(sim.logs(), ["0000000001.log", "0000000002.log"]);
    commit(&store, vec![append("a", &message(3, b"three"))]);
    assert_eq!(payloads(&store, "a"), ["one", "two", "three"]);
    for seed in 0..20 {
        let sim = sim.after_power_loss(&mut Chance(seed));
        assert_eq!(payloads(&on(&sim, Fsync::Always), "a"), ["one", "two", "three"]);
    }
}

#[test]
fn lazy_changes_wait_for_no_sync() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    let seqs = commit(
        &store,
        vec![append("a", &message(1, b"x")), append("a", &message(2, b"y"))],
    )
    .seqs;
    let before = (sim.syncs(), sim.writes());
    commit(&store, vec![acknowledge("a", 0, seqs[0].0)]);
    assert_eq!(payloads(&store, "a"), ["y"]);
    assert_eq!((sim.syncs(), sim.writes()), (before.0, before.1 + 1));
    wait(store.sync()).unwrap();
    assert_eq!(sim.syncs(), before.0 + 1);
    // After a while they are synced for their own sake.
    commit(&store, vec![acknowledge("a", 0, seqs[1].0)]);
    until(|| sim.syncs() == before.0 + 2);
}

#[test]
fn a_thread_reads_what_it_has_asked_to_be_changed() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Never);
    let a = session("a");
    for round in 1..200_u64 {
        let commit = store.commit(vec![append("a", &message(round.into(), b"x"))], NOW);
        let page = store.read(&a, InboxSeq(0), 1000, NOW);
        let gone = store.commit(vec![acknowledge("a", 0, round)], NOW);
        let after = store.read(&a, InboxSeq(0), 1000, NOW);
        let page = wait(page).unwrap();
        assert_eq!(
            page.deliveries.len(),
            1,
            "what comes later is not seen, what came before is"
        );
        assert!(wait(after).unwrap().deliveries.is_empty());
        wait(commit).unwrap();
        wait(gone).unwrap();
    }
}

#[test]
fn expired_messages_are_skipped_and_let_go() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Never);
    let expires = |id, at: u64| {
        let known = message(id, b"x");
        Arc::new(Message {
            id: known.id,
            topic: known.topic.clone(),
            payload: known.payload.clone(),
            forward: known.forward.clone(),
            qos: known.qos,
            retain: known.retain,
            expires_at: Some(Millis(NOW.0 + at)),
            origin: known.origin,
        })
    };
    let retain = Change::Retain {
        instance: instance(),
        topic: TopicName::new("t").unwrap(),
        message: Some(expires(9, 10)),
    };
    let batch = vec![append("a", &expires(1, 10)), append("a", &expires(2, 20)), retain];
    let seqs = commit(&store, batch).seqs;
    let at = Millis(NOW.0 + 10);
    let page = wait(store.read(&session("a"), InboxSeq(0), 1, at)).unwrap();
    assert_eq!((page.deliveries.len(), page.more, page.upto), (0, true, seqs[0]));
    let page = wait(store.read(&session("a"), page.upto, 1, at)).unwrap();
    assert_eq!((page.deliveries.len(), page.more), (1, false));
    until(|| store.counts(&instance(), at).stored == 1);
    let filter = TopicFilter::parse("#").unwrap();
    assert_eq!(wait(store.retained(&instance(), &filter, NOW)).unwrap().len(), 1);
    assert_eq!(wait(store.retained(&instance(), &filter, at)).unwrap().len(), 0);
    until(|| store.retained_count() == 0);
}

#[test]
fn what_cannot_be_read_is_skipped_and_counted() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    let texts = [&b"first"[..], b"second", b"third"];
    let batch = texts
        .iter()
        .map(|text| append("a", &message(text.len() as u128, text)));
    commit(&store, batch.collect());
    wait(store.save(&session("a"), record(4711), Revision(0))).unwrap();
    let name = "0000000001.log";
    let bytes = sim.bytes(name);
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    sim.change(name, |bytes| bytes[at] ^= 1);
    assert_eq!(payloads(&store, "a"), ["first", "third"]);
    assert_eq!(store.unreadable(), 1);
    sim.change(name, |bytes| bytes.truncate(at));
    assert_eq!(payloads(&store, "a"), ["first"]);
    let failed = wait(store.load(&session("a"), NOW)).map(|_| ());
    assert_eq!(
        failed,
        Err(StoreError::Failed(
            "the record of the session instance/a cannot be read".into()
        ))
    );
}

#[test]
fn a_closed_store_answers_that_it_is() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    sim.fail([FOREVER]);
    let mut stuck = store.commit(vec![append("a", &message(1, b"x"))], NOW);
    until(|| store.health().trouble.is_some());
    assert!(!is_ready(&mut stuck));
    store.close();
    assert!(matches!(wait(stuck), Err(StoreError::Failed(_))));
    for _ in 0..2 {
        assert!(matches!(wait(store.sync()), Err(StoreError::Failed(_))));
        assert!(matches!(wait(store.sessions()), Err(StoreError::Failed(_))));
    }
    drop(store);
    assert_eq!(on(&sim.after_kill(), Fsync::Always).offline_count(), 0);
}

#[test]
fn many_threads_share_syncs() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    let commits = 500;
    thread::scope(|scope| {
        for client in ["a", "b", "c", "d"] {
            let store = &store;
            scope.spawn(move || {
                wait(async {
                    let pending: Vec<_> = (0..commits)
                        .map(|at| store.commit(vec![append(client, &message(at, b"x"))], NOW))
                        .collect();
                    for commit in pending {
                        commit.await.unwrap();
                    }
                });
            });
        }
    });
    assert_eq!(store.offline_count(), 2000);
    assert!(sim.syncs() < 1000, "{}", sim.syncs());
    let sim = sim.after_power_loss(&mut Chance(3));
    assert_eq!(on(&sim, Fsync::Always).offline_count(), 2000);
}

#[test]
fn a_poll_that_is_not_awaited_does_nothing_but_wait() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Always);
    // The future is dropped at once; what was asked for is done all the same.
    drop(store.commit(vec![append("a", &message(1, b"x"))], NOW));
    assert_eq!(payloads(&store, "a"), ["x"]);
    let nobody = session("nobody");
    let mut ready = store.read(&nobody, InboxSeq(7), 5, NOW);
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(page)) = ready.as_mut().poll(&mut context) else {
        panic!("what needs no disk is there at once");
    };
    assert_eq!((page.upto, page.more), (InboxSeq(7), false));
}
