//! The safe Rust face of compiled plugins.
//!
//! A plugin is a type that implements [`Plugin`], and one line that exports it:
//!
//! ```
//! use dunlin_plugin_api::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     longest: u64,
//! }
//!
//! /// Nobody publishes more than so many bytes.
//! struct Quiet {
//!     settings: Settings,
//! }
//!
//! impl Plugin for Quiet {
//!     type Settings = Settings;
//!     const HOOKS: &'static [Hook] = &[Hook::AuthorizePublish];
//!
//!     fn create(_host: Host, setup: Setup<Settings>) -> Result<Self, Error> {
//!         Ok(Quiet { settings: setup.settings })
//!     }
//!
//!     fn authorize_publish(&self, event: &AuthorizePublish<'_>, _: &Later<'_, Access>) -> Answer<Access> {
//!         if event.size > self.settings.longest {
//!             return Access::deny("too large").into();
//!         }
//!         Access::Next.into()
//!     }
//! }
//!
//! export_plugin!(Quiet);
//!
//! // Tests need no broker.
//! let mock = MockHost::<Quiet>::new(r#"{ "longest": 10 }"#).unwrap();
//! let meter = MockClient::new("meter-7");
//! let answer = mock.authorize_publish(&meter, "a/b", 0, false, b"much too long");
//! assert_eq!(answer, Ok(Access::deny("too large")));
//! ```
//!
//! # Answers
//! A hook returns an [`Answer`]: one now, one [`Later`], or that it failed. Plain answers cross as an integer and cost
//! nothing. Hooks that may answer later are given a [`Later`]: take its [`Ticket`], hand it to a thread or runtime of
//! your own, return
//! [`Answer::Later`], and
//! [`complete`](Ticket::complete) the ticket there. A ticket that is dropped answers with an error, so a client never waits
//! for one that was lost.
//!
//! # Threads
//! One value of your type serves all clients, from all threads of the broker at once. Threads of your own are begun in
//! [`create`](Plugin::create) and joined in [`quiesce`](Plugin::quiesce); say [`THREADS`](Plugin::THREADS). An async
//! runtime is such threads too: your plugin has its own copy of tokio, so the broker's is none of yours.
//!
//! # Logs
//! `tracing`'s macros and panics reach the broker's log, under the policy's name. `println!` goes where the broker's output
//! goes, and tells nobody whose it is.
//!
//! # Tests
//! [`mock::MockHost`] is a host in memory: it calls the plugin as a broker does, through the C ABI, and keeps what the
//! plugin logs, publishes and stores. Its clock stands still until you move it.

mod answers;
mod callbacks;
mod caught;
mod client;
mod events;
mod export;
mod give;
mod host;
mod instance;
mod logging;
pub mod mock;
mod observed;
mod plugin;
mod thunks;
mod ticket;

pub use answers::*;
pub use client::{Client, Message, Origin, Tls};
pub use events::*;
pub use export::Declared;
pub use give::{Give, Patch};
pub use host::{Host, Level, Refused, Session, Space};
pub use logging::HostLayer;
pub use observed::*;
pub use plugin::{Cache, Error, Plugin, Setup, Unload};
pub use ticket::{Answer, Later, Ticket};
