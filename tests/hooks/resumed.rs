//! A session that comes back has the subscriptions that the policies allow now.

use crate::Scripted;
use crate::support::{Connect, publish};

/// Denies secrets from the moment on that somebody publishes to `deny`.
fn script(waits: bool) -> String {
    let (declares, nap) = match waits {
        true => ("waits = { 'authorize_subscribe' },", "task.sleep(0.02)"),
        false => ("", ""),
    };
    format!(
        r#"local denied = false
        return {{
            {declares}
            authorize_subscribe = function(ctx, filter)
                {nap}
                return if denied and string.find(filter, "secret", 1, true) then "deny" else "allow"
            end,
            authorize_publish = function(ctx, topic)
                if topic == "deny" then denied = true end
                return "allow"
            end,
        }}"#
    )
}

fn is_asked_about_again(waits: bool) {
    let broker = Scripted::with(&script(waits), "", &["server.shards=1"]);
    let connect = Connect::v5("a").expiry(100);
    let mut client = connect.clone().to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    assert_eq!(client.subscribe("open/#", 0).codes, [0]);
    client.disconnect();
    let mut sender = Connect::v5("b").to(&broker.broker);
    sender.publish(publish("deny", ""));
    sender.ping();
    let mut client = connect.clone().resume().to(&broker.broker);
    assert!(client.connack.session_present);
    broker.until_log("was withdrawn");
    sender.publish(publish("secret/1", "no"));
    sender.publish(publish("open/1", "yes"));
    client.expect_message("yes");
    // It stays so, and nothing is left to take back.
    client.disconnect();
    let mut client = connect.resume().to(&broker.broker);
    sender.publish(publish("secret/1", "no"));
    sender.publish(publish("open/1", "yes"));
    client.expect_message("yes");
    client.expect_nothing(100);
    let log = broker.broker.log();
    assert_eq!(log.matches("was withdrawn").count(), 1, "{log}");
    assert!(!log.contains("policy failed"), "{log}");
}

#[test]
fn what_it_may_no_longer_have_is_taken_back() {
    is_asked_about_again(false);
}

#[test]
fn what_it_may_no_longer_have_is_taken_back_by_a_policy_that_waits() {
    is_asked_about_again(true);
}

/// In the window the new generation may still be rolled back, and then nothing is to be missing.
#[test]
fn while_a_generation_is_watched_nothing_is_taken() {
    let version = |denies: bool| {
        format!(
            "return {{ authorize_subscribe = function(ctx, filter)
                return if {denies} and filter == 'secret/#' then 'deny' else 'allow'
            end }}"
        )
    };
    let broker = Scripted::with(&version(false), "", &["policy_watch.window=\"1s\""]);
    let connect = Connect::v5("a").expiry(100);
    let mut client = connect.clone().to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    client.disconnect();
    broker.save(&version(true));
    broker.until_log("policies reloaded");
    let mut client = connect.resume().to(&broker.broker);
    assert!(!broker.broker.log().contains("have proved themselves"));
    client.publish(publish("secret/1", "still"));
    client.expect_message("still");
    broker.until_log("was withdrawn");
    assert!(broker.broker.log().contains("have proved themselves"));
}
