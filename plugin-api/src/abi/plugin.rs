//! What a plugin shows: a declaration, and a table of functions.

use super::basic::{Buffer, Slice, SliceList};
use super::events::*;
use super::host::Host;
use super::prefix::prefixed;
use crate::Hook;
use std::ffi::c_void;

/// The entry symbol. Its name carries the major version; the terminating zero is for who looks it up.
pub const ENTRY_SYMBOL: &str = "dunlin_plugin_v1\0";

/// The section of an ELF file in which a plugin may say what it is, so that a host knows before any of its code runs.
/// It holds lines of text, `abi=1.1`, `name=...`, `version=...`, possibly with a zero at the end. A host does not rely
/// on it: the declaration counts.
pub const ABOUT_SECTION: &str = ".dunlin.plugin";

/// The entry symbol's type: it answers a declaration that lives as long as the image.
pub type Entry = unsafe extern "C" fn() -> *const Declaration;

/// How long the answers of a hook hold, and what they depend on. It never grows.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CacheRule {
    /// The number of the hook: `authorize_publish` or `authorize_subscribe`.
    pub hook: u32,
    /// Seconds.
    pub ttl: u32,
    /// The inputs, by their names in docs/hooks.md. All others are zero or none when the hook is asked.
    pub by: SliceList,
}

/// From where messages come that a hook is asked about. It never grows.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct OriginRule {
    /// The number of the hook.
    pub hook: u32,
    /// A bit for each of `ORIGIN_`: `1 << ORIGIN_CLIENT` and so on.
    pub origins: u32,
}

/// What a plugin says of itself. It and what it refers to live, unchanged, as long as the image.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The major version of the ABI that it speaks: `ABI_MAJOR`.
    pub abi_major: u16,
    /// The minor version that it was built with: `ABI_MINOR`.
    pub abi_minor: u16,
    /// `MAGIC`.
    pub magic: u64,
    /// The least minor version of a host that it can do with. 0 when nothing later is needed.
    pub min_minor: u32,
    /// Zero.
    pub reserved: u32,
    /// The plugin's name, for logs.
    pub name: Slice,
    /// The plugin's version, for logs.
    pub version: Slice,
    /// `FLAG_` bits. Unknown ones are refused, unless `abi_minor` is newer than the host's: then they are ignored.
    pub flags: u64,
    /// The hooks that it has: a bit for each, `1 << HOOK_AUTHENTICATE` and so on. Each needs its function in the table.
    /// Unknown ones are treated as unknown flags are. `on_load` (`create`) and `on_unload` are called without a bit.
    pub hooks: u64,
    /// Hooks that want the payload: `authorize_publish` gets none otherwise.
    pub payload: u64,
    /// Hooks that may answer later, with `PENDING`.
    pub waits: u64,
    /// What may be cached. An answer is cached when every entry that has the hook allows it.
    pub caches: *const CacheRule,
    /// How many.
    pub caches_len: usize,
    /// Which origins its hooks want; clients and wills for those that are not listed.
    pub origins: *const OriginRule,
    /// How many.
    pub origins_len: usize,
    /// Control topics (filters) that `control` owns.
    pub owns: SliceList,
    /// Its functions.
    pub vtable: *const VTable,
}

/// What `create` is given.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The version of `previous`. 0: JSON text, which scripts can read and write.
    pub previous_version: u32,
    /// The name of the policy's entry in dunlin.toml.
    pub policy: Slice,
    /// The entry's `settings`, as the text of a JSON object.
    pub settings: Slice,
    /// What the entry of this name in the generation before handed over, if it did.
    pub previous: Slice,
}

/// A plugin's functions. All but `create` and `destroy` may be null; a hook's function must be there when the declaration
/// has the hook.
///
/// The order of a life: `create`, `self_test`, hooks (from any thread, many at once), `export_state`, `on_unload`,
/// `quiesce`, `destroy`. `instance` is what `create` returned.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VTable {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// `on_load`: makes an instance, or returns null and says in `error` why the load is to be refused.
    pub create: Option<
        unsafe extern "C" fn(host: *const Host, setup: *const Setup, error: *mut Buffer) -> *mut c_void,
    >,
    /// Tries itself before it serves: 0 when all is well; otherwise the load is refused, and `error` says why.
    pub self_test: Option<unsafe extern "C" fn(instance: *mut c_void, error: *mut Buffer) -> i32>,
    /// Hands over state to the next generation: `complete`s the ticket during the call with `ALLOW`, `state` and
    /// `state_version` and returns `ANSWERED`, or returns `NEXT` when there is none. It is called while hooks are still
    /// served.
    pub export_state: Option<unsafe extern "C" fn(instance: *mut c_void, ticket: u64) -> i32>,
    /// Ends and joins all threads of the plugin within `deadline_ms`. 0 when nothing of it runs any more; otherwise how
    /// many threads do, and then `destroy` is not called and nothing is freed, ever. No hook is called afterwards.
    pub quiesce: Option<unsafe extern "C" fn(instance: *mut c_void, deadline_ms: u32) -> i32>,
    /// Frees the instance. The last call.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// A policy is about to be dropped.
    pub on_unload:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const OnUnloadEvent, ticket: u64) -> i32>,
    /// A time that the policy asked for has come.
    pub on_tick:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const OnTickEvent, ticket: u64) -> i32>,
    /// A CONNECT, before authentication.
    pub connect:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const ConnectEvent, ticket: u64) -> i32>,
    /// Who is this client, and may it come in?
    pub authenticate: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const AuthenticateEvent, ticket: u64) -> i32,
    >,
    /// A login that ends soon, or has ended.
    pub expiring:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const ExpiringEvent, ticket: u64) -> i32>,
    /// A publish to a control topic that a policy owns.
    pub control:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const ControlEvent, ticket: u64) -> i32>,
    /// The next step of an MQTT 5 AUTH exchange.
    pub auth_continue: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const AuthContinueEvent, ticket: u64) -> i32,
    >,
    /// The CONNACK, before it is sent.
    pub connack:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const ConnackEvent, ticket: u64) -> i32>,
    /// May this client publish this?
    pub authorize_publish: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const AuthorizePublishEvent, ticket: u64) -> i32,
    >,
    /// A message that may be published, before it is routed.
    pub publish:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const PublishEvent, ticket: u64) -> i32>,
    /// May this client subscribe to this filter?
    pub authorize_subscribe: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            event: *const AuthorizeSubscribeEvent,
            ticket: u64,
        ) -> i32,
    >,
    /// The filters of a SUBSCRIBE.
    pub subscribe:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const SubscribeEvent, ticket: u64) -> i32>,
    /// The filters of an UNSUBSCRIBE.
    pub unsubscribe: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const UnsubscribeEvent, ticket: u64) -> i32,
    >,
    /// A message and the number of its receivers.
    pub route:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const RouteEvent, ticket: u64) -> i32>,
    /// May this receiver have messages of this topic?
    pub authorize_deliver: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const AuthorizeDeliverEvent, ticket: u64) -> i32,
    >,
    /// A message on its way to one receiver.
    pub deliver:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const DeliverEvent, ticket: u64) -> i32>,
    /// May this client send to that client directly?
    pub p2p: Option<unsafe extern "C" fn(instance: *mut c_void, event: *const P2pEvent, ticket: u64) -> i32>,
    /// A message for a client that is not connected.
    pub offline:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const OfflineEvent, ticket: u64) -> i32>,
    /// A will, before it is published.
    pub will:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const WillEvent, ticket: u64) -> i32>,
    /// A session began or was resumed.
    pub session_start: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const SessionStartEvent, ticket: u64) -> i32,
    >,
    /// A session ended for good.
    pub session_end: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const SessionEndEvent, ticket: u64) -> i32,
    >,
    /// A connection ended.
    pub disconnect: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const DisconnectEvent, ticket: u64) -> i32,
    >,
    /// A receiver acknowledged a message.
    pub acked:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const AckedEvent, ticket: u64) -> i32>,
    /// A message was dropped.
    pub dropped:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const DroppedEvent, ticket: u64) -> i32>,
    /// How high is this limit for this instance?
    pub limit:
        Option<unsafe extern "C" fn(instance: *mut c_void, event: *const LimitEvent, ticket: u64) -> i32>,
    /// A batch of messages that a rule matched.
    pub rule_action: Option<
        unsafe extern "C" fn(instance: *mut c_void, event: *const RuleActionEvent, ticket: u64) -> i32,
    >,
}

impl VTable {
    /// Whether there is a function for this hook. That of `on_load` is `create`.
    #[must_use]
    pub const fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::OnLoad => self.create.is_some(),
            Hook::OnUnload => self.on_unload.is_some(),
            Hook::OnTick => self.on_tick.is_some(),
            Hook::Connect => self.connect.is_some(),
            Hook::Authenticate => self.authenticate.is_some(),
            Hook::Expiring => self.expiring.is_some(),
            Hook::Control => self.control.is_some(),
            Hook::AuthContinue => self.auth_continue.is_some(),
            Hook::Connack => self.connack.is_some(),
            Hook::AuthorizePublish => self.authorize_publish.is_some(),
            Hook::Publish => self.publish.is_some(),
            Hook::AuthorizeSubscribe => self.authorize_subscribe.is_some(),
            Hook::Subscribe => self.subscribe.is_some(),
            Hook::Unsubscribe => self.unsubscribe.is_some(),
            Hook::Route => self.route.is_some(),
            Hook::AuthorizeDeliver => self.authorize_deliver.is_some(),
            Hook::Deliver => self.deliver.is_some(),
            Hook::P2p => self.p2p.is_some(),
            Hook::Offline => self.offline.is_some(),
            Hook::Will => self.will.is_some(),
            Hook::SessionStart => self.session_start.is_some(),
            Hook::SessionEnd => self.session_end.is_some(),
            Hook::Disconnect => self.disconnect.is_some(),
            Hook::Acked => self.acked.is_some(),
            Hook::Dropped => self.dropped.is_some(),
            Hook::Limit => self.limit.is_some(),
            Hook::RuleAction => self.rule_action.is_some(),
        }
    }
}

prefixed!(Declaration, Setup, VTable);
