//! clients and kick.

use std::collections::BTreeSet;
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Connect, V5, publish};
use crate::{Administered, answer};

const SCRIPT: &str = "return { authorize_publish = function() return 'allow' end }";
const MANY: usize = 2000;

#[test]
fn a_client_is_shown_with_what_it_has() {
    let broker = Administered::start(SCRIPT);
    let mut client = Connect::v311("meter-1").username("jo").to(&broker.broker);
    client.subscribe("a/#", 1);
    client.subscribe("b", 1);
    // It does not acknowledge what it gets.
    client.publish(publish("b", "x").qos(1, 1));
    let _other = Connect::v5("other").to(&broker.broker);
    crate::support::sleep(50);
    let row = broker.json(&["clients", "--prefix", "meter"]);
    assert_eq!(
        (
            &row["client_id"],
            &row["username"],
            &row["version"],
            &row["listener"]
        ),
        (&"meter-1".into(), &"jo".into(), &"3.1.1".into(), &"tcp".into())
    );
    assert_eq!((&row["subscriptions"], &row["inflight"]), (&2.into(), &1.into()));
    assert!(row["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{row}");
    let text = broker.says(&["clients"]);
    let ids: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(ids, ["meter-1", "other"], "{text}");
    assert_eq!(broker.says(&["clients", "--limit", "1"]).lines().count(), 2);
    assert_eq!(broker.says(&["clients", "--prefix", "nobody"]).lines().count(), 1);
}

#[test]
fn a_hostile_client_id_does_not_reach_the_terminal() {
    let broker = Administered::start(SCRIPT);
    let _client = Connect::v5("a\u{1b}[2Jb").to(&broker.broker);
    let text = broker.says(&["clients"]);
    assert!(
        text.contains("a\\u{1b}[2Jb") && !text.contains('\u{1b}'),
        "{text:?}"
    );
    assert_eq!(broker.json(&["clients"])["client_id"], "a\u{1b}[2Jb");
}

#[test]
fn two_thousand_are_listed_each_once() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, wanted).unwrap();
    let broker = Administered::with(SCRIPT, &["limits.connection_rate=unlimited"]);
    let mut streams = Vec::new();
    for batch in (0..MANY).collect::<Vec<_>>().chunks(50) {
        for n in batch {
            let mut stream = TcpStream::connect(broker.broker.address()).unwrap();
            let connect = Connect::new(V5, format!("crowd-{n}")).bytes();
            std::io::Write::write_all(&mut stream, &connect).unwrap();
            streams.push(stream);
        }
        for stream in streams.iter_mut().rev().take(batch.len()) {
            std::io::Read::read_exact(stream, &mut [0; 4]).unwrap();
        }
    }
    let text = broker.says(&["clients", "--prefix", "crowd-"]);
    let ids: BTreeSet<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!((ids.len(), text.lines().count()), (MANY, MANY + 1));
    let json = broker.says(&["clients", "--json", "--limit", "1500"]);
    assert_eq!(json.lines().count(), 1500);
    // Whoever has read enough may go.
    let mut shell = std::process::Command::new("sh");
    let program = broker.command(&["clients", "--json"]);
    let head = answer(
        shell
            .args(["-c", r#""$@" | head -n 3"#, "sh"])
            .arg(program.get_program())
            .args(program.get_args()),
    );
    assert_eq!((head.code, head.out.lines().count(), &*head.err), (0, 3, ""));
}

#[test]
fn a_kicked_client_is_told_why() {
    let broker = Administered::start(SCRIPT);
    let mut client = Connect::v5("a").to(&broker.broker);
    let text = broker.says(&["kick", "a"]);
    assert!(text.starts_with("a: the connection is ended"), "{text}");
    client.expect_disconnect(0x98);

    let mut client = Connect::v5("a").to(&broker.broker);
    broker.says(&["kick", "a", "--code", "0x9c", "--reason", "go away", "--json"]);
    let told = client.expect_disconnect(0x9C);
    let reason = told.property(crate::support::REASON_STRING).unwrap();
    assert!(reason.ends_with(b"go away"), "{reason:?}");

    let mut old = Connect::v311("old").to(&broker.broker);
    broker.says(&["kick", "old"]);
    old.expect_close();
    let gone = broker.ask(&["kick", "old"]);
    assert!(
        gone.code == 1 && gone.err.contains("no client `old` is connected"),
        "{gone:?}"
    );
}
