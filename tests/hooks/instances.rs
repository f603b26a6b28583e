//! Clients of several instances, and what scripts have the broker do in which.

use crate::Scripted;
use crate::support::{Connect, PUBLISH, V5, publish};

/// Clients are of the instance that their user name says. `t` and `there` are published by the client that asks.
const SCRIPT: &str = r#"return {
    connect = function(ctx, connect) return { instance = "mqtt-" .. connect.username } end,
    waits = { "publish" },
    authorize_subscribe = function(ctx, filter) return if kv.get(ctx.instance) then "deny" else "allow" end,
    publish = function(ctx, msg)
        local there = if msg.topic == "there" then { instance = "mqtt-b" } else nil
        if msg.payload == "send" then
            mqtt.p2p("c", { topic = "sent", payload = "from " .. ctx.instance }, there)
        elseif msg.payload == "kick" then
            mqtt.kick("c", 0x8B, "kicked", there)
        elseif msg.payload == "reauthorize" then
            kv.set("mqtt-a", true)
            kv.set("mqtt-b", true)
            mqtt.reauthorize(there)
        elseif msg.payload == "list" then
            local found = mqtt.sessions(there)
            local names = {}
            for _, session in found do table.insert(names, session.client_id) end
            table.sort(names)
            mqtt.p2p(ctx.client_id, { topic = "list", payload = table.concat(names, " ") })
        end
        return "drop"
    end,
}"#;

#[test]
fn a_script_reaches_the_clients_of_the_instance_that_it_means() {
    let broker = Scripted::with(
        SCRIPT,
        "[instances.mqtt-a]\n[instances.mqtt-b]",
        &["server.shards=2"],
    );
    let connect = |client_id: &str, of: &str| Connect::new(V5, client_id).username(of).to(&broker.broker);
    let mut asker = connect("asker", "a");
    let (mut a, mut b) = (connect("c", "a"), connect("c", "b"));
    a.subscribe("x", 0);
    b.subscribe("x", 0);

    asker.publish(publish("t", "send"));
    assert_eq!(a.expect(PUBLISH).payload, b"from mqtt-a");
    asker.publish(publish("there", "send"));
    assert_eq!(b.expect(PUBLISH).payload, b"from mqtt-a");

    for (topic, names) in [("t", "asker c"), ("there", "c")] {
        asker.publish(publish(topic, "list"));
        let listed = String::from_utf8(asker.expect(PUBLISH).payload).unwrap();
        assert_eq!(listed, names, "{topic}");
    }

    let withdrawn = || broker.broker.log().matches("was withdrawn").count();
    asker.publish(publish("there", "reauthorize"));
    broker.until_log("was withdrawn");
    a.expect_nothing(100);
    assert_eq!(withdrawn(), 1);

    asker.publish(publish("there", "kick"));
    b.expect_disconnect(0x8B);
    a.ping();
    asker.publish(publish("t", "kick"));
    a.expect_disconnect(0x8B);
}
