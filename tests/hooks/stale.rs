//! `on_error = "stale"`: what a policy said last stands in for it, for the client that it was said of.

use crate::Scripted;
use crate::support::{AUTHENTICATION_DATA, AUTHENTICATION_METHOD, Connect, PUBACK, prop_text, publish};

/// Fails from the moment on that somebody publishes to `break`.
const SCRIPT: &str = r#"
local broken = false
local function well() if broken then error("broken") end end
return {
    authenticate = function(ctx, username, password, method, data)
        well()
        if method then return if data == "good" then "allow" else "deny" end
        return "allow", { attrs = { role = password } }
    end,
    auth_continue = function() return "deny" end,
    authorize_publish = function(ctx, topic)
        if topic == "break" then broken = true end
        well()
        return if ctx.username == "alice" and ctx.attrs.role == "admin" then "allow" else "deny"
    end,
    authorize_subscribe = function(ctx, filter)
        well()
        return if ctx.username == "alice" and ctx.attrs.role == "admin" then "allow" else "deny"
    end,
}"#;

fn broker() -> Scripted {
    Scripted::with(SCRIPT, "on_error = \"stale\"", &["server.shards=1"])
}

fn break_it(broker: &Scripted) {
    let mut other = Connect::v5("other").to(&broker.broker);
    other.publish(publish("break", "").qos(1, 1));
    other.expect_ack(PUBACK, 1, 0x87);
}

#[test]
fn an_answer_is_not_somebody_elses_who_has_the_client_id() {
    let broker = broker();
    let login = |name: &str, password: &str| Connect::v5("same").username(name).password(password);
    let may = |connect: Connect| {
        let mut client = connect.to(&broker.broker);
        client.publish(publish("t", "x").qos(1, 1));
        let published = client.expect(PUBACK).code() < 0x80;
        (published, client.subscribe("t", 0).codes[0] < 0x80)
    };
    // Everybody is known, and what they may.
    assert_eq!(may(login("mallory", "admin")), (false, false));
    assert_eq!(may(login("alice", "guest")), (false, false));
    assert_eq!(may(login("alice", "admin")), (true, true));
    break_it(&broker);
    assert_eq!(may(login("mallory", "admin")), (false, false));
    assert_eq!(may(login("alice", "guest")), (false, false));
    assert_eq!(may(login("alice", "admin")), (true, true));
}

#[test]
fn a_login_is_not_let_in_for_what_somebody_else_proved() {
    let broker = broker();
    let login = |data: &str| {
        let method = prop_text(AUTHENTICATION_METHOD, "M");
        let connect = Connect::v5("same").property(method);
        connect.property(prop_text(AUTHENTICATION_DATA, data))
    };
    login("good").to(&broker.broker);
    break_it(&broker);
    let (_, connack) = login("bad").answer(&broker.broker);
    assert_eq!(connack.code(), 0x88);
    login("good").to(&broker.broker);
}
