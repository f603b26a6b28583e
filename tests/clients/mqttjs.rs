//! MQTT.js over WebSocket, with and without TLS: `mqttjs/scenario.js` has the scenarios.

use std::process::Command;

use crate::support::broker::root;
use crate::{dunlin, program};

#[track_caller]
fn scenario(url: &str, version: &str, name: &str) {
    let folder = root().join("tests/clients/mqttjs");
    assert!(
        folder.join("node_modules/mqtt").is_dir(),
        "MQTT.js is not installed: run tests/run once, it installs what the tests need"
    );
    let script = folder.join("scenario.js");
    program::start(Command::new("node").arg(script).args([url, version, name])).success();
}

#[track_caller]
fn ws(version: &str, name: &str) {
    scenario(&format!("ws://{}/mqtt", dunlin().ws), version, name);
}

#[track_caller]
fn wss(version: &str, name: &str) {
    scenario(&format!("wss://{}/mqtt", dunlin().wss), version, name);
}

#[test]
fn ws_v311_qos_0_1_2() {
    ws("4", "qos");
}

#[test]
fn ws_v311_retained() {
    ws("4", "retained");
}

#[test]
fn ws_v311_will() {
    ws("4", "will");
}

#[test]
fn ws_v311_persistent_session() {
    ws("4", "session");
}

#[test]
fn ws_v311_one_mebibyte() {
    ws("4", "large");
}

#[test]
fn ws_v5_qos_0_1_2() {
    ws("5", "qos");
}

#[test]
fn ws_v5_retained() {
    ws("5", "retained");
}

#[test]
fn ws_v5_will() {
    ws("5", "will");
}

#[test]
fn ws_v5_persistent_session() {
    ws("5", "session");
}

#[test]
fn ws_v5_one_mebibyte() {
    ws("5", "large");
}

#[test]
fn ws_v5_properties() {
    ws("5", "properties");
}

#[test]
fn wss_v311_qos_0_1_2() {
    wss("4", "qos");
}

#[test]
fn wss_v5_qos_0_1_2() {
    wss("5", "qos");
}

#[test]
fn wss_v5_will() {
    wss("5", "will");
}

#[test]
fn wss_v5_persistent_session() {
    wss("5", "session");
}

#[test]
fn wss_v5_one_mebibyte() {
    wss("5", "large");
}

#[test]
fn wss_v5_properties() {
    wss("5", "properties");
}

#[test]
fn ws_and_wss_v5_topic_aliases() {
    ws("5", "aliases");
    wss("5", "aliases");
}

#[test]
fn ws_and_wss_pipelined() {
    ws("4", "pipelined");
    wss("5", "pipelined");
}
