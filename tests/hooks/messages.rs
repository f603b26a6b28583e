//! publish by origin, route, authorize_deliver, deliver, offline and will.

use crate::Scripted;
use crate::support::{Connect, PUBLISH, V5, V311, Will, publish};

#[test]
fn messages_are_changed_by_origin() {
    let broker = Scripted::start(
        r#"return {
            origins = { publish = { "client", "will", "script" } },
            publish = function(ctx, msg)
                if msg.topic == "start" then mqtt.publish({ topic = "made", payload = "m" }) end
                return { payload = msg.payload .. "<" .. msg.origin .. ":" .. (if ctx then ctx.client_id else "nobody"),
                    more = if msg.origin == "script" then { { topic = "more", payload = "once" } } else nil }
            end,
        }"#,
    );
    let mut reader = Connect::v5("reader").to(&broker.broker);
    for filter in ["start", "made", "more", "will"] {
        reader.subscribe(filter, 0);
    }
    let mut sender = Connect::v5("sender")
        .will(Will::new("will", "w"))
        .to(&broker.broker);
    sender.publish(publish("start", "s"));
    let mut got: Vec<String> = (0..3)
        .map(|_| String::from_utf8(reader.expect(PUBLISH).payload).unwrap())
        .collect();
    got.sort();
    assert_eq!(got, ["m<script:nobody", "once", "s<client:sender"]);
    sender.vanish();
    reader.expect_message("w<will:sender");
}

#[test]
fn a_message_is_routed_further_or_nowhere() {
    let broker = Scripted::start(
        r#"return { route = function(ctx, msg, receivers)
            if msg.topic == "stop" then return "drop", "why" end
            if msg.topic == "fan" then return { topics = { "copy/" .. receivers }, clients = { "direct" } } end
        end }"#,
    );
    let mut a = Connect::v5("a").to(&broker.broker);
    a.subscribe("#", 0);
    let mut direct = Connect::v311("direct").to(&broker.broker);
    a.publish(publish("stop", "no"));
    a.publish(publish("fan", "yes"));
    let mut topics = [
        a.expect(PUBLISH).topic().to_owned(),
        a.expect(PUBLISH).topic().to_owned(),
    ];
    topics.sort();
    assert_eq!(topics, ["copy/1", "fan"]);
    assert_eq!(direct.expect(PUBLISH).topic(), "fan");
    a.expect_nothing(100);
}

#[test]
fn each_receiver_gets_its_own() {
    let broker = Scripted::start(
        r#"return {
            authorize_deliver = function(ctx, topic) return if ctx.client_id == "blind" and topic == "t/secret" then "deny" else "next" end,
            deliver = function(ctx, msg)
                if ctx.client_id == "picky" and msg.payload == "dull" then return "skip" end
                if ctx.client_id == "named" then
                    return { payload = "for " .. ctx.client_id, properties = { user = { { "k", "v" } } } }
                end
            end,
        }"#,
    );
    let mut clients: Vec<_> = ["plain", "blind", "picky", "named"]
        .iter()
        .map(|id| {
            let mut client = Connect::v5(id).to(&broker.broker);
            client.subscribe("t/#", 1);
            client
        })
        .collect();
    let mut sender = Connect::new(V311, "sender").to(&broker.broker);
    for n in 0..2 {
        sender.publish(publish("t/secret", "dull").qos(1, 1 + n));
        let answer = sender.receive();
        assert_eq!(answer.id, 1 + n);
    }
    let mut expect = |n: usize, payload: Option<&str>| match payload {
        Some(payload) => {
            for _ in 0..2 {
                let message = clients[n].expect_message(payload);
                clients[n].acknowledge(&message);
            }
            clients[n].expect_nothing(50);
        }
        None => clients[n].expect_nothing(50),
    };
    expect(0, Some("dull"));
    expect(1, None);
    expect(2, None);
    expect(3, Some("for named"));
    // A retained message that a subscription brings is delivered, too.
    sender.publish(publish("t/kept", "dull").retain().qos(1, 9));
    sender.receive();
    let mut named = Connect::v5("named").to(&broker.broker);
    named.subscribe("t/kept", 0);
    let message = named.expect_message("for named");
    assert_eq!(message.property(0x26), Some(&b"\0\x01k\0\x01v"[..]));
}

#[test]
fn what_an_absent_client_misses_is_kept_or_told_elsewhere() {
    let broker = Scripted::start(
        r#"return { offline = function(ctx, msg)
            if msg.topic == "t/push" then
                mqtt.publish({ topic = "push/" .. ctx.client_id, payload = msg.payload })
                return "skip", "pushed"
            end
        end }"#,
    );
    let session = || Connect::new(V5, "sleeper").resume().expiry(100);
    let mut sleeper = session().to(&broker.broker);
    sleeper.subscribe("t/#", 1);
    sleeper.disconnect();
    let mut sender = Connect::v5("sender").to(&broker.broker);
    sender.subscribe("push/#", 0);
    sender.publish(publish("t/push", "1"));
    sender.publish(publish("t/push", "2").qos(1, 1));
    sender.receive();
    assert_eq!(sender.expect_message("2").topic(), "push/sleeper");
    sender.publish(publish("t/keep", "3").qos(1, 2));
    sender.receive();
    let mut sleeper = session().to(&broker.broker);
    sleeper.expect_message("3");
    sleeper.expect_nothing(100);
}

#[test]
fn a_policy_that_fails_keeps_what_an_absent_client_misses() {
    let broker = Scripted::with(
        "return { offline = function(ctx, msg) error('broken') end }",
        "on_error = \"drop\"",
        &[],
    );
    let session = || Connect::new(V5, "sleeper").resume().expiry(100);
    let mut sleeper = session().to(&broker.broker);
    sleeper.subscribe("t/#", 1);
    sleeper.disconnect();
    let mut sender = Connect::v5("sender").to(&broker.broker);
    sender.publish(publish("t/1", "kept").qos(1, 1));
    sender.receive();
    session().to(&broker.broker).expect_message("kept");
}

#[test]
fn a_script_lists_the_sessions_of_all_shards() {
    let broker = Scripted::with(
        r#"return {
            waits = { "publish" },
            publish = function(ctx, msg)
                local options = json.decode(msg.payload)
                local found, why = mqtt.sessions(options)
                local names = {}
                for _, session in found do
                    local state = if session.connected then "on" else "off"
                    table.insert(names, session.client_id .. " " .. state .. " " .. session.subscriptions)
                end
                table.sort(names)
                return { payload = table.concat(names, ", ") }
            end,
        }"#,
        "",
        &["server.shards=2"],
    );
    let mut asker = Connect::v5("asker").to(&broker.broker);
    asker.subscribe("list", 0);
    let _others: Vec<_> = (0..6)
        .map(|n| Connect::v5(format!("dev-{n}")).to(&broker.broker))
        .collect();
    let mut sleeper = Connect::v5("dev-9").resume().expiry(100).to(&broker.broker);
    sleeper.subscribe("a", 1);
    sleeper.subscribe("b", 1);
    sleeper.disconnect();
    let mut list = |options: &str| {
        asker.publish(publish("list", options));
        String::from_utf8(asker.expect(PUBLISH).payload).unwrap()
    };
    assert_eq!(
        list(r#"{"prefix": "dev-"}"#),
        "dev-0 on 0, dev-1 on 0, dev-2 on 0, dev-3 on 0, dev-4 on 0, dev-5 on 0, dev-9 off 2"
    );
    assert_eq!(list(r#"{"connected": false}"#), "dev-9 off 2");
    assert_eq!(list(r#"{"prefix": "dev-", "limit": 3}"#).split(", ").count(), 3);
    assert_eq!(list(r#"{"prefix": "nobody"}"#), "");
}

#[test]
fn a_policy_says_whose_publishing_it_is_asked_about() {
    let broker = Scripted::with(
        r#"return {
            origins = { authorize_publish = { "will" } },
            authorize_publish = function(ctx, topic)
                return "deny", "no last words"
            end,
        }"#,
        "",
        &["policy_defaults.authorize_publish=\"allow\""],
    );
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("#", 0);
    let mut sender = Connect::v5("sender")
        .will(Will::new("will", "w"))
        .to(&broker.broker);
    sender.publish(publish("alive", "a"));
    reader.expect_message("a");
    sender.vanish();
    reader.expect_nothing(200);
}

#[test]
fn wills_are_suppressed_and_patched() {
    let broker = Scripted::start(
        r#"return { will = function(ctx, msg)
            if ctx.client_id == "quiet" then return "suppress", "not now" end
            return { topic = "wills/" .. ctx.client_id, payload = msg.payload .. "!", qos = 0 }
        end }"#,
    );
    let mut reader = Connect::v5("reader").to(&broker.broker);
    reader.subscribe("#", 1);
    for id in ["quiet", "loud"] {
        Connect::v5(id)
            .will(Will::new("x", "bye"))
            .to(&broker.broker)
            .vanish();
    }
    let message = reader.expect(PUBLISH);
    assert_eq!((message.topic(), &*message.payload), ("wills/loud", &b"bye!"[..]));
    reader.expect_nothing(200);
}
