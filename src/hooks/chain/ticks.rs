//! `on_tick`: on one shard, when the policy asked for it.

use super::{Chain, Subject};
use crate::hooks::lua::fault::Fault;
use dunlin_plugin_api::Hook;
use mlua::Function;
use std::rc::Rc;
use std::time::Duration;

/// The shortest time between two ticks.
const SHORTEST: Duration = Duration::from_millis(10);
/// A tick that failed comes again after so long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

const SUBJECT: Subject<'static> = Subject {
    hook: Hook::OnTick,
    client: None,
    about: "",
};

/// Begins the ticks of every entry that wants them. They end with the generation, or when the policy asks for no more.
pub(super) fn begin(chain: &Rc<Chain>) {
    if !chain.wants.contains(Hook::OnTick) {
        return;
    }
    for (n, entry) in chain.entries.iter().enumerate() {
        if entry.has(Hook::OnTick) && !entry.host().tasks.is_ticking() {
            let tasks = entry.host().tasks.clone();
            // Weakly: a retired chain ends although its ticks were asked for.
            let chain = Rc::downgrade(chain);
            tasks.tick(async move {
                while let Some(next) = tick(&chain, n).await {
                    tokio::time::sleep(next.max(SHORTEST)).await;
                }
            });
        }
    }
}

async fn tick(chain: &std::rc::Weak<Chain>, n: usize) -> Option<Duration> {
    let tasks = chain.upgrade()?.entries.get(n)?.host().tasks.clone();
    tasks.active().await;
    let chain = chain.upgrade()?;
    let entry = chain.entries.get(n)?;
    let now = entry.host().clock.now().as_secs_f64();
    let asked = entry
        .ask_waiting(
            SUBJECT,
            |state, function: &Function| state.ask_waiting(function, now),
            |_, said| match &said.other {
                mlua::Value::Nil => Ok(None::<f64>),
                value => value
                    .as_number()
                    .or_else(|| value.as_integer().map(|n| n as f64))
                    .filter(|seconds| Duration::try_from_secs_f64(*seconds).is_ok())
                    .map(Some)
                    .ok_or_else(|| {
                        Fault::answer("on_tick returns the number of seconds until the next tick, or nothing")
                    }),
            },
            |desk| desk.on_tick(now),
        )
        .await;
    match asked {
        // A plugin may ask for more seconds than there are.
        Ok(next) => next.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        Err(_) => Some(AFTER_FAILURE),
    }
}
