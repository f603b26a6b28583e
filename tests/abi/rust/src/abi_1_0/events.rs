//! What each hook is asked: one struct a hook, good for the call and no longer.
//!
//! Each begins with its size and the number of its hook, so that one function can serve many hooks.

use super::basic::{Slice, SliceList};
use super::prefix::prefixed;
use super::records::{Connack, Connect, Context, FilterList, Message, NewMessageList};

/// What `on_unload` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct OnUnloadEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// Why: one of `UNLOAD_`.
    pub reason: u32,
    /// Zero.
    pub reserved: u32,
}

/// What `on_tick` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct OnTickEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// Seconds since 1970.
    pub now: f64,
}

/// What `connect` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ConnectEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// What it asks for.
    pub connect: *const Connect,
}

/// What `authenticate` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AuthenticateEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// The user name, if it gave one.
    pub username: Slice,
    /// The password, if it gave one; binary.
    pub password: Slice,
    /// The Authentication Method of an MQTT 5 client, if it has one.
    pub method: Slice,
    /// The Authentication Data of an MQTT 5 client, if it sent any; binary.
    pub data: Slice,
}

/// What `expiring` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ExpiringEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// When the login ends, in seconds since 1970.
    pub expires_at: f64,
    /// Whether that time has come: 0 or 1.
    pub ended: u32,
    /// Zero.
    pub reserved: u32,
}

/// What `control` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ControlEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// The message.
    pub msg: *const Message,
}

/// What `auth_continue` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AuthContinueEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// The Authentication Method of an MQTT 5 client, if it has one.
    pub method: Slice,
    /// The Authentication Data of an MQTT 5 client, if it sent any; binary.
    pub data: Slice,
    /// What this entry's last `CONTINUE` gave as `state`; none when a connected client begins to authenticate again.
    pub state: Slice,
}

/// What `connack` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ConnackEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// What the client is about to be told.
    pub connack: *const Connack,
}

/// What `authorize_publish` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AuthorizePublishEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// The topic name.
    pub topic: Slice,
    /// 0, 1 or 2.
    pub qos: u32,
    /// The RETAIN flag: 0 or 1.
    pub retain: u32,
    /// The size of the payload in bytes.
    pub size: u64,
    /// The payload; none unless the declaration's `payload` has this hook.
    pub payload: Slice,
}

/// What `publish` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PublishEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client; null when no client is concerned.
    pub ctx: *const Context,
    /// The message.
    pub msg: *const Message,
}

/// What `authorize_subscribe` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AuthorizeSubscribeEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// The topic filter, without `$share/NAME/`.
    pub filter: Slice,
    /// The QoS that is asked for: 0, 1 or 2.
    pub qos: u32,
    /// Zero.
    pub reserved: u32,
    /// The share name of a shared subscription.
    pub share: Slice,
}

/// What `subscribe` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SubscribeEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// What the client asks for.
    pub filters: FilterList,
}

/// What `unsubscribe` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct UnsubscribeEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client.
    pub ctx: *const Context,
    /// What the client no longer wants.
    pub filters: SliceList,
}

/// What `route` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RouteEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client; null when no client is concerned.
    pub ctx: *const Context,
    /// The message.
    pub msg: *const Message,
    /// How many subscriptions match.
    pub receivers: u64,
}

/// What `authorize_deliver` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AuthorizeDeliverEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The receiver.
    pub ctx: *const Context,
    /// The topic name.
    pub topic: Slice,
}

/// What `deliver` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DeliverEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The receiver.
    pub ctx: *const Context,
    /// The message.
    pub msg: *const Message,
}

/// What `p2p` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct P2pEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The sender; null when it is no client.
    pub ctx: *const Context,
    /// The client id that it is for.
    pub target: Slice,
    /// The message.
    pub msg: *const Message,
}

/// What `offline` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct OfflineEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The absent client.
    pub ctx: *const Context,
    /// The message.
    pub msg: *const Message,
}

/// What `will` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WillEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The client whose will it is.
    pub ctx: *const Context,
    /// The message.
    pub msg: *const Message,
}

/// What `limit` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct LimitEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// Whose limit.
    pub instance: Slice,
    /// Which limit, by its name under `limits` in dunlin.toml.
    pub name: Slice,
}

/// What `rule_action` is asked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RuleActionEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The rule as it is written, as the text of a JSON object.
    pub rule: Slice,
    /// The messages that it matched.
    pub messages: NewMessageList,
}

/// A session began or was resumed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SessionStart {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Whether there was a session to resume: 0 or 1.
    pub resumed: u32,
    /// The client.
    pub ctx: *const Context,
}

/// What `session_start` is told: a batch.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SessionStartEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The first pointer to what happened.
    pub items: *const *const SessionStart,
    /// How many.
    pub len: usize,
}

/// A session ended for good.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SessionEnd {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The client.
    pub ctx: *const Context,
    /// Why, such as `expired`.
    pub reason: Slice,
}

/// What `session_end` is told: a batch.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SessionEndEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The first pointer to what happened.
    pub items: *const *const SessionEnd,
    /// How many.
    pub len: usize,
}

/// A connection ended.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Disconnected {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The reason code of the DISCONNECT, or the nearest one.
    pub code: u32,
    /// The client.
    pub ctx: *const Context,
    /// Why, in words.
    pub reason: Slice,
    /// Whether the client ended it, with a DISCONNECT: 0 or 1.
    pub by_client: u32,
    /// Zero.
    pub reserved: u32,
    /// Messages that came from it.
    pub received: u64,
    /// Messages that went to it.
    pub sent: u64,
}

/// What `disconnect` is told: a batch.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DisconnectEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The first pointer to what happened.
    pub items: *const *const Disconnected,
    /// How many.
    pub len: usize,
}

/// A receiver acknowledged a message.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Acked {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The QoS at which it was delivered.
    pub qos: u32,
    /// The receiver.
    pub ctx: *const Context,
    /// Its topic.
    pub topic: Slice,
    /// The message's `id`.
    pub message_id: Slice,
}

/// What `acked` is told: a batch.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AckedEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The first pointer to what happened.
    pub items: *const *const Acked,
    /// How many.
    pub len: usize,
}

/// Messages were dropped.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Dropped {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Who did not get it or could not publish it; null when no client is concerned.
    pub ctx: *const Context,
    /// The topic of the (first) message.
    pub topic: Slice,
    /// Why, such as `queue full`.
    pub reason: Slice,
    /// How many.
    pub count: u64,
}

/// What `dropped` is told: a batch.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DroppedEvent {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The first pointer to what happened.
    pub items: *const *const Dropped,
    /// How many.
    pub len: usize,
}

prefixed!(
    OnUnloadEvent,
    OnTickEvent,
    ConnectEvent,
    AuthenticateEvent,
    ExpiringEvent,
    ControlEvent,
    AuthContinueEvent,
    ConnackEvent,
    AuthorizePublishEvent,
    PublishEvent,
    AuthorizeSubscribeEvent,
    SubscribeEvent,
    UnsubscribeEvent,
    RouteEvent,
    AuthorizeDeliverEvent,
    DeliverEvent,
    P2pEvent,
    OfflineEvent,
    WillEvent,
    LimitEvent,
    RuleActionEvent,
    SessionStart,
    SessionStartEvent,
    SessionEnd,
    SessionEndEvent,
    Disconnected,
    DisconnectEvent,
    Acked,
    AckedEvent,
    Dropped,
    DroppedEvent
);
