//! What outlives a connection, and a process: inboxes, session records, retained messages, and what operators set up.
//!
//! [`durable`] is the contract; [`memory`] keeps it for as long as the process lives. [`registry`] is a store of its own: small,
//! sealed, and read as a whole.

pub mod dump;
pub mod durable;
pub mod embedded;
pub mod memory;
pub mod registry;
mod young;

pub use durable::{
    Change, Committed, Counts, Health, InboxLimits, InboxSeq, Page, Revision, SessionRecord, Store,
    StoreError, StoreFuture, Stored, StoredWill, Unacknowledged,
};
