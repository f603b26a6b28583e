//! Clients that other people wrote, against the real broker: mosquitto's command line tools, Eclipse Paho for Python,
//! MQTT.js over WebSocket, and rumqttc. `tests/run` installs them; without one its tests fail and say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod examples;
mod mosquitto;
mod mqttjs;
mod paho;
mod program;
mod rumqtt;
mod vendor;

use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use support::Broker;

/// The open profile with all four kinds of listener.
struct Dunlin {
    broker: Broker,
    ws: SocketAddr,
    wss: SocketAddr,
    tls: SocketAddr,
}

/// The broker that all tests share.
fn dunlin() -> &'static Dunlin {
    static DUNLIN: OnceLock<Dunlin> = OnceLock::new();
    DUNLIN.get_or_init(|| {
        let [ws, wss, tls] = [(); 3].map(|()| support::broker::free_address());
        let bind = |listener: &str, address| format!("listeners.{listener}.bind=\"{address}\"");
        let settings = [bind("ws", ws), bind("wss", wss), bind("tls", tls)];
        let broker = Broker::start(&settings.each_ref().map(String::as_str));
        let deadline = Instant::now() + Duration::from_secs(10);
        while [ws, wss, tls]
            .iter()
            .any(|address| TcpStream::connect(address).is_err())
        {
            assert!(
                Instant::now() < deadline,
                "not all listeners opened:\n{}",
                broker.log_tail()
            );
            support::sleep(10);
        }
        Dunlin { broker, ws, wss, tls }
    })
}
