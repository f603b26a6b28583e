//! subscribe, unsubscribe, limit, and subscriptions that are taken back.

use crate::Scripted;
use crate::support::{Connect, PUBLISH, REASON_STRING, UNSUBACK, V5, publish, subscribe, unsubscribe};

#[test]
fn filters_are_rewritten_and_added() {
    let broker = Scripted::start(
        r#"return {
            subscribe = function(ctx, filters)
                for _, f in filters do f.filter = "tenant/" .. f.filter end
                table.insert(filters, { filter = "news/" .. ctx.client_id })
                return filters
            end,
            unsubscribe = function(ctx, filters)
                for n, f in filters do filters[n] = "tenant/" .. f end
                return filters
            end,
        }"#,
    );
    let mut client = Connect::v5("a").to(&broker.broker);
    client.send(&subscribe(V5, 3, &[("x", 1), ("y", 2)], &[]));
    assert_eq!(client.receive().codes, [1, 2]);
    client.publish(publish("x", "no"));
    client.publish(publish("tenant/x", "yes"));
    client.expect_message("yes");
    client.publish(publish("news/a", "news"));
    client.expect_message("news");
    client.send(&unsubscribe(V5, 4, &["x", "z"]));
    assert_eq!(client.expect(UNSUBACK).codes, [0, 0x11]);
    client.publish(publish("tenant/x", "no"));
    client.expect_nothing(100);
}

#[test]
fn a_policy_sets_limits() {
    let broker = Scripted::start(
        r#"return { limit = function(instance, name) if name == "subscriptions" then return 2 end end }"#,
    );
    let mut client = Connect::v5("a").to(&broker.broker);
    let codes: Vec<u8> = (0..3)
        .flat_map(|n| client.subscribe(&format!("t/{n}"), 0).codes)
        .collect();
    assert_eq!(codes, [0, 0, 0x97]);
}

const ALLOWS: &str = r#"
return {
    authorize_subscribe = function(ctx, filter)
        if not DENIED then return "allow" end
        return if string.find(filter, "secret", 1, true) then "deny" else "allow"
    end,
}"#;

fn script(denies: bool) -> String {
    ALLOWS.replace("DENIED", if denies { "true" } else { "false" })
}

#[test]
fn what_is_no_longer_allowed_is_taken_back_when_the_window_closes() {
    let broker = Scripted::with(&script(false), "", &["policy_watch.window=\"400ms\""]);
    let mut client = Connect::v5("a").to(&broker.broker);
    let mut sender = Connect::v5("b").to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    assert_eq!(client.subscribe("open/#", 0).codes, [0]);
    broker.save(&script(true));
    broker.until_log("policies reloaded");
    // In the window it may still be rolled back, so nothing is taken yet.
    sender.publish(publish("secret/1", "still"));
    client.expect_message("still");
    assert_eq!(sender.subscribe("secret/x", 0).codes, [0x87]);
    broker.until_log("have proved themselves");
    broker.until_log("a subscription is no longer allowed and was withdrawn");
    sender.publish(publish("secret/1", "no"));
    sender.publish(publish("open/1", "yes"));
    client.expect_message("yes");
    client.expect_nothing(100);
    client.ping();
}

#[test]
fn without_a_window_it_is_taken_back_at_once() {
    let broker = Scripted::with(&script(false), "", &["policy_watch.window=\"0s\""]);
    let mut client = Connect::v5("a").to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    broker.save(&script(true));
    broker.until_log("was withdrawn");
    client.publish(publish("secret/1", "no"));
    client.expect_nothing(100);
}

#[test]
fn a_script_can_ask_for_it() {
    let broker = Scripted::start(
        r#"local denied = false
        return {
            authorize_subscribe = function(ctx, filter) return if denied then "deny" else "allow" end,
            authorize_publish = function(ctx, topic)
                if topic == "deny" then denied = true; mqtt.reauthorize() end
                return "allow"
            end,
        }"#,
    );
    let mut client = Connect::v5("a").to(&broker.broker);
    client.subscribe("x", 0);
    client.publish(publish("deny", ""));
    broker.until_log("was withdrawn");
    client.publish(publish("x", "no"));
    client.expect_nothing(100);
}

#[test]
fn an_answer_can_end_the_connection() {
    for waits in ["", "waits = { 'authorize_publish', 'authorize_subscribe' },"] {
        let broker = Scripted::start(&format!(
            r#"local function asked(ctx, topic)
                if topic ~= "out" then return "allow" end
                mqtt.p2p(ctx.client_id, {{ topic = "last/words", payload = "why" }})
                return "disconnect", "not there"
            end
            return {{ {waits} authorize_publish = asked, authorize_subscribe = asked }}"#
        ));
        let mut client = Connect::v5("a").to(&broker.broker);
        client.publish(publish("in", "x").qos(1, 1));
        client.receive();
        client.publish(publish("out", "x").qos(1, 2));
        // What a policy has asked for before is done first; nothing is handled that comes behind.
        client.publish(publish("out", "x").qos(1, 3));
        assert_eq!(client.expect(PUBLISH).payload, b"why", "{waits}");
        let last = client.expect_disconnect(0x87);
        assert_eq!(last.property(REASON_STRING), Some(&b"not there"[..]), "{waits}");
        let mut client = Connect::v5("a").to(&broker.broker);
        client.send(&subscribe(V5, 1, &[("in", 0), ("out", 0)], &[]));
        assert_eq!(client.expect(PUBLISH).topic(), "last/words", "{waits}");
        let last = client.expect_disconnect(0x87);
        assert_eq!(last.property(REASON_STRING), Some(&b"not there"[..]), "{waits}");
        let mut old = Connect::v311("a").to(&broker.broker);
        old.publish(publish("out", "x"));
        assert_eq!(old.expect(PUBLISH).payload, b"why", "{waits}");
        old.expect_close();
    }
}
