//! Room is given back: the log stays in proportion to what is wanted of it.

use std::sync::Arc;
use std::thread;

use super::observe::observe;
use super::sim::{Chance, Sim};
use super::support::*;
use crate::store::durable::{Change, Revision, Store};
use crate::store::embedded::{EmbeddedStore, Fsync, Options};
use crate::topic::TopicName;

const SEGMENT: usize = 8 << 10;

fn on(sim: &Sim, fsync: Fsync) -> EmbeddedStore {
    let options = Options {
        fsync,
        segment_bytes: SEGMENT as u64,
    };
    let store = EmbeddedStore::on(Arc::new(sim.clone()), options, None).unwrap();
    store.limit_inboxes(&instance(), LIMITS);
    store
}

fn bytes(sim: &Sim) -> usize {
    sim.logs().iter().map(|name| sim.bytes(name).len()).sum()
}

#[test]
fn what_is_wanted_outlives_its_segment_many_times() {
    for fsync in [Fsync::Always, Fsync::Never] {
        let sim = Sim::default();
        let store = on(&sim, fsync);
        let key = session("old");
        let old = commit(
            &store,
            (0..5).map(|at| append("old", &message(at, b"old"))).collect(),
        )
        .seqs;
        let sent = |at: usize, packet_id| Change::Sent {
            session: key.clone(),
            seq: old[at],
            packet_id,
        };
        let released = Change::Released {
            session: key.clone(),
            seq: old[1],
        };
        let received = Change::Received {
            session: key.clone(),
            packet_id: 77,
        };
        let retained = Change::Retain {
            instance: instance(),
            topic: TopicName::new("r").unwrap(),
            message: Some(message(100, b"retained")),
        };
        let batch = vec![
            sent(0, 5),
            sent(1, 6),
            released,
            received,
            retained,
            acknowledge("old", old[4].0, old[4].0),
        ];
        commit(&store, batch);
        wait(store.save(&key, record(9), Revision(0))).unwrap();
        let before = observe(&store);
        for round in 0..400_u64 {
            let seqs = commit(&store, vec![append("new", &message(round.into(), &[7; 500]))]).seqs;
            commit(&store, vec![acknowledge("new", 0, seqs[0].0)]);
        }
        assert_eq!(observe(&store), before);
        let logs = sim.logs();
        assert!(!logs.contains(&"0000000010.log".to_owned()), "{logs:?}");
        assert!(bytes(&sim) < 4 * SEGMENT, "{}", bytes(&sim));
        wait(store.sync()).unwrap();
        let sim = sim.after_power_loss(&mut Chance(5));
        assert_eq!(observe(&on(&sim, fsync)), before);
    }
}

#[test]
fn a_log_that_is_wanted_is_left_alone() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Never);
    for round in 0..200 {
        commit(&store, vec![append("a", &message(round, &[7; 500]))]);
    }
    assert!(sim.logs().contains(&"0000000001.log".to_owned()));
    assert!(bytes(&sim) < 200 * 600);
    // When half is gone, room is given back without another change to come.
    commit(&store, vec![acknowledge("a", 0, 190)]);
    for _ in 0..1000 {
        thread::sleep(std::time::Duration::from_millis(1));
        if bytes(&sim) < 4 * SEGMENT {
            break;
        }
    }
    assert!(bytes(&sim) < 4 * SEGMENT, "{}", bytes(&sim));
    assert_eq!(payloads(&store, "a").len(), 10);
}

#[test]
fn readers_are_not_disturbed() {
    let sim = Sim::default();
    let store = on(&sim, Fsync::Never);
    let kept: Vec<_> = (0..50)
        .map(|at| append("kept", &message(at, &[at as u8; 300])))
        .collect();
    commit(&store, kept);
    let expected = payloads(&store, "kept");
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 0..2000_u64 {
                let seqs = commit(&store, vec![append("new", &message(round.into(), &[7; 500]))]).seqs;
                commit(&store, vec![acknowledge("new", 0, seqs[0].0)]);
            }
        });
        let mut reads = 0;
        while !writing.is_finished() {
            assert_eq!(payloads(&store, "kept"), expected);
            reads += 1;
        }
        assert!(reads > 10);
    });
    assert_eq!(store.unreadable(), 0);
    assert!(!sim.logs().contains(&"0000000020.log".to_owned()));
}

#[test]
fn short_segments_do_not_pile_up() {
    let mut sim = Sim::default();
    for round in 0..100_u8 {
        let store = on(&sim, Fsync::Never);
        commit(&store, vec![append("a", &message(round.into(), &[round]))]);
        sim = sim.after_kill();
    }
    let store = on(&sim, Fsync::Never);
    wait(store.sync()).unwrap();
    assert!(sim.logs().len() < 30, "{:?}", sim.logs());
    let numbers: Vec<u8> = payloads(&store, "a").iter().map(|payload| payload[0]).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}
