//! `tracing` and panics, on their way to the broker's log.
//!
//! A plugin has a copy of `tracing` and of the standard library of its own: what the broker installed in its copies
//! does not see the plugin's. So the SDK installs these when an instance is created in a broker.

use super::host::{Host, Level};
use std::fmt::Write as _;
use std::sync::{Once, PoisonError, RwLock};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The host of the instance that was created last: what is installed once for the whole image logs there.
static CURRENT: RwLock<Option<Host>> = RwLock::new(None);

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
            None => with_current(|host| host.log(level, meta.target(), &text)),
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

fn with_current(then: impl FnOnce(&Host)) {
    let current = CURRENT.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = &*current {
        then(host);
    }
}

/// Leads `tracing` and panics of this image to `host`.
pub(super) fn install(host: &Host) {
    static ONCE: Once = Once::new();
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(host.clone());
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(HostLayer(None));
        // Somebody else's subscriber is as good: the plugin's author wanted it.
        let _ = tracing::subscriber::set_global_default(subscriber);
        std::panic::set_hook(Box::new(|panic| {
            let text = panic
                .payload()
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.payload().downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without words".to_owned());
            let place = panic
                .location()
                .map_or_else(String::new, |place| format!(" at {place}"));
            with_current(|host| {
                host.log(
                    Level::Error,
                    "panic",
                    &format!("the plugin panicked{place}: {text}"),
                )
            });
        }));
    });
}

/// Forgets the host.
pub(super) fn uninstall() {
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = None;
}
