use super::*;
use crate::codec::QoS;

fn subscriber(slot: u32) -> SubscriberId {
    SubscriberId {
        shard: u16::try_from(slot % 2).unwrap(),
        generation: 0,
        slot,
    }
}

fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        subscription_id: None,
    }
}

fn subscribe(index: &SubscriptionIndex, slot: u32, filter: &str) -> bool {
    let filter = TopicFilter::parse(filter).unwrap();
    index.subscribe(
        subscriber(slot),
        &filter,
        options(QoS::AtLeastOnce),
        &Arc::default(),
    )
}

fn unsubscribe(index: &SubscriptionIndex, slot: u32, filter: &str) -> bool {
    index.unsubscribe(subscriber(slot), &TopicFilter::parse(filter).unwrap())
}

fn found(index: &SubscriptionIndex, topic: &str) -> Vec<u32> {
    let matches = index.matches(&TopicName::new(topic).unwrap());
    let mut slots: Vec<u32> = matches
        .by_shard
        .iter()
        .flat_map(|all| all.iter().map(|one| one.subscriber.slot))
        .collect();
    slots.sort_unstable();
    slots
}

#[test]
fn agrees_with_a_plain_list_of_filters_while_they_come_and_go() {
    let parts = ["a", "b", "", "+", "$x"];
    let mut filters = vec!["#".to_owned()];
    for one in parts {
        filters.push(one.to_owned());
        filters.push(format!("{one}/#"));
        for two in parts {
            filters.push(format!("{one}/{two}"));
            filters.push(format!("{one}/{two}/#"));
            filters.push(format!("{one}/{two}/b"));
        }
    }
    filters.retain(|filter| TopicFilter::parse(filter).is_ok());
    filters.sort();
    filters.dedup();
    let mut topics: Vec<String> = filters
        .iter()
        .filter(|f| !f.contains(['+', '#']))
        .cloned()
        .collect();
    topics.push("a/b/b/c".to_owned());
    let index = SubscriptionIndex::new(2);
    let mut active = std::collections::BTreeSet::new();
    let check = |active: &std::collections::BTreeSet<usize>| {
        for topic in &topics {
            let expected: Vec<u32> = active
                .iter()
                .filter(|at| TopicFilter::parse(&filters[**at]).unwrap().matches(topic))
                .map(|at| u32::try_from(*at).unwrap())
                .collect();
            assert_eq!(found(&index, topic), expected, "{topic}");
        }
    };
    // A fixed stride visits all, in an order that is not theirs.
    for step in 0..filters.len() {
        let at = step * 7 % filters.len();
        subscribe(&index, u32::try_from(at).unwrap(), &filters[at]);
        active.insert(at);
        check(&active);
    }
    for step in 0..filters.len() {
        let at = step * 11 % filters.len();
        assert_eq!(
            unsubscribe(&index, u32::try_from(at).unwrap(), &filters[at]),
            active.remove(&at)
        );
        check(&active);
    }
    for at in active.clone() {
        unsubscribe(&index, u32::try_from(at).unwrap(), &filters[at]);
    }
    let filters = index.filters.read();
    assert_eq!(
        (
            filters.len,
            filters.nodes.len(),
            filters.children.len(),
            filters.exact.len()
        ),
        (0, 0, 0, 0)
    );
}

#[test]
fn overlapping_subscriptions_of_one_session_become_one_recipient() {
    let index = SubscriptionIndex::new(1);
    let presence = Arc::default();
    let one = SubscriberId {
        shard: 0,
        generation: 0,
        slot: 1,
    };
    for (filter, qos, id, no_local) in [
        ("a/#", QoS::AtMostOnce, 1, false),
        ("a/+", QoS::ExactlyOnce, 2, true),
        ("a/b", QoS::AtLeastOnce, 3, true),
    ] {
        let options = SubscriptionOptions {
            qos,
            no_local,
            retain_as_published: id == 3,
            subscription_id: Some(id),
        };
        index.subscribe(one, &TopicFilter::parse(filter).unwrap(), options, &presence);
    }
    let matches = index.matches(&TopicName::new("a/b").unwrap());
    let [recipient] = &*matches.by_shard[0] else {
        panic!("{matches:?}")
    };
    let wanted = recipient.wanted();
    let mut ids = wanted.ids.to_vec();
    ids.sort_unstable();
    assert_eq!(
        (wanted.qos, wanted.retain_as_published, ids),
        (QoS::ExactlyOnce, true, vec![1, 2, 3])
    );
    let own = recipient.own().unwrap();
    assert_eq!(
        (own.qos, own.retain_as_published, own.ids),
        (QoS::AtMostOnce, false, &[1][..])
    );
    unsubscribe_id(&index, one, "a/#");
    let matches = index.matches(&TopicName::new("a/b").unwrap());
    assert_eq!(matches.by_shard[0][0].own(), None);
}

fn unsubscribe_id(index: &SubscriptionIndex, id: SubscriberId, filter: &str) {
    assert!(index.unsubscribe(id, &TopicFilter::parse(filter).unwrap()));
}

#[test]
fn only_changes_that_concern_a_topic_make_its_result_old() {
    let index = SubscriptionIndex::new(2);
    let matches = index.matches(&TopicName::new("a/b").unwrap());
    // Another first level shares the counter in one case of 1,024.
    let other = (0..)
        .map(|n| format!("o{n}"))
        .find(|o| index.counter(o) != index.counter("a"))
        .unwrap();
    subscribe(&index, 1, &format!("{other}/x"));
    assert!(matches.is_current(&index));
    subscribe(&index, 1, "$share/g/a/x");
    assert!(!matches.is_current(&index));
    let matches = index.matches(&TopicName::new("a/b").unwrap());
    subscribe(&index, 2, "$share/g/a/x");
    assert!(
        matches.is_current(&index),
        "a group's members are picked anew for each message"
    );
    subscribe(&index, 1, "+/x");
    assert!(!matches.is_current(&index));
}

#[test]
fn many_subscribers_of_one_filter_come_and_go() {
    let index = SubscriptionIndex::new(2);
    for slot in 0..10_000 {
        assert!(!subscribe(&index, slot, "all/#"));
    }
    assert!(subscribe(&index, 5, "all/#"));
    assert_eq!(found(&index, "all").len(), 10_000);
    for slot in (0..10_000).step_by(2) {
        assert!(unsubscribe(&index, slot, "all/#"));
        assert!(!unsubscribe(&index, slot, "all/#"));
    }
    assert_eq!((found(&index, "all/x").len(), index.len()), (5_000, 5_000));
}

#[test]
fn a_topic_of_very_many_levels_needs_no_stack() {
    let index = SubscriptionIndex::new(2);
    let deep = "/".repeat(30_000);
    subscribe(&index, 1, &format!("{deep}+"));
    subscribe(&index, 2, "#");
    assert_eq!(found(&index, &format!("{deep}x")), [1, 2]);
    assert!(unsubscribe(&index, 1, &format!("{deep}+")));
}

#[test]
fn a_subscription_that_is_there_is_seen_by_every_lookup_after_it() {
    let index = SubscriptionIndex::new(2);
    std::thread::scope(|scope| {
        for thread in 0..2u32 {
            let index = &index;
            scope.spawn(move || {
                let mut cache = crate::router::MatchCache::new(16);
                let topic = format!("t/{thread}");
                for _ in 0..5_000 {
                    subscribe(index, thread, &topic);
                    assert_eq!(
                        cache.lookup(index, &topic).unwrap().by_shard[thread as usize].len(),
                        1
                    );
                    unsubscribe(index, thread, &topic);
                    assert_eq!(
                        cache.lookup(index, &topic).unwrap().by_shard[thread as usize].len(),
                        0
                    );
                }
            });
        }
    });
}
