//! Eclipse Paho for Python, 3.1.1 and 5.0: `paho/scenario.py` has the scenarios.

use std::process::Command;

use crate::support::broker::root;
use crate::{dunlin, program};

#[track_caller]
fn scenario(version: &str, name: &str) {
    let address = dunlin().broker.address();
    let mut python = Command::new(root().join("target/test-venv/bin/python"));
    python.arg(root().join("tests/clients/paho/scenario.py"));
    python.args([
        &address.ip().to_string(),
        &address.port().to_string(),
        version,
        name,
    ]);
    program::start(&mut python).success();
}

#[test]
fn v311_qos_0_1_2() {
    scenario("4", "qos");
}

#[test]
fn v311_granted_qos() {
    scenario("4", "granted");
}

#[test]
fn v311_retained() {
    scenario("4", "retained");
}

#[test]
fn v311_will() {
    scenario("4", "will");
}

#[test]
fn v311_persistent_session() {
    scenario("4", "session");
}

#[test]
fn v311_one_mebibyte() {
    scenario("4", "large");
}

#[test]
fn v5_qos_0_1_2() {
    scenario("5", "qos");
}

#[test]
fn v5_granted_qos() {
    scenario("5", "granted");
}

#[test]
fn v5_retained() {
    scenario("5", "retained");
}

#[test]
fn v5_will() {
    scenario("5", "will");
}

#[test]
fn v5_persistent_session() {
    scenario("5", "session");
}

#[test]
fn v5_one_mebibyte() {
    scenario("5", "large");
}

#[test]
fn v5_properties() {
    scenario("5", "properties");
}

#[test]
fn v5_message_expiry() {
    scenario("5", "expiry");
}

#[test]
fn v5_subscription_identifiers() {
    scenario("5", "identifier");
}

#[test]
fn v5_subscription_options() {
    scenario("5", "options");
}

#[test]
fn shared_subscriptions() {
    scenario("4", "shared");
    scenario("5", "shared");
}

#[test]
fn takeover() {
    scenario("4", "takeover");
    scenario("5", "takeover");
}
