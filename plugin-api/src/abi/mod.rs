//! The C ABI of compiled plugins: structs of integers and pointers, and nothing of Rust.
//!
//! A plugin is a shared library with one symbol, [`ENTRY_SYMBOL`], which answers a [`Declaration`]. Plugins in Rust do not
//! write any of this: they implement `Plugin` and say `export_plugin!`. The C header is made of these files.
//!
//! # Rules
//! - **Size first.** Every struct that can grow begins with `struct_size` and grows at its end alone. A reader copies what
//!   both sides know into
//!   zeros ([`read_prefix`]), and zero always means "not there". The others ([`Slice`], [`OptInt`], [`Buffer`], ...) never
//!   change.
//! - **Versions.** The major is in the symbol's name. The minor grows with every addition. A host takes a plugin whose
//!   `min_minor` is not more
//!   than its own minor, however new the plugin's `abi_minor` is.
//! - **Integers.** No enums, no booleans, no references. A number that is not listed in [`numbers`](self#constants) is an error.
//! - **Borrowed.** What a call is given is good until it returns. Who needs it longer copies it.
//! - **Who allocates frees.** Nothing changes hands: the host copies what [`Host::complete`] is given, and fills memory of
//!   the caller.
//! - **No unwinding.** No panic and no exception leaves a function on either side.
//! - **Text is UTF-8.** The host checks what clients send before a plugin sees it, and what plugins answer.
//!
//! # Answers
//! A hook returns an integer. The plain ones are the whole answer: [`NEXT`], [`ALLOW`], [`DENY`], [`DISCONNECT`], [`PASS`],
//! [`DROP`], [`DONE`].
//! An answer that carries more is an [`Outcome`], given with [`Host::complete`] and the hook's ticket: during the call,
//! and then the hook returns [`ANSWERED`]; or later from any thread, and then the hook returns [`PENDING`]. A ticket is
//! good for one call of `complete`; more, or later ones, are answered with [`STALE`] and do nothing. Tickets are never
//! 0; observers are given 0, they have nothing to answer. A hook that returns anything but [`PENDING`] closes its
//! ticket. One that returns a plain answer must not have completed it: that is an error. [`PENDING`] is right also when
//! another thread was faster and has completed the ticket already.
//!
//! # Threads
//! `create`, `self_test`, `export_state`, `on_unload`, `quiesce` and `destroy` are called on short-lived control
//! threads, one at a time. Hooks are called on threads of the broker, many at once, from the moment that the generation
//! serves until its last call has returned: an instance is shared by all threads. The host's functions may be called
//! from any thread, also during `create` and from within hooks;
//! [`Host::publish`] and its kin answer [`NOT_SERVING`] until the generation serves.
//!
//! # The end
//! After the swap no new call begins. Calls in flight and open tickets are waited for, up to their deadlines. Timers
//! are cancelled and released. Then `on_unload`, `quiesce`, `destroy`. `export_state` came before the swap, while the
//! instance still served.

mod answers;
mod basic;
mod events;
mod hooks;
mod host;
mod numbers;
mod plugin;
mod prefix;
mod records;

pub use answers::*;
pub use basic::*;
pub use events::*;
pub use hooks::*;
pub use host::*;
pub use numbers::*;
pub use plugin::*;
pub use prefix::{Prefixed, pointed_at, read_prefix};
pub use records::*;
