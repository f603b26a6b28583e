//! events, and clients, kick, explain and trace of an instance.

use serde_json::Value;

use crate::Administered;
use crate::support::packets::{CONNACK, DISCONNECT, V5};
use crate::support::websocket::WebSocket;
use crate::support::{Connect, broker::free_address};
use crate::trace::Trace;

const SCRIPT: &str = "return { authorize_publish = function() return 'allow' end }";
const DEFAULT: &str = "mqtt-cn-dunlindemo";

/// The next event: what, and in which channel.
#[track_caller]
fn next(events: &mut Trace) -> (Value, String) {
    let line: Value = serde_json::from_str(&events.next()).unwrap();
    let channel = line["channel"].as_str().unwrap_or_default().to_owned();
    (line, channel)
}

#[track_caller]
fn expect(events: &mut Trace, event: &str, client_id: &str, channel: &str) -> Value {
    let (line, found) = next(events);
    assert_eq!(
        (&line["event"], &line["client_id"], &*found),
        (&event.into(), &client_id.into(), channel)
    );
    line
}

#[test]
fn a_connection_comes_and_goes_by_one_channel() {
    let broker = Administered::start(SCRIPT);
    let mut events = Trace::of(&broker, &["events", "--json", "--client", "meter"]);
    let client = Connect::v5("meter-1").to(&broker.broker);
    let _other = Connect::v5("other").to(&broker.broker);
    let (line, channel) = next(&mut events);
    assert_eq!(
        (&line["event"], &line["instance"]),
        (&"connect".into(), &DEFAULT.into())
    );
    assert!(
        channel.len() == 32 && line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{line}"
    );
    assert_eq!(
        broker.json(&["clients", "--prefix", "meter"])["channel"],
        channel.as_str()
    );
    client.disconnect();
    expect(&mut events, "disconnect", "meter-1", &channel);
    let ended = expect(&mut events, "tcpclean", "meter-1", &channel);
    assert_eq!(ended["reason"], "goodbye");
    // Who says no goodbye has none.
    let _client = Connect::v5("meter-1").to(&broker.broker);
    let (line, second) = next(&mut events);
    assert!(line["event"] == "connect" && second != channel, "{line}");
    broker.says(&["kick", "meter-1", "--reason", "maintenance"]);
    let ended = expect(&mut events, "tcpclean", "meter-1", &second);
    assert_eq!(ended["reason"], "maintenance");
    // One that takes the other's place: the end of the older one comes first.
    let _old = Connect::v311("meter-2").to(&broker.broker);
    let (_, old) = next(&mut events);
    let _new = Connect::v311("meter-2").to(&broker.broker);
    let ended = expect(&mut events, "tcpclean", "meter-2", &old);
    assert!(
        ended["reason"].as_str().unwrap().starts_with("clientId conflict"),
        "{ended}"
    );
    let (line, new) = next(&mut events);
    assert!(line["event"] == "connect" && new != old, "{line}");
    assert_eq!(events.stop(), 0);
}

#[test]
fn people_read_lines() {
    let broker = Administered::start(SCRIPT);
    let mut events = Trace::of(&broker, &["events"]);
    Connect::v5("a\u{1b}b").to(&broker.broker).disconnect();
    let line = events.next();
    assert!(
        line.contains("Z  connect     mqtt-cn-dunlindemo  a\\u{1b}b  channel "),
        "{line}"
    );
    assert!(line.contains(", 127.0.0.1:"), "{line}");
    assert!(events.next().contains("  disconnect  "));
    assert!(events.next().ends_with(", goodbye"));
}

#[test]
fn so_many_may_follow_and_no_more() {
    let broker = Administered::start(SCRIPT);
    let mut all: Vec<Trace> = (0..16).map(|_| Trace::of(&broker, &["events"])).collect();
    let refused = broker.ask(&["events"]);
    assert!(
        refused.code == 1
            && refused
                .err
                .contains("16 are following the events already; end one first"),
        "{refused:?}"
    );
    all.pop().unwrap().stop();
    crate::support::sleep(100);
    Trace::of(&broker, &["events"]).stop();
    assert!(all.into_iter().all(|events| events.stop() == 0));
}

#[test]
fn a_client_is_one_of_its_instance() {
    let address = free_address();
    let bind = format!("listeners.ws.bind=\"{address}\"");
    let broker = Administered::with(SCRIPT, &[&bind]);
    let made = broker.json(&["instance", "create"]);
    let (id, endpoint) = (made["id"].as_str().unwrap(), made["public"].as_str().unwrap());
    let mut events = Trace::of(&broker, &["events", "--json", "-i", id]);
    let mut one = Connect::v5("twin").to(&broker.broker);
    let mut two = WebSocket::open_at(address, endpoint, V5, "");
    two.send(&Connect::v5("twin").bytes());
    assert_eq!(two.expect(CONNACK).code(), 0);
    let (line, channel) = next(&mut events);
    assert_eq!(
        (&line["event"], &line["instance"]),
        (&"connect".into(), &id.into())
    );

    assert_eq!(broker.says(&["clients", "--json"]).lines().count(), 2);
    let row = broker.json(&["clients", "-i", id]);
    assert_eq!(
        (&row["instance"], &row["channel"]),
        (&id.into(), &channel.as_str().into())
    );
    assert_eq!(broker.json(&["clients", "-i", DEFAULT])["listener"], "tcp");
    let said = broker.says(&["explain", "twin", "-i", id, "publish", "t"]);
    assert!(said.starts_with("allow\n"), "{said}");
    let mut trace = Trace::of(&broker, &["trace", "twin", "-i", id]);
    broker.says(&["kick", "twin", "-i", id]);
    assert_eq!(two.expect(DISCONNECT).code(), 0x98);
    assert!(trace.next().contains("DISCONNECT"));
    one.ping();
    expect(&mut events, "tcpclean", "twin", &channel);
    let nobody = "there is no instance `nobody`; `dunlin ctl instance list` shows those there are";
    for args in [
        &["clients", "-i", "nobody"][..],
        &["kick", "twin", "-i", "nobody"],
        &["explain", "twin", "-i", "nobody", "publish", "t"],
        &["trace", "twin", "-i", "nobody"],
        &["events", "-i", "nobody"],
    ] {
        let refused = broker.ask(args);
        assert!(
            refused.code == 1 && refused.err.contains(nobody),
            "{args:?}: {refused:?}"
        );
    }
    let gone = broker.ask(&["kick", "twin", "-i", id]);
    assert!(
        gone.code == 1 && gone.err.contains("no client `twin` is connected"),
        "{gone:?}"
    );
    // What the instance did is in the metrics.
    let text = metrics(&broker);
    for line in [
        format!("dunlin_instance_connections{{instance=\"{DEFAULT}\"}} 1\n"),
        format!("dunlin_instance_connections{{instance=\"{id}\"}} 0\n"),
        format!("dunlin_instance_subscriptions{{instance=\"{id}\"}} 0\n"),
        format!("dunlin_instance_retained_messages{{instance=\"{id}\"}} 0\n"),
        format!("dunlin_instance_offline_messages{{instance=\"{id}\"}} 0\n"),
        format!("dunlin_instance_tps{{instance=\"{id}\"}} 0\n"),
        format!("dunlin_instance_limit_hits_total{{instance=\"{id}\",limit=\"client_id_conflict\"}} 0\n"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[test]
fn metrics_count_what_an_instance_met() {
    let settings = [
        "instance.limits.subscriptions=1",
        "instance.limits.tps=100",
        // One shard, so that everything is kept when it is acknowledged.
        "server.shards=1",
        "mqtt.sys_interval=none",
    ];
    let broker = Administered::with(SCRIPT, &settings);
    let mut client = Connect::v311("a").resume().to(&broker.broker);
    client.subscribe("t/1", 1);
    client.subscribe("t/2", 1);
    let mut other = Connect::v5("b").to(&broker.broker);
    client.disconnect();
    for id in 1..=3 {
        other.publish(crate::support::publish("t/1", "x").qos(1, id).retain());
        other.expect(crate::support::PUBACK);
    }
    let text = metrics(&broker);
    for line in [
        "dunlin_instance_limit_hits_total{instance=\"mqtt-cn-dunlindemo\",limit=\"client_subscriptions\"} 1\n",
        "dunlin_instance_retained_messages{instance=\"mqtt-cn-dunlindemo\"} 1\n",
        "dunlin_instance_offline_messages{instance=\"mqtt-cn-dunlindemo\"} 3\n",
        "dunlin_instance_subscriptions{instance=\"mqtt-cn-dunlindemo\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

fn metrics(broker: &Administered) -> String {
    use std::io::{Read, Write};
    let path = broker.broker.data().join("dunlin.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
