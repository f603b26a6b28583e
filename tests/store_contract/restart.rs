//! A store that outlives the process has everything when it is opened again.

use std::fmt::Write;

use dunlin::instance::SessionKey;
use dunlin::message::Message;
use dunlin::store::durable::{InboxLimits, InboxSeq, StoreError};
use dunlin::time::Millis;

use crate::fixture::Fixture;
use crate::made::{
    END, LIMITS, NOW, acknowledge, append, append_sent, append_this, delivery, evicted, expiring, instance,
    later, message, owed, received, released, retain, retain_nothing, retain_on, sent, session, session_of,
    topic,
};

/// All that a store answers, as text.
async fn all(f: &Fixture, sessions: &[SessionKey]) -> String {
    let mut text = String::new();
    for session in sessions {
        let read = f.read_by(session, 3, NOW).await;
        let mut stored = f.load(session).await;
        if let Some(stored) = &mut stored {
            stored.received.sort_unstable();
        }
        writeln!(text, "{session}: {read:?} {stored:?}").unwrap();
    }
    for instance in ["i", "j"].map(instance) {
        let retained = f.retained(&instance, "#", NOW).await;
        let counts = f.store().counts(&instance, later(100_000));
        writeln!(text, "{instance}: {retained:?} {counts:?}").unwrap();
    }
    let mut recorded = f.store().sessions().await.unwrap();
    recorded.sort();
    let counts = (f.store().retained_count(), f.store().offline_count());
    writeln!(text, "{recorded:?} {counts:?}").unwrap();
    text
}

pub async fn everything_is_there_again(f: &mut Fixture) {
    let (i, j) = (instance("i"), instance("j"));
    f.limit(&j, LIMITS);
    let sessions = [
        session("a"),
        session("b"),
        session_of(&j, "a"),
        session_of(&j, "c"),
    ];
    let mut revision = f.open_session(&sessions[0]).await;
    f.open_session(&sessions[2]).await;
    let mut number = 0;
    for round in 0..5 {
        let mut batch = Vec::new();
        for session in &sessions {
            for _ in 0..3 {
                number += 1;
                batch.push(append(session, number));
            }
            number += 1;
            batch.push(append_sent(session, number, 10 + round));
            batch.push(append_this(session, delivery(expiring(number, later(5000)))));
            batch.push(received(session, round));
        }
        batch.push(retain_on(&i, &format!("x/{round}"), number));
        batch.push(retain_on(&j, "y", number));
        batch.push(retain_nothing(&i, &format!("x/{}", round.saturating_sub(2))));
        let seqs = f.commit(batch).await.seqs;
        // Of the first session: one is released, one is sent, one is acknowledged from the middle.
        let changes = vec![
            released(&sessions[0], seqs[3]),
            sent(&sessions[0], seqs[0], 100 + round),
            acknowledge(&sessions[0], seqs[1], seqs[1]),
        ];
        f.commit(changes).await;
        let saved = f
            .save(&sessions[0], crate::whole::record(u32::from(round)), revision)
            .await;
        revision = saved.unwrap();
        let before = all(f, &sessions).await;
        f.reopen().await;
        f.limit(&j, LIMITS);
        let after = all(f, &sessions).await;
        assert!(before == after, "before:\n{before}\nafter:\n{after}");
    }
    f.discard(&sessions[0]).await;
    f.commit(vec![acknowledge(&sessions[1], InboxSeq(0), END)]).await;
    let before = all(f, &sessions).await;
    f.reopen().await;
    f.limit(&j, LIMITS);
    assert_eq!(before, all(f, &sessions).await);
}

pub async fn places_do_not_go_back_though_all_was_acknowledged(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    let mut last = InboxSeq(0);
    for _ in 0..4 {
        for seq in f.append_all(&a, 0..10).await {
            assert!(last < seq);
            last = seq;
        }
        f.append(&b, 1).await;
        f.commit(vec![acknowledge(&a, InboxSeq(0), END)]).await;
        f.commit(vec![acknowledge(&b, InboxSeq(0), END)]).await;
        f.reopen().await;
        // Twice: the second finds nothing but what the first has made of it.
        f.reopen().await;
        assert_eq!(f.store().offline_count(), 0);
    }
}

pub async fn places_do_not_go_back_though_the_session_was_discarded(f: &mut Fixture) {
    let a = session("a");
    let mut last = InboxSeq(0);
    for round in 0..4 {
        f.open_session(&a).await;
        for seq in f.append_all(&a, 0..10).await {
            assert!(last < seq);
            last = seq;
        }
        if round % 2 == 0 {
            f.discard(&a).await;
        } else {
            f.store().forget_instance(&a.instance).await.unwrap();
        }
        f.reopen().await;
        f.reopen().await;
    }
}

pub async fn a_revision_holds_over_it(f: &mut Fixture) {
    let (a, record) = (session("a"), || crate::whole::record(3));
    let old = f.open_session(&a).await;
    let revision = f.save(&a, record(), old).await.unwrap();
    f.reopen().await;
    assert_eq!(f.load(&a).await.unwrap().revision, revision);
    assert_eq!(f.save(&a, record(), old).await, Err(StoreError::Stale));
    let next = f.save(&a, record(), revision).await.unwrap();
    assert_ne!(next, revision);
    f.discard(&a).await;
    f.reopen().await;
    let after = f.open_session(&a).await;
    assert!(after != next && after != revision && after != old);
}

pub async fn the_cap_is_exact_over_it(f: &mut Fixture) {
    let (a, b, i) = (session("a"), session("b"), instance("i"));
    f.open_session(&a).await;
    f.cap(&i, 6);
    let mut seqs = Vec::new();
    for number in 0..8 {
        seqs.push(f.append(if number % 3 == 0 { &a } else { &b }, number).await);
    }
    // Left are 2 to 7; 3 is released, 5 is gone from the middle, 4 is sent: 2, 4, 6, 7 count.
    f.commit(vec![sent(&a, seqs[3], 1), sent(&b, seqs[4], 2)]).await;
    f.commit(vec![released(&a, seqs[3]), acknowledge(&b, seqs[5], seqs[5])])
        .await;
    f.reopen_unlimited().await;
    f.cap(&i, 6);
    assert_eq!(f.stored(&i), 4);
    let committed = f.commit(vec![append(&a, 8), append(&a, 9)]).await;
    assert_eq!(evicted(&committed, &i), 0);
    let committed = f.commit(vec![append(&a, 10), append(&a, 11)]).await;
    assert_eq!((evicted(&committed, &i), f.stored(&i)), (2, 6));
    assert_eq!(f.numbers(&a).await, [6, 8, 9, 10, 11]);
    assert_eq!(f.numbers(&b).await, [7]);
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(1, seqs[3], None)]);
}

pub async fn what_was_evicted_does_not_return(f: &mut Fixture) {
    let (a, b, i) = (session("a"), session("b"), instance("i"));
    f.cap(&i, 5);
    for number in 0..20 {
        f.append(if number % 2 == 0 { &a } else { &b }, number).await;
    }
    for _ in 0..2 {
        // With room for all.
        f.reopen().await;
        assert_eq!(f.stored(&i), 5);
        assert_eq!(f.numbers(&a).await, [16, 18]);
        assert_eq!(f.numbers(&b).await, [15, 17, 19]);
    }
    let limits = InboxLimits {
        age_ms: 1000,
        ..LIMITS
    };
    f.limit(&i, limits);
    assert_eq!(f.tidy(&i, later(1000)).await, 5);
    f.reopen().await;
    assert_eq!(f.stored(&i), 0);
    assert!(f.numbers(&a).await.is_empty());
}

pub async fn age_and_expiry_go_on(f: &mut Fixture) {
    let (a, i) = (session("a"), instance("i"));
    let limits = InboxLimits {
        age_ms: 10_000,
        ..LIMITS
    };
    f.limit(&i, limits);
    f.commit_at(vec![append(&a, 1)], NOW).await;
    let batch = vec![append_this(&a, delivery(expiring(2, later(9000)))), append(&a, 3)];
    f.commit_at(batch, later(5000)).await;
    let fading = Message {
        topic: topic("fading"),
        expires_at: Some(later(9000)),
        ..message(4)
    };
    f.commit(vec![retain(&i, fading)]).await;
    f.reopen_with(limits).await;
    let numbers = async |ms| f.numbers_at(&a, later(ms)).await;
    assert_eq!(numbers(8999).await, [1, 2, 3]);
    assert_eq!(f.retained(&i, "#", later(8999)).await.len(), 1);
    assert_eq!(numbers(9000).await, [1, 3]);
    assert!(f.retained(&i, "#", later(9000)).await.is_empty());
    assert_eq!(numbers(10_000).await, [3]);
    assert_eq!(f.tidy(&i, later(10_000)).await, 1);
    assert!(numbers(15_000).await.is_empty());
}

/// It does not know yet what it may let go.
pub async fn without_limits_all_is_kept_and_nothing_taken(f: &mut Fixture) {
    if !f.outlives() {
        return;
    }
    let (a, i) = (session("a"), instance("i"));
    f.append_all(&a, 1..4).await;
    f.reopen_unlimited().await;
    let far = Millis(u64::MAX / 2);
    assert!(f.store().tidy(far).await.unwrap().is_empty());
    let committed = f.commit_at(vec![append(&a, 4)], far).await;
    assert_eq!(committed.seqs, [InboxSeq(0)]);
    assert_eq!(evicted(&committed, &i), 0);
    assert_eq!(f.numbers_at(&a, far).await, [1, 2, 3]);
    assert_eq!(f.stored(&i), 3);
    f.commit(vec![acknowledge(&a, InboxSeq(0), END)]).await;
    f.limit(&i, LIMITS);
    f.append(&a, 5).await;
    assert_eq!(f.numbers(&a).await, [5]);
}

pub async fn many_in_a_row_lose_nothing(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for round in 0..12 {
        let numbers = 100 * round..100 * round + 20;
        f.append_all(&a, numbers.clone()).await;
        f.append_all(&b, numbers.clone()).await;
        of_a.extend(numbers.clone());
        of_b.extend(numbers);
        // The front of one, the middle of the other.
        let read = f.read(&a, NOW).await;
        f.commit(vec![acknowledge(&a, read[0].0, read[9].0)]).await;
        of_a.drain(..10);
        let read = f.read(&b, NOW).await;
        f.commit(vec![acknowledge(&b, read[5].0, read[14].0)]).await;
        of_b.drain(5..15);
        f.reopen().await;
        assert_eq!(f.numbers(&a).await, of_a);
        assert_eq!(f.numbers(&b).await, of_b);
        assert_eq!(f.store().offline_count(), of_a.len() + of_b.len());
    }
}
