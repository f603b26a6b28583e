//! key, credential, token, identity, permission and blacklist.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::{Administered, Answer};

const SCRIPT: &str = "return { authorize_publish = function() return 'allow' end }";

fn start() -> Administered {
    Administered::start(SCRIPT)
}

/// The lines of a list, each a JSON object.
fn rows(broker: &Administered, args: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let text = broker.says(&args);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[track_caller]
fn refused(broker: &Administered, args: &[&str], code: i32, sentence: &str) {
    let answer = broker.ask(args);
    assert!(
        answer.code == code && answer.err.contains(sentence) && answer.out.is_empty(),
        "{args:?}: {answer:?}"
    );
}

/// The same with this on standard input.
fn with_input(broker: &Administered, args: &[&str], input: &str) -> Answer {
    let mut command = broker.command(args);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn keys_are_made_listed_and_deleted_and_their_secrets_are_hidden() {
    let broker = start();
    let made = broker.json(&["key", "create"]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(id.starts_with("AK") && secret.len() == 30, "{made}");
    let own = with_input(
        &broker,
        &["key", "create", "--id", "LTAItestAK", "--secret", "-"],
        "test Secret\n",
    );
    assert!(
        own.code == 0 && own.out.contains("secret   test Secret\n"),
        "{own:?}"
    );
    let text = broker.says(&["key", "list"]);
    assert!(text.contains("LTAItestAK") && text.contains("hidden"), "{text}");
    assert!(!text.contains("test Secret") && !text.contains(secret), "{text}");
    assert_eq!(rows(&broker, &["key", "list"])[1].get("secret"), None);
    assert!(broker.says(&["key", "list", "--secrets"]).contains("test Secret"));
    refused(
        &broker,
        &["key", "create", "--id", "LTAItestAK"],
        1,
        "there is an access key `LTAItestAK` already; delete it first",
    );
    refused(
        &broker,
        &["key", "create", "--id", "a|b"],
        2,
        "`a|b` is no id of a key",
    );
    refused(
        &broker,
        &["key", "create", "--secret", ""],
        2,
        "a secret has 1 to 256 bytes",
    );
    let empty = with_input(&broker, &["key", "create", "--secret", "-"], "");
    assert!(
        empty.code == 2 && empty.err.contains("standard input is empty"),
        "{empty:?}"
    );
    refused(
        &broker,
        &["key", "list", "-i", "nobody"],
        1,
        "there is no instance `nobody`",
    );
    assert_eq!(broker.says(&["key", "delete", id]), format!("{id}: deleted\n"));
    refused(&broker, &["key", "delete", id], 1, "there is no access key");
    // None of it is in the log.
    let log = broker.broker.log();
    assert!(
        log.contains("an operator made a key") && log.contains(id),
        "{log}"
    );
    assert!(!log.contains(secret) && !log.contains("test Secret"), "{log}");
}

#[test]
fn a_device_has_a_credential_of_its_own_in_its_instance() {
    let broker = start();
    let first = broker.json(&["credential", "register", "GID_a@@@1"]);
    let second = broker.json(&["credential", "register", "GID_a@@@1"]);
    assert_ne!(first["id"], second["id"]);
    let fresh = broker.json(&["credential", "refresh", "GID_a@@@1"]);
    assert_eq!(fresh["id"], second["id"]);
    assert_ne!(fresh["secret"], second["secret"]);
    let secret = fresh["secret"].as_str().unwrap();
    assert!(secret.starts_with("DC."), "{fresh}");
    assert!(broker.says(&["credential", "get", "GID_a@@@1"]).contains(secret));
    broker.says(&["credential", "register", "GID_b@@@1"]);
    let text = broker.says(&["credential", "list"]);
    assert!(text.lines().count() == 3 && !text.contains(secret), "{text}");
    assert!(
        broker
            .says(&["credential", "list", "GID_a", "--secrets"])
            .contains(secret)
    );
    assert_eq!(rows(&broker, &["credential", "list", "GID_a"]).len(), 1);

    let id = broker.json(&["instance", "create"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let missing = "the client id `GID_a@@@1` has no credential; register one first";
    refused(
        &broker,
        &["credential", "get", "GID_a@@@1", "-i", &id],
        1,
        missing,
    );
    assert!(rows(&broker, &["credential", "list", "-i", &id]).is_empty());
    broker.says(&["credential", "register", "GID_a@@@1", "-i", &id]);
    assert!(broker.says(&["credential", "get", "GID_a@@@1"]).contains(secret));
    let shown = broker.json(&["instance", "show", &id]);
    assert_eq!(shown["counts"]["credentials"], 1);

    let void = broker.says(&["credential", "unregister", "GID_a@@@1"]);
    assert_eq!(void, "GID_a@@@1: its credential is void\n");
    for what in ["get", "refresh", "unregister"] {
        refused(&broker, &["credential", what, "GID_a@@@1"], 1, missing);
    }
    refused(&broker, &["credential", "register", ""], 2, "is no client id");
    assert!(!broker.broker.log().contains("DC."));
}

#[test]
fn a_list_longer_than_a_page_is_whole() {
    let broker = start();
    // By the socket itself: two thousand programs would take a minute.
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    let path = broker.broker.data().join("dunlin.sock");
    let mut stream = UnixStream::connect(path).unwrap();
    let mut requests = String::new();
    for n in 0..2100 {
        let body = format!("{{\"client_id\":\"GID_a@@@{n:04}\"}}");
        let close = if n == 2099 { "Connection: close\r\n" } else { "" };
        requests += &format!(
            "POST /v1/blacklist/add HTTP/1.1\r\nHost: x\r\n{close}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(requests.as_bytes()).unwrap());
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    writing.join().unwrap();
    assert_eq!(answers.matches("200 OK").count(), 2100);
    let all = rows(&broker, &["blacklist", "list"]);
    let ids: Vec<&str> = all.iter().map(|row| row["client_id"].as_str().unwrap()).collect();
    assert_eq!(
        (ids.len(), ids[0], ids[2099]),
        (2100, "GID_a@@@0000", "GID_a@@@2099")
    );
    assert!(ids.is_sorted());
}

#[test]
fn a_token_is_issued_asked_about_and_revoked() {
    let broker = start();
    let apply = |more: &[&'static str]| {
        [
            &["token", "apply", "--actions", "R,W", "--resources", "b/c,a/#"],
            more,
        ]
        .concat()
    };
    let issued = broker.json(&apply(&["--expire", "60"]));
    let token = issued["token"].as_str().unwrap();
    assert!(
        token.starts_with("DT1.") && token.split('.').count() == 3,
        "{issued}"
    );
    assert_eq!(broker.says(&["token", "query", token]), "true\n");
    assert_eq!(broker.json(&["token", "query", token]), json!({ "holds": true }));
    let read = with_input(&broker, &["token", "query", "-"], token);
    assert_eq!(read.out, "true\n");
    let id = broker.json(&["instance", "create"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(broker.says(&["token", "query", token, "-i", &id]), "false\n");
    let forged = format!("{token}A");
    assert_eq!(broker.says(&["token", "query", &forged]), "false\n");
    assert_eq!(broker.says(&["token", "query", "nonsense"]), "false\n");
    refused(
        &broker,
        &["token", "revoke", &forged],
        2,
        "this is no token of the instance",
    );
    assert_eq!(broker.says(&["token", "revoke", token]), "the token is void\n");
    assert_eq!(broker.says(&["token", "query", token]), "false\n");
    // Twice is as good as once.
    broker.says(&["token", "revoke", token]);

    refused(
        &broker,
        &apply(&["--expire", "59"]),
        2,
        "60 seconds from now at the earliest",
    );
    refused(
        &broker,
        &apply(&["--until", "1"]),
        2,
        "60 seconds from now at the earliest",
    );
    let now = std::time::SystemTime::now();
    let long = broker.json(&apply(&["--expire", "99999999999999999"]));
    let expires = humantime::parse_rfc3339(long["expires"].as_str().unwrap()).unwrap();
    let ahead = expires.duration_since(now).unwrap().as_secs();
    const MONTH: u64 = 30 * 24 * 60 * 60;
    assert!((MONTH - 10..=MONTH + 10).contains(&ahead), "{ahead}");
    let text = broker.says(&apply(&["--until", "99999999999999"]));
    assert!(
        text.starts_with("token    DT1.") && text.contains("\nexpires  20"),
        "{text}"
    );
    refused(
        &broker,
        &[
            "token",
            "apply",
            "--actions",
            "X",
            "--resources",
            "a",
            "--expire",
            "60",
        ],
        2,
        "the actions of a token are R, W, or R,W",
    );
    refused(
        &broker,
        &[
            "token",
            "apply",
            "--actions",
            "R",
            "--resources",
            "a/#/b",
            "--expire",
            "60",
        ],
        2,
        "is no topic filter",
    );
    let many = (0..101).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    refused(
        &broker,
        &[
            "token",
            "apply",
            "--actions",
            "R",
            "--resources",
            &many,
            "--expire",
            "60",
        ],
        2,
        "a token has 1 to 100 resources; here are 101",
    );
    for wrong in [&apply(&[])[..], &apply(&["--expire", "60", "--until", "5"])] {
        assert_eq!(broker.ask(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn identities_are_added_updated_and_deleted() {
    let broker = start();
    let added = broker.says(&["identity", "add", "jo", "--secret", "s3cret-1"]);
    assert_eq!(added, "jo: added\n");
    let signed = [
        "identity",
        "add",
        "jo",
        "--client-id",
        "c1",
        "--sign-mode",
        "signed",
        "--secret",
        "-",
    ];
    assert_eq!(with_input(&broker, &signed, "s3cret-2").out, "jo: added\n");
    let listed = rows(&broker, &["identity", "list"]);
    assert_eq!(
        listed,
        [
            json!({ "type": "CLIENT", "username": "jo", "client_id": "c1", "sign_mode": "SIGNED" }),
            json!({ "type": "USER", "username": "jo", "sign_mode": "ORIGIN" }),
        ]
    );
    let text = broker.says(&["identity", "list"]);
    assert!(text.contains("hidden") && !text.contains("s3cret"), "{text}");
    assert!(
        broker
            .says(&["identity", "list", "--secrets"])
            .contains("s3cret-2")
    );
    broker.says(&["identity", "update", "jo", "--secret", "s3cret-3"]);
    assert!(
        broker
            .says(&["identity", "list", "--secrets"])
            .contains("s3cret-3")
    );
    refused(
        &broker,
        &["identity", "add", "jo", "--secret", "x"],
        1,
        "there is the identity USER `jo` already; update it",
    );
    refused(
        &broker,
        &["identity", "update", "jo", "--client-id", "c2", "--secret", "x"],
        1,
        "there is no identity CLIENT `jo` of the client id `c2`; add it",
    );
    refused(
        &broker,
        &["identity", "add", "a|b", "--secret", "x"],
        2,
        "`a|b` is no user name",
    );
    refused(
        &broker,
        &["identity", "add", "a", "--secret", "x", "--sign-mode", "plain"],
        2,
        "`ORIGIN` or `SIGNED`",
    );
    assert_eq!(broker.says(&["identity", "delete", "jo"]), "jo: deleted\n");
    refused(
        &broker,
        &["identity", "delete", "jo"],
        1,
        "there is no identity USER `jo`",
    );
    broker.says(&["identity", "delete", "jo", "--client-id", "c1"]);
    assert!(!broker.broker.log().contains("s3cret"));
}

#[test]
fn permissions_are_for_topics_whose_parent_there_is() {
    let settings = ["product.parent_topics=created", "instance.topics=[\"demo\"]"];
    let broker = Administered::with(SCRIPT, &settings);
    let add = |more: &[&'static str]| [&["permission", "add"], more].concat();
    let said = broker.says(&add(&["--user", "jo", "demo/#"]));
    assert_eq!(said, "jo, demo/#: ALLOW PUB_SUB added\n");
    broker.says(&add(&[
        "--client",
        "GID_a@@@1",
        "demo/x",
        "--effect",
        "deny",
        "--action",
        "connect",
    ]));
    broker.says(&add(&["--user", "jo", "#", "--action", "SUB"]));
    assert_eq!(
        rows(&broker, &["permission", "list"])[0],
        json!({
            "type": "CLIENT", "identity": "GID_a@@@1", "topic": "demo/x", "effect": "DENY", "action": "CONNECT"
        })
    );
    assert_eq!(broker.says(&["permission", "list"]).lines().count(), 4);
    refused(
        &broker,
        &add(&["--user", "jo", "dmeo/#"]),
        1,
        "the parent topic dmeo has not been created in the instance",
    );
    refused(
        &broker,
        &add(&["--user", "jo", "demo/#"]),
        1,
        "there is a permission of USER `jo` for `demo/#` already",
    );
    refused(
        &broker,
        &add(&["--user", "jo", "demo/#/x"]),
        2,
        "is no topic filter",
    );
    refused(
        &broker,
        &add(&["--client", "a/b", "demo/x"]),
        2,
        "with a `/` in it",
    );
    broker.says(&[
        "permission",
        "update",
        "--user",
        "jo",
        "demo/#",
        "--effect",
        "DENY",
    ]);
    refused(
        &broker,
        &["permission", "update", "--user", "jo", "demo/x"],
        1,
        "there is no permission of USER `jo` for `demo/x`; add it",
    );
    let deleted = broker.says(&["permission", "delete", "--user", "jo", "demo/#"]);
    assert_eq!(deleted, "jo, demo/#: deleted\n");
    refused(
        &broker,
        &["permission", "delete", "--user", "jo", "demo/#"],
        1,
        "there is no permission",
    );
    for wrong in [
        &add(&["demo/#"])[..],
        &add(&["--user", "a", "--client", "b", "demo/#"]),
    ] {
        assert_eq!(broker.ask(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn the_black_list_is_of_client_ids() {
    let broker = start();
    assert_eq!(
        broker.says(&["blacklist", "add", "bad"]),
        "bad: may not connect\n"
    );
    refused(
        &broker,
        &["blacklist", "add", "bad"],
        1,
        "the client id `bad` is on the black list already",
    );
    refused(
        &broker,
        &["blacklist", "add", "a\u{1b}b"],
        2,
        "`a\\x1bb` is no client id",
    );
    assert!(
        broker
            .says(&["blacklist", "list"])
            .starts_with("CLIENT ID  SINCE\nbad        20")
    );
    assert_eq!(
        broker.says(&["blacklist", "delete", "bad"]),
        "bad: off the list\n"
    );
    refused(
        &broker,
        &["blacklist", "delete", "bad"],
        1,
        "the client id `bad` is not on the black list",
    );
    assert_eq!(broker.says(&["blacklist", "list"]).lines().count(), 1);
}
