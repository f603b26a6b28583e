//! `tracing` and panics, on their way to the broker's log.
//!
//! A plugin has a copy of `tracing` and of the standard library of its own: what the broker installed in its copies
//! does not see the plugin's. So the SDK installs these when an instance is created in a broker.

use super::caught::words;
use super::host::{Host, Level};
use std::fmt::Write as _;
use std::sync::{Once, PoisonError, RwLock};
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
            let place = panic
                .location()
                .map_or_else(String::new, |place| format!(" at {place}"));
            let text = format!("the plugin panicked{place}: {}", words(panic.payload()));
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
