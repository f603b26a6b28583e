//! Whether the broker takes clients.

use std::sync::atomic::{AtomicU8, Ordering};

/// The part of its life that the broker is in. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Listeners are not all open yet.
    Starting,
    /// Listeners are open.
    Ready,
    /// It is stopping.
    Draining,
}

impl State {
    /// As a sentence for `/readyz`.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Starting => "starting: the listeners are not open yet",
            Self::Ready => "ready: the listeners are open",
            Self::Draining => "draining: no new connections are taken",
        }
    }
}

/// Written by the server, read by `/readyz`.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Moves on to `state`; an earlier one than now changes nothing.
    pub fn advance(&self, state: State) {
        self.0.fetch_max(state as u8, Ordering::Release);
    }

    /// The state now.
    pub fn get(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            _ => State::Draining,
        }
    }
}
