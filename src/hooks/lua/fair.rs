//! Work that nobody waits for takes turns with the work of clients: after a stretch that took long, nothing of its kind runs
//! on this thread for as long again.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};

/// A stretch up to here is not worth a pause.
const LONG: Duration = Duration::from_millis(1);

thread_local! {
    /// When this thread may run such work again.
    static FREE_AT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Tells that something of the kind took so long.
pub(crate) fn took(long: Duration) {
    if long > LONG {
        FREE_AT.set(Some(Instant::now() + long));
    }
}

/// How long such work has to rest, if it has to.
pub(crate) fn rest() -> Option<Instant> {
    FREE_AT.get().filter(|at| *at > Instant::now())
}

/// A future that takes such turns.
pub(crate) struct Fair<F> {
    work: F,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<F> Fair<F> {
    pub(crate) fn new(work: F) -> Self {
        Self { work, pause: None }
    }
}

impl<F: Future + Unpin> Future for Fair<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let Some(at) = rest() else { break };
            self.pause = Some(Box::pin(sleep_until(at.into())));
        }
        let began = Instant::now();
        let polled = Pin::new(&mut self.work).poll(cx);
        took(began.elapsed());
        polled
    }
}
