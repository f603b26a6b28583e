//! The accept side: sockets opened for every shard, and connections let in as far as the limits allow.
//!
//! [`bind`] opens one listening socket a shard, once, before the shards run, so that a port in use stops the start.
//! Each shard then runs [`accept_loop`] on its own; all loops share one [`Gate`].
//!
//! **Invariant**: nothing is read or written here. No error of accepting ends a loop or makes it spin.

mod accept;
mod address;
mod bind;
mod gate;

#[cfg(test)]
mod tests;

pub use accept::accept_loop;
pub use address::{BadAddress, BindAddress};
pub use bind::{BindError, BindOptions, Bound, ShardListener, bind};
pub use gate::{Gate, GateSettings, Permit, Refusal};
