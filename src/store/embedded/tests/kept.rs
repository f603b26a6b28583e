//! What is kept when the store is opened again, on a disk that does as it should.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::support::*;
use crate::codec::QoS;
use crate::instance::InstanceId;
use crate::message::{Delivery, Message, MessageId, Origin};
use crate::store::durable::{
    Change, Counts, InboxLimits, InboxSeq, Revision, Store, StoreError, Unacknowledged,
};
use crate::store::embedded::{EmbeddedStore, Fsync, Options};
use crate::time::Millis;
use crate::topic::{TopicFilter, TopicName};

fn open(folder: &Path) -> EmbeddedStore {
    let options = Options {
        fsync: Fsync::Never,
        segment_bytes: 16 << 10,
    };
    let store = EmbeddedStore::open(folder, options).unwrap();
    store.limit_inboxes(&instance(), LIMITS);
    store
}

fn length_of_log(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("store")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn messages_come_back_in_order_and_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(Message {
        id: MessageId(u128::MAX),
        topic: TopicName::new("full").unwrap(),
        payload: Bytes::from(vec![7; 100_000]),
        forward: Bytes::from_static(b"\x01\x01"),
        qos: QoS::ExactlyOnce,
        retain: true,
        expires_at: Some(NOW.plus_seconds(5)),
        origin: Origin::Script,
    });
    let delivery = Delivery {
        message: Arc::clone(&full),
        qos: QoS::AtMostOnce,
        retain: true,
        subscription_ids: [5, 268_435_455].into(),
    };
    let store = open(folder.path());
    let small: Vec<_> = (0..200_u8).map(|at| message(at.into(), &[at])).collect();
    let batch = small.iter().map(|message| append("a", message)).collect();
    let seqs = commit(&store, batch).seqs;
    assert!(seqs.is_sorted() && seqs[0] > InboxSeq(0));
    commit(
        &store,
        vec![Change::Append {
            session: session("a"),
            delivery: delivery.clone(),
            sent: None,
        }],
    );
    commit(&store, vec![acknowledge("a", seqs[0].0, seqs[99].0)]);
    store.close();
    let closed = wait(store.commit(vec![], NOW));
    assert!(matches!(closed, Err(StoreError::Failed(_))));
    // The lock goes with the store; the folder is free only then.
    let why = refused(EmbeddedStore::open(folder.path(), Options::default()));
    assert!(why.contains("is in use"), "{why}");
    drop(store);
    for _ in 0..3 {
        let store = open(folder.path());
        let page = read(&store, "a", 0, 1000);
        assert_eq!(page.deliveries.len(), 101);
        assert_eq!((page.deliveries[0].0, page.more), (seqs[100], false));
        assert_eq!(page.deliveries[0].1.message.payload, [100][..]);
        assert_eq!(format!("{:?}", page.deliveries[100].1), format!("{delivery:?}"));
        let first = read(&store, "a", 0, 60);
        assert_eq!(
            (first.deliveries.len(), first.more, first.upto),
            (60, true, seqs[159])
        );
        assert_eq!(read(&store, "a", first.upto.0, 1000).deliveries.len(), 41);
    }
}

#[test]
fn a_body_is_written_once_for_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let big = message(1, &[9; 50_000]);
    for round in 0..10 {
        let clients: Vec<String> = (0..10).map(|at| format!("client {round} {at}")).collect();
        let batch = clients.iter().map(|client| append(client, &big)).collect();
        commit(&store, batch);
    }
    assert!(length_of_log(folder.path()) < 60_000);
    // The same id does not make it the same message.
    commit(&store, vec![append("other", &message(1, &[8; 50_000]))]);
    drop(store);
    let store = open(folder.path());
    assert_eq!(payloads(&store, "client 9 9"), std::slice::from_ref(&big.payload));
    assert_eq!(payloads(&store, "other"), [Bytes::from(vec![8; 50_000])]);
}

#[test]
fn a_session_comes_back_with_what_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = session("s");
    let mut batch: Vec<_> = (0..4).map(|at| append("s", &message(at, b"x"))).collect();
    if let Change::Append { sent, .. } = &mut batch[0] {
        *sent = Some(11);
    }
    let seqs = commit(&store, batch).seqs;
    let sent = |at: usize, packet_id| Change::Sent {
        session: key.clone(),
        seq: seqs[at],
        packet_id,
    };
    let received = |packet_id| Change::Received {
        session: key.clone(),
        packet_id,
    };
    let released = Change::Released {
        session: key.clone(),
        seq: seqs[1],
    };
    commit(&store, vec![sent(1, 12), sent(2, 13), received(5), received(6)]);
    assert!(
        wait(store.load(&key, NOW)).unwrap().is_none(),
        "an inbox needs no record"
    );
    let first = wait(store.save(&key, record(1), Revision(0))).unwrap();
    assert_eq!(
        wait(store.save(&key, record(9), Revision(0))),
        Err(StoreError::Stale)
    );
    let second = wait(store.save(&key, record(2), first)).unwrap();
    let forgotten = Change::Forgotten {
        session: key.clone(),
        packet_id: 5,
    };
    commit(&store, vec![released, forgotten]);
    drop(store);
    let store = open(folder.path());
    let stored = wait(store.load(&key, NOW)).unwrap().unwrap();
    assert_eq!((stored.record.next_packet_id, stored.revision), (2, second));
    assert_eq!((stored.received, stored.waiting), (vec![6], true));
    let owed: Vec<_> = stored
        .unacknowledged
        .iter()
        .map(|(packet_id, seq, what)| (*packet_id, *seq, matches!(what, Unacknowledged::Pubrel)))
        .collect();
    assert_eq!(
        owed,
        [(11, seqs[0], false), (12, seqs[1], true), (13, seqs[2], false)]
    );
    assert_eq!(wait(store.sessions()).unwrap(), std::slice::from_ref(&key));
    wait(store.discard(&key)).unwrap();
    drop(store);
    let store = open(folder.path());
    assert!(wait(store.load(&key, NOW)).unwrap().is_none());
    assert_eq!(store.offline_count(), 0);
    let new = commit(&store, vec![append("s", &message(1, b"x"))]).seqs[0];
    assert!(new > seqs[3], "no number is given twice");
    let revision = wait(store.save(&key, record(1), Revision(0))).unwrap();
    assert!(revision.0 > second.0);
}

#[test]
fn retained_messages_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let retain = |topic: &str, message: Option<Arc<Message>>| Change::Retain {
        instance: instance(),
        topic: TopicName::new(topic).unwrap(),
        message,
    };
    commit(
        &store,
        vec![
            retain("a/1", Some(message(1, b"old"))),
            retain("a/2", Some(message(2, b"gone"))),
            retain("a/1", Some(message(3, b"new"))),
            retain("a/2", None),
            retain("$x", Some(message(4, b"hidden"))),
        ],
    );
    let found = |store: &EmbeddedStore, filter| {
        let filter = TopicFilter::parse(filter).unwrap();
        let found = wait(store.retained(&instance(), &filter, NOW)).unwrap();
        found
            .iter()
            .map(|message| message.payload.clone())
            .collect::<Vec<_>>()
    };
    for store in [store, open_after(folder.path())] {
        assert_eq!(found(&store, "#"), ["new"]);
        assert_eq!(found(&store, "$x"), ["hidden"]);
        assert_eq!((store.retained_in(&instance()), store.retained_count()), (2, 2));
        assert_eq!(store.retained_in(&InstanceId::new("other")), 0);
    }
    let store = open(folder.path());
    wait(store.forget_instance(&instance())).unwrap();
    assert_eq!(store.retained_count(), 0);
    drop(store);
    assert_eq!(open(folder.path()).retained_count(), 0);
}

/// Opened by the time it is used; the one before is dropped by then.
fn open_after(folder: &Path) -> EmbeddedStore {
    let copy = folder.join("copy");
    std::fs::create_dir_all(copy.join("store")).unwrap();
    for file in std::fs::read_dir(folder.join("store")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join("store").join(file.file_name())).unwrap();
    }
    open(&copy)
}

#[test]
fn the_cap_is_exact_and_the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let limits = InboxLimits {
        messages_per_instance: 3,
        age_ms: 1000,
        visible_after_ms: 100,
    };
    let store = open(folder.path());
    store.limit_inboxes(&instance(), limits);
    let at = |ms| Millis(NOW.0 + ms);
    let mut evicted = 0;
    for round in 0..5_u64 {
        let client = if round % 2 == 0 { "even" } else { "odd" };
        let done = wait(store.commit(vec![append(client, &message(1, &[round as u8]))], at(round))).unwrap();
        evicted += done.evicted.first().map_or(0, |(_, count)| *count);
    }
    assert_eq!(evicted, 2);
    for store in [store, open_after(folder.path())] {
        store.limit_inboxes(&instance(), limits);
        let read = |client| wait(store.read(&session(client), InboxSeq(0), 9, at(5))).unwrap();
        let payload = |client| read(client).deliveries[0].1.message.payload[0];
        assert_eq!((payload("even"), payload("odd")), (2, 3));
        let counts = |ms| store.counts(&instance(), at(ms));
        let expected = |offline| Counts {
            retained: 0,
            offline,
            stored: 3,
        };
        assert_eq!((counts(50), counts(5000)), (expected(0), expected(3)));
        assert_eq!(wait(store.tidy(at(1003))).unwrap(), [(instance(), 2)]);
        assert_eq!(store.counts(&instance(), at(1003)).stored, 1);
    }
}
