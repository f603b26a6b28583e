//! Calling each hook as a broker does.

use super::super::answers::*;
use super::client::{MockClient, MockConnect};
use super::decode::{Decoded, Take};
use super::{Failure, MockHost};
use crate::Hook;
use crate::abi::{self, Prefixed, Slice, SliceList};
use crate::sdk::give::{with_filters, with_message, with_messages, with_will};
use std::convert::Infallible;
use std::ffi::c_void;

pub(super) type Function<E> = Option<unsafe extern "C" fn(*mut c_void, *const E, u64) -> i32>;

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

impl<P> MockHost<P> {
    fn ask<E, T: Take>(&self, hook: Hook, function: Function<E>, event: &E) -> Result<T, Failure> {
        if !self.plugin.hooks.contains(hook) {
            return Err(Failure::NotDeclared);
        }
        let Some(function) = function else {
            return Err(Failure::NotDeclared);
        };
        let ticket = self.world.open();
        // SAFETY: the instance lives as long as `self`, and the event for the call.
        let said = self.with_tracing(|| unsafe { function(self.instance, event, ticket) });
        let decoded = match said {
            abi::PENDING if !self.may_wait(hook) => {
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

    fn may_wait(&self, hook: Hook) -> bool {
        use crate::describe::Waits;
        match hook.description().waits {
            Waits::Always => true,
            Waits::IfDeclared => self.plugin.waits.contains(hook),
            Waits::Never => false,
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
            self.ask(Hook::Authenticate, self.plugin.table.authenticate, &event)
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
            self.ask(Hook::AuthContinue, self.plugin.table.auth_continue, &event)
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
            self.ask(Hook::Expiring, self.plugin.table.expiring, &event)
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
                self.ask(Hook::Control, self.plugin.table.control, &event)
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
                payload: if self.plugin.payload.contains(Hook::AuthorizePublish) {
                    Slice::of(payload)
                } else {
                    Slice::NONE
                },
                ..abi::AuthorizePublishEvent::blank()
            };
            self.ask(
                Hook::AuthorizePublish,
                self.plugin.table.authorize_publish,
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
                self.ask(Hook::Publish, self.plugin.table.publish, &event)
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
                self.plugin.table.authorize_subscribe,
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
                self.ask(Hook::Subscribe, self.plugin.table.subscribe, &event)
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
            self.ask(Hook::Unsubscribe, self.plugin.table.unsubscribe, &event)
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
                self.ask(Hook::Route, self.plugin.table.route, &event)
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
                self.plugin.table.authorize_deliver,
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
                self.ask(Hook::Deliver, self.plugin.table.deliver, &event)
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
                self.ask(Hook::P2p, self.plugin.table.p2p, &event)
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
                self.ask(Hook::Offline, self.plugin.table.offline, &event)
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
                self.ask(Hook::Will, self.plugin.table.will, &event)
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
        self.ask(Hook::Limit, self.plugin.table.limit, &event)
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
            self.ask(Hook::RuleAction, self.plugin.table.rule_action, &event)
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
        self.ask(Hook::OnTick, self.plugin.table.on_tick, &event)
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
            match self.ask(Hook::Connack, self.plugin.table.connack, &event)? {
                Change::Drop(_) => Err(Failure::Wrong("a CONNACK cannot be dropped".to_owned())),
                answer => Ok(answer),
            }
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
                self.ask(Hook::Connect, self.plugin.table.connect, &event)
            })
        })
    }
}
