//! Wills, where the policies that are asked about them wait.

use crate::Scripted;
use crate::support::{Connect, PUBACK, PUBLISH, Will, publish};

const WAITS: &str = r#"return {
    waits = { "authorize_publish", "publish" },
    authorize_publish = function(ctx, topic)
        task.sleep(0.02)
        return if topic == "wills/no" then "deny" else "allow"
    end,
    publish = function(ctx, msg)
        task.sleep(0.01)
        return { payload = ctx.client_id .. " " .. msg.payload }
    end,
    will = function(ctx, msg)
        if msg.topic == "wills/suppressed" then return "suppress" end
    end,
}"#;

#[test]
fn a_will_waits_for_its_policy_and_nobody_else_suffers() {
    let broker = Scripted::with(WAITS, "", &["server.shards=1"]);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("wills/#", 0);
    // As many as would open a breaker, if asking about them failed.
    let clients: Vec<_> = (0..30)
        .map(|n| {
            let connect = Connect::v5(format!("client{n}"));
            connect
                .will(Will::new(format!("wills/{n}"), "gone"))
                .to(&broker.broker)
        })
        .collect();
    for topic in ["wills/no", "wills/suppressed"] {
        let refused = Connect::v5(topic).will(Will::new(topic, "never"));
        refused.to(&broker.broker).vanish();
    }
    clients.into_iter().for_each(|client| client.vanish());
    let mut told: Vec<String> = (0..30)
        .map(|_| String::from_utf8(reader.expect(PUBLISH).payload).unwrap())
        .collect();
    told.sort();
    let mut expected: Vec<String> = (0..30).map(|n| format!("client{n} gone")).collect();
    expected.sort();
    assert_eq!(told, expected);
    reader.expect_nothing(100);
    let log = broker.broker.log();
    assert!(!log.contains("policy failed"), "{log}");
    let mut other = Connect::v5("other").to(&broker.broker);
    other.publish(publish("t", "x").qos(1, 1));
    assert!(other.expect(PUBACK).code() < 0x80);
}

#[test]
fn a_will_that_was_delayed_waits_as_well_and_is_retained() {
    let broker = Scripted::with(WAITS, "", &["server.shards=1"]);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("wills/#", 0);
    let mut will = Will::new("wills/late", "gone").delay(1);
    will.retain = true;
    let client = Connect::v5("client").will(will).expiry(100);
    client.to(&broker.broker).vanish();
    // The session ends with its connection: its will is published although nobody of it is left.
    let short = Connect::v5("short").will(Will::new("wills/short", "gone").delay(5));
    short.to(&broker.broker).vanish();
    reader.expect_message("short gone");
    reader.expect_message("client gone");
    let mut late = Connect::v5("late").to(&broker.broker);
    late.subscribe("wills/late", 0);
    assert!(late.expect_message("client gone").retain());
}

#[test]
fn no_more_wills_wait_than_there_may_be_sessions() {
    let script = r#"return {
        waits = { "authorize_publish" },
        authorize_publish = function() task.sleep(1) return "allow" end,
    }"#;
    let broker = Scripted::with(script, "", &["server.shards=1", "limits.sessions=3"]);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("wills/#", 0);
    for n in 0..10 {
        let connect = Connect::v5("client").will(Will::new("wills/x", &n.to_string()));
        connect.to(&broker.broker).vanish();
    }
    for n in 0..3 {
        reader.expect_message(&n.to_string());
    }
    reader.expect_nothing(1500);
}
