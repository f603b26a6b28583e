//! Metrics, health and administration over HTTP.
//!
//! Two ways in. The *port* is TCP, for whatever watches over the process: it changes nothing and names no client, since
//! nobody is asked who they are. The *socket* is a file that only the broker's own user may open; it serves the admin API,
//! which `dunlin ctl` speaks.
//!
//! What can be asked is the trait [`Operations`] and those it is made of; what the answers look like, [`api`].
//!
//! Invariant: nothing that comes by the port changes the broker.

pub mod api;
mod http;
mod operations;
mod port;
mod ready;
mod routes;
mod socket;
mod stream;

pub use operations::{
    CertificateOperations, CredentialOperations, Failure, InstanceOperations, Listed, Operations, Rows,
};
pub use port::{AdminState, serve};
pub use ready::{Readiness, State};
pub use socket::serve as serve_socket;

#[cfg(test)]
mod tests;
