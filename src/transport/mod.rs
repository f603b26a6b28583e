//! Bytes in and out of one socket: TCP, Unix socket, TLS, WebSocket, secure WebSocket.
//!
//! An [`Acceptor`] makes an [`Io`] of each accepted socket. Whoever serves the connection polls [`Io::poll_read`]
//! from one task and writes from anywhere on the same thread with [`Io::try_write`], which needs no waker: only when
//! the socket is full does the task poll [`Io::poll_write_ready`]. Every handshake happens inside `poll_read`.
//!
//! TLS is rustls driven by hand and WebSocket is our own framing, for the same reason: the state of both is plain
//! data apart from the socket, so that [`Io::detach`] can take a connection off one runtime and
//! [`Detached::attach`] can put it on another, with nothing lost on the way.
//!
//! **Invariant**: no MQTT here. No byte of memory is reserved for a length that a peer claims; what one connection
//! may buffer is bounded by [`Limits`]; no input panics.

mod acceptor;
mod io;
mod peer;
mod socket;
pub mod tls;
pub mod websocket;

#[cfg(test)]
mod tests;

pub use acceptor::{Acceptor, Limits};
pub use io::{Detached, Io};
pub use peer::{ClientCertificate, ListenerKind, Peer, PeerAddress};
