//! Telling observers, when the shard has a moment.

use super::ShardHooks;
use super::entry::count_lost;
use crate::hooks::lua::fault::Fault;
use crate::hooks::observe::Event;
use mlua::{Lua, Table};

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
    /// policy has its budget, so a turn takes at most `most` budgets an entry.
    pub fn run_observers(&mut self, most: usize) -> usize {
        for _ in 0..most {
            let Some(event) = self.events.pop() else { break };
            let hook = event.hook();
            for entry in self.entries.iter_mut().filter(|entry| entry.has(hook)) {
                // An observer that fails is counted and logged by its entry; there is no answer to stand in for.
                let _ = entry.ask(hook, |state, function| {
                    let told =
                        table(&state.sandbox().lua, &event).map_err(|error| Fault::from_lua(&error, None))?;
                    match event.client() {
                        Some(client) => {
                            state.with_context(client, |ctx| state.call::<()>(function, (ctx, told)))
                        }
                        None => state.call::<()>(function, (mlua::Nil, told)),
                    }
                });
            }
        }
        self.events.len()
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
