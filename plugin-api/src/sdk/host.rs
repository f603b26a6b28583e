//! What a plugin can have the broker do.

use super::answers::NewMessage;
use super::callbacks::{self, SESSIONS, TIMERS};
use super::give::with_message;
use crate::abi::{self, Buffer, Outcome, Pair, PairList, Slice, read_prefix};
use serde_json::Value;
use std::any::Any;
use std::borrow::Cow;
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The broker. Clone it and take it to any thread.
///
/// After the plugin was destroyed its functions answer [`Refused::NotServing`]. A thread that is amid one of them at that
/// moment is the plugin's fault: [`quiesce`](super::Plugin::quiesce) ends them all, or says how many it could not.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    table: abi::Host,
    gone: AtomicBool,
    /// What the table leads to, when it is not a broker's, which lives as the ABI says.
    _owned: Option<Arc<dyn Any + Send + Sync>>,
}

// SAFETY: the ABI's rule: the host's functions may be called from any thread, as long as the instance lives; `gone` says
// when it does not.
unsafe impl Send for Shared {}
// SAFETY: the same, and several threads at once.
unsafe impl Sync for Shared {}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("abi_minor", &self.0.table.abi_minor)
            .finish_non_exhaustive()
    }
}

/// Why the host did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// What was given makes no sense; the broker's log says why.
    Invalid,
    /// A queue or a quota is full; it may be tried again.
    Busy,
    /// This broker cannot do that.
    Unsupported,
    /// The generation does not serve: not yet, or no longer.
    NotServing,
    /// The host answered with a number that this version does not know.
    Unknown(i32),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Invalid => f.write_str("what was given makes no sense; the broker's log says why"),
            Refused::Busy => f.write_str("a queue or a quota of the broker is full"),
            Refused::Unsupported => f.write_str("this broker cannot do that"),
            Refused::NotServing => f.write_str("the generation does not serve"),
            Refused::Unknown(status) => write!(f, "the broker answered with the unknown status {status}"),
        }
    }
}

impl std::error::Error for Refused {}

fn done(status: i32) -> Result<(), Refused> {
    match status {
        abi::OK => Ok(()),
        abi::INVALID => Err(Refused::Invalid),
        abi::BUSY => Err(Refused::Busy),
        abi::UNSUPPORTED => Err(Refused::Unsupported),
        abi::NOT_SERVING => Err(Refused::NotServing),
        other => Err(Refused::Unknown(other)),
    }
}

fn found(status: i32) -> Result<bool, Refused> {
    match status {
        abi::ABSENT => Ok(false),
        other => done(other).map(|()| true),
    }
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// An operator must see it.
    Error = abi::LEVEL_ERROR,
    /// An operator should see it.
    Warn = abi::LEVEL_WARN,
    /// An operator may want to know.
    Info = abi::LEVEL_INFO,
    /// For who looks for a fault.
    Debug = abi::LEVEL_DEBUG,
    /// Everything.
    Trace = abi::LEVEL_TRACE,
}

/// Whose key of the key-value store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Space {
    /// The policy's own.
    Own = abi::SPACE_OWN,
    /// Shared by all policies.
    Shared = abi::SPACE_SHARED,
}

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whether a client is connected to it.
    pub connected: bool,
    /// How many subscriptions it has.
    pub subscriptions: u64,
    /// How many messages wait in it.
    pub queued: u64,
}

/// Calls a function of the table, or says that there is none.
macro_rules! call {
    ($host:expr, $function:ident $(, $argument:expr)*) => {{
        let shared = &$host.0;
        match shared.table.$function {
            _ if shared.gone.load(Ordering::Acquire) => abi::NOT_SERVING,
            None => abi::UNSUPPORTED,
            // SAFETY: the host vouches for its table, and what is handed over is good until the call returns.
            Some(function) => unsafe { function(shared.table.ctx $(, $argument)*) },
        }
    }};
}

impl Host {
    /// The host behind the pointer that `create` was given.
    ///
    /// # Safety
    /// `table` must be null or a host's table that lives as the ABI says.
    pub(super) unsafe fn read(table: *const abi::Host) -> Option<Host> {
        // SAFETY: the caller vouches for the pointer.
        let table = unsafe { read_prefix(table) }?;
        Some(Self::new(table, None))
    }

    /// The host of a table that leads to what `owned` keeps.
    pub(super) fn owning(table: abi::Host, owned: Arc<dyn Any + Send + Sync>) -> Host {
        Self::new(table, Some(owned))
    }

    fn new(table: abi::Host, owned: Option<Arc<dyn Any + Send + Sync>>) -> Host {
        Host(Arc::new(Shared {
            table,
            gone: AtomicBool::new(false),
            _owned: owned,
        }))
    }

    /// Whether both were made for the same instance.
    pub(super) fn is(&self, other: &Host) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// From now on every call is refused here.
    pub(super) fn leave(&self) {
        self.0.gone.store(true, Ordering::Release);
    }

    pub(super) fn complete(&self, ticket: u64, outcome: &Outcome) -> i32 {
        call!(self, complete, ticket, std::ptr::from_ref(outcome))
    }

    pub(super) fn error(&self, text: &str) {
        self.log(Level::Error, "", text);
    }

    /// Writes a line to the broker's log; several become one. `target` says what it is about; it may be empty. `tracing`'s
    /// macros lead here too.
    pub fn log(&self, level: Level, target: &str, text: &str) {
        let target = if target.is_empty() {
            Slice::NONE
        } else {
            Slice::text(target)
        };
        let text = one_line(text);
        let shared = &self.0;
        if let Some(log) = shared.table.log
            && !shared.gone.load(Ordering::Acquire)
        {
            // SAFETY: the host vouches for its table, and both texts are good until the call returns.
            unsafe { log(shared.table.ctx, level as u32, target, Slice::text(&text)) };
        }
    }

    /// Publishes a message in an instance (empty: the default one). It is noted and done soon.
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn publish(&self, instance: &str, message: &NewMessage) -> Result<(), Refused> {
        let instance = named(instance);
        with_message(message, |message| {
            done(call!(self, publish, instance, std::ptr::from_ref(message)))
        })
    }

    /// Sends a message to one client, whatever it is subscribed to.
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn send(&self, instance: &str, client_id: &str, message: &NewMessage) -> Result<(), Refused> {
        let (instance, client_id) = (named(instance), Slice::text(client_id));
        with_message(message, |message| {
            done(call!(
                self,
                send,
                instance,
                client_id,
                std::ptr::from_ref(message)
            ))
        })
    }

    /// Reads a key. A number is its decimal text; what a script put there as a table is JSON.
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn kv_get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
        self.fetch(|buffer| {
            call!(
                self,
                kv_get,
                space as u32,
                Slice::of(key),
                std::ptr::from_mut(buffer)
            )
        })
    }

    /// Sets a key, for a time or for ever. A time to live of less than a millisecond counts as one.
    ///
    /// # Errors
    /// When the host refuses it: the store is full, the key or the value is too long.
    pub fn kv_set(
        &self,
        space: Space,
        key: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), Refused> {
        done(call!(
            self,
            kv_set,
            space as u32,
            Slice::of(key),
            Slice::of(value),
            milliseconds(ttl)
        ))
    }

    /// Adds to a number, which begins at 0, and answers what it is then.
    ///
    /// # Errors
    /// When the key holds no number, or the host refuses it.
    pub fn kv_incr(&self, space: Space, key: &[u8], by: f64, ttl: Option<Duration>) -> Result<f64, Refused> {
        let mut now = 0.0;
        let key = Slice::of(key);
        done(call!(
            self,
            kv_incr,
            space as u32,
            key,
            by,
            milliseconds(ttl),
            &raw mut now
        ))?;
        Ok(now)
    }

    /// Deletes a key. Whether it was there.
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn kv_delete(&self, space: Space, key: &[u8]) -> Result<bool, Refused> {
        found(call!(self, kv_delete, space as u32, Slice::of(key)))
    }

    /// Reads a record of the registry: what operators have set up. The instance is said always, such as that of a hook's client;
    /// an empty one is for records that belong to none.
    ///
    /// # Errors
    /// When the host refuses it; [`Refused::Unsupported`] by a broker that has no registry for plugins.
    pub fn registry_get(&self, instance: &str, kind: &str, name: &str) -> Result<Option<Value>, Refused> {
        let (instance, kind, name) = (Slice::text(instance), Slice::text(kind), Slice::text(name));
        let record = self.fetch(|buffer| {
            call!(
                self,
                registry_get,
                instance,
                kind,
                name,
                std::ptr::from_mut(buffer)
            )
        })?;
        record.map(|text| read(&text)).transpose()
    }

    /// Reads the records of a kind, by the bytes of their names: the first `most` (1,000 at most) behind the name `after`.
    ///
    /// # Errors
    /// As [`Host::registry_get`].
    pub fn registry_list(
        &self,
        instance: &str,
        kind: &str,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<(String, Value)>, Refused> {
        let (instance, kind) = (Slice::text(instance), Slice::text(kind));
        let after = after.map_or(Slice::NONE, Slice::text);
        let records = self.fetch(|buffer| {
            call!(
                self,
                registry_list,
                instance,
                kind,
                after,
                most,
                std::ptr::from_mut(buffer)
            )
        })?;
        let records: Vec<Listed> = read(&records.unwrap_or_else(|| b"[]".to_vec()))?;
        Ok(records
            .into_iter()
            .map(|record| (record.name, record.value))
            .collect())
    }

    /// Adds to a counter of the policy's own.
    ///
    /// # Errors
    /// When the host refuses it: a name that no metric can have, too many of them.
    pub fn counter_add(&self, name: &str, labels: &[(&str, &str)], by: f64) -> Result<(), Refused> {
        let labels = pairs(labels);
        done(call!(
            self,
            counter_add,
            Slice::text(name),
            PairList::of(&labels),
            by
        ))
    }

    /// Sets a gauge of the policy's own.
    ///
    /// # Errors
    /// As [`Host::counter_add`].
    pub fn gauge_set(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Refused> {
        let labels = pairs(labels);
        done(call!(
            self,
            gauge_set,
            Slice::text(name),
            PairList::of(&labels),
            value
        ))
    }

    /// Puts a value into a histogram of the policy's own; seconds, for times.
    ///
    /// # Errors
    /// As [`Host::counter_add`].
    pub fn histogram_observe(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Refused> {
        let labels = pairs(labels);
        done(call!(
            self,
            histogram_observe,
            Slice::text(name),
            PairList::of(&labels),
            value
        ))
    }

    /// Reads a fact: `settings`, `policy`, `broker_version`, `generation`. `None` when this broker does not know it.
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn config(&self, name: &str) -> Result<Option<String>, Refused> {
        let value =
            self.fetch(|buffer| call!(self, config, Slice::text(name), std::ptr::from_mut(buffer)))?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    /// The time since 1970, by the broker's clock (in a test, by the mock's). Zero when the plugin is gone.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock(self.0.table.clock_wall)
    }

    /// The time since some moment: for measuring.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.clock(self.0.table.clock_monotonic)
    }

    fn clock(&self, read: Option<unsafe extern "C" fn(*mut c_void) -> u64>) -> Duration {
        match read {
            Some(read) if !self.0.gone.load(Ordering::Acquire) => {
                // SAFETY: the host vouches for its table.
                Duration::from_nanos(unsafe { read(self.0.table.ctx) })
            }
            _ => Duration::ZERO,
        }
    }

    /// Fills `bytes` with random ones, good enough for keys.
    ///
    /// # Errors
    /// When there are none.
    pub fn random(&self, bytes: &mut [u8]) -> Result<(), Refused> {
        done(call!(self, random, bytes.as_mut_ptr(), bytes.len()))
    }

    /// Ends a client's connection. Without a code the client is told 0x98 (administrative action).
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn kick(
        &self,
        instance: &str,
        client_id: &str,
        code: Option<u8>,
        reason: &str,
    ) -> Result<(), Refused> {
        let (client_id, reason) = (Slice::text(client_id), Slice::text(reason));
        let code = code.map_or(0, u32::from);
        done(call!(self, kick, named(instance), client_id, code, reason))
    }

    /// Asks again about the subscriptions of a client, or of all clients of the instance.
    ///
    /// # Errors
    /// When the host refuses it.
    pub fn reauthorize(&self, instance: &str, client_id: Option<&str>) -> Result<(), Refused> {
        let client_id = client_id.map_or(Slice::NONE, Slice::text);
        done(call!(self, reauthorize, named(instance), client_id))
    }

    /// Looks up a session. `found` is called once, now or later, on a thread of the broker: with `None` when there is no
    /// such session, or when the generation ended before anybody looked.
    ///
    /// # Errors
    /// When the host refuses it; `found` is dropped then.
    pub fn session(
        &self,
        instance: &str,
        client_id: &str,
        found: impl FnOnce(Option<Session>) + Send + 'static,
    ) -> Result<(), Refused> {
        let (instance, client_id) = (named(instance), Slice::text(client_id));
        let call = Some(callbacks::session_found as _);
        done(SESSIONS.hand_over(Box::new(found), |data| {
            call!(self, session, instance, client_id, call, data)
        }))
    }

    /// Has the broker call `then` once, after this time, on a thread that no client waits for. When the generation ends
    /// before, `then` is dropped.
    ///
    /// # Errors
    /// When the host refuses it; `then` is dropped then.
    pub fn after(&self, delay: Duration, then: impl FnOnce() + Send + 'static) -> Result<(), Refused> {
        // It comes no earlier than was asked for.
        let delay = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let call = Some(callbacks::timer_due as _);
        let release = Some(callbacks::timer_released as _);
        done(TIMERS.hand_over(Box::new(then), |data| {
            call!(self, timer, delay, call, release, data)
        }))
    }

    /// Has the host fill a buffer, with more room if the first does not do.
    fn fetch(&self, mut fill: impl FnMut(&mut Buffer) -> i32) -> Result<Option<Vec<u8>>, Refused> {
        let mut memory = vec![0; 256];
        loop {
            let mut buffer = Buffer::in_memory(&mut memory);
            let status = fill(&mut buffer);
            let length = buffer.length;
            if status == abi::TOO_SMALL && length > memory.len() {
                memory.resize(length, 0);
                continue;
            }
            memory.truncate(length);
            return found(status).map(|there| there.then_some(memory));
        }
    }
}

/// A record of a list.
#[derive(serde::Deserialize)]
struct Listed {
    name: String,
    value: Value,
}

/// What the host wrote in JSON.
fn read<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(text).map_err(|_| Refused::Invalid)
}

/// The host takes lines, and what a panic says or an error tells of its causes is often more.
fn one_line(text: &str) -> Cow<'_, str> {
    const ENDS: [char; 2] = ['\n', '\r'];
    if !text.contains(ENDS) {
        return text.into();
    }
    let lines = text.split(ENDS).map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").into()
}

fn named(instance: &str) -> Slice {
    if instance.is_empty() {
        Slice::NONE
    } else {
        Slice::text(instance)
    }
}

fn milliseconds(ttl: Option<Duration>) -> u64 {
    ttl.map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1))
}

fn pairs(of: &[(&str, &str)]) -> Vec<Pair> {
    of.iter()
        .map(|(name, value)| Pair {
            name: Slice::text(name),
            value: Slice::text(value),
        })
        .collect()
}
