//! What black-box tests need: the real broker as a process, and a client that can send anything.
//!
//! `DUNLIN_TEST_BROKER` names another binary, `DUNLIN_TEST_ROOT` another folder to find the configuration in, and
//! `DUNLIN_TEST_ADDRESS` a broker that runs already (any broker: the client knows nothing of Dunlin).
#![allow(dead_code, unused_imports)]

pub mod broker;
pub mod client;
pub mod packets;
pub mod plugins;
pub mod websocket;

pub use broker::Broker;
pub use client::{Client, Connect, Will};
pub use packets::*;

use std::sync::atomic::{AtomicU32, Ordering};

/// A text nobody else uses in this run: for client ids (it stays below 23 characters) and topics.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!(
        "{prefix}x{}x{}",
        std::process::id() % 1_000_000,
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Milliseconds.
pub fn ms(n: u64) -> std::time::Duration {
    std::time::Duration::from_millis(n)
}

/// Sleeps for `n` milliseconds.
pub fn sleep(n: u64) {
    std::thread::sleep(ms(n));
}
