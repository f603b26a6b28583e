//! Calls of a plugin's life run on threads of their own, which end: thread-local data that the plugin makes there goes with them and
//! binds its image to no thread of the broker.

use super::Refusal;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Runs `work` on a short-lived thread and waits `patience` for it. When that is over the thread goes on, and `late` gets what
/// it comes to.
///
/// # Errors
/// It took too long, or there is no thread. `what` is what was done, for the sentence.
pub(super) fn run<T: Send + 'static>(
    what: &str,
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    late: impl FnOnce(T) + Send + 'static,
) -> Result<T, Refusal> {
    // A rendezvous: either this side takes it, or the other learns that nobody does.
    let (tell, told) = sync_channel(0);
    let no_thread = |error| Refusal::new(format!("cannot be asked: no thread ({error})"));
    let worker = named("plugin-control").spawn(work).map_err(no_thread)?;
    // Its end, too, runs the plugin's code, for thread-local data and keys: that is waited for here, within `patience`, so that
    // nobody unmaps the code while it runs.
    let watcher = named("plugin-watcher").spawn(move || {
        if let Ok(done) = worker.join()
            && let Err(nobody) = tell.send(done)
        {
            late(nobody.0);
        }
    });
    watcher.map_err(no_thread)?;
    match told.recv_timeout(patience) {
        Ok(done) => Ok(done),
        Err(RecvTimeoutError::Timeout) => Err(Refusal::new(format!(
            "did not come back from {what} within {}",
            humantime::format_duration(patience)
        ))
        .help("a plugin must not wait there; a longer `load_budget` in its entry gives it more time")),
        Err(RecvTimeoutError::Disconnected) => Err(Refusal::new(format!("ended its thread in {what}"))),
    }
}

fn named(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn what_comes_too_late_is_cleared_away() {
        let (cleared, is_cleared) = channel();
        let slow = || {
            std::thread::sleep(Duration::from_millis(50));
            7
        };
        let late = move |what| {
            let _nobody_waits = cleared.send(what);
        };
        let refused = run("create", Duration::from_millis(5), slow, late).unwrap_err();
        assert_eq!(refused.what, "did not come back from create within 5ms");
        assert_eq!(is_cleared.recv_timeout(Duration::from_secs(5)), Ok(7));
        assert_eq!(run("create", Duration::from_secs(5), || 8, drop), Ok(8));
    }

    #[test]
    fn a_thread_that_hangs_at_its_end_is_not_waited_for() {
        struct Hangs;
        impl Drop for Hangs {
            fn drop(&mut self) {
                std::thread::sleep(Duration::from_secs(3));
            }
        }
        thread_local!(static HANGS: Hangs = const { Hangs });
        let began = std::time::Instant::now();
        let refused = run("create", Duration::from_millis(20), || HANGS.with(|_| ()), drop).unwrap_err();
        assert_eq!(refused.what, "did not come back from create within 20ms");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}
