//! The host's functions: what a plugin can have the broker do, from any thread. Each checks what it is given; what makes no sense is
//! answered with `INVALID`, and why is in the log.
#![allow(
    unsafe_code,
    reason = "a plugin calls these as the ABI says; what it hands over is good for the call"
)]

use super::answer;
use super::errands::Untaken;
use super::read::Reader;
use super::records;
use super::world::World;
use crate::codec::ReasonCode;
use crate::hooks::codes;
use crate::hooks::host::{BUCKETS, Effect, SessionReply, Wish, check_label, check_metric};
use crate::hooks::lua::fault::Fault;
use crate::hooks::services::{Kv, KvValue, Meter, Services, Space, Wanted};
use dunlin_plugin_api::abi::{
    ABI_MINOR, ABSENT, BUSY, Buffer, Host, INVALID, LEVEL_DEBUG, LEVEL_ERROR, LEVEL_INFO, LEVEL_WARN,
    NOT_SERVING, NewMessage, OK, Outcome, PairList, Prefixed, SPACE_OWN, SPACE_SHARED, STALE, SessionInfo,
    Slice, TOO_SMALL,
};
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much of a line is logged, in bytes.
const LINE: usize = 4096;
/// The longest key of a value, and the longest value: those of the module `kv`.
const KEY: usize = 1 << 20;

/// The table whose `ctx` is this world.
pub(super) fn of(world: &'static World) -> Host {
    Host {
        abi_minor: u32::from(ABI_MINOR),
        ctx: std::ptr::from_ref(world).cast_mut().cast(),
        log: Some(log),
        complete: Some(complete),
        publish: Some(publish),
        send: Some(send),
        kv_get: Some(kv_get),
        kv_set: Some(kv_set),
        kv_incr: Some(kv_incr),
        kv_delete: Some(kv_delete),
        counter_add: Some(counter_add),
        gauge_set: Some(gauge_set),
        histogram_observe: Some(histogram_observe),
        config: Some(config),
        clock_wall: Some(clock_wall),
        clock_monotonic: Some(clock_monotonic),
        random: Some(random),
        session: Some(session),
        kick: Some(kick),
        reauthorize: Some(reauthorize),
        timer: Some(timer),
        registry_get: Some(records::get),
        registry_list: Some(records::list),
        ..Host::blank()
    }
}

/// The world behind a `ctx`; it lives for ever.
fn world(ctx: *mut c_void) -> &'static World {
    // SAFETY: the ABI has the plugin hand over the `ctx` of its table, which is a world that is never freed.
    unsafe { &*ctx.cast_const().cast::<World>() }
}

impl World {
    /// What made no sense, for the log.
    fn invalid(&self, function: &str, why: impl std::fmt::Display) -> i32 {
        if self.lines.allows(&self.policy) {
            tracing::warn!(policy = &*self.policy, "{}: host.{function}: {why}", self.file);
        }
        INVALID
    }

    fn done(&self, function: &str, done: Result<i32, Fault>) -> i32 {
        done.unwrap_or_else(|fault| self.invalid(function, fault))
    }

    /// Has the broker do something in an instance; without one in the configured one.
    fn ask(
        &self,
        function: &str,
        instance: Slice,
        wish: impl FnOnce() -> Result<Wish, Fault>,
    ) -> Result<i32, Fault> {
        if !self.serves() {
            return Ok(NOT_SERVING);
        }
        let Some(services) = self.services() else {
            return Ok(NOT_SERVING);
        };
        let Some(broker) = services.broker() else {
            return Ok(NOT_SERVING);
        };
        let instance = Reader.instance(instance)?;
        if let Some(id) = &instance
            && !broker.has_instance(id)
        {
            return Ok(self.invalid(function, format!("there is no instance `{id}`")));
        }
        let wish = wish()?;
        let Some(place) = self.place() else {
            return Ok(BUSY);
        };
        broker.ask(Effect { instance, wish }, place);
        Ok(OK)
    }
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, target: Slice, text: Slice) {
    let world = world(ctx);
    if !world.lines.allows(&world.policy) {
        return;
    }
    let shown = |slice: Slice| {
        let bytes = Reader.slice(slice).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(LINE)).unwrap_or(bytes));
        // Whoever reads the log at a terminal is not to be told what the terminal should do.
        text.replace(char::is_control, " ")
    };
    let (target, text) = (shown(target), shown(text));
    macro_rules! line {
        ($level:ident) => {
            match target.as_str() {
                "" => tracing::$level!(policy = &*world.policy, "{text}"),
                about => tracing::$level!(policy = &*world.policy, about, "{text}"),
            }
        };
    }
    match level {
        LEVEL_ERROR => line!(error),
        LEVEL_WARN => line!(warn),
        LEVEL_INFO => line!(info),
        LEVEL_DEBUG => line!(debug),
        _ => line!(trace),
    }
}

unsafe extern "C" fn complete(ctx: *mut c_void, ticket: u64, outcome: *const Outcome) -> i32 {
    let world = world(ctx);
    let Some(asked) = world.tickets().asked(ticket) else {
        return STALE;
    };
    // SAFETY: the plugin's outcome is good for this call.
    let read = unsafe { answer::read(asked, outcome) };
    let status = match &read {
        Ok(_) => OK,
        // What it says of itself is an answer; what makes no sense is one that says so.
        Err(_) if failed_itself(outcome) => OK,
        Err(fault) => world.invalid("complete", fault),
    };
    match world.tickets().complete(ticket, read) {
        Ok(()) => status,
        Err(_stale) => STALE,
    }
}

fn failed_itself(outcome: *const Outcome) -> bool {
    // SAFETY: as in `complete`, where it has been read before.
    let read = unsafe { dunlin_plugin_api::abi::read_prefix(outcome) };
    read.is_some_and(|outcome| outcome.verdict < 0)
}

unsafe extern "C" fn publish(ctx: *mut c_void, instance: Slice, message: *const NewMessage) -> i32 {
    let world = world(ctx);
    let wish = || Ok(Wish::Publish(Reader.message(message)?));
    world.done("publish", world.ask("publish", instance, wish))
}

/// A client id that somebody could have.
fn client(slice: Slice) -> Result<Arc<str>, Fault> {
    let id = Reader.str("client_id", slice)?;
    id.map(Arc::from)
        .ok_or_else(|| Fault::answer("there is no `client_id`"))
}

unsafe extern "C" fn send(
    ctx: *mut c_void,
    instance: Slice,
    client_id: Slice,
    message: *const NewMessage,
) -> i32 {
    let world = world(ctx);
    let wish = || {
        Ok(Wish::P2p {
            client_id: client(client_id)?,
            message: Reader.message(message)?,
        })
    };
    world.done("send", world.ask("send", instance, wish))
}

unsafe extern "C" fn kick(
    ctx: *mut c_void,
    instance: Slice,
    client_id: Slice,
    code: u32,
    reason: Slice,
) -> i32 {
    let world = world(ctx);
    let wish = || {
        let code = match u8::try_from(code) {
            Ok(0) => ReasonCode::ADMINISTRATIVE_ACTION,
            Ok(code) if codes::is_disconnect(code) => ReasonCode(code),
            _ => {
                return Err(Fault::answer(format!(
                    "the code is {code:#04X}; {}",
                    codes::DISCONNECTS
                )));
            }
        };
        let reason = Reader.reason(reason)?;
        Ok(Wish::Kick {
            client_id: client(client_id)?,
            code,
            reason: reason.unwrap_or_else(|| "a policy ended the connection".into()),
        })
    };
    world.done("kick", world.ask("kick", instance, wish))
}

unsafe extern "C" fn reauthorize(ctx: *mut c_void, instance: Slice, client_id: Slice) -> i32 {
    let world = world(ctx);
    let wish = || {
        let client_id = Reader.str("client_id", client_id)?.map(Arc::from);
        Ok(Wish::Reauthorize { client_id })
    };
    world.done("reauthorize", world.ask("reauthorize", instance, wish))
}

unsafe extern "C" fn session(
    ctx: *mut c_void,
    instance: Slice,
    client_id: Slice,
    found: Option<unsafe extern "C" fn(*mut c_void, i32, *const SessionInfo)>,
    data: *mut c_void,
) -> i32 {
    let world = world(ctx);
    let Some(found) = found else {
        return world.invalid("session", "there is no `found` to call");
    };
    let client_id = match client(client_id) {
        Ok(client_id) => client_id,
        Err(fault) => return world.invalid("session", fault),
    };
    let number = match world.errands.ask(found, data) {
        Ok(number) => number,
        Err(Untaken::Full) => return BUSY,
        Err(Untaken::Ended) => return NOT_SERVING,
    };
    let errands = world.errands.clone();
    let reply = SessionReply::new(move |facts| errands.answer(number, facts));
    let asked = world.ask("session", instance, || Ok(Wish::Session(client_id, reply)));
    match world.done("session", asked) {
        OK => OK,
        // Whoever has called `found` must not be told that nobody will.
        _ if !world.errands.forget(number) => OK,
        refused => refused,
    }
}

unsafe extern "C" fn timer(
    ctx: *mut c_void,
    delay_ms: u64,
    call: Option<unsafe extern "C" fn(*mut c_void)>,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    data: *mut c_void,
) -> i32 {
    let world = world(ctx);
    if call.is_none() {
        return world.invalid("timer", "there is nothing to call");
    }
    let delay = Duration::from_millis(delay_ms);
    match world.errands.timer(delay, call, release, data) {
        Ok(()) => OK,
        Err(Untaken::Full) => BUSY,
        Err(Untaken::Ended) => NOT_SERVING,
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The values of a space, and the key in it.
fn kv<'a>(world: &World, services: &Services, space: u32, key: Slice) -> Result<(Arc<Kv>, &'a [u8]), Fault> {
    let space = match space {
        SPACE_OWN => Space::Of(world.policy.clone()),
        SPACE_SHARED => Space::Shared,
        other => {
            return Err(Fault::answer(format!(
                "the space is {other}; it is SPACE_OWN or SPACE_SHARED"
            )));
        }
    };
    let key = Reader
        .slice(key)
        .ok_or_else(|| Fault::answer("there is no key"))?;
    if key.len() > KEY {
        return Err(Fault::answer(format!(
            "the key has {} bytes, {KEY} are allowed",
            key.len()
        )));
    }
    Ok((services.kv(space), key))
}

pub(super) fn fill(buffer: *mut Buffer, value: &[u8]) -> Result<i32, Fault> {
    // SAFETY: the plugin's buffer is good for the call.
    let buffer = unsafe { buffer.as_mut() }.ok_or_else(|| Fault::answer("there is no buffer"))?;
    // SAFETY: the same, and for what it names.
    unsafe { buffer.fill(value) };
    Ok(if value.len() > buffer.capacity {
        TOO_SMALL
    } else {
        OK
    })
}

/// Runs `with` on what the policies share, or says that the instance has ended.
pub(super) fn with_services(
    ctx: *mut c_void,
    function: &str,
    with: impl FnOnce(&World, &Services) -> Result<i32, Fault>,
) -> i32 {
    let world = world(ctx);
    match world.services() {
        None => NOT_SERVING,
        Some(services) => world.done(function, with(world, &services)),
    }
}

unsafe extern "C" fn kv_get(ctx: *mut c_void, space: u32, key: Slice, value: *mut Buffer) -> i32 {
    with_services(ctx, "kv_get", |world, services| {
        let (kv, key) = kv(world, services, space, key)?;
        match kv.get(key, since_1970()) {
            None => Ok(ABSENT),
            Some(KvValue::Text(text)) => fill(value, &text),
            Some(KvValue::Json(text)) => fill(value, text.as_bytes()),
            Some(KvValue::Bool(truth)) => fill(value, if truth { b"true" } else { b"false" }),
            Some(KvValue::Number(number)) => fill(value, number.to_string().as_bytes()),
        }
    })
}

/// 0 is for ever.
fn ttl(ttl_ms: u64) -> Option<Duration> {
    (ttl_ms > 0).then(|| Duration::from_millis(ttl_ms))
}

unsafe extern "C" fn kv_set(ctx: *mut c_void, space: u32, key: Slice, value: Slice, ttl_ms: u64) -> i32 {
    with_services(ctx, "kv_set", |world, services| {
        let (kv, key) = kv(world, services, space, key)?;
        let value = Reader.slice(value).unwrap_or_default();
        if value.len() > KEY {
            return Err(Fault::answer(format!(
                "the value has {} bytes, {KEY} are allowed",
                value.len()
            )));
        }
        let put = kv.put_if(
            key,
            KvValue::Text(value.into()),
            ttl(ttl_ms),
            since_1970(),
            |_| true,
        );
        Ok(if put.is_ok() { OK } else { BUSY })
    })
}

unsafe extern "C" fn kv_incr(
    ctx: *mut c_void,
    space: u32,
    key: Slice,
    by: f64,
    ttl_ms: u64,
    now: *mut f64,
) -> i32 {
    use crate::hooks::services::KvError;
    with_services(ctx, "kv_incr", |world, services| {
        let (kv, key) = kv(world, services, space, key)?;
        match kv.incr(key, by, ttl(ttl_ms), since_1970()) {
            Ok(sum) => {
                // SAFETY: the plugin's number is good for the call.
                if let Some(now) = unsafe { now.as_mut() } {
                    *now = sum;
                }
                Ok(OK)
            }
            Err(KvError::Full) => Ok(BUSY),
            Err(KvError::NoNumber) => Err(Fault::answer("what is there is no number")),
            Err(KvError::TooLarge) => Err(Fault::answer("the sum is none that a number can hold")),
        }
    })
}

unsafe extern "C" fn kv_delete(ctx: *mut c_void, space: u32, key: Slice) -> i32 {
    with_services(ctx, "kv_delete", |world, services| {
        let (kv, key) = kv(world, services, space, key)?;
        Ok(if kv.delete(key, since_1970()) { OK } else { ABSENT })
    })
}

/// The series of that name and these labels.
fn meter(
    world: &World,
    services: &Services,
    name: Slice,
    labels: PairList,
    wanted: &Wanted,
) -> Result<Meter, Fault> {
    let name = Reader.str("name", name)?.unwrap_or_default();
    check_metric(name).map_err(Fault::answer)?;
    let mut labels = Reader.labels(labels)?;
    for (before, (name, value)) in labels.iter().enumerate() {
        check_label(name, value, before).map_err(Fault::answer)?;
    }
    labels.sort();
    services
        .meters()
        .series(&world.policy, name, labels, wanted)
        .map_err(Fault::answer)
}

unsafe extern "C" fn counter_add(ctx: *mut c_void, name: Slice, labels: PairList, by: f64) -> i32 {
    with_services(ctx, "counter_add", |world, services| {
        if !(by >= 0.0 && by.is_finite()) {
            return Err(Fault::answer(format!(
                "a counter does not count by {by}; use a gauge"
            )));
        }
        if let Meter::Counter(counter) = meter(world, services, name, labels, &Wanted::Counter)? {
            counter.inc_by(by);
        }
        Ok(OK)
    })
}

unsafe extern "C" fn gauge_set(ctx: *mut c_void, name: Slice, labels: PairList, value: f64) -> i32 {
    with_services(ctx, "gauge_set", |world, services| {
        if let Meter::Gauge(gauge) = meter(world, services, name, labels, &Wanted::Gauge)? {
            gauge.set(value);
        }
        Ok(OK)
    })
}

unsafe extern "C" fn histogram_observe(ctx: *mut c_void, name: Slice, labels: PairList, value: f64) -> i32 {
    with_services(ctx, "histogram_observe", |world, services| {
        let wanted = Wanted::Histogram(BUCKETS.to_vec());
        if let Meter::Histogram(histogram) = meter(world, services, name, labels, &wanted)? {
            histogram.observe(value);
        }
        Ok(OK)
    })
}

unsafe extern "C" fn config(ctx: *mut c_void, name: Slice, value: *mut Buffer) -> i32 {
    let world = world(ctx);
    let filled = match Reader.slice(name).unwrap_or_default() {
        b"settings" => fill(value, world.settings.lock().clone().as_bytes()),
        b"policy" => fill(value, world.policy.as_bytes()),
        b"broker_version" => fill(value, env!("CARGO_PKG_VERSION").as_bytes()),
        b"generation" => fill(value, world.generation.to_string().as_bytes()),
        _ => Ok(ABSENT),
    };
    world.done("config", filled)
}

unsafe extern "C" fn clock_wall(_: *mut c_void) -> u64 {
    u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX)
}

unsafe extern "C" fn clock_monotonic(ctx: *mut c_void) -> u64 {
    u64::try_from(world(ctx).began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

unsafe extern "C" fn random(ctx: *mut c_void, bytes: *mut u8, len: usize) -> i32 {
    if bytes.is_null() || len > isize::MAX as usize {
        return world(ctx).invalid("random", "there is nothing to fill");
    }
    // SAFETY: the plugin's memory is good for the call; it need not be initialised to be written to.
    let memory = unsafe { std::slice::from_raw_parts_mut(bytes.cast::<std::mem::MaybeUninit<u8>>(), len) };
    match getrandom::fill_uninit(memory) {
        Ok(_) => OK,
        Err(error) => world(ctx).invalid("random", error),
    }
}
