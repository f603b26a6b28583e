//! instance: made, changed and deleted while clients are connected.

use serde_json::Value;

use crate::Administered;
use crate::support::packets::{CONNACK, DISCONNECT, PUBACK, SUBACK, V5, V311, publish, subscribe};
use crate::support::websocket::WebSocket;
use crate::support::{Connect, broker::free_address};

const SCRIPT: &str = "return { authorize_publish = function() return 'allow' end }";
const DEFAULT: &str = "mqtt-cn-dunlindemo";

/// A broker whose instances can be reached by their host names.
struct Reachable {
    broker: Administered,
    address: std::net::SocketAddr,
}

impl Reachable {
    fn start(settings: &[&str]) -> Reachable {
        let address = free_address();
        let bind = format!("listeners.ws.bind=\"{address}\"");
        let settings: Vec<&str> = settings.iter().copied().chain([bind.as_str()]).collect();
        let broker = Administered::with(SCRIPT, &settings);
        Reachable { broker, address }
    }

    fn create(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = ["instance", "create"].iter().chain(args).copied().collect();
        self.broker.json(&args)
    }

    /// A client of the instance with this public endpoint, that is let in.
    fn client(&self, endpoint: &str, version: u8, id: &str) -> WebSocket {
        let mut socket = WebSocket::open_at(self.address, endpoint, version, "");
        socket.send(&Connect::new(version, id).bytes());
        assert_eq!(socket.expect(CONNACK).code(), 0);
        socket
    }
}

#[track_caller]
fn refused(broker: &Administered, args: &[&str], code: i32, sentence: &str) {
    let answer = broker.ask(args);
    assert!(
        answer.code == code && answer.err.contains(sentence) && answer.out.is_empty(),
        "{args:?}: {answer:?}"
    );
}

#[test]
fn an_instance_is_made_while_others_are_served_and_deleted_with_its_clients() {
    let all = Reachable::start(&["endpoints.unknown_host=refuse"]);
    let broker = &all.broker;
    let mut old = Connect::v5("same").to(&broker.broker);
    old.subscribe("a/#", 0);
    let made = all.create(&[
        "--name",
        "second",
        "--region",
        "us-west-1",
        "--edition",
        "standard",
    ]);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    let id = text("id");
    assert!(id.starts_with("mqtt-us-") && id.len() == 19, "{id}");
    assert_eq!(
        (
            &*text("name"),
            &*text("region"),
            &*text("edition"),
            &*text("origin")
        ),
        ("second", "us-west-1", "standard", "created")
    );
    assert_eq!(text("public"), format!("{id}.mqtt.localhost"));
    assert_eq!(text("internal"), format!("{id}-internal-vpc.mqtt.localhost"));
    // The edition has no 5.0, until it is said that it has.
    let mut socket = WebSocket::open_at(all.address, &text("public"), V5, "");
    socket.send(&Connect::v5("same").bytes());
    assert_eq!(socket.expect(CONNACK).code(), 0x84);
    broker.says(&["instance", "set", &id, "product.mqtt5=true"]);
    let mut new = all.client(&text("public"), V5, "same");
    let mut older = all.client(&text("internal"), V311, "older");
    new.send(&subscribe(V5, 7, &[("a/#", 0)], &[]));
    new.expect(SUBACK);
    // Nobody took the other's place, and topics do not cross.
    old.publish(publish("a/b", "x").qos(1, 1));
    old.expect_message("x");
    let row = &broker.json(&["instance", "list"])[1];
    assert_eq!(
        (&row["id"], &row["connections"], &row["subscriptions"]),
        (&id.as_str().into(), &2.into(), &1.into())
    );

    let said = broker.says(&["instance", "delete", &id]);
    assert_eq!(said, format!("{id}: deleted, with all that it had\n"));
    let told = new.expect(DISCONNECT);
    assert_eq!(told.code(), 0x98, "{told:02x?}");
    assert!(new.receive().is_none() && older.receive().is_none());
    old.expect(PUBACK);
    old.ping();
    refused(broker, &["instance", "show", &id], 1, "there is no instance");
    assert_eq!(broker.json(&["instance", "list"]).as_array().unwrap().len(), 1);
    let mut socket = WebSocket::open_at(all.address, &text("public"), V5, "");
    socket.send(&Connect::v5("same").bytes());
    let unknown = socket.receive();
    assert!(
        unknown.is_none_or(|packet| packet.code() != 0),
        "it is still reached"
    );
}

#[test]
fn what_is_made_has_a_name_of_its_own_in_its_region() {
    let broker = Administered::start(SCRIPT);
    let text = broker.says(&["instance", "create", "--name", "Second"]);
    assert!(
        text.starts_with("id        mqtt-cn-") && text.contains("\nname      Second\nregion    local\n"),
        "{text}"
    );
    let create = |more: &[&'static str]| [&["instance", "create"], more].concat();
    let same = "called Second already; names differ in more than case";
    refused(&broker, &create(&["--name", "second"]), 1, same);
    refused(
        &broker,
        &create(&["--name", DEFAULT]),
        1,
        "called mqtt-cn-dunlindemo already",
    );
    broker.says(&create(&["--name", "second", "--region", "cn-hangzhou"]));
    refused(&broker, &create(&["--name", "ab"]), 2, "3 to 64 letters, digits");
    refused(
        &broker,
        &create(&["--name", "a b c"]),
        2,
        "3 to 64 letters, digits",
    );
    refused(&broker, &create(&["--region", "a/b"]), 2, "a region's name has");
    refused(
        &broker,
        &create(&["--edition", "gold"]),
        2,
        "take lite, standard, professional or platinum",
    );
    refused(&broker, &create(&["--set", "limits.tpss=1"]), 2, "tpss");
    refused(&broker, &create(&["--set", "limits.tps=many"]), 2, "limits.tps");
    let global = "holds for the whole broker and cannot be set for one instance";
    refused(&broker, &create(&["--set", "limits.connections=1"]), 2, global);
    // Two of the region local, one of the other.
    assert_eq!(broker.json(&["instance", "list"]).as_array().unwrap().len(), 3);

    let by_default = broker.json(&create(&[]));
    assert_eq!(by_default["id"], by_default["name"]);
    let id = by_default["id"].as_str().unwrap();
    refused(&broker, &["instance", "rename", id, "SECOND"], 1, same);
    refused(&broker, &["instance", "rename", id, "x"], 2, "3 to 64 letters");
    refused(
        &broker,
        &["instance", "rename", "nobody", "third"],
        1,
        "there is no instance `nobody`",
    );
    assert!(
        broker
            .says(&["instance", "rename", id, "Third"])
            .contains("\nname      Third\n")
    );
    // In another case it is its own name all the same.
    broker.says(&["instance", "rename", id, "third"]);
    // One of the configuration as well.
    broker.says(&["instance", "rename", DEFAULT, "main"]);
    assert_eq!(broker.json(&["instance", "show", DEFAULT])["name"], "main");
    refused(
        &broker,
        &["instance", "delete", DEFAULT],
        1,
        "is named by the configuration and cannot be deleted here",
    );
    refused(
        &broker,
        &["instance", "delete", "nobody"],
        1,
        "there is no instance `nobody`",
    );
}

#[test]
fn a_limit_holds_for_clients_that_are_connected_and_is_taken_back() {
    let broker = Administered::with(SCRIPT, &["instance.limits.topic_length=20"]);
    let mut client = Connect::v5("a").to(&broker.broker);
    client.subscribe("t/1", 1);
    let said = broker.says(&[
        "instance",
        "set",
        DEFAULT,
        "limits.subscriptions=1",
        "limits.payload_size=4B",
    ]);
    assert!(
        said.starts_with("mqtt-cn-dunlindemo: limits.subscriptions=1 limits.payload_size=4B set"),
        "{said}"
    );
    assert_eq!(client.subscribe("t/2", 1).code(), 0x97);
    client.publish(publish("t/1", "12345").qos(1, 1));
    client.expect_ack(PUBACK, 1, 0x97);

    let shown = broker.json(&["instance", "show", DEFAULT]);
    let settings = &shown["settings"];
    assert_eq!(settings["limits.subscriptions"]["value"], "1");
    assert_eq!(settings["limits.subscriptions"]["by"], "operator");
    assert_eq!(settings["limits.topic_length"]["by"], "configuration");
    assert_eq!(
        (
            &shown["hits"]["client_subscriptions"],
            &shown["hits"]["payload_size"]
        ),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&shown["connections"], &shown["subscriptions"]),
        (&1.into(), &1.into())
    );
    let text = broker.says(&["instance", "show", DEFAULT]);
    for part in [
        "limits met     client_subscriptions 1, payload_size 1\n",
        "limits.payload_size = 4B  (operator)\n",
        "limits.topic_length = 20  (configuration)\n",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }

    broker.says(&["instance", "unset", DEFAULT, "limits.payload_size"]);
    client.publish(publish("t/1", "12345").qos(1, 2));
    client.expect_message("12345");
    client.expect_ack(PUBACK, 2, 0);
    let set = |more: &[&'static str]| [&["instance", "set", DEFAULT], more].concat();
    let unset = |name: &'static str| ["instance", "unset", DEFAULT, name];
    refused(
        &broker,
        &unset("limits.payload_size"),
        1,
        "`limits.payload_size` is not set for the instance",
    );
    refused(
        &broker,
        &unset("limits.topic_length"),
        1,
        "is set by the configuration; change it there",
    );
    refused(&broker, &unset("a\u{1b}b"), 1, "`a\\x1bb` is not set");
    refused(
        &broker,
        &set(&["limits.tps"]),
        2,
        "is not KEY=VALUE; write for example limits.tps=100",
    );
    refused(&broker, &set(&["limits.nothing=1"]), 2, "nothing");
    refused(
        &broker,
        &set(&["server.shards=1"]),
        2,
        "there is no setting `server.shards` of an instance",
    );
    refused(
        &broker,
        &set(&["limits.mailbox=1"]),
        2,
        "holds for the whole broker",
    );
    refused(
        &broker,
        &["instance", "set", "nobody", "limits.tps=1"],
        1,
        "there is no instance `nobody`",
    );
    // What was refused has changed nothing.
    assert_eq!(client.subscribe("t/2", 1).code(), 0x97);
    broker.says(&unset("limits.subscriptions"));
    assert_eq!(client.subscribe("t/2", 1).code(), 1);
}

#[test]
fn a_new_instance_has_settings_of_its_own_from_the_beginning() {
    let all = Reachable::start(&[]);
    let made = all.create(&[
        "--set",
        "product.client_ids=group",
        "--set",
        "product.parent_topics=created",
    ]);
    let (id, endpoint) = (made["id"].as_str().unwrap(), made["public"].as_str().unwrap());
    let shown = all.broker.json(&["instance", "show", id]);
    assert_eq!(shown["settings"]["product.client_ids"]["value"], "group");
    assert!(shown["created"].as_str().unwrap().ends_with('Z'), "{shown}");
    let answer = |id: &str| {
        let mut socket = WebSocket::open_at(all.address, endpoint, V5, "");
        socket.send(&Connect::v5(id).bytes());
        socket.expect(CONNACK).code()
    };
    assert_eq!((answer("anybody"), answer("GID_one@@@1")), (0x85, 0x87));
    all.broker.says(&["group", "create", "GID_one", "-i", id]);
    let mut client = all.client(endpoint, V5, "GID_one@@@1");
    client.send(&publish("made/a", "x").qos(1, 1).bytes(V5));
    assert_eq!(client.expect(PUBACK).code(), 0x90);
    all.broker.says(&["topic", "create", "made", "--instance", id]);
    client.send(&publish("made/a", "x").qos(1, 2).bytes(V5));
    assert!(client.expect(PUBACK).code() < 0x80);
    all.broker.says(&["topic", "delete", "made", "-i", id]);
    client.send(&publish("made/a", "x").qos(1, 3).bytes(V5));
    assert_eq!(client.expect(PUBACK).code(), 0x90);
    // It is gone with all that it had: an instance of the same kind has none of it.
    all.broker.says(&["instance", "delete", id]);
    refused(
        &all.broker,
        &["group", "list", "-i", id],
        1,
        "there is no instance",
    );
}
