//! Dunlin: an MQTT broker whose every policy is a hot-reloadable Lua script or a compiled plugin.
//!
//! The modules stand in layers; one uses only those of a lower level, and `tests/architecture.rs` sees to it. ARCHITECTURE.md
//! tells what each is for and what it must never do.

// Level 0: no idea of MQTT packets.
pub mod config;
pub mod metrics;
pub mod names;
pub mod time;
pub mod topic;

// Level 1: bytes, packets, messages.
pub mod codec;
pub mod message;
pub mod transport;

// Level 2: who owns what, and what is kept.
pub mod instance;
pub mod store;

// Level 3: what is decided, and who gets what.
pub mod hooks;
pub mod router;

// Level 4 to 6: one client's protocol, one core, one socket.
pub mod connection;
pub mod session;
pub mod shard;

// Level 7 and 8: the ways in, and what puts it all together.
pub mod admin;
pub mod listener;
pub mod server;
