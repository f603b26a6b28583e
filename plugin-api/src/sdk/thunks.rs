//! The functions that the host calls: each reads what it is given, calls the plugin, and keeps panics from crossing.

use super::answers::*;
use super::caught::caught;
use super::client::View;
use super::events::*;
use super::give::Give;
use super::host::Host;
use super::instance::{Instance, create, destroy, export_state, on_unload, quiesce, self_test};
use super::observed::*;
use super::plugin::Plugin;
use super::ticket::{Answer, Later};
use crate::abi::{self, Prefixed, VTable, pointed_at};
use std::convert::Infallible;
use std::ffi::c_void;

/// Calls a hook that answers.
///
/// # Safety
/// `instance` must be what `create::<P>` returned and not be destroyed; `event` must be good for the call.
unsafe fn answer<P: Plugin, E: Prefixed, T: Give>(
    instance: *mut c_void,
    event: *const E,
    ticket: u64,
    call: impl FnOnce(&P, &E, &Later<'_, T>) -> Option<Answer<T>>,
) -> i32 {
    let done = caught(|| {
        // SAFETY: the caller vouches for both.
        let (instance, event) = unsafe { (instance.cast::<Instance<P>>().as_ref(), View::of(event)) };
        let (Some(instance), Some(event)) = (instance, event) else {
            return abi::ERROR;
        };
        let later = Later::new(&instance.host, ticket);
        match call(&instance.plugin, &event, &later) {
            Some(answer) => later.settle(answer),
            None => incomplete(&instance.host),
        }
    });
    done.unwrap_or(abi::PANIC)
}

fn incomplete(host: &Host) -> i32 {
    host.error("the broker called a hook without what must be there");
    abi::ERROR
}

/// Calls an observer.
///
/// # Safety
/// As [`answer`]; `list` must read a list that is good for the call.
unsafe fn observe<P: Plugin, E: Prefixed, I: Prefixed>(
    instance: *mut c_void,
    event: *const E,
    list: impl FnOnce(&E) -> (*const *const I, usize),
    call: impl FnOnce(&P, &[I]) -> Option<()>,
) -> i32 {
    let done = caught(|| {
        // SAFETY: the caller vouches for both.
        let (instance, event) = unsafe { (instance.cast::<Instance<P>>().as_ref(), View::of(event)) };
        let (Some(instance), Some(event)) = (instance, event) else {
            return abi::ERROR;
        };
        let (items, len) = list(&event);
        // SAFETY: the host's lists, and what they point to, are good for the call.
        let items: Vec<I> = unsafe { pointed_at(items, len) }.collect();
        match call(&instance.plugin, &items) {
            Some(()) => abi::NEXT,
            None => incomplete(&instance.host),
        }
    });
    done.unwrap_or(abi::PANIC)
}

unsafe extern "C" fn connect<P: Plugin>(
    at: *mut c_void,
    event: *const abi::ConnectEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Connecting>| {
        Some(plugin.connect(&Connect::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn authenticate<P: Plugin>(
    at: *mut c_void,
    event: *const abi::AuthenticateEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Login>| {
        Some(plugin.authenticate(&Authenticate::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn expiring<P: Plugin>(
    at: *mut c_void,
    event: *const abi::ExpiringEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Controlling>| {
        Some(plugin.expiring(&Expiring::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn control<P: Plugin>(
    at: *mut c_void,
    event: *const abi::ControlEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Controlling>| {
        Some(plugin.control(&Control::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn auth_continue<P: Plugin>(
    at: *mut c_void,
    event: *const abi::AuthContinueEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Login>| {
        Some(plugin.auth_continue(&AuthContinue::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn connack<P: Plugin>(
    at: *mut c_void,
    event: *const abi::ConnackEvent,
    ticket: u64,
) -> i32 {
    let call =
        |plugin: &P, raw: &_, _: &Later<'_, Change<ConnackPatch>>| Some(plugin.connack(&Connack::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn authorize_publish<P: Plugin>(
    at: *mut c_void,
    event: *const abi::AuthorizePublishEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Access>| {
        Some(plugin.authorize_publish(&AuthorizePublish::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn publish<P: Plugin>(
    at: *mut c_void,
    event: *const abi::PublishEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Change<PublishPatch>>| {
        Some(plugin.publish(&Publish::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn authorize_subscribe<P: Plugin>(
    at: *mut c_void,
    event: *const abi::AuthorizeSubscribeEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Access>| {
        Some(plugin.authorize_subscribe(&AuthorizeSubscribe::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn subscribe<P: Plugin>(
    at: *mut c_void,
    event: *const abi::SubscribeEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, _: &Later<'_, Filters>| Some(plugin.subscribe(&Subscribe::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn unsubscribe<P: Plugin>(
    at: *mut c_void,
    event: *const abi::UnsubscribeEvent,
    ticket: u64,
) -> i32 {
    let call =
        |plugin: &P, raw: &_, _: &Later<'_, Topics>| Some(plugin.unsubscribe(&Unsubscribe::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn route<P: Plugin>(at: *mut c_void, event: *const abi::RouteEvent, ticket: u64) -> i32 {
    let call = |plugin: &P, raw: &_, _: &Later<'_, Change<Routed>>| Some(plugin.route(&Route::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn authorize_deliver<P: Plugin>(
    at: *mut c_void,
    event: *const abi::AuthorizeDeliverEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, _: &Later<'_, Access>| {
        Some(plugin.authorize_deliver(&AuthorizeDeliver::read(raw)?))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn deliver<P: Plugin>(
    at: *mut c_void,
    event: *const abi::DeliverEvent,
    ticket: u64,
) -> i32 {
    let call =
        |plugin: &P, raw: &_, _: &Later<'_, Change<DeliverPatch>>| Some(plugin.deliver(&Deliver::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn p2p<P: Plugin>(at: *mut c_void, event: *const abi::P2pEvent, ticket: u64) -> i32 {
    let call = |plugin: &P, raw: &_, _: &Later<'_, Access>| Some(plugin.p2p(&P2p::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn offline<P: Plugin>(
    at: *mut c_void,
    event: *const abi::OfflineEvent,
    ticket: u64,
) -> i32 {
    let call =
        |plugin: &P, raw: &_, _: &Later<'_, Change<Infallible>>| Some(plugin.offline(&Offline::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn will<P: Plugin>(at: *mut c_void, event: *const abi::WillEvent, ticket: u64) -> i32 {
    let call = |plugin: &P, raw: &_, _: &Later<'_, Change<WillPatch>>| Some(plugin.will(&Will::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn limit<P: Plugin>(at: *mut c_void, event: *const abi::LimitEvent, ticket: u64) -> i32 {
    let call = |plugin: &P, raw: &_, _: &Later<'_, Number>| Some(plugin.limit(&Limit::read(raw)?));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn rule_action<P: Plugin>(
    at: *mut c_void,
    event: *const abi::RuleActionEvent,
    ticket: u64,
) -> i32 {
    let call = |plugin: &P, raw: &_, later: &Later<'_, Batch>| {
        Some(plugin.rule_action(&RuleAction::read(raw)?, later))
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

unsafe extern "C" fn session_start<P: Plugin>(
    at: *mut c_void,
    event: *const abi::SessionStartEvent,
    _: u64,
) -> i32 {
    let call = |plugin: &P, raw: &[abi::SessionStart]| {
        let events: Vec<_> = raw.iter().map(SessionStart::read).collect::<Option<_>>()?;
        plugin.session_start(&events);
        Some(())
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { observe(at, event, |event| (event.items, event.len), call) }
}

unsafe extern "C" fn session_end<P: Plugin>(
    at: *mut c_void,
    event: *const abi::SessionEndEvent,
    _: u64,
) -> i32 {
    let call = |plugin: &P, raw: &[abi::SessionEnd]| {
        let events: Vec<_> = raw.iter().map(SessionEnd::read).collect::<Option<_>>()?;
        plugin.session_end(&events);
        Some(())
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { observe(at, event, |event| (event.items, event.len), call) }
}

unsafe extern "C" fn disconnect<P: Plugin>(
    at: *mut c_void,
    event: *const abi::DisconnectEvent,
    _: u64,
) -> i32 {
    let call = |plugin: &P, raw: &[abi::Disconnected]| {
        let events: Vec<_> = raw.iter().map(Disconnected::read).collect::<Option<_>>()?;
        plugin.disconnect(&events);
        Some(())
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { observe(at, event, |event| (event.items, event.len), call) }
}

unsafe extern "C" fn acked<P: Plugin>(at: *mut c_void, event: *const abi::AckedEvent, _: u64) -> i32 {
    let call = |plugin: &P, raw: &[abi::Acked]| {
        let events: Vec<_> = raw.iter().map(Acked::read).collect::<Option<_>>()?;
        plugin.acked(&events);
        Some(())
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { observe(at, event, |event| (event.items, event.len), call) }
}

unsafe extern "C" fn dropped<P: Plugin>(at: *mut c_void, event: *const abi::DroppedEvent, _: u64) -> i32 {
    let call = |plugin: &P, raw: &[abi::Dropped]| {
        let events: Vec<_> = raw.iter().map(Dropped::read).collect::<Option<_>>()?;
        plugin.dropped(&events);
        Some(())
    };
    // SAFETY: the host calls as the ABI says.
    unsafe { observe(at, event, |event| (event.items, event.len), call) }
}

unsafe extern "C" fn on_tick<P: Plugin>(at: *mut c_void, event: *const abi::OnTickEvent, ticket: u64) -> i32 {
    let call =
        |plugin: &P, raw: &abi::OnTickEvent, later: &Later<'_, Number>| Some(plugin.on_tick(raw.now, later));
    // SAFETY: the host calls as the ABI says.
    unsafe { answer(at, event, ticket, call) }
}

/// The table of a plugin. Every function is there; the declaration says which hooks are meant.
pub(super) struct TableOf<P>(std::marker::PhantomData<P>);

impl<P: Plugin> TableOf<P> {
    pub(super) const TABLE: VTable = VTable {
        struct_size: size_of::<VTable>() as u32,
        reserved: 0,
        create: Some(create::<P>),
        self_test: Some(self_test::<P>),
        export_state: Some(export_state::<P>),
        quiesce: Some(quiesce::<P>),
        destroy: Some(destroy::<P>),
        on_unload: Some(on_unload::<P>),
        on_tick: Some(on_tick::<P>),
        connect: Some(connect::<P>),
        authenticate: Some(authenticate::<P>),
        expiring: Some(expiring::<P>),
        control: Some(control::<P>),
        auth_continue: Some(auth_continue::<P>),
        connack: Some(connack::<P>),
        authorize_publish: Some(authorize_publish::<P>),
        publish: Some(publish::<P>),
        authorize_subscribe: Some(authorize_subscribe::<P>),
        subscribe: Some(subscribe::<P>),
        unsubscribe: Some(unsubscribe::<P>),
        route: Some(route::<P>),
        authorize_deliver: Some(authorize_deliver::<P>),
        deliver: Some(deliver::<P>),
        p2p: Some(p2p::<P>),
        offline: Some(offline::<P>),
        will: Some(will::<P>),
        limit: Some(limit::<P>),
        rule_action: Some(rule_action::<P>),
        session_start: Some(session_start::<P>),
        session_end: Some(session_end::<P>),
        disconnect: Some(disconnect::<P>),
        acked: Some(acked::<P>),
        dropped: Some(dropped::<P>),
    };
}
