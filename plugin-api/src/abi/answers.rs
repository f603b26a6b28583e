//! What a policy answers when an integer does not say it all. The host copies everything before `complete` returns.

use super::basic::{OptInt, OptNum, PairList, Slice, SliceList};
use super::prefix::prefixed;
use super::records::{ConnectWill, FilterList, NewMessageList, Properties};

/// What a login brings. What is not there stays as it was asked and configured.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// What later hooks read as `ctx.attrs`: the text of a JSON object.
    pub attrs: Slice,
    /// The client's own rules: the text of a JSON list such as `[["allow", "publish", "a/#"]]`; the first that fits decides.
    pub acl: Slice,
    /// When the login ends, in seconds since 1970.
    pub expires_at: OptNum,
    /// Server Keep Alive, in seconds.
    pub keep_alive: OptInt,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: OptInt,
    /// Receive Maximum, in messages.
    pub receive_maximum: OptInt,
    /// Maximum Packet Size, in bytes.
    pub maximum_packet_size: OptInt,
    /// Authentication Data of CONNACK or AUTH.
    pub data: Slice,
    /// Since 1.1. Whether the client id may have any form, and not that of `GroupID@@@DeviceID` alone: 0 or 1.
    pub any_client_id: OptInt,
    /// Since 1.1. Records of the client's instance in the registry, as `kind/name`: when one appears, changes or goes, the login
    /// ends then, and `expiring` is asked.
    pub depends: SliceList,
}

/// What `connect` changes. What is not there stays.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ConnectPatch {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// 1 for no will; `will` does not count then.
    pub remove_will: u32,
    /// Another client id.
    pub client_id: Slice,
    /// Whether the session begins anew: 0 or 1.
    pub clean_start: OptInt,
    /// Keep Alive, in seconds.
    pub keep_alive: OptInt,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: OptInt,
    /// What changes of the will; null when it stays.
    pub will: *const ConnectWill,
    /// Since 1.1. The instance that the client is of, if it is another: 1 to 512 bytes.
    pub instance: Slice,
}

/// What a client is told besides.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ConnackPatch {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// User Properties.
    pub user: PairList,
    /// Reason String.
    pub reason_string: Slice,
    /// Response Information.
    pub response_information: Slice,
    /// Server Reference.
    pub server_reference: Slice,
}

/// What `publish` changes. What is not there stays.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PublishPatch {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The topic name, without wildcards.
    pub topic: Slice,
    /// The payload.
    pub payload: Slice,
    /// 0, 1 or 2.
    pub qos: OptInt,
    /// The RETAIN flag: 0 or 1.
    pub retain: OptInt,
    /// All properties anew; null when they stay.
    pub properties: *const Properties,
    /// Messages to publish besides; no hook is asked about them.
    pub more: NewMessageList,
}

/// What `deliver` changes for one receiver.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DeliverPatch {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The payload.
    pub payload: Slice,
    /// All properties anew; null when they stay.
    pub properties: *const Properties,
}

/// What `will` changes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WillPatch {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The topic name, without wildcards.
    pub topic: Slice,
    /// The payload.
    pub payload: Slice,
    /// 0, 1 or 2.
    pub qos: OptInt,
    /// The RETAIN flag: 0 or 1.
    pub retain: OptInt,
    /// All properties anew; null when they stay.
    pub properties: *const Properties,
}

/// Where a message goes besides.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Routed {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// More topics.
    pub topics: SliceList,
    /// More clients, by client id, whatever they are subscribed to.
    pub clients: SliceList,
}

/// What is done about a login.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Controlled {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Messages to the client itself, whatever it is subscribed to.
    pub messages: NewMessageList,
    /// When the login ends now, in seconds since 1970.
    pub expires_at: OptNum,
    /// Since 1.1. What later hooks read as `ctx.attrs` from now on: the text of a JSON object.
    pub attrs: Slice,
    /// Since 1.1. The client's own rules from now on, as in a grant; an empty list for none.
    pub acl: Slice,
    /// Since 1.1. The records that the login depends on from now on. A null `items` leaves them as they are; for none, `items` is
    /// not null and `len` is 0.
    pub depends: SliceList,
}

/// What became of one message of a rule's batch. It never grows.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ActionResult {
    /// One of `ACTION_`.
    pub result: u32,
    /// Zero.
    pub reserved: u32,
    /// `ACTION_RETRY`: seconds.
    pub retry_after: f64,
    /// `ACTION_DEAD_LETTER`: why.
    pub reason: Slice,
}

/// One result for each message of a batch, in their order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ActionResultList {
    /// The first of them.
    pub items: *const ActionResult,
    /// How many.
    pub len: usize,
}

/// A whole answer. `verdict` says which of the other fields count; those of other hooks are not looked at.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// What is answered: one of the verdicts, but neither `ANSWERED` nor `PENDING`.
    pub verdict: i32,
    /// `DENY`, `DISCONNECT`, `REJECT`: the reason code, if not the usual one.
    pub code: OptInt,
    /// `DENY`, `DISCONNECT`, `DROP`, `REJECT`, `ERROR`: why, in words.
    pub reason: Slice,
    /// `ALLOW` of `authorize_subscribe`: at most at this QoS.
    pub qos: OptInt,
    /// `NUMBER`: the number.
    pub number: OptNum,
    /// `REDIRECT`: which server.
    pub server: Slice,
    /// `REDIRECT`: 1 for good (0x9D), 0 for now (0x9C).
    pub permanently: u32,
    /// `export_state`: the version of `state`.
    pub state_version: u32,
    /// `CONTINUE`: the Authentication Data to send.
    pub data: Slice,
    /// `CONTINUE`: what `auth_continue` is given with the client's answer, the text of a JSON value. `export_state`: the state.
    pub state: Slice,
    /// `ALLOW` of a login; null for nothing besides.
    pub grant: *const Grant,
    /// `CHANGE` of `connect`.
    pub connect: *const ConnectPatch,
    /// `CHANGE` of `connack`.
    pub connack: *const ConnackPatch,
    /// `CHANGE` of `publish`.
    pub publish: *const PublishPatch,
    /// `CHANGE` of `deliver`.
    pub deliver: *const DeliverPatch,
    /// `CHANGE` of `will`.
    pub will: *const WillPatch,
    /// `CHANGE` of `route`.
    pub routed: *const Routed,
    /// `CHANGE` of `expiring` and `control`.
    pub controlled: *const Controlled,
    /// `CHANGE` of `subscribe`: all filters; the first stand for those that were asked for.
    pub subscribe: FilterList,
    /// `CHANGE` of `unsubscribe`: the same.
    pub unsubscribe: SliceList,
    /// `DONE` of `rule_action`: one for each message; an empty list when all are done with.
    pub results: ActionResultList,
}

prefixed!(
    Grant,
    ConnectPatch,
    ConnackPatch,
    PublishPatch,
    DeliverPatch,
    WillPatch,
    Routed,
    Controlled,
    Outcome
);
