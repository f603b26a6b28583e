use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::codec::QoS;
use crate::router::{MatchCache, Wanted};

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
    let mut active = BTreeSet::new();
    let check = |active: &BTreeSet<usize>| {
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
    // Two starts share a counter in one case of 4,096: texts whose counters are their own.
    let index = SubscriptionIndex::new(2);
    let apart = |taken: &[u16], make: fn(u32) -> String| {
        let mut made = (0..).map(make);
        made.find(|text| !taken.contains(&index.counter(text))).unwrap()
    };
    let topic = TopicName::new("a/b/c").unwrap();
    let taken = index.version(&topic).counters;
    let current = || index.matches(&topic).version;
    for (changed, filter) in [
        (false, apart(&taken, |n| format!("a/b/x{n}"))),
        (false, apart(&taken, |n| format!("a/x{n}")) + "/#"),
        (false, apart(&taken, |n| format!("x{n}")) + "/#"),
        (true, "a/b/c".to_owned()),
        (true, "a/b/#".to_owned()),
        (true, "a/b/+".to_owned()),
        (true, "a/+/x".to_owned()),
        (true, "a/#".to_owned()),
        (true, "+/x".to_owned()),
        (true, "#".to_owned()),
        (true, "$share/g/a/b/c".to_owned()),
    ] {
        let before = current();
        subscribe(&index, 1, &filter);
        assert_eq!(!index.is_current(before), changed, "{filter}");
        let before = current();
        assert!(
            !unsubscribe(&index, 2, &filter) && index.is_current(before),
            "{filter}"
        );
        assert!(unsubscribe(&index, 1, &filter));
        assert_eq!(!index.is_current(before), changed, "{filter}");
    }
    subscribe(&index, 1, "$share/g/a/b/c");
    let matches = index.matches(&topic);
    subscribe(&index, 2, "$share/g/a/b/c");
    unsubscribe(&index, 1, "$share/g/a/b/c");
    assert!(
        matches.is_current(&index),
        "a group's members are picked anew for each message"
    );
    unsubscribe(&index, 2, "$share/g/a/b/c");
    assert!(!matches.is_current(&index), "the group is gone");
}

#[test]
fn one_level_topics_and_empty_levels_are_made_old_by_what_matches_them() {
    let index = SubscriptionIndex::new(1);
    for (filter, topic) in [
        ("a/#", "a"),
        ("a/b/#", "a/b"),
        ("/+", "/x"),
        ("/+/x", "//x"),
        ("//#", "/"),
        ("//+", "//a"),
        ("$SYS/#", "$SYS"),
        ("$SYS/broker/+", "$SYS/broker/x"),
    ] {
        let before = index.matches(&TopicName::new(topic).unwrap());
        subscribe(&index, 0, filter);
        assert!(!before.is_current(&index), "{filter} {topic}");
        assert_eq!(found(&index, topic), [0], "{filter} {topic}");
        unsubscribe(&index, 0, filter);
    }
}

#[test]
fn a_crowd_on_one_filter_shares_one_list_until_someone_comes() {
    let index = SubscriptionIndex::new(2);
    for slot in 0..100 {
        subscribe(&index, slot, "all/#");
    }
    let of = |topic| index.matches(&TopicName::new(topic).unwrap()).by_shard;
    let before = of("all/1");
    assert!(Arc::ptr_eq(&before, &of("all/2")));
    subscribe(&index, 100, "all/#");
    assert_eq!(found(&index, "all/1").len(), 101);
    unsubscribe(&index, 7, "all/#");
    assert_eq!(found(&index, "all/1").len(), 100);
    subscribe(&index, 7, "all/1");
    assert_eq!(found(&index, "all/1").len(), 101);
    assert_eq!(found(&index, "all/2").len(), 100);
    assert_eq!((index.len(), index.filters()), (101, 2));
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
                let mut cache = MatchCache::new(16);
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

/// What the index is, as plainly as it can be said.
#[derive(Default)]
struct Plain(BTreeMap<(SubscriberId, String), SubscriptionOptions>);

/// QoS, Retain As Published, identifiers in order.
type Want = (QoS, bool, Vec<u32>);

fn want<'a>(options: impl Iterator<Item = &'a SubscriptionOptions>) -> Option<Want> {
    let all: Vec<_> = options.collect();
    let mut ids: Vec<u32> = all.iter().filter_map(|options| options.subscription_id).collect();
    ids.sort_unstable();
    Some((
        all.iter().map(|options| options.qos).max()?,
        all.iter().any(|options| options.retain_as_published),
        ids,
    ))
}

fn in_order(wanted: Wanted<'_>) -> Want {
    let mut ids = wanted.ids.to_vec();
    ids.sort_unstable();
    (wanted.qos, wanted.retain_as_published, ids)
}

impl Plain {
    fn recipients(&self, topic: &str) -> BTreeMap<SubscriberId, (Option<Want>, Option<Want>)> {
        let mut found: BTreeMap<SubscriberId, Vec<&SubscriptionOptions>> = BTreeMap::new();
        for ((id, filter), options) in &self.0 {
            let filter = TopicFilter::parse(filter).unwrap();
            if filter.share_name().is_none() && filter.matches(topic) {
                found.entry(*id).or_default().push(options);
            }
        }
        let wants = |all: Vec<&SubscriptionOptions>| {
            let own = all.iter().filter(|options| !options.no_local).copied();
            (want(all.iter().copied()), want(own))
        };
        found.into_iter().map(|(id, all)| (id, wants(all))).collect()
    }

    /// The members of each group that gets the message.
    fn groups(&self, topic: &str) -> BTreeSet<Vec<SubscriberId>> {
        let mut groups: BTreeMap<&str, Vec<SubscriberId>> = BTreeMap::new();
        for (id, filter) in self.0.keys() {
            let parsed = TopicFilter::parse(filter).unwrap();
            if parsed.share_name().is_some() && parsed.matches(topic) {
                groups.entry(filter).or_default().push(*id);
            }
        }
        groups.into_values().collect()
    }
}

fn any_filter() -> impl Strategy<Value = String> {
    "(\\$share/(g|h)/)?((\\+|[ab]?|\\$s)/){0,3}(#|\\+|[ab]?)"
}

fn any_change() -> impl Strategy<Value = (bool, u32, String, u8, [bool; 2], Option<u32>)> {
    (
        prop::bool::weighted(0.7),
        0..6u32,
        any_filter(),
        0..3u8,
        any::<[bool; 2]>(),
        prop::option::of(1..4u32),
    )
}

proptest! {
    #[test]
    fn agrees_with_a_plain_list_of_subscriptions(
        changes in prop::collection::vec(any_change(), 1..60),
        topics in prop::collection::vec("([ab]?/){0,3}[ab]|\\$s(/[ab]){0,2}", 1..8),
    ) {
        let index = SubscriptionIndex::new(2);
        let mut cache = MatchCache::new(4);
        let mut plain = Plain::default();
        let presence: Arc<Presence> = Arc::default();
        presence.set_online(true);
        for (comes, slot, filter, qos, [no_local, retain_as_published], subscription_id) in changes {
            let Ok(parsed) = TopicFilter::parse(&filter) else { continue };
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
            let options = SubscriptionOptions { qos, no_local, retain_as_published, subscription_id };
            let (id, key) = (subscriber(slot), (subscriber(slot), filter));
            if comes {
                let existed = index.subscribe(id, &parsed, options, &presence);
                prop_assert_eq!(existed, plain.0.insert(key, options).is_some());
            } else {
                prop_assert_eq!(index.unsubscribe(id, &parsed), plain.0.remove(&key).is_some());
            }
            prop_assert_eq!(index.len(), plain.0.len());
            // Every topic after every change, so that an entry which should have become old is caught.
            for topic in &topics {
                let matches = cache.lookup(&index, topic).unwrap();
                let mut found = BTreeMap::new();
                for (shard, recipients) in (0..).zip(matches.by_shard.iter()) {
                    for one in recipients.iter() {
                        prop_assert_eq!(one.subscriber.shard, shard);
                        let wants = (Some(in_order(one.wanted())), one.own().map(in_order));
                        prop_assert!(found.insert(one.subscriber, wants).is_none(), "twice");
                    }
                }
                prop_assert_eq!(found, plain.recipients(topic), "{}", topic);
                let groups = plain.groups(topic);
                let picked: BTreeSet<Vec<SubscriberId>> = matches.groups.iter().map(|group| {
                    // In as many turns as there can be members, each has its turn.
                    let members: BTreeSet<_> = (0..60).filter_map(|_| group.pick()).map(|one| one.subscriber).collect();
                    members.into_iter().collect()
                }).collect();
                prop_assert_eq!(picked, groups, "{}", topic);
            }
        }
        for (id, filter) in plain.0.keys() {
            index.unsubscribe(*id, &TopicFilter::parse(filter).unwrap());
        }
        let filters = index.filters.read();
        let left = (filters.len, filters.nodes.len(), filters.children.len(), filters.exact.len(), filters.wildcards);
        prop_assert_eq!(left, (0, 0, 0, 0, 0), "nothing is left behind");
    }
}

#[test]
fn an_identifier_that_two_subscriptions_have_comes_twice() {
    // 3.3.4: "the PUBLISH packet will carry multiple identical Subscription Identifiers".
    let index = SubscriptionIndex::new(1);
    let id = SubscriberId {
        shard: 0,
        generation: 0,
        slot: 1,
    };
    for filter in ["a", "#"] {
        let options = SubscriptionOptions {
            subscription_id: Some(7),
            ..options(QoS::AtMostOnce)
        };
        index.subscribe(id, &TopicFilter::parse(filter).unwrap(), options, &Arc::default());
    }
    let matches = index.matches(&TopicName::new("a").unwrap());
    assert_eq!(matches.by_shard[0][0].wanted().ids, [7, 7]);
}

#[test]
fn a_session_may_have_a_filter_for_itself_and_in_a_group() {
    let index = SubscriptionIndex::new(2);
    subscribe(&index, 1, "a");
    subscribe(&index, 1, "$share/g/a");
    let matches = index.matches(&TopicName::new("a").unwrap());
    assert_eq!((found(&index, "a"), matches.groups.len()), (vec![1], 1));
}

#[test]
fn what_one_thread_has_subscribed_every_other_sees() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let index = SubscriptionIndex::new(1);
    // The highest slot whose subscription is complete; slots come one after the other and stay.
    let complete = AtomicU32::new(0);
    const LAST: u32 = 4_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let id = |slot| SubscriberId {
                shard: 0,
                generation: 0,
                slot,
            };
            for slot in 1..=LAST {
                let filter = ["a/b", "a/+", "a/b/#", "+/b", "#"][slot as usize % 5];
                let filter = TopicFilter::parse(filter).unwrap();
                index.subscribe(id(slot), &filter, options(QoS::AtMostOnce), &Arc::default());
                complete.store(slot, Ordering::Release);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut cache = MatchCache::new(16);
                loop {
                    let known = complete.load(Ordering::Acquire);
                    let seen = cache.lookup(&index, "a/b").unwrap().by_shard[0].len();
                    assert!(seen >= known as usize, "{seen} of {known}");
                    if known == LAST {
                        return;
                    }
                }
            });
        }
    });
}

#[test]
fn a_p2p_topic_names_its_client_and_wildcards_do_not_match_it() {
    let instance = crate::instance::InstanceId::new("i");
    let seed = std::hash::RandomState::new();
    let index = SubscriptionIndex::of_instance(instance.clone(), 2, seed.clone());
    subscribe(&index, 2, "t/#");
    let topic = TopicName::new("t/p2p/GID_a@@@b").unwrap();
    let off = index.matches(&topic);
    assert!(off.p2p.is_none() && off.by_shard[0].len() == 1);
    index.set_p2p(crate::router::P2pMode::Only);
    assert!(!off.is_current(&index), "the old meaning is void");
    let only = index.matches(&topic);
    let target = only.p2p.as_ref().unwrap();
    assert_eq!(
        (&*target.key.client_id, &target.key.instance),
        ("GID_a@@@b", &instance)
    );
    assert_eq!(target.home, target.key.home(&seed, 2));
    assert!(only.by_shard.iter().all(|shard| shard.is_empty()));
    assert!(index.matches(&TopicName::new("t/p2p").unwrap()).p2p.is_none());
    index.set_p2p(crate::router::P2pMode::AndSubscribers);
    let both = index.matches(&topic);
    assert!(both.p2p.is_some() && both.by_shard[0].len() == 1);
}

#[test]
fn one_cache_serves_many_indexes() {
    let (one, two) = (SubscriptionIndex::new(2), SubscriptionIndex::new(2));
    subscribe(&one, 2, "t");
    let mut cache = MatchCache::new(10);
    for _ in 0..2 {
        assert_eq!(cache.lookup(&one, "t").unwrap().by_shard[0].len(), 1);
        assert_eq!(cache.lookup(&two, "t").unwrap().by_shard[0].len(), 0);
    }
    assert_eq!(cache.len(), 2);
    subscribe(&two, 4, "+");
    assert_eq!(
        cache.lookup(&two, "t").unwrap().by_shard[0][0].subscriber,
        subscriber(4)
    );
    assert_eq!(
        cache.lookup(&one, "t").unwrap().by_shard[0][0].subscriber,
        subscriber(2)
    );
}

#[test]
fn wildcard_filters_of_a_parent_topic_have_a_limit() {
    let index = SubscriptionIndex::new(2);
    let subscribe = |slot, text: &str| {
        let filter = TopicFilter::parse(text).unwrap();
        index.subscribe_within(
            subscriber(slot),
            &filter,
            options(QoS::AtMostOnce),
            &Arc::default(),
            2,
        )
    };
    assert_eq!(subscribe(1, "t/#"), Ok(false));
    assert_eq!(subscribe(1, "t/+"), Ok(false));
    assert_eq!(subscribe(1, "t/x/#"), Err(crate::router::Full));
    // Another client with a filter that is there, another parent, and no wildcard.
    assert_eq!(subscribe(2, "t/#"), Ok(false));
    assert_eq!(subscribe(2, "u/#"), Ok(false));
    assert_eq!(subscribe(2, "t/x"), Ok(false));
    assert_eq!(subscribe(2, "#"), Err(crate::router::Full));
    assert_eq!(subscribe(1, "t/#"), Ok(true), "again");
    assert!(unsubscribe(&index, 1, "t/#"));
    assert_eq!(
        subscribe(3, "t/x/#"),
        Err(crate::router::Full),
        "somebody has it still"
    );
    assert!(unsubscribe(&index, 2, "t/#"));
    assert_eq!(subscribe(3, "t/x/#"), Ok(false));
}
