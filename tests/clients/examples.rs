//! The product's two models, as `examples/` has them, against the demo instance of dunlin.toml.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::program;
use crate::support::broker::root;
use crate::support::{Broker, Connect};

/// The demo, on TCP alone. Each test has its own: a client id is there once.
fn demo() -> Broker {
    let off = ["tls", "ws", "wss"].map(|listener| format!("listeners.{listener}.enabled=false"));
    Broker::start_with(&root().join("dunlin.toml"), &off.each_ref().map(String::as_str))
}

fn example(demo: &Broker, name: &str, role: &[&str]) -> program::Running {
    let mut python = Command::new(root().join("target/test-venv/bin/python"));
    python.arg(root().join("examples").join(name));
    python.args(["--port", &demo.address().port().to_string()]);
    program::start(python.args(role))
}

/// One that does not end by itself, and is not left behind.
struct Background(Option<program::Running>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.kill();
        }
    }
}

/// What the demo's policy wants of a client.
fn password(client_id: &str) -> String {
    let mut dunlin = Command::new(crate::support::broker::binary());
    dunlin.arg("--config").arg(root().join("dunlin.toml"));
    let said = program::start(dunlin.args(["credentials", client_id])).success();
    let line = said.lines().find_map(|line| line.strip_prefix("password: "));
    line.unwrap().to_owned()
}

fn connect(client_id: &str) -> Connect {
    Connect::v311(client_id)
        .username("Signature|DemoAccessKey|mqtt-cn-dunlindemo")
        .password(password(client_id))
}

/// The lines about one of those that speak, in their order.
fn about<'a>(said: &'a str, who: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.contains(who)).collect()
}

#[test]
fn a_cloud_application_turns_on_what_devices_say_is_off() {
    let said = example(&demo(), "device_and_cloud.py", &[]).success();
    for lamp in ["lamp-1", "lamp-2"] {
        let expected = [
            format!("cloud: {lamp} is off"),
            format!("{lamp}: turns on"),
            format!("cloud: {lamp} has done it"),
        ];
        assert_eq!(about(&said, lamp), expected, "{said}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn the_device_and_the_cloud_application_are_programs_of_their_own() {
    let demo = demo();
    let mut watcher = connect("GID_Demo@@@watcher").to(&demo);
    watcher.subscribe("demo/lamps/lamp-9/status", 0);
    let mut status = || {
        let message = watcher.receive_within(30_000).expect("the lamp says nothing");
        String::from_utf8(message.payload).unwrap()
    };
    let _device = Background(Some(example(&demo, "device_and_cloud.py", &["device", "lamp-9"])));
    assert_eq!(status(), "{\"lamp\": \"off\"}");
    // It says so again, and then the cloud application hears it.
    let _cloud = Background(Some(example(&demo, "device_and_cloud.py", &["cloud"])));
    let deadline = Instant::now() + Duration::from_secs(60);
    while status() != "{\"lamp\": \"on\"}" {
        assert!(Instant::now() < deadline, "it is never turned on");
    }
}

#[test]
fn an_app_controls_a_device_and_gets_its_answer() {
    let said = example(&demo(), "device_and_device.py", &[]).success();
    let expected = "app: sets 21 degrees\n\
                    heater: GID_App@@@phone-1 wants 21 degrees\n\
                    app: heater-1 is at 21 degrees\n\
                    app: sets 99 degrees\n\
                    heater: GID_App@@@phone-1 wants 99 degrees\n\
                    app: heater-1 is at 30 degrees\n";
    assert_eq!(said, expected);
}

#[test]
fn who_is_online_is_known_by_events() {
    let demo = demo();
    let known = connect("GID_Demo@@@known").to(&demo);
    let mut python = Command::new(root().join("target/test-venv/bin/python"));
    python.arg(root().join("examples/online.py"));
    python
        .arg("--socket")
        .arg(demo.data().join("dunlin.sock"))
        .env("DUNLIN", crate::support::broker::binary());
    let mut online = python.stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(online.stdout.take().unwrap());
    let (send, lines) = channel();
    thread::spawn(move || {
        out.lines()
            .map_while(Result::ok)
            .try_for_each(|line| send.send(line))
    });
    let next = || lines.recv_timeout(Duration::from_secs(30)).unwrap();
    let says = |client: &str, word: &str| format!("mqtt-cn-dunlindemo GID_Demo@@@{client} {word}");
    assert_eq!(next(), says("known", "online"));
    let old = connect("GID_Demo@@@phone").to(&demo);
    assert_eq!(next(), says("phone", "online"));
    // Another connection takes its place: the end of the old one is told before.
    let new = connect("GID_Demo@@@phone").to(&demo);
    assert_eq!(next(), says("phone", "offline"));
    assert_eq!(next(), says("phone", "online"));
    drop(old);
    known.vanish();
    assert_eq!(next(), says("known", "offline"));
    new.disconnect();
    assert_eq!(next(), says("phone", "offline"));
    // Its input ends with the broker, and so does it.
    drop(demo);
    assert!(online.wait().unwrap().success());
}
