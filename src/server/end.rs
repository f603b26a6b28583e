//! The end of the process, when what ends it does not come to an end: a policy or a plugin may hang on a shard's own thread.

use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::Signals;

/// From now on the process ends after `patience`, or when it is told to stop a second time, whatever hangs.
pub(super) fn within(patience: Duration) {
    // A thread and a runtime of its own: it is there for the case that all others are stuck.
    let watching = std::thread::Builder::new()
        .name("the-end".into())
        .spawn(move || watch(patience));
    if let Err(error) = watching {
        tracing::warn!(%error, "nobody watches over the end: no thread");
    }
}

fn watch(patience: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let why = runtime.block_on(async {
        let Ok(mut signals) = Signals::new() else {
            tokio::time::sleep(patience).await;
            return "something hangs";
        };
        tokio::select! {
            () = tokio::time::sleep(patience) => "something hangs",
            _ = signals.stop() => "told to stop a second time",
        }
    });
    tracing::error!("the broker did not come to its end in time and is ended ({why})");
    // `exit` would run what libraries have registered for the end, which may be what hangs; `abort` would leave a core dump.
    if let Err(error) = kill_process(getpid(), Signal::KILL) {
        tracing::error!(%error, "it cannot be");
    }
}
