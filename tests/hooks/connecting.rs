//! connect, connack, authenticate's grants, expiring, control, session events and the life of a policy.

use crate::Scripted;
use crate::support::{Client, Connect, PUBACK, PUBLISH, V5, V311, Will, publish};

#[test]
fn connect_patches_rejects_and_redirects() {
    let broker = Scripted::start(
        r#"return {
            connect = function(ctx, connect)
                if connect.client_id == "bad" then return "reject", 0x9D and 0x8A, "banned" end
                if connect.client_id == "far" then return "redirect", "other:1883", "permanently" end
                if connect.client_id == "near" then return "redirect", "other:1884" end
                if connect.will then return { client_id = "renamed", will = { topic = "wills/" .. ctx.client_id } } end
                return { keep_alive = 77 }
            end,
            session_start = function(ctx, event) log.info("here is " .. ctx.client_id) end,
        }"#,
    );
    let (_, connack) = Connect::v5("bad").answer(&broker.broker);
    assert_eq!(connack.code(), 0x8A);
    let (_, connack) = Connect::v5("far").answer(&broker.broker);
    assert_eq!(
        (connack.code(), connack.property(0x1C)),
        (0x9D, Some(&b"other:1883"[..]))
    );
    let (_, connack) = Connect::v5("near").answer(&broker.broker);
    assert_eq!(connack.code(), 0x9C);
    // 3.1.1 knows neither code; it is refused all the same.
    let (_, connack) = Connect::v311("far").answer(&broker.broker);
    assert_eq!(connack.code(), 3);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("wills/#", 0);
    let connect = Connect::v5("original").will(Will::new("elsewhere", "gone"));
    let (client, _) = connect.answer(&broker.broker);
    broker.until_log("here is renamed");
    client.vanish();
    assert_eq!(reader.expect(PUBLISH).topic(), "wills/original");
}

#[test]
fn connect_says_which_instance_a_client_is_of() {
    let broker = Scripted::with(
        r#"return {
            connect = function(ctx, connect) return { instance = "mqtt-" .. connect.username } end,
            authenticate = function(ctx)
                log.info(ctx.client_id .. " asks to come into " .. ctx.instance)
                return "allow"
            end,
        }"#,
        "[instances.mqtt-one]\n[instances.mqtt-two]",
        &[],
    );
    // The same client id in two instances is two sessions.
    let mut one = Connect::v5("c").username("one").to(&broker.broker);
    let mut two = Connect::v5("c").username("two").to(&broker.broker);
    broker.until_log("c asks to come into mqtt-one");
    broker.until_log("c asks to come into mqtt-two");
    one.ping();
    two.ping();
}

#[test]
fn a_renewed_login_brings_something_else() {
    let broker = Scripted::start(
        r#"
        local function may(ctx, topic)
            if string.sub(topic, 1, 4) == "acl/" then return "next" end
            return if topic == ctx.attrs.may then "allow" else "deny"
        end
        return {
            owns = { "$SYS/uploadToken" },
            authenticate = function(ctx)
                return "allow", { attrs = { may = "old" }, acl = { { "allow", "all", "acl/old" }, { "deny", "all", "acl/#" } } }
            end,
            authorize_publish = may,
            authorize_subscribe = may,
            control = function(ctx, msg)
                return { attrs = { may = "new" }, acl = { { "allow", "all", "acl/new" }, { "deny", "all", "acl/#" } } }
            end,
        }"#,
    );
    let mut client = Connect::v5("c").to(&broker.broker);
    let may = |client: &mut Client, topic: &str, code: u8| {
        client.publish(publish(topic, "x").qos(1, 1));
        client.expect_ack(PUBACK, 1, code);
    };
    assert_eq!(client.subscribe("old", 0).codes, [0]);
    assert_eq!(client.subscribe("acl/old", 0).codes, [0]);
    for topic in ["acl/new", "new"] {
        may(&mut client, topic, 0x87);
    }
    client.publish(publish("$SYS/uploadToken", "x").qos(1, 7));
    client.expect_ack(PUBACK, 7, 0);
    for (topic, code) in [("acl/new", 0x10), ("new", 0x10), ("acl/old", 0x87), ("old", 0x87)] {
        may(&mut client, topic, code);
    }
    // It has lost what it had subscribed to by the old one.
    broker.until_log("filter=\"old\"");
    broker.until_log("filter=\"acl/old\"");
}

#[test]
fn connack_tells_more() {
    let broker = Scripted::start(
        r#"return { connack = function(ctx, connack)
            return { user = { { "region", "eu" }, { "present", tostring(connack.session_present) } }, reason_string = "hello" }
        end }"#,
    );
    let (_, connack) = Connect::v5("a").answer(&broker.broker);
    assert_eq!(connack.property(0x1F), Some(&b"hello"[..]));
    assert_eq!(connack.property(0x26), Some(&b"\0\x06region\0\x02eu"[..]));
}

#[test]
fn a_login_brings_rights_of_its_own() {
    let broker = Scripted::start(
        r#"return {
            authenticate = function(ctx)
                if ctx.client_id == "limited" then
                    return "allow", { acl = { { "deny", "all", "a/secret" }, { "allow", "all", "a/#" }, { 'deny', 'all', '#' } } }
                end
                return "allow"
            end,
        }"#,
    );
    let mut limited = Connect::v5("limited").to(&broker.broker);
    let mut free = Connect::v5("free").to(&broker.broker);
    assert_eq!(limited.subscribe("a/b", 1).codes, [1]);
    assert_eq!(limited.subscribe("a/+", 1).codes, [0x87]);
    assert_eq!(limited.subscribe("b", 1).codes, [0x87]);
    assert_eq!(free.subscribe("b", 1).codes, [1]);
    limited.publish(publish("a/secret", "x").qos(1, 1));
    limited.expect_ack(PUBACK, 1, 0x87);
    free.publish(publish("a/b", "y"));
    limited.expect_message("y");
}

#[test]
fn a_login_that_ends_is_announced_prolonged_and_ended() {
    let broker = Scripted::start(
        r#"return {
            authenticate = function(ctx) return "allow", { expires_at = time.now() + 1 } end,
            expiring = function(ctx, expires_at, ended)
                if ended then
                    return { messages = { { topic = "$SYS/tokenInvalidNotice", payload = "over", qos = 1 } } }
                end
                return { messages = { { topic = "$SYS/tokenExpireNotice", payload = tostring(math.floor(expires_at - time.now() + 0.5)) } } }
            end,
            owns = { "$SYS/uploadToken" },
            control = function(ctx, msg)
                task.sleep(0.02)
                if msg.payload == "bad" then return "disconnect", 0x87, "no such token" end
                return { expires_at = time.now() + tonumber(msg.payload), messages = { { topic = "$SYS/answer", payload = "ok" } } }
            end,
        }"#,
    );
    // With less than five minutes to go the client is told at once, and at the end it goes.
    let mut short = Connect::v5("short").to(&broker.broker);
    let notice = short.expect(PUBLISH);
    assert_eq!(
        (notice.topic(), &*notice.payload),
        ("$SYS/tokenInvalidNotice", &b"over"[..])
    );
    short.expect_disconnect(0x87);

    let mut renewed = Connect::v5("renewed").to(&broker.broker);
    renewed.publish(publish("$SYS/uploadToken", "4000").qos(1, 7));
    // What follows a renewal is answered after it.
    renewed.send(&crate::support::pingreq());
    assert_eq!(renewed.expect(PUBLISH).topic(), "$SYS/answer");
    renewed.expect_ack(PUBACK, 7, 0);
    renewed.receive();
    renewed.expect_nothing(1500);
    renewed.publish(publish("$SYS/uploadToken", "bad").qos(1, 8));
    renewed.expect_disconnect(0x87);

    let mut old = Connect::v311("old").to(&broker.broker);
    old.expect(PUBLISH);
    old.expect_close();
}

#[test]
fn ticks_tasks_state_and_the_end() {
    let script = |version: u32| {
        format!(
            r#"local before
            return {{
                on_load = function(settings, previous)
                    before = previous
                    task.every(0.02, function() mqtt.publish({{ topic = "every", payload = "{version}" }}) end)
                    return {{ version = {version} }}
                end,
                on_tick = function(now)
                    mqtt.publish({{ topic = "tick", payload = "{version} after " .. (if before then tostring(before.version) else "nothing") }})
                    return 0.02
                end,
                on_unload = function(reason) log.info("{version} is unloaded: " .. reason) end,
            }}"#
        )
    };
    let broker = Scripted::with(&script(1), "", &["policy_watch.window=\"300ms\""]);
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("tick", 0);
    reader.expect_message("1 after nothing");
    broker.save(&script(2));
    let told = loop {
        let message = reader.expect(PUBLISH);
        if message.payload != b"1 after nothing" {
            break message;
        }
    };
    assert_eq!(told.payload, b"2 after 1");
    broker.until_log("1 is unloaded: replaced");
    // What the one before began is over.
    for _ in 0..10 {
        reader.expect_message("2 after 1");
    }
    let mut second = Connect::v5("second").to(&broker.broker);
    second.subscribe("every", 0);
    for _ in 0..10 {
        second.expect_message("2");
    }
}

#[test]
fn observers_hear_of_sessions_and_can_act() {
    let broker = Scripted::start(
        r#"return {
            session_start = function(ctx, event)
                task.sleep(0.01)
                mqtt.publish({ topic = "seen/" .. ctx.client_id, payload = tostring(event.resumed) })
            end,
            disconnect = function(ctx, event)
                mqtt.publish({ topic = "gone/" .. ctx.client_id, payload = event.reason, qos = 1 })
                if ctx.client_id == "first" then mqtt.kick("second", 0x8B, "follow") end
                mqtt.p2p("reader", { topic = "direct", payload = ctx.client_id })
            end,
        }"#,
    );
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("seen/#", 0);
    reader.subscribe("gone/#", 0);
    let first = Connect::new(V311, "first").to(&broker.broker);
    reader.expect_message("false");
    let mut second = Connect::new(V5, "second").to(&broker.broker);
    reader.expect_message("false");
    first.disconnect();
    second.expect_disconnect(0x8B);
    let mut topics: Vec<String> = (0..4)
        .map(|_| reader.expect(PUBLISH).topic().to_owned())
        .collect();
    topics.sort();
    assert_eq!(topics, ["direct", "direct", "gone/first", "gone/second"]);
}
