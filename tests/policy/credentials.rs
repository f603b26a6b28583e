//! Who is let in.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{Connect, V5, V31, V311, unique};
use crate::{Demo, INSTANCE, KEY, SECRET, password, signed};

#[test]
fn right_ones_are_let_in_and_wrong_ones_are_not() {
    let demo = Demo::start(&[]);
    let id = unique("GID_a@@@");
    for version in [V31, V311, V5] {
        signed(version, &id).to(&demo.broker).disconnect();
        let user = |key: &str, instance: &str| format!("Signature|{key}|{instance}");
        let right = user(KEY, INSTANCE);
        let own = password(SECRET, &id);
        for (what, username, password) in [
            ("another secret", right.clone(), password("guess", &id)),
            (
                "another client's password",
                right.clone(),
                password(SECRET, "GID_b@@@1"),
            ),
            (
                "a password cut short",
                right.clone(),
                own[..own.len() - 4].to_owned(),
            ),
            ("an empty password", right.clone(), String::new()),
            ("an unknown key", user("Nobody", INSTANCE), own.clone()),
            ("another instance", user(KEY, "mqtt-other"), own.clone()),
            ("half a user name", "Signature".to_owned(), own.clone()),
            ("an unknown kind", format!("Magic|{KEY}|{INSTANCE}"), own.clone()),
        ] {
            let connect = Connect::new(version, &id).username(username).password(password);
            let (_, connack) = connect.answer(&demo.broker);
            let codes: &[u8] = if version == V5 { &[0x86, 0x87] } else { &[4, 5] };
            assert!(
                codes.contains(&connack.code()),
                "{what}, version {version}: {connack:02x?}"
            );
        }
        let (_, connack) = Connect::new(version, &id).answer(&demo.broker);
        assert_ne!(connack.code(), 0, "no user name at all, version {version}");
    }
}

/// The binary that the tests are about.
pub fn dunlin() -> Command {
    let other = std::env::var_os("DUNLIN_TEST_BROKER").map(PathBuf::from);
    let ours = option_env!("CARGO_BIN_EXE_dunlin").map(PathBuf::from);
    Command::new(other.or(ours).expect("no broker to test"))
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| match e.kind() {
        ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy().into_owned();
            panic!("{program} is not installed: run tests/run once, it installs what the tests need")
        }
        _ => panic!("{command:?}: {e}"),
    })
}

#[test]
fn what_dunlin_credentials_prints_lets_mosquitto_in() {
    let demo = Demo::start(&[]);
    let id = unique("GID_Demo@@@");
    let output = run(dunlin()
        .args(["credentials", &id, "--config"])
        .arg(demo.folder.join("dunlin.toml")));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Whatever the layout: the words behind "username" and "password".
    let value = |label: &str| {
        let line = printed
            .lines()
            .find(|line| line.to_lowercase().starts_with(label));
        let line = line.unwrap_or_else(|| panic!("no {label} in {printed}"));
        line.split_whitespace().last().unwrap().to_owned()
    };
    let (username, secret) = (value("username"), value("password"));
    assert_eq!(username, format!("Signature|{KEY}|{INSTANCE}"));
    assert_eq!(secret, password(SECRET, &id));

    let address = demo.broker.address();
    let mosquitto = |password: &str| {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let place = [
            "-h", &host, "-p", &port, "-i", &id, "-u", &username, "-P", password,
        ];
        run(Command::new("mosquitto_pub")
            .args(place)
            .args(["-q", "1", "-t", "demo/hello", "-m", "hello"]))
    };
    let right = mosquitto(&secret);
    assert!(
        right.status.success(),
        "{}",
        String::from_utf8_lossy(&right.stderr)
    );
    assert!(!mosquitto("wrong").status.success());
}
