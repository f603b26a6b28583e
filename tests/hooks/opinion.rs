//! The generation before is asked for its opinion, and does not suffer by it.

use crate::Scripted;
use crate::support::{Connect, PUBACK, publish};

const WAITS: &str = "return {
    waits = { 'authorize_publish', 'authorize_subscribe' },
    authorize_publish = function() task.sleep(0.001) return 'allow' end,
    authorize_subscribe = function() task.sleep(0.001) return 'allow' end,
}";

const DENIES: &str = "return {
    authorize_publish = function(ctx, topic)
        if topic == 'boom' then error('boom') end
        return 'deny'
    end,
    authorize_subscribe = function() return 'deny' end,
}";

/// One that waits cannot be asked where nobody waits for it: it would fail, and its breaker would open.
#[test]
fn one_that_waits_is_not_asked_where_nobody_waits() {
    let broker = Scripted::with(
        WAITS,
        "",
        &[
            "server.shards=1",
            "policy_watch.window=\"20s\"",
            "policy_watch.denied_clients=1000",
        ],
    );
    let mut client = Connect::v5("a").to(&broker.broker);
    broker.save(DENIES);
    broker.until_log("policies reloaded");
    for id in 1..=30 {
        client.publish(publish("t", "x").qos(1, id));
        client.expect_ack(PUBACK, id, 0x87);
        assert_eq!(client.subscribe("t", 0).codes, [0x87]);
    }
    let log = broker.broker.log();
    assert!(!log.contains("policy failed"), "{log}");
    for id in 1..=60 {
        client.publish(publish("boom", "x").qos(1, id));
        client.expect(PUBACK);
    }
    broker.until_log("policies rolled back");
    client.publish(publish("t", "x").qos(1, 1));
    assert!(
        client.expect(PUBACK).code() < 0x80,
        "{}",
        broker.broker.log_tail()
    );
}
