//! Calling each hook as a broker does.

use super::super::answers::*;
use super::super::plugin::Plugin;
use super::super::thunks::TableOf;
use super::client::{MockClient, MockConnect};
use super::decode::{Decoded, Take};
use super::{Failure, MockHost};
use crate::abi::{self, Prefixed, Slice, SliceList};
use crate::sdk::give::{with_filters, with_message, with_messages, with_will};
use crate::{Hook, HookSet};
use std::convert::Infallible;
use std::ffi::c_void;

type Function<E> = Option<unsafe extern "C" fn(*mut c_void, *const E, u64) -> i32>;

fn optional(text: Option<&str>) -> Slice {
    text.map_or(Slice::NONE, Slice::text)
}

fn optional_bytes(bytes: Option<&[u8]>) -> Slice {
    bytes.map_or(Slice::NONE, Slice::of)
}

fn with_msg<R>(of: &NewMessage, then: impl FnOnce(*const abi::Message) -> R) -> R {
    with_message(of, |new| {
        let raw = abi::Message {
            qos: new.qos,
            topic: new.topic,
            payload: new.payload,
            size: new.payload.len as u64,
            retain: new.retain,
            origin: abi::ORIGIN_CLIENT,
            properties: new.properties,
            id: Slice::text("00000000000000000000000000000000"),
            ..abi::Message::blank()
        };
        then(&raw const raw)
    })
}

impl<P: Plugin> MockHost<P> {
    fn ask<E, T: Take>(&self, hook: Hook, function: Function<E>, event: &E) -> Result<T, Failure> {
        if !P::HOOKS.contains(&hook) {
            return Err(Failure::NotDeclared);
        }
        let Some(function) = function else {
            return Err(Failure::NotDeclared);
        };
        let ticket = self.world.open();
        // SAFETY: the instance lives as long as `self`, and the event for the call.
        let said = self.with_tracing(|| unsafe { function(self.instance, event, ticket) });
        let decoded = match said {
            abi::PENDING if !Self::may_wait(hook) => {
                self.world.close(ticket);
                return Err(Failure::MayNotWait);
            }
            abi::PENDING => self.world.wait(ticket).ok_or(Failure::Timeout)?,
            abi::ANSWERED => self
                .world
                .close(ticket)
                .ok_or_else(|| Failure::Wrong("ANSWERED without an answer".to_owned()))?,
            plain => {
                if self.world.close(ticket).is_some() && plain >= 0 {
                    return Err(Failure::Wrong("a plain verdict and an outcome".to_owned()));
                }
                Decoded::plain(plain)
            }
        };
        decoded.take()
    }

    fn may_wait(hook: Hook) -> bool {
        use crate::describe::Waits;
        match hook.description().waits {
            Waits::Always => true,
            Waits::IfDeclared => HookSet::of(P::WAITS).contains(hook),
            Waits::Never => false,
        }
    }

    fn tell<E>(&self, hook: Hook, function: Function<E>, event: &E) -> Result<(), Failure> {
        if !P::HOOKS.contains(&hook) {
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

    /// Asks `authenticate` about a user name and a password.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn authenticate(
        &self,
        client: &MockClient,
        username: Option<&str>,
        password: Option<&[u8]>,
    ) -> Result<Login, Failure> {
        client.with(|ctx| {
            let event = abi::AuthenticateEvent {
                hook: Hook::Authenticate as u32,
                ctx,
                username: optional(username),
                password: optional_bytes(password),
                ..abi::AuthenticateEvent::blank()
            };
            self.ask(Hook::Authenticate, TableOf::<P>::TABLE.authenticate, &event)
        })
    }

    /// Asks `auth_continue`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn auth_continue(
        &self,
        client: &MockClient,
        method: &str,
        data: &[u8],
        state: Option<&serde_json::Value>,
    ) -> Result<Login, Failure> {
        let state = state.map(ToString::to_string);
        client.with(|ctx| {
            let event = abi::AuthContinueEvent {
                hook: Hook::AuthContinue as u32,
                ctx,
                method: Slice::text(method),
                data: Slice::of(data),
                state: optional(state.as_deref()),
                ..abi::AuthContinueEvent::blank()
            };
            self.ask(Hook::AuthContinue, TableOf::<P>::TABLE.auth_continue, &event)
        })
    }

    /// Asks `expiring`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn expiring(
        &self,
        client: &MockClient,
        expires_at: f64,
        ended: bool,
    ) -> Result<Controlling, Failure> {
        client.with(|ctx| {
            let event = abi::ExpiringEvent {
                hook: Hook::Expiring as u32,
                ctx,
                expires_at,
                ended: ended.into(),
                ..abi::ExpiringEvent::blank()
            };
            self.ask(Hook::Expiring, TableOf::<P>::TABLE.expiring, &event)
        })
    }

    /// Asks `control`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn control(&self, client: &MockClient, message: &NewMessage) -> Result<Controlling, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::ControlEvent {
                    hook: Hook::Control as u32,
                    ctx,
                    msg,
                    ..abi::ControlEvent::blank()
                };
                self.ask(Hook::Control, TableOf::<P>::TABLE.control, &event)
            })
        })
    }

    /// Asks `authorize_publish`. The payload is handed over when `PAYLOAD` names the hook; its size always is.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn authorize_publish(
        &self,
        client: &MockClient,
        topic: &str,
        qos: u8,
        retain: bool,
        payload: &[u8],
    ) -> Result<Access, Failure> {
        client.with(|ctx| {
            let event = abi::AuthorizePublishEvent {
                hook: Hook::AuthorizePublish as u32,
                ctx,
                topic: Slice::text(topic),
                qos: qos.into(),
                retain: retain.into(),
                size: payload.len() as u64,
                payload: if P::PAYLOAD.contains(&Hook::AuthorizePublish) {
                    Slice::of(payload)
                } else {
                    Slice::NONE
                },
                ..abi::AuthorizePublishEvent::blank()
            };
            self.ask(
                Hook::AuthorizePublish,
                TableOf::<P>::TABLE.authorize_publish,
                &event,
            )
        })
    }

    /// Asks `publish`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn publish(
        &self,
        client: &MockClient,
        message: &NewMessage,
    ) -> Result<Change<PublishPatch>, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::PublishEvent {
                    hook: Hook::Publish as u32,
                    ctx,
                    msg,
                    ..abi::PublishEvent::blank()
                };
                self.ask(Hook::Publish, TableOf::<P>::TABLE.publish, &event)
            })
        })
    }

    /// Asks `authorize_subscribe`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn authorize_subscribe(
        &self,
        client: &MockClient,
        filter: &str,
        qos: u8,
        share: Option<&str>,
    ) -> Result<Access, Failure> {
        client.with(|ctx| {
            let event = abi::AuthorizeSubscribeEvent {
                hook: Hook::AuthorizeSubscribe as u32,
                ctx,
                filter: Slice::text(filter),
                qos: qos.into(),
                share: optional(share),
                ..abi::AuthorizeSubscribeEvent::blank()
            };
            self.ask(
                Hook::AuthorizeSubscribe,
                TableOf::<P>::TABLE.authorize_subscribe,
                &event,
            )
        })
    }

    /// Asks `subscribe`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn subscribe(&self, client: &MockClient, filters: &[Filter]) -> Result<Filters, Failure> {
        client.with(|ctx| {
            with_filters(filters, |filters| {
                let event = abi::SubscribeEvent {
                    hook: Hook::Subscribe as u32,
                    ctx,
                    filters,
                    ..abi::SubscribeEvent::blank()
                };
                self.ask(Hook::Subscribe, TableOf::<P>::TABLE.subscribe, &event)
            })
        })
    }

    /// Asks `unsubscribe`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn unsubscribe(&self, client: &MockClient, filters: &[&str]) -> Result<Topics, Failure> {
        let slices: Vec<Slice> = filters.iter().map(|filter| Slice::text(filter)).collect();
        client.with(|ctx| {
            let event = abi::UnsubscribeEvent {
                hook: Hook::Unsubscribe as u32,
                ctx,
                filters: SliceList::of(&slices),
                ..abi::UnsubscribeEvent::blank()
            };
            self.ask(Hook::Unsubscribe, TableOf::<P>::TABLE.unsubscribe, &event)
        })
    }

    /// Asks `route`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn route(
        &self,
        client: &MockClient,
        message: &NewMessage,
        receivers: u64,
    ) -> Result<Change<Routed>, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::RouteEvent {
                    hook: Hook::Route as u32,
                    ctx,
                    msg,
                    receivers,
                    ..abi::RouteEvent::blank()
                };
                self.ask(Hook::Route, TableOf::<P>::TABLE.route, &event)
            })
        })
    }

    /// Asks `authorize_deliver`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn authorize_deliver(&self, client: &MockClient, topic: &str) -> Result<Access, Failure> {
        client.with(|ctx| {
            let event = abi::AuthorizeDeliverEvent {
                hook: Hook::AuthorizeDeliver as u32,
                ctx,
                topic: Slice::text(topic),
                ..abi::AuthorizeDeliverEvent::blank()
            };
            self.ask(
                Hook::AuthorizeDeliver,
                TableOf::<P>::TABLE.authorize_deliver,
                &event,
            )
        })
    }

    /// Asks `deliver`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn deliver(
        &self,
        client: &MockClient,
        message: &NewMessage,
    ) -> Result<Change<DeliverPatch>, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::DeliverEvent {
                    hook: Hook::Deliver as u32,
                    ctx,
                    msg,
                    ..abi::DeliverEvent::blank()
                };
                self.ask(Hook::Deliver, TableOf::<P>::TABLE.deliver, &event)
            })
        })
    }

    /// Asks `p2p`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn p2p(&self, client: &MockClient, target: &str, message: &NewMessage) -> Result<Access, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::P2pEvent {
                    hook: Hook::P2p as u32,
                    ctx,
                    target: Slice::text(target),
                    msg,
                    ..abi::P2pEvent::blank()
                };
                self.ask(Hook::P2p, TableOf::<P>::TABLE.p2p, &event)
            })
        })
    }

    /// Asks `offline`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn offline(&self, client: &MockClient, message: &NewMessage) -> Result<Change<Infallible>, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::OfflineEvent {
                    hook: Hook::Offline as u32,
                    ctx,
                    msg,
                    ..abi::OfflineEvent::blank()
                };
                self.ask(Hook::Offline, TableOf::<P>::TABLE.offline, &event)
            })
        })
    }

    /// Asks `will`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn will(&self, client: &MockClient, message: &NewMessage) -> Result<Change<WillPatch>, Failure> {
        client.with(|ctx| {
            with_msg(message, |msg| {
                let event = abi::WillEvent {
                    hook: Hook::Will as u32,
                    ctx,
                    msg,
                    ..abi::WillEvent::blank()
                };
                self.ask(Hook::Will, TableOf::<P>::TABLE.will, &event)
            })
        })
    }

    /// Asks `limit`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn limit(&self, instance: &str, name: &str) -> Result<Number, Failure> {
        let event = abi::LimitEvent {
            hook: Hook::Limit as u32,
            instance: Slice::text(instance),
            name: Slice::text(name),
            ..abi::LimitEvent::blank()
        };
        self.ask(Hook::Limit, TableOf::<P>::TABLE.limit, &event)
    }

    /// Asks `rule_action`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn rule_action(&self, rule: &serde_json::Value, messages: &[NewMessage]) -> Result<Batch, Failure> {
        let rule = rule.to_string();
        with_messages(messages, |messages| {
            let event = abi::RuleActionEvent {
                hook: Hook::RuleAction as u32,
                rule: Slice::text(&rule),
                messages,
                ..abi::RuleActionEvent::blank()
            };
            self.ask(Hook::RuleAction, TableOf::<P>::TABLE.rule_action, &event)
        })
    }

    /// Tells `on_tick` that it is this time, in seconds since 1970. The answer is the seconds to the next.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn on_tick(&self, now: f64) -> Result<Number, Failure> {
        let event = abi::OnTickEvent {
            hook: Hook::OnTick as u32,
            now,
            ..abi::OnTickEvent::blank()
        };
        self.ask(Hook::OnTick, TableOf::<P>::TABLE.on_tick, &event)
    }

    /// Asks `connack`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn connack(
        &self,
        client: &MockClient,
        code: u8,
        session_present: bool,
    ) -> Result<Change<ConnackPatch>, Failure> {
        let connack = abi::Connack {
            code: code.into(),
            session_present: session_present.into(),
            ..abi::Connack::blank()
        };
        client.with(|ctx| {
            let event = abi::ConnackEvent {
                hook: Hook::Connack as u32,
                ctx,
                connack: &raw const connack,
                ..abi::ConnackEvent::blank()
            };
            self.ask(Hook::Connack, TableOf::<P>::TABLE.connack, &event)
        })
    }

    /// Asks `connect`.
    ///
    /// # Errors
    /// When the hook gave no answer.
    pub fn connect(&self, client: &MockClient, connect: &MockConnect) -> Result<Connecting, Failure> {
        client.with(|ctx| {
            with_will(&connect.will, |will| {
                let connect = abi::Connect {
                    keep_alive: connect.keep_alive.into(),
                    client_id: Slice::text(&connect.client_id),
                    username: optional(connect.username.as_deref()),
                    clean_start: connect.clean_start.into(),
                    session_expiry: connect.session_expiry.into(),
                    receive_maximum: connect.receive_maximum.into(),
                    maximum_packet_size: connect.maximum_packet_size.into(),
                    will,
                    ..abi::Connect::blank()
                };
                let event = abi::ConnectEvent {
                    hook: Hook::Connect as u32,
                    ctx,
                    connect: &raw const connect,
                    ..abi::ConnectEvent::blank()
                };
                self.ask(Hook::Connect, TableOf::<P>::TABLE.connect, &event)
            })
        })
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
            self.tell(Hook::SessionStart, TableOf::<P>::TABLE.session_start, &event)
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
            self.tell(Hook::SessionEnd, TableOf::<P>::TABLE.session_end, &event)
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
            self.tell(Hook::Disconnect, TableOf::<P>::TABLE.disconnect, &event)
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
            self.tell(Hook::Acked, TableOf::<P>::TABLE.acked, &event)
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
            self.tell(Hook::Dropped, TableOf::<P>::TABLE.dropped, &event)
        })
    }
}
