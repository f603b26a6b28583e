//! Telling observers as a broker does, one event at a time.

use super::calls::Function;
use super::client::MockClient;
use super::{Failure, MockHost};
use crate::Hook;
use crate::abi::{self, Prefixed, Slice};

impl<P> MockHost<P> {
    fn tell<E>(&self, hook: Hook, function: Function<E>, event: &E) -> Result<(), Failure> {
        if !self.plugin.hooks.contains(hook) {
            return Err(Failure::NotDeclared);
        }
        let Some(function) = function else {
            return Err(Failure::NotDeclared);
        };
        // SAFETY: the instance lives as long as `self`, and the event for the call.
        match self.with_tracing(|| unsafe { function(self.instance, event, 0) }) {
            abi::NEXT => Ok(()),
            abi::PANIC => Err(Failure::Panic),
            other => Err(Failure::Error(format!("the observer returned {other}"))),
        }
    }

    /// Tells `session_start` of one such event.
    ///
    /// # Errors
    /// When the observer failed.
    pub fn session_start(&self, client: &MockClient, resumed: bool) -> Result<(), Failure> {
        client.with(|ctx| {
            let item = abi::SessionStart {
                ctx,
                resumed: resumed.into(),
                ..abi::SessionStart::blank()
            };
            let items = [&raw const item];
            let event = abi::SessionStartEvent {
                hook: Hook::SessionStart as u32,
                items: items.as_ptr(),
                len: items.len(),
                ..abi::SessionStartEvent::blank()
            };
            self.tell(Hook::SessionStart, self.plugin.table.session_start, &event)
        })
    }

    /// Tells `session_end` of one such event.
    ///
    /// # Errors
    /// When the observer failed.
    pub fn session_end(&self, client: &MockClient, reason: &str) -> Result<(), Failure> {
        client.with(|ctx| {
            let item = abi::SessionEnd {
                ctx,
                reason: Slice::text(reason),
                ..abi::SessionEnd::blank()
            };
            let items = [&raw const item];
            let event = abi::SessionEndEvent {
                hook: Hook::SessionEnd as u32,
                items: items.as_ptr(),
                len: items.len(),
                ..abi::SessionEndEvent::blank()
            };
            self.tell(Hook::SessionEnd, self.plugin.table.session_end, &event)
        })
    }

    /// Tells `disconnect` of one such event.
    ///
    /// # Errors
    /// When the observer failed.
    pub fn disconnect(
        &self,
        client: &MockClient,
        code: u8,
        reason: &str,
        by_client: bool,
    ) -> Result<(), Failure> {
        client.with(|ctx| {
            let item = abi::Disconnected {
                ctx,
                code: code.into(),
                reason: Slice::text(reason),
                by_client: by_client.into(),
                ..abi::Disconnected::blank()
            };
            let items = [&raw const item];
            let event = abi::DisconnectEvent {
                hook: Hook::Disconnect as u32,
                items: items.as_ptr(),
                len: items.len(),
                ..abi::DisconnectEvent::blank()
            };
            self.tell(Hook::Disconnect, self.plugin.table.disconnect, &event)
        })
    }

    /// Tells `acked` of one such event.
    ///
    /// # Errors
    /// When the observer failed.
    pub fn acked(&self, client: &MockClient, topic: &str, qos: u8) -> Result<(), Failure> {
        client.with(|ctx| {
            let item = abi::Acked {
                ctx,
                topic: Slice::text(topic),
                qos: qos.into(),
                message_id: Slice::text("00000000000000000000000000000000"),
                ..abi::Acked::blank()
            };
            let items = [&raw const item];
            let event = abi::AckedEvent {
                hook: Hook::Acked as u32,
                items: items.as_ptr(),
                len: items.len(),
                ..abi::AckedEvent::blank()
            };
            self.tell(Hook::Acked, self.plugin.table.acked, &event)
        })
    }

    /// Tells `dropped` of one such event.
    ///
    /// # Errors
    /// When the observer failed.
    pub fn dropped(&self, client: &MockClient, topic: &str, reason: &str, count: u64) -> Result<(), Failure> {
        client.with(|ctx| {
            let item = abi::Dropped {
                ctx,
                topic: Slice::text(topic),
                reason: Slice::text(reason),
                count,
                ..abi::Dropped::blank()
            };
            let items = [&raw const item];
            let event = abi::DroppedEvent {
                hook: Hook::Dropped as u32,
                items: items.as_ptr(),
                len: items.len(),
                ..abi::DroppedEvent::blank()
            };
            self.tell(Hook::Dropped, self.plugin.table.dropped, &event)
        })
    }
}
