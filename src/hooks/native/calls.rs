//! The hooks of a desk, one call each: what is asked becomes the event of the ABI, for the time of the call.

use super::desk::{Desk, Reply};
use super::shown::{
    bytes, optional, with_client, with_connect, with_filters, with_maybe, with_message, with_new_messages,
};
use crate::codec::{Connect, QoS, SubscribeFilter};
use crate::hooks::cache::Inputs;
use crate::hooks::chain::{AuthContinueRequest, AuthRequest, PublishRequest, SubscribeRequest};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Change, LoginVote, Vote};
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::message::Shown;
use crate::hooks::verdict::{
    ActionOutcome, Connack, ConnackPatch, ConnectChange, Controlled, NewMessage, Routed,
};
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::abi::{self, Prefixed, Slice, SliceList};
use serde_json::Value as Json;

/// What a call comes to: an answer, now or later.
type Asked<R> = Result<Reply<R>, Fault>;

impl Desk {
    pub(crate) fn connect(&self, client: &Client, connect: &Connect) -> Asked<ConnectChange> {
        with_client(client, |ctx| {
            with_connect(connect, |connect| {
                let event = abi::ConnectEvent {
                    hook: abi::HOOK_CONNECT,
                    ctx,
                    connect,
                    ..abi::ConnectEvent::blank()
                };
                self.ask(Hook::Connect, self.instance.table().connect, &event)
            })
        })
    }

    pub(crate) fn authenticate(&self, request: &AuthRequest<'_>) -> Asked<LoginVote> {
        with_client(request.client, |ctx| {
            let event = abi::AuthenticateEvent {
                hook: abi::HOOK_AUTHENTICATE,
                ctx,
                username: optional(request.client.username.as_deref()),
                password: bytes(request.password),
                method: optional(request.method),
                data: bytes(request.data),
                ..abi::AuthenticateEvent::blank()
            };
            self.ask(Hook::Authenticate, self.instance.table().authenticate, &event)
        })
    }

    pub(crate) fn auth_continue(&self, request: &AuthContinueRequest<'_>) -> Asked<LoginVote> {
        let state = request.pending.map(|pending| pending.state.to_string());
        with_client(request.client, |ctx| {
            let event = abi::AuthContinueEvent {
                hook: abi::HOOK_AUTH_CONTINUE,
                ctx,
                method: Slice::text(request.method),
                data: bytes(request.data),
                state: optional(state.as_deref()),
                ..abi::AuthContinueEvent::blank()
            };
            self.ask(Hook::AuthContinue, self.instance.table().auth_continue, &event)
        })
    }

    pub(crate) fn connack(&self, client: &Client, connack: &Connack<'_>) -> Asked<ConnackPatch> {
        let raw = abi::Connack {
            code: connack.code.0.into(),
            session_present: connack.session_present.into(),
            assigned_client_id: optional(connack.assigned_client_id),
            ..abi::Connack::blank()
        };
        with_client(client, |ctx| {
            let event = abi::ConnackEvent {
                hook: abi::HOOK_CONNACK,
                ctx,
                connack: &raw const raw,
                ..abi::ConnackEvent::blank()
            };
            self.ask(Hook::Connack, self.instance.table().connack, &event)
        })
    }

    pub(crate) fn expiring(&self, client: &Client, expires_at: f64, ended: bool) -> Asked<Controlled> {
        with_client(client, |ctx| {
            let event = abi::ExpiringEvent {
                hook: abi::HOOK_EXPIRING,
                ctx,
                expires_at,
                ended: ended.into(),
                ..abi::ExpiringEvent::blank()
            };
            self.ask(Hook::Expiring, self.instance.table().expiring, &event)
        })
    }

    pub(crate) fn control(&self, client: &Client, shown: &Shown) -> Asked<Controlled> {
        with_client(client, |ctx| {
            with_message(shown, |msg| {
                let event = abi::ControlEvent {
                    hook: abi::HOOK_CONTROL,
                    ctx,
                    msg,
                    ..abi::ControlEvent::blank()
                };
                self.ask(Hook::Control, self.instance.table().control, &event)
            })
        })
    }

    /// `shown` are the inputs that it may see: what its answers are cached by.
    #[inline]
    pub(crate) fn authorize_publish(
        &self,
        client: &Client,
        request: &PublishRequest<'_>,
        shown: Inputs,
        payload: bool,
    ) -> Asked<Vote<()>> {
        with_client(client, |ctx| {
            let mut event = abi::AuthorizePublishEvent {
                hook: abi::HOOK_AUTHORIZE_PUBLISH,
                ctx,
                topic: Slice::text(request.topic),
                qos: request.qos as u32,
                retain: request.retain.into(),
                size: request.payload.len() as u64,
                ..abi::AuthorizePublishEvent::blank()
            };
            if payload {
                event.payload = Slice::of(request.payload);
            }
            if shown != Inputs::ALL {
                hide(&mut event, shown);
            }
            self.ask(
                Hook::AuthorizePublish,
                self.instance.table().authorize_publish,
                &event,
            )
        })
    }

    pub(crate) fn authorize_subscribe(
        &self,
        client: &Client,
        request: &SubscribeRequest<'_>,
        shown: Inputs,
    ) -> Asked<Vote<QoS>> {
        let shows = |input| shown.contains(input);
        with_client(client, |ctx| {
            let event = abi::AuthorizeSubscribeEvent {
                hook: abi::HOOK_AUTHORIZE_SUBSCRIBE,
                ctx,
                filter: optional(Some(request.filter).filter(|_| shows(Inputs::TOPIC))),
                qos: if shows(Inputs::QOS) { request.qos as u32 } else { 0 },
                share: optional(request.share.filter(|_| shows(Inputs::SHARE))),
                ..abi::AuthorizeSubscribeEvent::blank()
            };
            self.ask(
                Hook::AuthorizeSubscribe,
                self.instance.table().authorize_subscribe,
                &event,
            )
        })
    }

    /// `publish`, `will`, `deliver` and `offline`: a message that may be changed or kept back.
    pub(crate) fn change(&self, hook: Hook, client: Option<&Client>, shown: &Shown) -> Asked<Change> {
        let table = self.instance.table();
        with_maybe(client, |ctx| {
            with_message(shown, |msg| match hook {
                Hook::Will => {
                    let event = abi::WillEvent {
                        hook: abi::HOOK_WILL,
                        ctx,
                        msg,
                        ..abi::WillEvent::blank()
                    };
                    self.ask(hook, table.will, &event)
                }
                Hook::Deliver => {
                    let event = abi::DeliverEvent {
                        hook: abi::HOOK_DELIVER,
                        ctx,
                        msg,
                        ..abi::DeliverEvent::blank()
                    };
                    self.ask(hook, table.deliver, &event)
                }
                Hook::Offline => {
                    let event = abi::OfflineEvent {
                        hook: abi::HOOK_OFFLINE,
                        ctx,
                        msg,
                        ..abi::OfflineEvent::blank()
                    };
                    self.ask(hook, table.offline, &event)
                }
                _ => {
                    let event = abi::PublishEvent {
                        hook: abi::HOOK_PUBLISH,
                        ctx,
                        msg,
                        ..abi::PublishEvent::blank()
                    };
                    self.ask(Hook::Publish, table.publish, &event)
                }
            })
        })
    }

    pub(crate) fn route(&self, client: Option<&Client>, shown: &Shown, receivers: usize) -> Asked<Routed> {
        with_maybe(client, |ctx| {
            with_message(shown, |msg| {
                let event = abi::RouteEvent {
                    hook: abi::HOOK_ROUTE,
                    ctx,
                    msg,
                    receivers: receivers as u64,
                    ..abi::RouteEvent::blank()
                };
                self.ask(Hook::Route, self.instance.table().route, &event)
            })
        })
    }

    pub(crate) fn p2p(&self, client: Option<&Client>, target: &str, shown: &Shown) -> Asked<Vote<()>> {
        with_maybe(client, |ctx| {
            with_message(shown, |msg| {
                let event = abi::P2pEvent {
                    hook: abi::HOOK_P2P,
                    ctx,
                    target: Slice::text(target),
                    msg,
                    ..abi::P2pEvent::blank()
                };
                self.ask(Hook::P2p, self.instance.table().p2p, &event)
            })
        })
    }

    pub(crate) fn authorize_deliver(&self, receiver: &Client, topic: &str) -> Asked<Vote<()>> {
        with_client(receiver, |ctx| {
            let event = abi::AuthorizeDeliverEvent {
                hook: abi::HOOK_AUTHORIZE_DELIVER,
                ctx,
                topic: Slice::text(topic),
                ..abi::AuthorizeDeliverEvent::blank()
            };
            self.ask(
                Hook::AuthorizeDeliver,
                self.instance.table().authorize_deliver,
                &event,
            )
        })
    }

    pub(crate) fn subscribe(
        &self,
        client: &Client,
        filters: &[SubscribeFilter],
    ) -> Asked<Option<Vec<SubscribeFilter>>> {
        with_client(client, |ctx| {
            with_filters(filters, |filters| {
                let event = abi::SubscribeEvent {
                    hook: abi::HOOK_SUBSCRIBE,
                    ctx,
                    filters,
                    ..abi::SubscribeEvent::blank()
                };
                self.ask(Hook::Subscribe, self.instance.table().subscribe, &event)
            })
        })
    }

    pub(crate) fn unsubscribe(&self, client: &Client, filters: &[String]) -> Asked<Option<Vec<String>>> {
        let slices: Vec<Slice> = filters.iter().map(|filter| Slice::text(filter)).collect();
        with_client(client, |ctx| {
            let event = abi::UnsubscribeEvent {
                hook: abi::HOOK_UNSUBSCRIBE,
                ctx,
                filters: SliceList::of(&slices),
                ..abi::UnsubscribeEvent::blank()
            };
            self.ask(Hook::Unsubscribe, self.instance.table().unsubscribe, &event)
        })
    }

    pub(crate) fn limit(&self, instance: &str, name: &str) -> Asked<Option<f64>> {
        let event = abi::LimitEvent {
            hook: abi::HOOK_LIMIT,
            instance: Slice::text(instance),
            name: Slice::text(name),
            ..abi::LimitEvent::blank()
        };
        self.ask(Hook::Limit, self.instance.table().limit, &event)
    }

    pub(crate) fn on_tick(&self, now: f64) -> Asked<Option<f64>> {
        let event = abi::OnTickEvent {
            hook: abi::HOOK_ON_TICK,
            now,
            ..abi::OnTickEvent::blank()
        };
        self.ask(Hook::OnTick, self.instance.table().on_tick, &event)
    }

    pub(crate) fn rule_action(&self, rule: &Json, messages: &[NewMessage]) -> Asked<Vec<ActionOutcome>> {
        let rule = rule.to_string();
        with_new_messages(messages, |messages| {
            let event = abi::RuleActionEvent {
                hook: abi::HOOK_RULE_ACTION,
                rule: Slice::text(&rule),
                messages,
                ..abi::RuleActionEvent::blank()
            };
            self.ask(Hook::RuleAction, self.instance.table().rule_action, &event)
        })
    }
}

/// Takes away what cached answers do not depend on.
#[cold]
fn hide(event: &mut abi::AuthorizePublishEvent, shown: Inputs) {
    if !shown.contains(Inputs::TOPIC) {
        event.topic = Slice::NONE;
    }
    if !shown.contains(Inputs::QOS) {
        event.qos = 0;
    }
    if !shown.contains(Inputs::RETAIN) {
        event.retain = 0;
    }
    if !shown.contains(Inputs::SIZE) {
        event.size = 0;
    }
}
