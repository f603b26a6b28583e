//! Subscriptions that are asked about again, by a policy that waits.

use crate::Scripted;
use crate::support::{Connect, publish, sleep};

/// As many as would open a breaker, if asking about them failed.
const MANY: usize = 25;

fn script(waits: f32, denies: bool) -> String {
    format!(
        r#"return {{
            waits = {{ "authorize_subscribe" }},
            authorize_subscribe = function(ctx, filter)
                task.sleep({waits})
                return if {denies} and string.find(filter, "secret", 1, true) then "deny" else "allow"
            end,
        }}"#
    )
}

fn broker(script: &str) -> Scripted {
    Scripted::with(script, "", &["server.shards=1", "policy_watch.window=\"0s\""])
}

#[test]
fn a_policy_that_waits_is_waited_for() {
    let broker = broker(&script(0.01, false));
    let mut client = Connect::v5("a").to(&broker.broker);
    for n in 0..MANY {
        assert_eq!(client.subscribe(&format!("open/{n}"), 0).codes, [0]);
    }
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    broker.save(&script(0.02, true));
    broker.until_log("was withdrawn");
    // The others were asked about in the meantime, and afterwards.
    sleep(20 * (MANY as u64 + 10));
    assert!(!broker.broker.log().contains("policy failed"));
    assert_eq!(broker.broker.log().matches("was withdrawn").count(), 1);
    client.publish(publish("secret/1", "no"));
    for n in 0..MANY {
        client.publish(publish(format!("open/{n}"), "yes"));
        client.expect_message("yes");
    }
    assert_eq!(client.subscribe("open/more", 0).codes, [0]);
}

#[test]
fn an_answer_of_a_generation_that_serves_no_more_takes_nothing() {
    let broker = broker(&script(0.01, false));
    let mut client = Connect::v5("a").to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    broker.save(&script(0.8, true));
    broker.until_log("policies reloaded");
    broker.save(&script(0.02, false));
    while broker.broker.log().matches("policies reloaded").count() < 2 {
        sleep(2);
    }
    sleep(1000);
    client.publish(publish("secret/1", "still"));
    client.expect_message("still");
    assert!(!broker.broker.log().contains("was withdrawn"));
}

#[test]
fn who_leaves_meanwhile_is_not_missed() {
    let broker = broker(&script(0.01, false));
    let mut client = Connect::v5("a").to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    broker.save(&script(0.3, true));
    broker.until_log("policies reloaded");
    client.vanish();
    // Another session in its place: it was not asked about.
    let mut client = Connect::v5("a").to(&broker.broker);
    assert_eq!(client.subscribe("open", 0).codes, [0]);
    sleep(300);
    client.publish(publish("open", "yes"));
    client.expect_message("yes");
    assert!(!broker.broker.log().contains("was withdrawn"));
}

/// Says in the log each time that it is asked; denies secrets from the first reauthorization on.
const COUNTS: &str = r#"
local denied = false
return {
    waits = { "authorize_subscribe" },
    authorize_subscribe = function(ctx, filter)
        log.info("asked about " .. filter)
        task.sleep(0.2)
        return if denied and filter == "secret" then "deny" else "allow"
    end,
    authorize_publish = function(ctx, topic)
        if topic == "again" then
            denied = true
            mqtt.reauthorize({ client = ctx.client_id })
        end
        return "allow"
    end,
}"#;

#[test]
fn who_is_being_asked_about_is_asked_about_once_more() {
    let broker = Scripted::with(COUNTS, "", &["server.shards=1"]);
    let mut client = Connect::v5("a").to(&broker.broker);
    assert_eq!(client.subscribe("secret", 0).codes, [0]);
    for _ in 0..40 {
        client.publish(publish("again", ""));
        client.ping();
    }
    broker.until_log("was withdrawn");
    sleep(500);
    let asked = broker.broker.log().matches("asked about secret").count();
    assert!((2..=4).contains(&asked), "{asked} times");
}

#[test]
fn nobody_asks_about_those_who_left() {
    let broker = Scripted::with(COUNTS, "", &["server.shards=1"]);
    let connect = Connect::v5("a").expiry(100);
    let mut client = connect.clone().to(&broker.broker);
    assert_eq!(client.subscribe("secret", 0).codes, [0]);
    for _ in 0..60 {
        client.vanish();
        client = connect.clone().resume().to(&broker.broker);
        assert!(client.connack.session_present);
    }
    client.publish(publish("again", ""));
    broker.until_log("was withdrawn");
    let asked = broker.broker.log().matches("asked about secret").count();
    // The subscription itself, eight at once, again when those are done, and the last one.
    assert!(asked < 30, "{asked} times");
}
