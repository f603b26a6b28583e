//! `tracing` and panics, on their way to the broker's log.
//!
//! A plugin has a copy of `tracing` and of the standard library of its own: what the broker installed in its copies
//! does not see the plugin's. So the SDK installs these when an instance is created in a broker.

use super::caught::words;
use super::host::{Host, Level};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Once, OnceLock, PoisonError, RwLock};
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The hosts of the instances that live, the newest last: what is installed once for the whole image logs to that one.
static LIVING: RwLock<Vec<Host>> = RwLock::new(Vec::new());

/// A layer that writes events to a host's log.
#[derive(Debug, Clone)]
pub struct HostLayer(Option<Host>);

impl HostLayer {
    /// A layer that writes to `host`.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self(Some(host))
    }
}

impl<S: tracing::Subscriber> Layer<S> for HostLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let level = match *meta.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Trace,
        };
        let mut line = Line::default();
        event.record(&mut line);
        let text = line.message + &line.fields;
        match &self.0 {
            Some(host) => host.log(level, meta.target(), &text),
            None => {
                with_newest(|host| host.log(level, meta.target(), &text));
            }
        }
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Panics of this image. A stranger may have found out how to cause them, so there is an end to what is logged of them.
static PANICS: Few = Few::new();

/// So many lines a second.
const LINES: u64 = 10;

/// Counts what is said, by the second.
struct Few {
    began: OnceLock<Instant>,
    second: AtomicU64,
    said: AtomicU64,
    unsaid: AtomicU64,
}

impl Few {
    const fn new() -> Self {
        Self {
            began: OnceLock::new(),
            second: AtomicU64::new(0),
            said: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        }
    }

    /// How many were not said since the last line; `None` when this one is not to be said either.
    fn said_since(&self) -> Option<u64> {
        let second = self.began.get_or_init(Instant::now).elapsed().as_secs();
        if self.second.swap(second, Relaxed) != second {
            self.said.store(0, Relaxed);
        }
        if self.said.fetch_add(1, Relaxed) >= LINES {
            self.unsaid.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Relaxed))
    }
}

/// Whether there was one. It stays until `then` has returned: [`uninstall`] waits for that.
fn with_newest(then: impl FnOnce(&Host)) -> bool {
    let living = LIVING.read().unwrap_or_else(PoisonError::into_inner);
    living.last().map(then).is_some()
}

/// Leads `tracing` and panics of this image to `host`, until there is a newer one.
pub(super) fn install(host: &Host) {
    static ONCE: Once = Once::new();
    LIVING
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .push(host.clone());
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(HostLayer(None));
        // Somebody else's subscriber is as good: the plugin's author wanted it.
        let _ = tracing::subscriber::set_global_default(subscriber);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let Some(more) = PANICS.said_since() else { return };
            let place = panic
                .location()
                .map_or_else(String::new, |place| format!(" at {place}"));
            let mut text = format!("the plugin panicked{place}: {}", words(panic.payload()));
            if more > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, " (and {more} times since the last line)");
            }
            // When no instance lives, a thread that one left behind still has something to say.
            if !with_newest(|host| host.log(Level::Error, "panic", &text)) {
                before(panic);
            }
        }));
    });
}

/// Forgets the host of an instance that ends, or that was refused.
pub(super) fn uninstall(host: &Host) {
    LIVING
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|living| !living.is(host));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_what_is_said_in_a_second() {
        let few = Few::new();
        let said = (0..10_000).filter(|_| few.said_since().is_some()).count() as u64;
        // It may be that a second ended meanwhile.
        assert!((LINES..=2 * LINES).contains(&said), "{said}");
    }
}
