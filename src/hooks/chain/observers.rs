//! Telling observers, when the shard has a moment.

use super::entry::count_lost;
use super::{Chain, ShardHooks, Subject};
use crate::hooks::lua::fair;
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::state::PolicyState;
use crate::hooks::native::{Answered, Desk, Reply, Said};
use crate::hooks::observe::Event;
use mlua::{Function, Lua, Table};
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

/// How many events a plugin is told of at once.
const BATCH: usize = 32;

/// How many calls of observers may be waiting for something on one shard.
const TELLING: usize = 1000;

impl ShardHooks {
    /// Notes an event for the observers that want it; nothing is called here. When the queue is full the event is lost and
    /// counted in [`HookMetrics::events_dropped`](crate::hooks::HookMetrics::events_dropped).
    #[inline]
    pub fn observe(&mut self, event: Event) {
        if self.wants(event.hook()) && !self.events.push(event) {
            count_lost(&self.metrics.events_dropped, 1);
        }
    }

    /// Tells observers of at most `most` events, and returns how many still wait. Called off the hot path; each call of a
    /// policy has its budget, so a turn takes at most `most` budgets an entry. An observer that waits goes on by itself:
    /// it must run in a `LocalSet`.
    pub fn run_observers(&mut self, most: usize) -> usize {
        let mut left = most;
        while left > 0 {
            if fair::rest(fair::IN_BACKGROUND).is_some() {
                break;
            }
            let batch = self.events.pop_alike(left.min(BATCH));
            let Some(hook) = batch.first().map(Event::hook) else {
                break;
            };
            left -= batch.len();
            for n in 0..self.chain.entries.len() {
                match self.chain.entries.get(n).filter(|entry| entry.has(hook)) {
                    None => {}
                    // A plugin is told of all at once, a script of one after the other.
                    Some(entry) if entry.desk().is_some() => self.begin_telling(n, batch.clone()),
                    Some(_) => {
                        for event in &batch {
                            self.begin_telling(n, vec![event.clone()]);
                        }
                    }
                }
            }
        }
        self.events.len()
    }

    /// Tells one entry; where that takes its time, others go on.
    fn begin_telling(&self, n: usize, events: Vec<Event>) {
        let lost = events.len() as u64;
        let mut told = Box::pin(tell(self.chain.clone(), n, events));
        let began = Instant::now();
        let at_once = told.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        fair::took(fair::IN_BACKGROUND, began.elapsed());
        if at_once.is_ready() {
            return;
        }
        if self.telling.get() >= TELLING {
            count_lost(&self.metrics.events_dropped, lost);
            return;
        }
        let telling = self.telling.clone();
        telling.set(telling.get() + 1);
        tokio::task::spawn_local(async move {
            told.await;
            telling.set(telling.get() - 1);
        });
    }

    /// When observers may be told more: after one that took long, others come first.
    pub fn observers_rest(&self) -> Option<Instant> {
        fair::rest(fair::IN_BACKGROUND)
    }
}

/// Tells one entry of events of one kind; a script is told of the first. One that fails is counted and logged by its entry; there
/// is no answer to stand in for.
async fn tell(chain: Rc<Chain>, n: usize, events: Vec<Event>) {
    let (Some(entry), Some(event)) = (chain.entries.get(n), events.first()) else {
        return;
    };
    let client = event.client();
    let subject = Subject {
        hook: event.hook(),
        client: client.map(|client| &**client),
        about: "",
    };
    let begin = |state: &PolicyState, function: &Function| {
        let told = table(&state.sandbox().lua, event).map_err(|error| Fault::from_lua(&error, None))?;
        match client {
            Some(client) => state.with_context(client, |ctx| state.ask_waiting(function, (ctx, told))),
            None => state.ask_waiting(function, (mlua::Nil, told)),
        }
    };
    let call = |desk: &Desk| desk.observe(&events).map(|()| Reply::Now(Observed));
    let _counted = entry.ask_waiting(subject, begin, |_, _| Ok(Observed), call).await;
}

/// Observers answer nothing.
struct Observed;

impl Said for Observed {
    fn of(_: Answered) -> Option<Self> {
        Some(Observed)
    }
}

/// An event as a policy reads it.
fn table(lua: &Lua, event: &Event) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 5)?;
    match event {
        Event::SessionStart { resumed, .. } => table.raw_set("resumed", *resumed)?,
        Event::SessionEnd { reason, .. } => table.raw_set("reason", &**reason)?,
        Event::Disconnect {
            code,
            reason,
            by_client,
            received,
            sent,
            ..
        } => {
            table.raw_set("code", code.0)?;
            table.raw_set("reason", &**reason)?;
            table.raw_set("by_client", *by_client)?;
            table.raw_set("received", *received)?;
            table.raw_set("sent", *sent)?;
        }
        Event::Acked {
            topic,
            qos,
            message_id,
            ..
        } => {
            table.raw_set("topic", &**topic)?;
            table.raw_set("qos", *qos as u8)?;
            table.raw_set("message_id", message_id.to_string())?;
        }
        Event::Dropped {
            topic, reason, count, ..
        } => {
            table.raw_set("topic", &**topic)?;
            table.raw_set("reason", &**reason)?;
            table.raw_set("count", *count)?;
        }
    }
    Ok(table)
}
