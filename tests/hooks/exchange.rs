//! What an exchange of AUTH packets ends in: rights that hold, or a reason that may be told.

use crate::Scripted;
use crate::support::{
    AUTH, AUTHENTICATION_DATA, AUTHENTICATION_METHOD, CONNACK, Client, Connect, PUBACK, V5, auth, prop_text,
    publish,
};

const SCRIPT: &str = r#"
local rules = { { "deny", "all", "secret/#" }, { "allow", "all", '#' } }
return {
    authenticate = function(ctx, username, password, method, data)
        if data == "hello" then return "continue", "who?" end
        return "allow"
    end,
    auth_continue = function(ctx, method, data, state)
        local code = tonumber(data)
        if code then return "deny", code, "not again" end
        return "allow", { acl = rules, data = "welcome" }
    end,
}"#;

fn properties(data: &str) -> Vec<u8> {
    let method = prop_text(AUTHENTICATION_METHOD, "M");
    [method, prop_text(AUTHENTICATION_DATA, data)].concat()
}

#[track_caller]
fn may_not_have_secrets(client: &mut Client) {
    client.publish(publish("secret/1", "x").qos(1, 1));
    client.expect_ack(PUBACK, 1, 0x87);
    assert_eq!(client.subscribe("secret/1", 0).codes, [0x87]);
    assert_eq!(client.subscribe("open", 0).codes, [0]);
}

#[test]
fn the_rules_of_a_login_that_ends_an_exchange_hold() {
    let broker = Scripted::start(SCRIPT);
    let mut client = Client::open(&broker.broker, V5);
    let connect = Connect::v5("a").property(properties("hello"));
    client.send(&connect.bytes());
    assert_eq!(client.expect(AUTH).code(), 0x18);
    client.send(&auth(0x18, &properties("me")));
    assert_eq!(client.expect(CONNACK).code(), 0);
    may_not_have_secrets(&mut client);
}

#[test]
fn the_rules_of_a_login_anew_hold_for_what_is_there_as_well() {
    let broker = Scripted::start(SCRIPT);
    let connect = Connect::v5("a").property(properties("in"));
    let mut client = connect.to(&broker.broker);
    assert_eq!(client.subscribe("secret/#", 0).codes, [0]);
    client.send(&auth(0x19, &properties("me")));
    assert_eq!(client.expect(AUTH).code(), 0);
    may_not_have_secrets(&mut client);
    broker.until_log("was withdrawn");
    let mut other = Connect::v5("b").to(&broker.broker);
    other.publish(publish("secret/2", "no"));
    other.publish(publish("open", "yes"));
    client.expect_message("yes");
}

/// Codes of CONNACK are not all codes of DISCONNECT [MQTT-3.14.2-1].
#[test]
fn a_denied_login_anew_ends_with_a_reason_that_disconnect_has() {
    let broker = Scripted::start(SCRIPT);
    let told = [
        (0x80, 0x80),
        (0x85, 0x87),
        (0x86, 0x87),
        (0x87, 0x87),
        (0x88, 0x89),
        (0x89, 0x89),
        (0x8A, 0x87),
        (0x8C, 0x87),
        (0x97, 0x97),
        (0x9D, 0x9D),
    ];
    for (denied, told) in told {
        let connect = Connect::v5("a").property(properties("in"));
        let mut client = connect.to(&broker.broker);
        client.send(&auth(0x19, &properties(&denied.to_string())));
        client.expect_disconnect(told);
    }
}
