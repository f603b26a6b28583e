//! What is in flight comes back with the session [MQTT-4.4.0-1].

use dunlin::store::durable::{InboxSeq, Unacknowledged};

use crate::fixture::Fixture;
use crate::made::{
    NOW, acknowledge, append, append_sent, delivery, message, owed, parts, released, sent, session,
};

pub async fn what_is_sent_is_loaded_and_not_read(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let seqs = f.append_all(&a, 0..4).await;
    f.commit(vec![sent(&a, seqs[0], 11), sent(&a, seqs[1], 12)]).await;
    assert_eq!(f.numbers(&a).await, [2, 3]);
    let stored = f.load(&a).await.unwrap();
    let in_flight = [(11, seqs[0], Some(0)), (12, seqs[1], Some(1))];
    assert_eq!(owed(&stored.unacknowledged), in_flight);
    let Unacknowledged::Publish(first) = &stored.unacknowledged[0].2 else {
        panic!("it was not released")
    };
    assert_eq!(parts(&first.message), parts(&message(0)));
    assert_eq!(first.qos, delivery(message(0)).qos);
    f.commit(vec![acknowledge(&a, seqs[0], seqs[0])]).await;
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), in_flight[1..]);
    assert_eq!(f.stored(&a.instance), 3);
}

pub async fn a_message_may_be_sent_as_it_comes(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let seqs = f
        .commit(vec![append_sent(&a, 1, 65_535), append(&a, 2)])
        .await
        .seqs;
    assert_ne!(seqs[0], InboxSeq(0));
    assert_eq!(f.numbers(&a).await, [2]);
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(65_535, seqs[0], Some(1))]);
    assert_eq!(f.stored(&a.instance), 2);
}

pub async fn it_comes_back_in_the_order_of_the_inbox(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let seqs = f.append_all(&a, 0..6).await;
    // The order of sending is another: what waited may have been overtaken by a resumed one.
    f.commit(vec![sent(&a, seqs[4], 1), sent(&a, seqs[0], 2)]).await;
    f.commit(vec![sent(&a, seqs[2], 3), released(&a, seqs[4])]).await;
    let stored = f.load(&a).await.unwrap();
    assert_eq!(
        owed(&stored.unacknowledged),
        [(2, seqs[0], Some(0)), (3, seqs[2], Some(2)), (1, seqs[4], None)]
    );
    assert_eq!(f.numbers(&a).await, [1, 3, 5]);
}

pub async fn a_packet_id_may_change(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let seq = f.append(&a, 1).await;
    f.commit(vec![sent(&a, seq, 1)]).await;
    f.commit(vec![sent(&a, seq, 2)]).await;
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(2, seq, Some(1))]);
}

pub async fn nothing_happens_to_what_is_not_there(f: &mut Fixture) {
    let (a, nobody) = (session("a"), session("nobody"));
    f.open_session(&a).await;
    let seq = f.append(&a, 1).await;
    f.commit(vec![acknowledge(&a, seq, seq)]).await;
    f.commit(vec![sent(&a, seq, 1), released(&a, seq)]).await;
    f.commit(vec![sent(&nobody, seq, 1), released(&nobody, seq)])
        .await;
    let stored = f.load(&a).await.unwrap();
    assert!(stored.unacknowledged.is_empty() && !stored.waiting);
    assert!(f.load(&nobody).await.is_none());
    assert_eq!(f.stored(&a.instance), 0);
}

pub async fn a_place_belongs_to_its_session(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    let of_a = f.append_all(&a, 0..2).await;
    f.append_all(&b, 10..12).await;
    let _ = f.open_session(&b).await;
    // Numbers may be the same in both, then it is b's own that is in flight: what counts is that a's is not.
    f.commit(vec![sent(&b, of_a[1], 1)]).await;
    assert_eq!(f.numbers(&a).await, [0, 1]);
    assert_eq!(f.read(&a, NOW).await.len(), 2);
}

pub async fn waiting_says_whether_there_is_more(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    assert!(!f.load(&a).await.unwrap().waiting);
    let seqs = f.append_all(&a, 0..2).await;
    assert!(f.load(&a).await.unwrap().waiting);
    f.commit(vec![sent(&a, seqs[0], 1)]).await;
    assert!(f.load(&a).await.unwrap().waiting);
    f.commit(vec![sent(&a, seqs[1], 2)]).await;
    assert!(!f.load(&a).await.unwrap().waiting);
}
