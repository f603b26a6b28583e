//! The demo profile as its user sees it: credentials, rules, and scripts that are edited while clients are connected.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod configuration;
mod credentials;
mod crowd;
mod editing;
mod plugin_host;
mod plugins;
mod reload;
mod rules;
mod triggers;

use std::path::PathBuf;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use support::{Broker, Connect};

const KEY: &str = "DemoAccessKey";
const SECRET: &str = "DemoAccessSecret";
const INSTANCE: &str = "mqtt-cn-dunlindemo";

/// These tests are about policies: names and topics are as in MQTT. tests/product is about the product's.
const PLAIN: [&str; 3] = [
    "product.client_ids=any",
    "product.parent_topics=any",
    "product.on_refusal=deny",
];

/// The demo configuration on a copy of its files.
struct Demo {
    folder: PathBuf,
    broker: Broker,
}

impl Demo {
    fn start(settings: &[&str]) -> Demo {
        Demo::with(settings, "", &[])
    }

    /// With more text in dunlin.toml, and more files.
    fn with(settings: &[&str], more: &str, files: &[(&str, &str)]) -> Demo {
        let folder = support::broker::folder();
        let root = support::broker::root();
        std::fs::create_dir(folder.join("scripts")).unwrap();
        std::fs::copy(root.join("dunlin.toml"), folder.join("dunlin.toml")).unwrap();
        for script in ["auth", "auth_token", "auth_device", "auth_custom", "acl"] {
            let file = format!("scripts/{script}.lua");
            std::fs::copy(root.join(&file), folder.join(&file)).unwrap();
        }
        let config = std::fs::read_to_string(folder.join("dunlin.toml")).unwrap();
        std::fs::write(folder.join("dunlin.toml"), format!("{config}\n{more}")).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join(file), text).unwrap();
        }
        let off = ["tls", "ws", "wss"].map(|kind| format!("listeners.{kind}.enabled=false"));
        let settings: Vec<&str> = off
            .iter()
            .map(String::as_str)
            .chain(PLAIN)
            .chain(settings.iter().copied())
            .collect();
        let broker = Broker::start_with(&folder.join("dunlin.toml"), &settings);
        Demo { folder, broker }
    }

    fn acl(&self) -> PathBuf {
        self.folder.join("scripts/acl.lua")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// base64(HMAC-SHA1(secret, client id)), worked out without Dunlin.
fn password(secret: &str, client_id: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(client_id.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A CONNECT of this client with the right credentials.
fn signed(version: u8, client_id: &str) -> Connect {
    let username = format!("Signature|{KEY}|{INSTANCE}");
    let connect = Connect::new(version, client_id).username(username);
    connect.password(password(SECRET, client_id))
}

/// Milliseconds until `done`; panics after ten seconds.
#[track_caller]
fn millis_until(what: &str, broker: &Broker, mut done: impl FnMut() -> bool) -> u128 {
    let began = Instant::now();
    while !done() {
        assert!(
            began.elapsed().as_secs() < 10,
            "{what}: not within ten seconds\n{}",
            broker.log_tail()
        );
        support::sleep(2);
    }
    began.elapsed().as_millis()
}
