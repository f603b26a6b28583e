//! What observers are told: batches of one kind of event.

use super::desk::Desk;
use super::shown::with_maybe;
use crate::hooks::lua::fault::Fault;
use crate::hooks::observe::Event;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::abi::{self, Context, Prefixed, Slice};

impl Desk {
    /// Tells of events that are all of the kind of the first.
    pub(crate) fn observe(&self, events: &[Event]) -> Result<(), Fault> {
        let Some(first) = events.first() else {
            return Ok(());
        };
        with_contexts(events, &mut Vec::new(), &mut |contexts| {
            self.tell_all(first.hook(), events, contexts)
        })
    }

    fn tell_all(&self, hook: Hook, events: &[Event], contexts: &[*const Context]) -> Result<(), Fault> {
        let table = self.instance.table();
        macro_rules! tell {
            ($function:ident, $event:ident, $item:ident, |$told:ident, $ctx:ident| $make:expr) => {{
                let items: Vec<abi::$item> = events
                    .iter()
                    .zip(contexts)
                    .filter_map(|($told, $ctx)| $make)
                    .collect();
                let pointers: Vec<*const abi::$item> = items.iter().map(|item| &raw const *item).collect();
                let event = abi::$event {
                    hook: hook as u32,
                    items: pointers.as_ptr(),
                    len: pointers.len(),
                    ..abi::$event::blank()
                };
                self.tell(table.$function, &event)
            }};
        }
        match hook {
            Hook::SessionStart => {
                tell!(session_start, SessionStartEvent, SessionStart, |told, ctx| {
                    let Event::SessionStart { resumed, .. } = told else {
                        return None;
                    };
                    Some(abi::SessionStart {
                        resumed: u32::from(*resumed),
                        ctx: *ctx,
                        ..abi::SessionStart::blank()
                    })
                })
            }
            Hook::SessionEnd => {
                tell!(session_end, SessionEndEvent, SessionEnd, |told, ctx| {
                    let Event::SessionEnd { reason, .. } = told else {
                        return None;
                    };
                    Some(abi::SessionEnd {
                        ctx: *ctx,
                        reason: Slice::text(reason),
                        ..abi::SessionEnd::blank()
                    })
                })
            }
            Hook::Disconnect => {
                tell!(disconnect, DisconnectEvent, Disconnected, |told, ctx| {
                    let Event::Disconnect {
                        code,
                        reason,
                        by_client,
                        received,
                        sent,
                        ..
                    } = told
                    else {
                        return None;
                    };
                    Some(abi::Disconnected {
                        code: code.0.into(),
                        ctx: *ctx,
                        reason: Slice::text(reason),
                        by_client: u32::from(*by_client),
                        received: *received,
                        sent: *sent,
                        ..abi::Disconnected::blank()
                    })
                })
            }
            Hook::Acked => {
                let ids: Vec<String> = events
                    .iter()
                    .map(|event| match event {
                        Event::Acked { message_id, .. } => message_id.to_string(),
                        _ => String::new(),
                    })
                    .collect();
                let mut ids = ids.iter();
                tell!(acked, AckedEvent, Acked, |told, ctx| {
                    let id = ids.next()?;
                    let Event::Acked { topic, qos, .. } = told else {
                        return None;
                    };
                    Some(abi::Acked {
                        qos: *qos as u32,
                        ctx: *ctx,
                        topic: Slice::text(topic),
                        message_id: Slice::text(id),
                        ..abi::Acked::blank()
                    })
                })
            }
            Hook::Dropped => {
                tell!(dropped, DroppedEvent, Dropped, |told, ctx| {
                    let Event::Dropped {
                        topic, reason, count, ..
                    } = told
                    else {
                        return None;
                    };
                    Some(abi::Dropped {
                        ctx: *ctx,
                        topic: Slice::text(topic),
                        reason: Slice::text(reason),
                        count: *count,
                        ..abi::Dropped::blank()
                    })
                })
            }
            _ => Ok(()),
        }
    }
}

/// Calls `with` with the clients of all events, in their order. Each lies on the stack for the time of the call.
fn with_contexts(
    events: &[Event],
    contexts: &mut Vec<*const Context>,
    with: &mut dyn FnMut(&[*const Context]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some((first, rest)) = events.split_first() else {
        return with(contexts);
    };
    with_maybe(first.client().map(|client| &**client), |ctx| {
        contexts.push(ctx);
        with_contexts(rest, contexts, with)
    })
}
