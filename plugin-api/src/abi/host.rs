//! What the host does for a plugin.

use super::answers::Outcome;
use super::basic::{Buffer, PairList, Slice};
use super::prefix::prefixed;
use super::records::NewMessage;
use std::ffi::c_void;

/// What is known of a session.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SessionInfo {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Whether a client is connected to it: 0 or 1.
    pub connected: u32,
    /// How many subscriptions it has.
    pub subscriptions: u64,
    /// How many messages wait in it.
    pub queued: u64,
}

/// The host's functions.
///
/// Each takes `ctx` first, may be called from any thread, and answers one of the statuses (`OK`, `INVALID`, ...). None
/// waits for a client or for the network. The table and `ctx` are good from `create` until `destroy` returns; when a
/// plugin did not stop in time, for ever, so that a late call is refused and not fatal. A function that this host does
/// not have is null.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The minor version of the ABI that this host speaks.
    pub abi_minor: u32,
    /// To be handed to every function.
    pub ctx: *mut c_void,
    /// Writes a line to the broker's log. `level` is one of `LEVEL_`; `target` says what it is about and may be none;
    /// `text` is one line.
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, target: Slice, text: Slice)>,
    /// Answers a ticket, once. Everything in `outcome` is copied before it returns. `STALE` when the ticket is not open.
    pub complete: Option<unsafe extern "C" fn(ctx: *mut c_void, ticket: u64, outcome: *const Outcome) -> i32>,
    /// Publishes a message in `instance` (none: the default one). It is noted and done soon; `OK` does not mean delivered.
    pub publish:
        Option<unsafe extern "C" fn(ctx: *mut c_void, instance: Slice, message: *const NewMessage) -> i32>,
    /// Sends a message to one client, whatever it is subscribed to.
    pub send: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            instance: Slice,
            client_id: Slice,
            message: *const NewMessage,
        ) -> i32,
    >,
    /// Reads a key of a space (`SPACE_OWN` or `SPACE_SHARED`): `OK`, `ABSENT` or `TOO_SMALL`. A number is its decimal text,
    /// a script's table is JSON.
    pub kv_get:
        Option<unsafe extern "C" fn(ctx: *mut c_void, space: u32, key: Slice, value: *mut Buffer) -> i32>,
    /// Sets a key. `ttl_ms` is its time to live in milliseconds, 0 for ever.
    pub kv_set: Option<
        unsafe extern "C" fn(ctx: *mut c_void, space: u32, key: Slice, value: Slice, ttl_ms: u64) -> i32,
    >,
    /// Adds to a number, which begins at 0, and writes what it is then to `now`, which may be null. `INVALID` when the key
    /// holds no number.
    pub kv_incr: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            space: u32,
            key: Slice,
            by: f64,
            ttl_ms: u64,
            now: *mut f64,
        ) -> i32,
    >,
    /// Deletes a key: `OK` or `ABSENT`.
    pub kv_delete: Option<unsafe extern "C" fn(ctx: *mut c_void, space: u32, key: Slice) -> i32>,
    /// Adds to a counter of the policy's own.
    pub counter_add:
        Option<unsafe extern "C" fn(ctx: *mut c_void, name: Slice, labels: PairList, by: f64) -> i32>,
    /// Sets a gauge of the policy's own.
    pub gauge_set:
        Option<unsafe extern "C" fn(ctx: *mut c_void, name: Slice, labels: PairList, value: f64) -> i32>,
    /// Puts a value into a histogram of the policy's own; seconds, for times.
    pub histogram_observe:
        Option<unsafe extern "C" fn(ctx: *mut c_void, name: Slice, labels: PairList, value: f64) -> i32>,
    /// Reads a fact: `settings` (JSON text), `policy` (the entry's name), `broker_version`, `generation`. `OK`, `ABSENT` or
    /// `TOO_SMALL`.
    pub config: Option<unsafe extern "C" fn(ctx: *mut c_void, name: Slice, value: *mut Buffer) -> i32>,
    /// Nanoseconds since 1970.
    pub clock_wall: Option<unsafe extern "C" fn(ctx: *mut c_void) -> u64>,
    /// Nanoseconds since some moment: for measuring.
    pub clock_monotonic: Option<unsafe extern "C" fn(ctx: *mut c_void) -> u64>,
    /// Fills `len` bytes with random ones, good enough for keys.
    pub random: Option<unsafe extern "C" fn(ctx: *mut c_void, bytes: *mut u8, len: usize) -> i32>,
    /// Looks up a session. When it answers `OK`, `found` is called exactly once, now or later, on a thread of the host,
    /// with `OK` and what is known, or `ABSENT` and null, or `NOT_SERVING` and null; otherwise it is never called.
    pub session: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            instance: Slice,
            client_id: Slice,
            found: Option<unsafe extern "C" fn(data: *mut c_void, status: i32, session: *const SessionInfo)>,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Ends a client's connection with this reason code of DISCONNECT (0: administrative action).
    pub kick: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            instance: Slice,
            client_id: Slice,
            code: u32,
            reason: Slice,
        ) -> i32,
    >,
    /// Asks again about a client's subscriptions (none: all clients of the instance).
    pub reauthorize: Option<unsafe extern "C" fn(ctx: *mut c_void, instance: Slice, client_id: Slice) -> i32>,
    /// Has the host call `call(data)` once, after `delay_ms` milliseconds, on a thread of the host that is none of a
    /// shard's. When the generation ends before, it is not called. When this answers `OK`, `release(data)` is called
    /// exactly once, after `call` or instead of it, and before `quiesce`; otherwise never. `release` may be null.
    pub timer: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            delay_ms: u64,
            call: Option<unsafe extern "C" fn(data: *mut c_void)>,
            release: Option<unsafe extern "C" fn(data: *mut c_void)>,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Since 1.1. Reads a record of the registry, as the text of a JSON object: `OK`, `ABSENT` or `TOO_SMALL`. `instance` is said
    /// always here; none or an empty one is for records that belong to none.
    pub registry_get: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            instance: Slice,
            kind: Slice,
            name: Slice,
            value: *mut Buffer,
        ) -> i32,
    >,
    /// Since 1.1. Reads the records of a kind, by the bytes of their names: the first `most` (1,000 at most) behind the name
    /// `after`, which may be none; as the text of a JSON list of `{"name": ..., "value": {...}}`. `OK` or `TOO_SMALL`.
    pub registry_list: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            instance: Slice,
            kind: Slice,
            after: Slice,
            most: u32,
            records: *mut Buffer,
        ) -> i32,
    >,
}

prefixed!(SessionInfo, Host);
