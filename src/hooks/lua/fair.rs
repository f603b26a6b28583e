//! Calls that take long take turns with everything else on a shard: after a stretch of more than a millisecond, nothing of
//! its kind computes on this thread for a while: for as long again where nobody waits for it, for two milliseconds at most
//! where clients do.
//!
//! There are two kinds, so that neither holds up the other: what clients wait for (logins, and the questions of policies
//! that wait or are slow), and what nobody waits for (tasks, timers, observers). Whoever finds others waiting queues up
//! behind them; only the first of the queue has a timer.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::LocalKey;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep_until;

/// A stretch up to here is not worth a pause.
pub(crate) const LONG: Duration = Duration::from_millis(1);

/// So long at most rests what clients wait for: whoever is next in the queue waits for a call and this.
const REST_FOR_CLIENTS: Duration = Duration::from_millis(2);

/// The turns of one kind on one thread.
pub(crate) struct Turns {
    /// The longest rest.
    most: Duration,
    free_at: Cell<Option<Instant>>,
    queue: Arc<Semaphore>,
}

impl Turns {
    fn new(most: Duration) -> Self {
        Self {
            most,
            free_at: Cell::new(None),
            queue: Arc::new(Semaphore::new(1)),
        }
    }

    fn rest(&self) -> Option<Instant> {
        self.free_at.get().filter(|at| *at > Instant::now())
    }

    /// Whether nobody waits and nothing has to rest.
    fn is_free(&self) -> bool {
        self.queue.available_permits() > 0 && self.rest().is_none()
    }

    fn took(&self, long: Duration) {
        if long > LONG {
            self.free_at.set(Some(Instant::now() + long.min(self.most)));
        }
    }
}

/// A kind of work.
pub(crate) type Kind = &'static LocalKey<Turns>;

thread_local! {
    static CLIENTS: Turns = Turns::new(REST_FOR_CLIENTS);
    static BACKGROUND: Turns = Turns::new(Duration::MAX);
}

/// What clients wait for.
pub(crate) const FOR_CLIENTS: Kind = &CLIENTS;
/// What nobody waits for.
pub(crate) const IN_BACKGROUND: Kind = &BACKGROUND;

/// Tells that something of the kind took so long.
pub(crate) fn took(kind: Kind, long: Duration) {
    kind.with(|turns| turns.took(long));
}

/// How long such work has to rest, if it has to.
pub(crate) fn rest(kind: Kind) -> Option<Instant> {
    kind.with(Turns::rest)
}

/// A place at the head of the queue, while it computes; none when nobody waited.
pub(crate) type Turn = Option<OwnedSemaphorePermit>;

/// A future that takes such turns.
pub(crate) struct Fair<F> {
    kind: Kind,
    work: F,
    /// The turn that it has, for the first stretch.
    has: Turn,
    /// The turn that it waits for.
    waits: Option<Pin<Box<dyn Future<Output = Turn>>>>,
    spent: Duration,
}

impl<F> Fair<F> {
    pub(crate) fn new(kind: Kind, work: F) -> Self {
        Self::with(None, kind, work)
    }

    /// Work that has its turn, from [`turn`].
    pub(crate) fn with(turn: Turn, kind: Kind, work: F) -> Self {
        Self {
            kind,
            work,
            has: turn,
            waits: None,
            spent: Duration::ZERO,
        }
    }

    /// How long it has computed.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }
}

impl<F: Future + Unpin> Future for Fair<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let kind = self.kind;
        // Held until this stretch is over: the next in the queue sees how long it took.
        let mut held = self.has.take();
        if held.is_none() {
            if self.waits.is_none() && !kind.with(Turns::is_free) {
                self.waits = Some(Box::pin(turn(kind)));
            }
            if let Some(waits) = &mut self.waits {
                held = ready!(waits.as_mut().poll(cx));
                self.waits = None;
            }
        }
        let began = Instant::now();
        let polled = Pin::new(&mut self.work).poll(cx);
        let long = began.elapsed();
        self.spent += long;
        took(kind, long);
        drop(held);
        polled
    }
}

/// Waits for its place in the queue, and then until the thread may be used.
pub(crate) async fn turn(kind: Kind) -> Turn {
    if kind.with(Turns::is_free) {
        return None;
    }
    let queue = kind.with(|turns| turns.queue.clone());
    // It is never closed.
    let held = queue.acquire_owned().await.ok();
    while let Some(at) = rest(kind) {
        sleep_until(at.into()).await;
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use tokio::task::{LocalSet, spawn_local};

    /// Work that keeps the thread busy for so long, once.
    fn busy(millis: u64) -> impl Future<Output = ()> + Unpin {
        std::future::poll_fn(move |_| {
            std::thread::sleep(Duration::from_millis(millis));
            Poll::Ready(())
        })
    }

    #[test]
    fn long_stretches_leave_time_to_others_and_come_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let order = Rc::new(RefCell::new(Vec::new()));
        LocalSet::new().block_on(&runtime.unwrap(), async {
            let tasks: Vec<_> = (0..10)
                .map(|n| {
                    let order = order.clone();
                    spawn_local(async move {
                        Fair::new(FOR_CLIENTS, busy(4)).await;
                        order.borrow_mut().push(n);
                    })
                })
                .collect();
            // Something else on the same thread is never held up by more than one stretch.
            let began = Instant::now();
            let (mut worst, mut turns) = (Duration::ZERO, 0);
            while tasks.iter().any(|task| !task.is_finished()) {
                let asked = Instant::now();
                tokio::task::yield_now().await;
                worst = worst.max(asked.elapsed());
                turns += 1;
            }
            let all = began.elapsed();
            assert!(all >= Duration::from_millis(58), "no pauses: {all:?}");
            assert!(worst < Duration::from_millis(40), "{worst:?} for one");
            assert!(turns > 20, "{turns}");
        });
        assert_eq!(*order.borrow(), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn short_stretches_and_the_other_kind_do_not_wait() {
        took(IN_BACKGROUND, Duration::from_secs(60));
        took(FOR_CLIENTS, Duration::from_micros(900));
        let mut work = Fair::new(FOR_CLIENTS, std::future::ready(7));
        let waker = std::task::Waker::noop();
        assert_eq!(
            Pin::new(&mut work).poll(&mut Context::from_waker(waker)),
            Poll::Ready(7)
        );
    }
}
