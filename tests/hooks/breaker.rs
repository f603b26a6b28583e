//! A policy that failed and waits is asked by one call, to see.

use crate::Scripted;
use crate::support::{Connect, PUBACK, publish, sleep};

const SCRIPT: &str = r#"return {
    waits = { "authorize_publish" },
    authorize_publish = function(ctx, topic)
        if topic == "bad" then error("bad") end
        if topic == "slow" then task.sleep(1.5) end
        return "allow"
    end,
}"#;

#[test]
fn one_call_goes_through_and_others_wait_for_what_it_comes_to() {
    let broker = Scripted::with(
        SCRIPT,
        "breaker = { least = 4, probe = \"500ms\" }",
        &["server.shards=1"],
    );
    let mut client = Connect::v5("a").to(&broker.broker);
    let mut slow = Connect::v5("b").to(&broker.broker);
    for id in 1..=4 {
        client.publish(publish("bad", "x").qos(1, id));
        client.expect_ack(PUBACK, id, 0x87);
    }
    broker.until_log("policy keeps failing");
    let mut may = |id| {
        client.publish(publish("t", "x").qos(1, id));
        client.expect(PUBACK).code() < 0x80
    };
    assert!(!may(5));
    sleep(550);
    slow.publish(publish("slow", "x").qos(1, 1));
    sleep(100);
    assert!(!may(6), "two calls went through");
    // The first may never come back, so after a while another one is let through.
    sleep(550);
    assert!(may(7));
    assert!(may(8));
    assert!(slow.expect(PUBACK).code() < 0x80);
    assert!(may(9));
}
