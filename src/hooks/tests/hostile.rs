//! Scripts that would take the broker down. Each is stopped within its budget and a little more, and the next call on the
//! same hooks works.

use super::*;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(20);
/// On a loaded machine the thread may not run at all for a while; what is looked for is the hang.
const SLACK: Duration = Duration::from_millis(200);

/// Runs `attack` as the body of a hook when the topic is `attack`, and returns how long that took.
fn survive(attack: &str) -> Duration {
    let script = format!(
        "local text = ('a'):rep(300000)
         local kept
         return {{ authorize_publish = function(ctx, topic)
             if topic == 'attack' then
                 {attack}
                 return 'allow'
             end
             return 'deny', 'well'
         end }}"
    );
    let mut chain = Chain::of(&[&script]);
    chain.entries[0].budget = BUDGET;
    let mut shard = chain.shard();
    let mut worst = Duration::ZERO;
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(
            shard.may_publish("attack"),
            denied("policy `a` failed"),
            "{attack}"
        );
        worst = worst.max(began.elapsed());
        assert_eq!(shard.may_publish("t"), denied("well"), "after {attack}");
    }
    assert!(worst < BUDGET + SLACK, "{attack} took {worst:?}");
    let totals = shard.totals("a");
    assert_eq!(totals.errors + totals.timeouts, 2, "{attack}");
    worst
}

/// The corpus lies with the tests that run it in a broker.
#[test]
fn every_hostile_script_is_stopped_and_the_next_call_works() {
    let corpus = include_str!("../../../tests/hostile/corpus.txt");
    let cases: Vec<_> = corpus
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !name.starts_with('#'))
        .collect();
    assert!(cases.len() > 70, "{}", cases.len());
    for (name, attack) in cases {
        println!("{name:>40} {:?}", block(async { survive(attack) }));
    }
}

#[test]
fn steps_are_limited_too() {
    let mut chain = Chain::of(&[&publish_policy(
        "for i = 1, tonumber(topic) do end return 'allow'",
    )]);
    chain.entries[0].instructions = Some(10_000);
    let mut shard = chain.shard();
    assert_eq!(shard.may_publish("9000"), PublishDecision::Allow);
    assert_eq!(shard.may_publish("11000"), denied("policy `a` failed"));
    assert_eq!(shard.may_publish("9000"), PublishDecision::Allow);
    assert_eq!(shard.totals("a").timeouts, 1);
}

#[test]
fn a_state_that_ran_out_of_memory_is_built_again() {
    let script = "local n = 0 return { authorize_publish = function(ctx, topic)
        n += 1
        if topic == 'attack' then local s = ('x'):rep(1e9) end
        return 'deny', tostring(n)
    end }";
    let mut shard = Chain::of(&[script]).shard();
    assert_eq!(shard.may_publish("t"), denied("1"));
    assert_eq!(shard.may_publish("t"), denied("2"));
    assert_eq!(shard.may_publish("attack"), denied("policy `a` failed"));
    assert_eq!(shard.may_publish("t"), denied("1"));
    assert_eq!(shard.totals("a").rebuilt, 1);
}

#[test]
fn messages_kept_by_a_script_do_not_keep_payloads() {
    let script = "local kept = {} return { publish = function(ctx, msg) table.insert(kept, msg) end }";
    let mut shard = Chain::of(&[script]).shard();
    let payload = bytes::Bytes::from(vec![0; 1 << 20]);
    for _ in 0..100 {
        let event = PublishEvent {
            topic: "t".into(),
            payload: payload.clone(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Arc::default(),
            origin: crate::message::Origin::Client,
            id: crate::message::MessageId(0),
        };
        shard.hooks.publish(Some(&shard.client), event);
    }
    assert!(payload.is_unique());
}

#[test]
fn topics_and_payloads_of_strangers_as_patterns() {
    // The careless policy that this is about: it uses what it was sent as a pattern.
    let script = "return { payload = { 'authorize_publish' }, authorize_publish = function(ctx, topic, qos, retain, size, payload)
        if payload:match(topic) then return 'allow' end return 'deny', 'no' end }";
    let mut chain = Chain::of(&[script]);
    chain.entries[0].budget = BUDGET;
    let mut shard = chain.shard();
    let payload = vec![b'a'; 1 << 20];
    for topic in [
        ".-.-.-b".to_owned(),
        format!("[{}]*x", "b".repeat(60_000)),
        ".*".repeat(500),
        "a?".repeat(400) + "b",
    ] {
        let began = Instant::now();
        shard.ask_publish(&topic, &payload);
        let took = began.elapsed();
        assert!(took < BUDGET + SLACK, "{} took {took:?}", &topic[..7]);
    }
    assert_eq!(shard.ask_publish("x", b"y").decision, denied("no"));
}
