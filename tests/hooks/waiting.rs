//! Policies that wait hold up the client that asked, and nobody else.

use std::time::{Duration, Instant};

use crate::Scripted;
use crate::support::{Connect, PUBACK, PUBLISH, publish};

const SLOW: &str = r#"return {
    waits = { "authorize_publish", "authorize_subscribe", "publish" },
    authenticate = function(ctx)
        if string.find(ctx.client_id, "slow", 1, true) then task.sleep(0.4) end
        return "allow"
    end,
    authorize_publish = function(ctx, topic)
        if topic == "slow" then task.sleep(0.3) end
        if topic == "never" then task.sleep(60) end
        return if topic == "no" then "deny" else "allow"
    end,
    publish = function(ctx, msg)
        if msg.topic == "slow" then task.sleep(0.1) return { payload = msg.payload .. " slept" } end
    end,
    authorize_subscribe = function(ctx, filter)
        task.sleep(0.05)
        return if filter == "no" then "deny" else "allow"
    end,
}"#;

#[test]
fn only_the_client_that_asked_waits_and_its_packets_keep_their_order() {
    let broker = Scripted::with(SLOW, "wait = \"1s\"", &["server.shards=1"]);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    let mut other = Connect::v5("other").to(&broker.broker);
    assert_eq!(reader.subscribe("#", 1).codes, [1]);
    let mut client = Connect::v5("client").to(&broker.broker);
    let began = Instant::now();
    client.publish(publish("slow", "1").qos(1, 1));
    client.publish(publish("fast", "2").qos(1, 2));
    client.publish(publish("no", "3").qos(1, 3));
    client.send(&crate::support::subscribe(5, 4, &[("a", 0), ("no", 0)], &[]));
    client.publish(publish("slow", "5").qos(1, 5));
    // Meanwhile, on the same shard:
    let mut longest = Duration::ZERO;
    while began.elapsed() < Duration::from_millis(250) {
        let asked = Instant::now();
        other.ping();
        longest = longest.max(asked.elapsed());
    }
    assert!(longest < Duration::from_millis(100), "a ping took {longest:?}");
    client.expect_ack(PUBACK, 1, 0);
    assert!(
        began.elapsed() >= Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
    client.expect_ack(PUBACK, 2, 0);
    client.expect_ack(PUBACK, 3, 0x87);
    assert_eq!(client.receive().codes, [0, 0x87]);
    client.expect_ack(PUBACK, 5, 0);
    for payload in ["1 slept", "2", "5 slept"] {
        let message = reader.expect_message(payload);
        reader.acknowledge(&message);
    }
}

#[test]
fn logins_that_wait_wait_side_by_side() {
    let broker = Scripted::with(SLOW, "", &["server.shards=1"]);
    let began = Instant::now();
    let clients: Vec<_> = std::thread::scope(|scope| {
        let each = (0..20).map(|n| {
            scope.spawn({
                let broker = &broker.broker;
                move || Connect::v5(format!("slow{n}")).to(broker)
            })
        });
        let each: Vec<_> = each.collect();
        each.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(clients.len(), 20);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_wait_has_an_end() {
    let broker = Scripted::with(
        SLOW,
        "wait = \"200ms\"\non_timeout = \"allow\"",
        &["server.shards=1"],
    );
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("#", 0);
    let mut client = Connect::v5("client").to(&broker.broker);
    client.publish(publish("never", "let through").qos(1, 1));
    client.expect_ack(PUBACK, 1, 0);
    reader.expect_message("let through");
    // authenticate is a wait as well: 0.4 s of sleep do not fit, and on_timeout says allow.
    Connect::v5("slow").to(&broker.broker);
}

#[test]
fn who_leaves_while_waiting_leaves_nothing_behind() {
    let broker = Scripted::with(SLOW, "wait = \"500ms\"", &["server.shards=1"]);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("#", 0);
    let mut client = Connect::v5("client").to(&broker.broker);
    client.publish(publish("slow", "left").qos(1, 1));
    client.publish(publish("fast", "too").qos(1, 2));
    // The same client id comes again before the answer is there.
    let mut again = Connect::v5("client").to(&broker.broker);
    client.expect_disconnect(0x8E);
    again.publish(publish("fast", "new").qos(1, 1));
    again.expect_ack(PUBACK, 1, 0);
    assert_eq!(reader.expect(PUBLISH).payload, b"new");
    reader.expect_nothing(600);
}

/// An answer that was asked of a generation holds for the packet that waited, and for nothing that comes after the swap.
#[test]
fn what_was_asked_before_a_swap_is_not_kept_behind_it() {
    let version = |body: &str, may: &str| {
        format!(
            "return {{
                waits = {{ 'authorize_publish', 'authorize_subscribe' }},
                cache = {{ authorize_publish = {{ ttl = 60, by = {{ 'topic' }} }} }},
                authorize_publish = function(ctx, topic)
                    if ctx.client_id == 'sender' then return 'allow' end
                    {body}
                    return '{may}'
                end,
                authorize_subscribe = function() {body} return '{may}' end,
            }}"
        )
    };
    let broker = Scripted::with(
        &version("task.sleep(0.8)", "allow"),
        "",
        &["server.shards=1", "policy_watch.window=\"0s\""],
    );
    let mut publisher = Connect::v5("publisher").to(&broker.broker);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    let mut sender = Connect::v5("sender").to(&broker.broker);
    publisher.publish(publish("t", "1").qos(1, 1));
    reader.send(&crate::support::subscribe(5, 2, &[("t", 0)], &[]));
    broker.save(&version("", "deny"));
    broker.until_log("policies reloaded");
    // Both were asked of the generation before, and it allows.
    assert!(publisher.expect(PUBACK).code() < 0x80);
    assert_eq!(reader.receive().codes, [0]);
    publisher.publish(publish("t", "2").qos(1, 2));
    publisher.expect_ack(PUBACK, 2, 0x87);
    sender.publish(publish("t", "3"));
    sender.ping();
    reader.expect_nothing(200);
}
