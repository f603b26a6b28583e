//! The vendor's published way of connecting works as written: `paho/vendor.py` computes client id, user name and password in
//! a few lines and connects over TCP, TLS and WebSocket, with 3.1.1 and 5.0, by the instance's endpoints.

use std::process::Command;

use crate::program;
use crate::support::Broker;
use crate::support::broker::{free_address, root};

#[test]
fn the_vendors_way_of_connecting() {
    let [tls, ws, wss] = [(); 3].map(|()| free_address());
    let bind = |listener: &str, address| format!("listeners.{listener}.bind=\"{address}\"");
    let settings = [bind("tls", tls), bind("ws", ws), bind("wss", wss)];
    let broker = Broker::start_with(
        &root().join("dunlin.toml"),
        &settings.each_ref().map(String::as_str),
    );
    let mut python = Command::new(root().join("target/test-venv/bin/python"));
    python.arg(root().join("tests/clients/paho/vendor.py"));
    python.arg(broker.data().join("tls/demo-cert.pem"));
    let ports = [broker.address(), tls, ws, wss].map(|address| address.port().to_string());
    let said = program::start(python.args(ports)).success();
    assert_eq!(said, "tcp ok\ntls ok\nws ok\nwss ok\n", "{}", broker.log_tail());
}
