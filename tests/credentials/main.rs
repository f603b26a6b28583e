//! Every credential of the product, from end to end: Eclipse Paho's client (`scenario.py`) against the real broker, once with the
//! scripts and once with the compiled plugin, while an operator gives out credentials and takes them back with `dunlin ctl`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../clients/program.rs"]
#[allow(dead_code)]
mod program;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use dunlin::store::registry::{Expect, FileKeeper, RecordKey, Registry};
use serde_json::{Value, json};
use support::Broker;
use support::broker::{binary, folder, root};

const INSTANCE: &str = "mqtt-a";

/// A broker with the product's rules, and policies that know all credentials.
struct Dunlin {
    broker: Broker,
    config: PathBuf,
}

/// The four scripts, in the order in which the plugin asks.
fn scripts() -> String {
    let entry = |(name, settings): (&str, &str)| {
        let script = root().join(format!("scripts/{name}.lua"));
        format!("[[policy]]\nname = {name:?}\nscript = {script:?}\nsettings = {settings}\n")
    };
    let chain = [
        ("auth", "{ keys = \"registry\" }"),
        ("auth_token", "{}"),
        ("auth_device", "{}"),
        ("auth_custom", "{ refresh = 1 }"),
    ];
    chain.map(entry).concat()
}

/// The plugin, from a copy that nobody else can write to.
fn plugin(folder: &Path) -> String {
    let library = folder.join("libauth.so");
    std::fs::copy(support::plugins::shipped("auth"), &library).unwrap();
    format!(
        "[[policy]]\nname = \"auth\"\nplugin = {library:?}\nsettings = {{ keys = \"registry\", refresh = 1 }}\n"
    )
}

impl Dunlin {
    fn start(policies: impl Fn(&Path) -> String) -> Dunlin {
        let folder = folder();
        let text = format!(
            "[instance]\nid = {INSTANCE:?}\ngroups = [\"GID_Test\"]\ntopics = [\"a\", \"b\", \"free\"]\n\
             [product]\ntopic_characters = \"any\"\n[limits]\nconnection_rate = \"unlimited\"\n{}\
             [[policy]]\nname = \"acl\"\nscript = {:?}\nsettings.rules = [[\"allow\", \"all\", \"*\", \"free/#\"]]\n",
            policies(&folder),
            root().join("scripts/acl.lua"),
        );
        let config = folder.join("dunlin.toml");
        std::fs::write(&config, text).unwrap();
        let data = folder.join("data");
        known_secrets(&data);
        let broker = Broker::start_in(&config, &data, &["server.shards=2"]);
        Dunlin { broker, config }
    }
}

/// What no operator can give out: a token key that the test knows, to sign tokens that expire soon, and the product's vector.
fn known_secrets(data: &Path) {
    let registry = Registry::open(Arc::new(FileKeeper::open(data).unwrap())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let put = |kind: &str, name: &str, value: Value| {
        let key = RecordKey::new(INSTANCE, kind, name);
        let value = value.as_object().unwrap().clone();
        runtime
            .block_on(registry.put(key, value, Expect::Nothing))
            .unwrap();
    };
    put(
        "token_key",
        "current",
        json!({ "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "created": 0 }),
    );
    put(
        "device_credential",
        "GID_Test@@@dev-001",
        json!({ "access_key_id": "DAK1", "secret": "dev-secret-0001", "created": 0, "updated": 0 }),
    );
}

fn with_scripts() -> &'static Dunlin {
    static DUNLIN: OnceLock<Dunlin> = OnceLock::new();
    DUNLIN.get_or_init(|| Dunlin::start(|_| scripts()))
}

fn with_the_plugin() -> &'static Dunlin {
    static DUNLIN: OnceLock<Dunlin> = OnceLock::new();
    DUNLIN.get_or_init(|| Dunlin::start(plugin))
}

#[track_caller]
fn scenario(dunlin: &Dunlin, version: &str, name: &str) {
    let address = dunlin.broker.address();
    let mut python = Command::new(root().join("target/test-venv/bin/python"));
    python.arg(root().join("tests/credentials/scenario.py"));
    python.args([
        &address.ip().to_string(),
        &address.port().to_string(),
        version,
        name,
    ]);
    python.arg(binary()).arg("ctl");
    python.arg("--config").arg(&dunlin.config);
    python.arg("--data").arg(dunlin.broker.data());
    program::start(&mut python).success();
    // What was logged about it has no secret in it.
    let log = dunlin.broker.log();
    assert!(
        !log.contains("DT1.") && !log.contains("dev-secret"),
        "{name}: a secret is in the log"
    );
    assert!(!log.contains("policy failed") && !log.contains("panic"), "{log}");
}

macro_rules! scenarios {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn scripts() {
                // One after the other: the product's vectors have client ids of their own.
                for version in ["4", "5"] {
                    crate::scenario(crate::with_scripts(), version, stringify!($name));
                }
            }

            #[test]
            fn plugin() {
                for version in ["4", "5"] {
                    crate::scenario(crate::with_the_plugin(), version, stringify!($name));
                }
            }
        }
    )*};
}

scenarios!(signature credential tokens expiry renewal upload mismatch custom);
