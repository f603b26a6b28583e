//! The host's functions, in memory.

use super::super::answers::NewMessage;
use super::super::client::properties;
use super::super::host::Session;
use super::decode::Decoded;
use crate::abi::{self, Buffer, Outcome, PairList, Prefixed, SessionInfo, Slice, read_prefix};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// One of `abi::LEVEL_`.
    pub level: u32,
    /// What it is about; may be empty.
    pub target: String,
    /// The line.
    pub text: String,
}

/// A message that the plugin published or sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// In which instance; empty for the default one.
    pub instance: String,
    /// To which client, if it was sent to one.
    pub client_id: Option<String>,
    /// The message.
    pub message: NewMessage,
}

/// A client that the plugin had kicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kicked {
    /// In which instance; empty for the default one.
    pub instance: String,
    /// Whom.
    pub client_id: String,
    /// The reason code; 0 when none was given.
    pub code: u32,
    /// Why.
    pub reason: String,
}

/// Something counted or measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// What was added, set or observed.
    pub value: f64,
}

struct Timer {
    due: Duration,
    call: Option<unsafe extern "C" fn(*mut c_void)>,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    data: *mut c_void,
}

// SAFETY: what a plugin gives a host's timer, it gives for any thread.
unsafe impl Send for Timer {}

enum Ticket {
    Open,
    Done(Box<Decoded>),
}

/// A space, and a key in it.
type Key = (u32, Vec<u8>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) logs: Vec<Logged>,
    pub(super) published: Vec<Published>,
    pub(super) kicked: Vec<Kicked>,
    pub(super) reauthorized: Vec<(String, Option<String>)>,
    pub(super) metrics: Vec<Metric>,
    pub(super) sessions: HashMap<String, Session>,
    /// By instance, kind and name.
    pub(super) records: BTreeMap<(String, String, String), Value>,
    pub(super) stale: usize,
    serving: bool,
    ended: bool,
    settings: String,
    kv: BTreeMap<Key, (Vec<u8>, Option<Duration>)>,
    now: Duration,
    timers: Vec<Timer>,
    tickets: HashMap<u64, Ticket>,
    last_ticket: u64,
    randomness: u64,
}

/// All that a mock host remembers.
pub(super) struct World {
    inner: Mutex<Inner>,
    completed: Condvar,
}

/// When the clock of a mock host begins: 2023-11-14, 22:13:20.
const BEGIN: Duration = Duration::from_secs(1_700_000_000);

impl World {
    pub(super) fn new(settings: &str) -> World {
        World {
            inner: Mutex::new(Inner {
                now: BEGIN,
                settings: settings.to_owned(),
                ..Inner::default()
            }),
            completed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Inner) -> R) -> R {
        look(&mut self.lock())
    }

    /// Whether the generation serves. Its end cancels timers and closes tickets.
    pub(super) fn serve(&self, serving: bool) {
        let timers = self.with(|inner| {
            inner.serving = serving;
            inner.ended = !serving;
            if serving {
                return Vec::new();
            }
            inner.tickets.clear();
            std::mem::take(&mut inner.timers)
        });
        for timer in timers {
            timer.release();
        }
    }

    pub(super) fn open(&self) -> u64 {
        self.with(|inner| {
            inner.last_ticket += 1;
            inner.tickets.insert(inner.last_ticket, Ticket::Open);
            inner.last_ticket
        })
    }

    /// Whether the ticket was completed; it is closed.
    pub(super) fn close(&self, ticket: u64) -> Option<Decoded> {
        match self.with(|inner| inner.tickets.remove(&ticket)) {
            Some(Ticket::Done(outcome)) => Some(*outcome),
            _ => None,
        }
    }

    pub(super) fn wait(&self, ticket: u64) -> Option<Decoded> {
        let open = |inner: &mut Inner| matches!(inner.tickets.get(&ticket), Some(Ticket::Open));
        let waited = self
            .completed
            .wait_timeout_while(self.lock(), Duration::from_secs(5), open);
        drop(waited);
        self.close(ticket)
    }

    pub(super) fn now(&self) -> Duration {
        self.with(|inner| inner.now)
    }

    pub(super) fn advance(&self, by: Duration) {
        let end = self.now() + by;
        loop {
            let due = self.with(|inner| {
                let (at, timer) = inner
                    .timers
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, timer)| timer.due)?;
                if timer.due > end {
                    return None;
                }
                inner.now = inner.now.max(timer.due);
                Some(inner.timers.remove(at))
            });
            let Some(timer) = due else { break };
            if let Some(call) = timer.call {
                // SAFETY: the plugin gave both for this, and it is called once.
                unsafe { call(timer.data) };
            }
            timer.release();
        }
        self.with(|inner| inner.now = end);
    }
}

impl Timer {
    fn release(self) {
        if let Some(release) = self.release {
            // SAFETY: the plugin gave both for this, and a timer is released once: this consumes it.
            unsafe { release(self.data) };
        }
    }
}

fn bytes(slice: Slice) -> Vec<u8> {
    // SAFETY: what a plugin hands to the host is good for the call.
    unsafe { slice.bytes() }.unwrap_or_default().to_vec()
}

fn text(slice: Slice) -> String {
    String::from_utf8_lossy(&bytes(slice)).into_owned()
}

fn message(raw: *const abi::NewMessage) -> Option<NewMessage> {
    // SAFETY: what a plugin hands to the host is good for the call.
    let raw = unsafe { read_prefix(raw) }?;
    let topic = text(raw.topic);
    if topic.is_empty() || topic.contains(['+', '#']) || raw.qos > 2 || raw.retain > 1 {
        return None;
    }
    Some(NewMessage {
        topic,
        payload: bytes(raw.payload),
        qos: raw.qos as u8,
        retain: raw.retain == 1,
        properties: properties(raw.properties, PhantomData),
    })
}

/// The world behind a `ctx`.
fn world<'a>(ctx: *mut c_void) -> &'a World {
    // SAFETY: `ctx` is what `table` put there, and the mock host keeps the world for as long as the plugin may call.
    unsafe { &*ctx.cast_const().cast::<World>() }
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, target: Slice, line: Slice) {
    let line = Logged {
        level,
        target: text(target),
        text: text(line),
    };
    world(ctx).with(|inner| inner.logs.push(line));
}

unsafe extern "C" fn complete(ctx: *mut c_void, ticket: u64, outcome: *const Outcome) -> i32 {
    let world = world(ctx);
    // SAFETY: what a plugin hands to the host is good for the call.
    let Some(decoded) = (unsafe { Decoded::of(outcome) }) else {
        return abi::INVALID;
    };
    let status = world.with(|inner| match inner.tickets.get_mut(&ticket) {
        Some(open @ Ticket::Open) => {
            *open = Ticket::Done(Box::new(decoded));
            abi::OK
        }
        _ => {
            inner.stale += 1;
            abi::STALE
        }
    });
    world.completed.notify_all();
    status
}

fn put(ctx: *mut c_void, instance: Slice, client_id: Option<Slice>, raw: *const abi::NewMessage) -> i32 {
    let Some(message) = message(raw) else {
        return abi::INVALID;
    };
    world(ctx).with(|inner| {
        if !inner.serving {
            return abi::NOT_SERVING;
        }
        inner.published.push(Published {
            instance: text(instance),
            client_id: client_id.map(text),
            message,
        });
        abi::OK
    })
}

unsafe extern "C" fn publish(ctx: *mut c_void, instance: Slice, message: *const abi::NewMessage) -> i32 {
    put(ctx, instance, None, message)
}

unsafe extern "C" fn send(
    ctx: *mut c_void,
    instance: Slice,
    client_id: Slice,
    message: *const abi::NewMessage,
) -> i32 {
    put(ctx, instance, Some(client_id), message)
}

fn fill(buffer: *mut Buffer, value: &[u8]) -> i32 {
    // SAFETY: what a plugin hands to the host is good for the call.
    let Some(buffer) = (unsafe { buffer.as_mut() }) else {
        return abi::INVALID;
    };
    // SAFETY: the same.
    unsafe { buffer.fill(value) };
    if value.len() > buffer.capacity {
        abi::TOO_SMALL
    } else {
        abi::OK
    }
}

impl Inner {
    fn kv(&mut self, space: u32, key: Slice) -> (Key, Option<Vec<u8>>) {
        let key = (space, bytes(key));
        let now = self.now;
        let there = self
            .kv
            .get(&key)
            .filter(|(_, end)| end.is_none_or(|end| end > now));
        let value = there.map(|(value, _)| value.clone());
        (key, value)
    }

    fn end(&self, ttl_ms: u64) -> Option<Duration> {
        (ttl_ms > 0).then(|| self.now.saturating_add(Duration::from_millis(ttl_ms)))
    }
}

unsafe extern "C" fn kv_get(ctx: *mut c_void, space: u32, key: Slice, value: *mut Buffer) -> i32 {
    match world(ctx).with(|inner| inner.kv(space, key).1) {
        Some(there) => fill(value, &there),
        None => abi::ABSENT,
    }
}

unsafe extern "C" fn kv_set(ctx: *mut c_void, space: u32, key: Slice, value: Slice, ttl_ms: u64) -> i32 {
    let value = bytes(value);
    world(ctx).with(|inner| {
        let end = inner.end(ttl_ms);
        inner.kv.insert((space, bytes(key)), (value, end));
    });
    abi::OK
}

unsafe extern "C" fn kv_incr(
    ctx: *mut c_void,
    space: u32,
    key: Slice,
    by: f64,
    ttl_ms: u64,
    now: *mut f64,
) -> i32 {
    let sum = world(ctx).with(|inner| {
        let (key, there) = inner.kv(space, key);
        let was: f64 = match there {
            None => 0.0,
            Some(text) => std::str::from_utf8(&text).ok()?.parse().ok()?,
        };
        let end = inner.end(ttl_ms);
        let sum = was + by;
        inner.kv.insert(key, (sum.to_string().into_bytes(), end));
        Some(sum)
    });
    let Some(sum) = sum else { return abi::INVALID };
    if !now.is_null() {
        // SAFETY: not null, and the plugin gave it to be written to.
        unsafe { now.write(sum) };
    }
    abi::OK
}

unsafe extern "C" fn kv_delete(ctx: *mut c_void, space: u32, key: Slice) -> i32 {
    world(ctx).with(|inner| {
        let (key, there) = inner.kv(space, key);
        inner.kv.remove(&key);
        there.map_or(abi::ABSENT, |_| abi::OK)
    })
}

fn measure(ctx: *mut c_void, kind: &'static str, name: Slice, labels: PairList, value: f64) -> i32 {
    // SAFETY: what a plugin hands to the host is good for the call.
    let labels = unsafe { labels.items() };
    let metric = Metric {
        kind,
        name: text(name),
        labels: labels
            .iter()
            .map(|label| (text(label.name), text(label.value)))
            .collect(),
        value,
    };
    world(ctx).with(|inner| inner.metrics.push(metric));
    abi::OK
}

unsafe extern "C" fn counter_add(ctx: *mut c_void, name: Slice, labels: PairList, by: f64) -> i32 {
    measure(ctx, "counter", name, labels, by)
}

unsafe extern "C" fn gauge_set(ctx: *mut c_void, name: Slice, labels: PairList, value: f64) -> i32 {
    measure(ctx, "gauge", name, labels, value)
}

unsafe extern "C" fn histogram_observe(ctx: *mut c_void, name: Slice, labels: PairList, value: f64) -> i32 {
    measure(ctx, "histogram", name, labels, value)
}

unsafe extern "C" fn config(ctx: *mut c_void, name: Slice, value: *mut Buffer) -> i32 {
    let fact = match text(name).as_str() {
        "settings" => world(ctx).with(|inner| inner.settings.clone()),
        "policy" => "mock".to_owned(),
        "generation" => "1".to_owned(),
        "broker_version" => env!("CARGO_PKG_VERSION").to_owned(),
        _ => return abi::ABSENT,
    };
    fill(value, fact.as_bytes())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

unsafe extern "C" fn clock_wall(ctx: *mut c_void) -> u64 {
    nanoseconds(world(ctx).now())
}

unsafe extern "C" fn clock_monotonic(ctx: *mut c_void) -> u64 {
    nanoseconds(world(ctx).now().saturating_sub(BEGIN))
}

/// The same bytes in every run, so that tests can be repeated.
unsafe extern "C" fn random(ctx: *mut c_void, bytes: *mut u8, len: usize) -> i32 {
    if bytes.is_null() {
        return abi::INVALID;
    }
    world(ctx).with(|inner| {
        for at in 0..len {
            inner.randomness = inner
                .randomness
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // SAFETY: within the `len` bytes that the plugin gave to be written to.
            unsafe { bytes.add(at).write((inner.randomness >> 56) as u8) };
        }
    });
    abi::OK
}

unsafe extern "C" fn session(
    ctx: *mut c_void,
    _instance: Slice,
    client_id: Slice,
    found: Option<unsafe extern "C" fn(*mut c_void, i32, *const SessionInfo)>,
    data: *mut c_void,
) -> i32 {
    let Some(found) = found else { return abi::INVALID };
    let known = world(ctx).with(|inner| inner.sessions.get(&text(client_id)).copied());
    let info = known.map(|session| SessionInfo {
        connected: session.connected.into(),
        subscriptions: session.subscriptions,
        queued: session.queued,
        ..SessionInfo::blank()
    });
    // SAFETY: the plugin gave both for this, and it is called once.
    match &info {
        Some(info) => unsafe { found(data, abi::OK, info) },
        None => unsafe { found(data, abi::ABSENT, std::ptr::null()) },
    }
    abi::OK
}

unsafe extern "C" fn kick(ctx: *mut c_void, instance: Slice, client_id: Slice, code: u32, why: Slice) -> i32 {
    if code != 0 && !(0x80..=0xA2).contains(&code) {
        return abi::INVALID;
    }
    let kicked = Kicked {
        instance: text(instance),
        client_id: text(client_id),
        code,
        reason: text(why),
    };
    world(ctx).with(|inner| inner.kicked.push(kicked));
    abi::OK
}

unsafe extern "C" fn reauthorize(ctx: *mut c_void, instance: Slice, client_id: Slice) -> i32 {
    let client_id = client_id.is_some().then(|| text(client_id));
    world(ctx).with(|inner| inner.reauthorized.push((text(instance), client_id)));
    abi::OK
}

unsafe extern "C" fn timer(
    ctx: *mut c_void,
    delay_ms: u64,
    call: Option<unsafe extern "C" fn(*mut c_void)>,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    data: *mut c_void,
) -> i32 {
    world(ctx).with(|inner| {
        if inner.ended {
            return abi::NOT_SERVING;
        }
        let due = inner.now.saturating_add(Duration::from_millis(delay_ms));
        inner.timers.push(Timer {
            due,
            call,
            release,
            data,
        });
        abi::OK
    })
}

/// The longest text that a broker takes.
const LONGEST_TEXT: usize = 65_535;

/// Whether a broker takes this kind and this name, or says that they make no sense. Nothing has an empty name.
fn is_key(kind: &str, name: &str) -> bool {
    !kind.is_empty() && kind.len() <= LONGEST_TEXT && name.len() <= LONGEST_TEXT
}

unsafe extern "C" fn registry_get(
    ctx: *mut c_void,
    instance: Slice,
    kind: Slice,
    name: Slice,
    value: *mut Buffer,
) -> i32 {
    let key = (text(instance), text(kind), text(name));
    if !is_key(&key.1, &key.2) {
        return abi::INVALID;
    }
    match world(ctx).with(|inner| inner.records.get(&key).map(Value::to_string)) {
        Some(record) => fill(value, record.as_bytes()),
        None => abi::ABSENT,
    }
}

unsafe extern "C" fn registry_list(
    ctx: *mut c_void,
    instance: Slice,
    kind: Slice,
    after: Slice,
    most: u32,
    records: *mut Buffer,
) -> i32 {
    if !(1..=1000).contains(&most) {
        return abi::INVALID;
    }
    let (instance, kind) = (text(instance), text(kind));
    let after = after.is_some().then(|| text(after));
    if !is_key(&kind, after.as_deref().unwrap_or_default()) {
        return abi::INVALID;
    }
    let list: Vec<Value> = world(ctx).with(|inner| {
        let of_kind = inner.records.iter().filter(|((of, is, name), _)| {
            *of == instance && *is == kind && after.as_ref().is_none_or(|after| name > after)
        });
        of_kind
            .take(most as usize)
            .map(|((_, _, name), value)| json!({ "name": name, "value": value }))
            .collect()
    });
    fill(records, Value::from(list).to_string().as_bytes())
}

/// A table whose functions lead to `world`, which must outlive it.
pub(super) fn table(world: &Arc<World>) -> abi::Host {
    abi::Host {
        abi_minor: abi::ABI_MINOR.into(),
        ctx: Arc::as_ptr(world).cast_mut().cast(),
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
        registry_get: Some(registry_get),
        registry_list: Some(registry_list),
        ..abi::Host::blank()
    }
}
