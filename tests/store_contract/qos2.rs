//! Exactly once, both ways (4.3.3).

use crate::fixture::Fixture;
use crate::made::{
    acknowledge, append_sent, forgotten, instance, owed, received, released, session, session_of,
};

pub async fn outbound_it_goes_from_publish_to_pubrel_to_nothing(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let seqs = f
        .commit(vec![append_sent(&a, 1, 7), append_sent(&a, 2, 8)])
        .await
        .seqs;
    f.commit(vec![released(&a, seqs[0])]).await;
    for _ in 0..2 {
        let stored = f.load(&a).await.unwrap();
        assert_eq!(
            owed(&stored.unacknowledged),
            [(7, seqs[0], None), (8, seqs[1], Some(2))]
        );
        assert_eq!(f.stored(&a.instance), 1, "what is released does not count");
        f.commit(vec![released(&a, seqs[0])]).await;
    }
    assert!(f.numbers(&a).await.is_empty());
    f.reopen().await;
    let stored = f.load(&a).await.unwrap();
    assert_eq!(
        owed(&stored.unacknowledged),
        [(7, seqs[0], None), (8, seqs[1], Some(2))]
    );
    f.commit(vec![acknowledge(&a, seqs[0], seqs[0])]).await;
    let stored = f.load(&a).await.unwrap();
    assert_eq!(owed(&stored.unacknowledged), [(8, seqs[1], Some(2))]);
    f.commit(vec![acknowledge(&a, seqs[1], seqs[1])]).await;
    assert!(f.load(&a).await.unwrap().unacknowledged.is_empty());
}

async fn ids(f: &Fixture, client_id: &str) -> Vec<u16> {
    let mut ids = f.load(&session(client_id)).await.unwrap().received;
    ids.sort_unstable();
    ids
}

pub async fn inbound_ids_are_kept_until_pubrel(f: &mut Fixture) {
    let a = session("a");
    f.open_session(&a).await;
    let all: Vec<u16> = (1..=500).chain([65_535]).collect();
    f.commit(all.iter().map(|id| received(&a, *id)).collect()).await;
    assert_eq!(ids(f, "a").await, all);
    // Twice is once: PUBLISH came again.
    f.commit(vec![received(&a, 3), received(&a, 3)]).await;
    assert_eq!(ids(f, "a").await, all);
    f.reopen().await;
    assert_eq!(ids(f, "a").await, all);
    f.commit(vec![forgotten(&a, 3), forgotten(&a, 3), forgotten(&a, 9999)])
        .await;
    let left: Vec<u16> = all.into_iter().filter(|id| *id != 3).collect();
    assert_eq!(ids(f, "a").await, left);
    f.commit(left.iter().map(|id| forgotten(&a, *id)).collect()).await;
    assert!(ids(f, "a").await.is_empty());
    f.commit(vec![received(&a, 3)]).await;
    f.reopen().await;
    assert_eq!(ids(f, "a").await, [3]);
    assert_eq!(f.stored(&a.instance), 0, "they are no messages");
}

pub async fn inbound_ids_belong_to_their_session(f: &mut Fixture) {
    let (a, b) = (session("a"), session("b"));
    let elsewhere = session_of(&instance("elsewhere"), "a");
    for session in [&a, &b, &elsewhere] {
        f.open_session(session).await;
    }
    f.commit(vec![received(&a, 1), received(&b, 2), received(&elsewhere, 3)])
        .await;
    assert_eq!(ids(f, "b").await, [2]);
    f.commit(vec![forgotten(&a, 2), forgotten(&b, 1), forgotten(&a, 3)])
        .await;
    assert_eq!(ids(f, "a").await, [1]);
    assert_eq!(ids(f, "b").await, [2]);
    assert_eq!(f.load(&elsewhere).await.unwrap().received, [3]);
}
