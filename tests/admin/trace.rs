//! trace: one client's packets and the policies' answers, while it happens.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Administered;
use crate::support::{Connect, PUBACK, TOPIC_ALIAS_MAXIMUM, prop_u16, publish};

const SCRIPT: &str = "\
return {
  authorize_publish = function(ctx, topic)
    if topic == 'no' then return 'deny', 'not this one' end
    return 'allow'
  end,
  authorize_subscribe = function() return 'allow' end,
}
";

/// `dunlin ctl trace`, or another command that goes on, while it runs.
pub struct Trace {
    child: Child,
    lines: Receiver<String>,
}

impl Trace {
    /// Returns when it watches.
    fn start(broker: &Administered, args: &[&str]) -> Trace {
        let args: Vec<&str> = ["trace"].iter().chain(args).copied().collect();
        Trace::of(broker, &args)
    }

    /// Returns when it watches.
    pub fn of(broker: &Administered, args: &[&str]) -> Trace {
        let mut command = broker.command(args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| send.send(line))
        });
        let mut trace = Trace { child, lines };
        let first = trace.next();
        assert!(first.contains("watching"), "{first}");
        trace
    }

    #[track_caller]
    pub fn next(&mut self) -> String {
        match self.lines.recv_timeout(Duration::from_secs(5)) {
            Ok(line) => line,
            Err(_) => {
                let _ = self.child.kill();
                let mut said = String::new();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut said);
                panic!("the trace says nothing: {said}");
            }
        }
    }

    /// Kind, what, topic and text of the next line.
    #[track_caller]
    fn next_parts(&mut self) -> [String; 4] {
        let line: Value = serde_json::from_str(&self.next()).unwrap();
        ["kind", "what", "topic", "text"].map(|part| line[part].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn expect(&mut self, lines: &[[&str; 4]]) {
        for expected in lines {
            let line = self.next_parts();
            let same = line.iter().zip(expected).all(|(part, expected)| {
                part == expected
                    || expected.ends_with('*') && part.starts_with(expected.trim_end_matches('*'))
            });
            assert!(same, "{line:?} is not {expected:?}");
        }
    }

    /// Ctrl-C.
    pub fn stop(mut self) -> i32 {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn it_shows_packets_in_and_out_and_what_the_policies_answer() {
    let broker = Administered::start(SCRIPT);
    let mut client = Connect::v5("a")
        .property(prop_u16(TOPIC_ALIAS_MAXIMUM, 10))
        .to(&broker.broker);
    let mut other = Connect::v5("b").to(&broker.broker);
    let mut trace = Trace::start(&broker, &["a", "--json"]);
    client.subscribe("x/#", 1);
    trace.expect(&[
        ["in", "SUBSCRIBE", "", "id *"],
        ["hook", "authorize_subscribe", "x/#", "allow, QoS 2"],
        ["out", "SUBACK", "", "id *"],
    ]);
    client.publish(publish("no", "secret payload").qos(1, 7));
    client.expect_ack(PUBACK, 7, 0x87);
    trace.expect(&[
        ["in", "PUBLISH", "no", "QoS 1, id 7, 14 bytes"],
        [
            "hook",
            "authorize_publish",
            "no",
            "deny: 0x87 Not authorized: not this one",
        ],
        ["out", "PUBACK", "", "id 7, 0x87 Not authorized"],
    ]);
    // What others do is not shown, but for what the client gets of it.
    other.publish(publish("y", "1"));
    for payload in ["1", "2"] {
        other.publish(publish("x/1", payload));
        client.expect_message(payload);
    }
    // The second one has an alias alone.
    trace.expect(&[
        ["out", "PUBLISH", "x/1", "QoS 0, alias 1, 1 byte"],
        ["out", "PUBLISH", "x/1", "QoS 0, alias 1, 1 byte"],
    ]);
    broker.says(&["kick", "a"]);
    client.expect_disconnect(0x98);
    trace.expect(&[
        ["out", "DISCONNECT", "", "0x98 Administrative action*"],
        [
            "connection",
            "ended",
            "",
            "0x98 Administrative action: an operator ended the connection",
        ],
    ]);
    // And again, when it comes back.
    let _client = Connect::v5("a").to(&broker.broker);
    trace.expect(&[
        ["hook", "authenticate", "", "allow"],
        ["connection", "connected", "", "connected from 127.0.0.1:*"],
        ["out", "CONNACK", "", "0x00 Success"],
    ]);
    assert_eq!(trace.stop(), 0);
}

#[test]
fn a_topic_filter_leaves_the_rest_out_and_people_read_lines() {
    let broker = Administered::start(SCRIPT);
    let mut trace = Trace::start(&broker, &["a", "--topic", "x/+"]);
    let mut client = Connect::v311("a").to(&broker.broker);
    assert!(trace.next().contains("connected"));
    client.publish(publish("y", "1").qos(1, 1));
    client.expect(PUBACK);
    client.publish(publish("x/1", "1").qos(1, 2));
    client.expect(PUBACK);
    let line = trace.next();
    assert!(
        line.contains("  in    PUBLISH  ") && line.ends_with("  x/1  QoS 1, id 2, 1 byte"),
        "{line}"
    );
    assert!(trace.next().contains("authorize_publish"));
    client.disconnect();
    assert!(trace.next().contains("ended"));
    assert_eq!(trace.stop(), 0);
}

#[test]
fn a_client_that_is_not_let_in_is_seen_and_the_end_of_the_broker_too() {
    let broker =
        Administered::start("return { authenticate = function() return 'deny', 0x86, 'wrong password' end }");
    let mut trace = Trace::start(&broker, &["a", "--json"]);
    let (_client, connack) = Connect::v5("a").answer(&broker.broker);
    assert_eq!(connack.code(), 0x86);
    trace.expect(&[[
        "connection",
        "refused",
        "",
        "0x86 Bad user name or password: wrong password",
    ]]);
    let status = broker.json(&["status"]);
    let pid = i32::try_from(status["pid"].as_i64().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    let ended = trace.child.wait().unwrap();
    let mut said = String::new();
    trace
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(ended.code(), Some(3), "{said}");
    assert!(said.contains("stopped"), "{said}");
}
