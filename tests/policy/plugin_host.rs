//! What a compiled plugin can have the broker do: `tests/support/host.c` does it when a message says so.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::support::broker::{folder, free_address, root};
use crate::support::plugins::compiled;
use crate::support::{Broker, Client, Connect, DISCONNECT, PUBACK, PUBLISH, V5, ack, publish};

struct Served {
    folder: PathBuf,
    broker: Broker,
    metrics: String,
    client: Client,
}

impl Served {
    fn start() -> Served {
        let folder = folder();
        let library = folder.join("host.so");
        compiled(
            &root().join("tests/support/host.c"),
            &["-Wno-format-truncation"],
            &library,
        );
        let open = fs::read_to_string(root().join("dunlin.open.toml")).unwrap();
        let entry = "[[policy]]\nname = \"helper\"\nplugin = \"./host.so\"\nsettings = { n = 1 }\n";
        fs::write(folder.join("dunlin.toml"), format!("{open}\n{entry}")).unwrap();
        let metrics = free_address().to_string();
        let bind = format!("admin.bind=\"{metrics}\"");
        let settings = ["admin.enabled=true", bind.as_str()];
        let broker = Broker::start_with(&folder.join("dunlin.toml"), &settings);
        let mut client = Connect::new(V5, "asker").to(&broker);
        client.subscribe("did/#", 0);
        Served {
            folder,
            broker,
            metrics,
            client,
        }
    }

    /// Has it done, and waits for what came of it.
    fn did(&mut self, what: &str, who: &str) -> String {
        self.client.publish(publish(format!("do/{what}"), who).qos(0, 0));
        let message = self.client.expect(PUBLISH);
        assert_eq!(message.topic, format!("did/{what}").as_bytes());
        String::from_utf8(message.payload).unwrap()
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_plugin_has_the_broker_do_things() {
    let mut served = Served::start();
    // Before it serves it changes nothing outside: -14 is NOT_SERVING.
    assert!(
        served.broker.log().contains("publish in create: -14"),
        "{}",
        served.broker.log_tail()
    );
    let mut other = Connect::new(V5, "other").to(&served.broker);
    other.subscribe("nothing/here", 1);
    assert_eq!(
        served.did("session", "other"),
        "status 0, connected 1, subscriptions 1"
    );
    assert_eq!(served.did("session", "nobody"), "status 1");
    assert_eq!(served.did("timer", ""), "it rang");
    assert_eq!(served.did("reauthorize", ""), "0");
    assert_eq!(served.did("kv", ""), "0 by host.c, count 2, deleted 0 1");
    assert_eq!(
        served.did("facts", ""),
        r#"helper {"n":1} too small 2 random 0 clocks 1 absent 1"#
    );
    served.client.publish(publish("do/send", "other").qos(0, 0));
    let message = other.expect(PUBLISH);
    assert_eq!(
        (&message.topic[..], &message.payload[..]),
        (&b"for/you"[..], &b"alone"[..])
    );
    other.send(&ack(PUBACK, message.id));
    served.client.publish(publish("do/kick", "other").qos(0, 0));
    let goodbye = other.expect(DISCONNECT);
    assert_eq!(goodbye.code(), 0x98);
}

#[test]
fn what_makes_no_sense_is_refused_and_the_log_says_why() {
    let mut served = Served::start();
    assert_eq!(
        served.did("nonsense", "x"),
        "wildcard -10, instance -10, code -10, metric -10, ticket -11"
    );
    let log = served.broker.log();
    for why in [
        "host.so: host.publish: `topic`: ",
        "host.so: host.kick: there is no instance `elsewhere`",
        "host.so: host.kick: the code is 0x05; write a reason code of DISCONNECT, 0x80 to 0xA2, or none",
        "host.so: host.counter_add: `no-name` is no name of a metric",
    ] {
        assert!(log.contains(why), "{why}:\n{log}");
    }
}

#[test]
fn its_metrics_are_the_policys_and_what_is_mapped_is_shown() {
    let mut served = Served::start();
    assert_eq!(served.did("count", ""), "counted");
    let metrics = served.metrics();
    for line in [
        "dunlin_policy_done_total{kind=\"test\",policy=\"helper\"} 3",
        "dunlin_policy_level{policy=\"helper\"} 7",
        "dunlin_policy_took_seconds_count{policy=\"helper\"} 1",
        "dunlin_plugin_images 1",
        "dunlin_plugin_instances 1",
        "dunlin_plugin_instances_stuck 0",
    ] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
}
