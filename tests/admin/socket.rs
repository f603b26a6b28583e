//! The socket: who may open it, whose it is, and what is said when nobody is there.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{self, Broker};
use crate::{Administered, Answer, answer, ctl, serve_and_fail};

const SCRIPT: &str = "return { authorize_publish = function() return 'allow' end }";

fn status(broker: &Broker) -> Answer {
    answer(
        ctl(&["status", "--json"])
            .arg("--socket")
            .arg(broker.data().join("dunlin.sock")),
    )
}

fn pid(answer: &Answer) -> i32 {
    let status: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    i32::try_from(status["pid"].as_i64().unwrap()).unwrap()
}

#[test]
fn it_is_for_the_brokers_user_alone_and_goes_with_the_broker() {
    let data = support::broker::folder();
    let broker = Broker::start_on(&data, &[]);
    let socket = data.join("dunlin.sock");
    let file = std::fs::metadata(&socket).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    broker.stop();
    assert!(!socket.exists());
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn a_second_broker_on_the_data_folder_is_refused_and_the_first_goes_on() {
    let broker = Broker::start(&[]);
    let refused = serve_and_fail(broker.data(), &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("another Dunlin serves this data folder") && refused.err.contains("--data"),
        "{refused:?}"
    );
    // Not even with a socket of its own.
    let elsewhere = format!("admin.socket=\"{}\"", broker.data().join("x.sock").display());
    assert_eq!(serve_and_fail(broker.data(), &[&elsewhere]).code, 1);
    // And a folder of its own does not give it the first one's socket.
    let other = support::broker::folder();
    let taken = format!("admin.socket=\"{}\"", broker.data().join("dunlin.sock").display());
    let refused = serve_and_fail(&other, &[&taken]);
    assert!(
        refused.err.contains("another Dunlin answers on the admin socket"),
        "{refused:?}"
    );
    assert_eq!(status(&broker).code, 0);
    std::fs::remove_dir_all(other).unwrap();
}

#[test]
fn the_registry_lies_in_the_data_folder_and_a_broker_that_cannot_read_it_does_not_start() {
    let data = support::broker::folder();
    let (key, file) = (data.join("registry.key"), data.join("registry.redb"));
    Broker::start_on(&data, &[]).stop();
    assert!(key.exists() && file.exists());
    Broker::start_on(&data, &[]).stop();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = serve_and_fail(&data, &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains(key.to_str().unwrap()) && refused.err.contains("chmod 600"),
        "{refused:?}"
    );
    // Two brokers without a socket: the folder is not locked, the registry is.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let off = ["admin.socket=none"];
    let first = Broker::start_on(&data, &off);
    let refused = serve_and_fail(&data, &off);
    assert!(
        refused.err.contains(file.to_str().unwrap())
            && refused.err.contains("another Dunlin serves this data folder"),
        "{refused:?}"
    );
    first.stop();
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn a_killed_broker_is_replaced() {
    let data = support::broker::folder();
    let first = Broker::start_on(&data, &[]);
    let killed = pid(&status(&first));
    kill_process(Pid::from_raw(killed).unwrap(), Signal::KILL).unwrap();
    let began = Instant::now();
    while first.alive() {
        assert!(began.elapsed() < Duration::from_secs(5));
        support::sleep(10);
    }
    let left = status(&first);
    assert_eq!(left.code, 3, "{left:?}");
    assert!(
        left.err.contains("which a broker left behind") && left.err.contains("dunlin serve"),
        "{left:?}"
    );
    let second = Broker::start_on(&data, &[]);
    assert_ne!(pid(&status(&second)), killed);
    drop((first, second));
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn without_a_broker_it_says_how_to_reach_one() {
    let data = support::broker::folder();
    let config = support::broker::root().join("dunlin.open.toml");
    let nobody = answer(
        ctl(&["status"])
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(&data),
    );
    assert_eq!((nobody.code, &*nobody.out), (3, ""));
    for part in [
        "no broker is running here",
        "dunlin.sock",
        "--socket PATH",
        "--data DIR",
    ] {
        assert!(nobody.err.contains(part), "{part}: {nobody:?}");
    }
    let off = answer(
        ctl(&["status", "--set", "admin.socket=none"])
            .arg("--config")
            .arg(&config),
    );
    assert!(off.code == 2 && off.err.contains("admin.socket"), "{off:?}");
    let no_file = answer(&mut ctl(&["status", "--config", "nowhere.toml"]));
    assert!(
        no_file.code == 2 && no_file.err.contains("--socket"),
        "{no_file:?}"
    );
    std::fs::remove_dir_all(data).unwrap();
}

#[test]
fn a_question_that_is_none_is_a_usage_error() {
    let broker = Administered::start(SCRIPT);
    for wrong in [
        &["nonsense"][..],
        &[],
        &["kick"],
        &["kick", "a", "--code", "0x20"],
        &["explain", "a", "publish", "t", "--qos", "3"],
        &["explain", "a", "publish", "t/#"],
        &["explain", "a", "subscribe", "t/#/x"],
        &["trace", "a", "--topic", "#/x"],
        &["kick", "a", "--reason", "\n"],
    ] {
        assert_eq!(broker.ask(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn the_socket_serves_what_the_port_serves_and_refuses_what_is_not_there() {
    use std::io::{Read, Write};
    let broker = Broker::start(&[]);
    let ask = |request: &str| {
        let path = broker.data().join("dunlin.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        let request = format!("{request}\r\nHost: x\r\nConnection: close\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(b"\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = ask("GET /readyz HTTP/1.1");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("ready"),
        "{answer}"
    );
    assert!(ask("GET /metrics HTTP/1.1").contains("# EOF"));
    assert!(ask("GET /v1/nothing HTTP/1.1").starts_with("HTTP/1.1 404"));
    let post = ask("POST /v1/status HTTP/1.1\r\nContent-Length: 0");
    assert!(
        post.starts_with("HTTP/1.1 405") && post.contains("allow: GET"),
        "{post}"
    );
    let get = ask("GET /v1/clients/kick HTTP/1.1");
    assert!(get.starts_with("HTTP/1.1 405"), "{get}");
    let unknown = ask("GET /v1/clients?prefx=a HTTP/1.1");
    assert!(
        unknown.starts_with("HTTP/1.1 400") && unknown.contains("prefx"),
        "{unknown}"
    );
    let huge = ask(&format!(
        "POST /v1/explain HTTP/1.1\r\nContent-Length: {}",
        100 * 1024 * 1024
    ));
    assert!(huge.starts_with("HTTP/1.1 400"), "{huge}");
}
