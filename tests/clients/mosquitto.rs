//! `mosquitto_pub` and `mosquitto_sub`.

use std::net::SocketAddr;
use std::process::Command;

use crate::support::broker::folder;
use crate::support::{Connect, PUBACK, publish as message, sleep, unique};
use crate::{dunlin, program};

/// Both speak 3.1, 3.1.1 and 5.0.
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

fn tool(name: &str, address: SocketAddr, version: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args([
        "-h",
        &address.ip().to_string(),
        "-p",
        &address.port().to_string(),
        "-V",
        version,
    ]);
    command.args(arguments);
    command
}

#[track_caller]
fn publish(version: &str, arguments: &[&str]) {
    program::start(&mut tool(
        "mosquitto_pub",
        dunlin().broker.address(),
        version,
        arguments,
    ))
    .success();
}

/// Ends by itself after ten quiet seconds at most (`-W`).
fn subscriber(version: &str, arguments: &[&str]) -> program::Running {
    let arguments = [&["-W", "10"], arguments].concat();
    program::start(&mut tool(
        "mosquitto_sub",
        dunlin().broker.address(),
        version,
        &arguments,
    ))
}

#[track_caller]
fn subscribe(version: &str, arguments: &[&str]) -> String {
    subscriber(version, arguments).success()
}

/// The options for a session that outlives the connection, in this version's terms.
fn persistent<'a>(version: &str, id: &'a str) -> Vec<&'a str> {
    let expiry: &[&str] = if version == "mqttv5" { &["-x", "3600"] } else { &[] };
    [&["-i", id, "-c"], expiry].concat()
}

/// Publishes to `topic` until somebody gets it: a 5.0 PUBACK says 0x10 as long as nobody subscribes.
fn publish_when_subscribed(topic: &str, payload: &str) {
    let mut probe = Connect::v5(unique("probe")).to(&dunlin().broker);
    for id in 1..500 {
        probe.publish(message(topic, payload).qos(1, id));
        if probe.expect(PUBACK).code() == 0 {
            return;
        }
        sleep(10);
    }
    panic!("nobody subscribed to {topic}");
}

#[test]
fn qos_0_1_2_to_a_subscriber_that_is_there() {
    for version in VERSIONS {
        let base = unique("mosquitto/live");
        let (all, topic) = (format!("{base}/#"), format!("{base}/x"));
        let live = subscriber(version, &["-q", "2", "-t", &all, "-C", "4", "-F", "%t %q %r %p"]);
        publish_when_subscribed(&topic, "first");
        for qos in ["0", "1", "2"] {
            publish(version, &["-q", qos, "-t", &topic, "-m", &format!("with {qos}")]);
        }
        let expected = ["1 0 first", "0 0 with 0", "1 0 with 1", "2 0 with 2"];
        let expected = expected.map(|rest| format!("{topic} {rest}\n")).concat();
        assert_eq!(live.success(), expected, "{version}");
    }
}

#[test]
fn retained() {
    for version in VERSIONS {
        let topic = unique("mosquitto/retained");
        publish(version, &["-q", "1", "-r", "-t", &topic, "-m", "kept"]);
        let look = || {
            subscribe(
                version,
                &["-t", &topic, "--retained-only", "-C", "1", "-F", "%r %p"],
            )
        };
        assert_eq!(look(), "1 kept\n", "{version}");
        publish(version, &["-q", "1", "-r", "-t", &topic, "-n"]);
        let gone = subscriber(version, &["-t", &topic, "-C", "1", "-W", "1"]).end();
        assert!(
            gone.stdout.is_empty(),
            "{version}: {}",
            String::from_utf8_lossy(&gone.stdout)
        );
    }
}

#[test]
fn will() {
    for version in VERSIONS {
        let topic = unique("mosquitto/will");
        let watcher = subscriber(version, &["-q", "1", "-t", &topic, "-C", "2", "-F", "%q %p"]);
        publish_when_subscribed(&topic, "first");
        let own = unique("mosquitto/mortal");
        let will = [
            "--will-topic",
            &topic,
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
            "-t",
            &own,
        ];
        let mortal = subscriber(version, &will);
        publish_when_subscribed(&own, "");
        mortal.kill();
        assert_eq!(watcher.success(), "1 first\n1 gone\n", "{version}");
    }
}

#[test]
fn persistent_session() {
    for version in VERSIONS {
        let (id, topic) = (unique("mosq"), unique("mosquitto/session"));
        let session = persistent(version, &id);
        subscribe(
            version,
            &[&session[..], &["-q", "2", "-t", &topic, "-E"]].concat(),
        );
        for n in 0..20 {
            let (qos, payload) = (if n < 10 { "1" } else { "2" }, n.to_string());
            publish(version, &["-q", qos, "-t", &topic, "-m", &payload]);
        }
        let options = ["-q", "2", "-t", &topic, "-C", "20", "-F", "%q %p"];
        let came = subscribe(version, &[&session[..], &options].concat());
        let expected: String = (0..20)
            .map(|n| format!("{} {n}\n", if n < 10 { 1 } else { 2 }))
            .collect();
        assert_eq!(came, expected, "{version}");
    }
}

#[test]
fn one_mebibyte() {
    let folder = folder();
    let file = folder.join("payload");
    let payload: Vec<u8> = (0..1_u32 << 18)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(&file, &payload).unwrap();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let base = unique("mosquitto/large");
            let all = format!("{base}/#");
            let live = subscriber(version, &["-q", qos, "-t", &all, "-C", "2", "-N"]);
            publish_when_subscribed(&format!("{base}/ready"), "");
            publish(version, &["-q", qos, "-t", &base, "-f", file.to_str().unwrap()]);
            assert!(
                live.output().stdout == payload,
                "{version}: 1 MiB with QoS {qos} came changed"
            );
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn v5_properties() {
    let topic = unique("mosquitto/properties");
    let live = subscriber(
        "mqttv5",
        &["-q", "1", "-t", &topic, "-C", "2", "-F", "%P|%C|%R|%D|%E|%A|%p"],
    );
    publish_when_subscribed(&topic, "bare");
    let mut arguments = vec!["-q", "1", "-t", &topic, "-m", "full"];
    for property in [
        "user-property first 1",
        "user-property same a",
        "user-property same b",
        "content-type text/plain",
        "response-topic answers/here",
        "correlation-data c0ffee",
        "message-expiry-interval 600",
    ] {
        arguments.extend(["-D", "publish"]);
        arguments.extend(property.split(' '));
    }
    publish("mqttv5", &arguments);
    let came = live.success();
    let full = came.lines().nth(1).unwrap();
    assert!(
        full.contains("first:1 same:a same:b|text/plain|answers/here|c0ffee|"),
        "{came}"
    );
    assert!(
        full.ends_with("|full") && !came.lines().next().unwrap().contains("first"),
        "{came}"
    );
    let expiry: u32 = full.split('|').nth(4).unwrap().parse().unwrap();
    assert!((598..=600).contains(&expiry), "{came}");
}

#[test]
fn over_tls() {
    let dunlin = dunlin();
    let log = dunlin.broker.log();
    let certificate = log
        .split_whitespace()
        .find_map(|word| word.strip_prefix("cert="))
        .unwrap();
    // The name of the self-signed certificate is not the test's business; that it is the one in the log is.
    let tls = ["--cafile", certificate.trim_matches('"'), "--insecure"];
    let topic = unique("mosquitto/tls");
    let options = ["-q", "1", "-r", "-t", &topic, "-m", "hidden"];
    let run = |name, options: &[&str]| {
        program::start(&mut tool(name, dunlin.tls, "mqttv5", &[&tls, options].concat())).success()
    };
    run("mosquitto_pub", &options);
    assert_eq!(
        run("mosquitto_sub", &["-t", &topic, "-C", "1", "-W", "10"]),
        "hidden\n"
    );
}
