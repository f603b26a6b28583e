//! What hooks are shown: clients, messages, and what they carry. Text is UTF-8, checked by the host.

use super::basic::{OptInt, PairList, Slice, SliceList};
use super::prefix::prefixed;

/// A client. See `Context` in docs/hooks.md.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// 3 (MQTT 3.1), 4 (3.1.1) or 5.
    pub protocol_version: u32,
    /// The client id of its CONNECT, or the one that it was given.
    pub client_id: Slice,
    /// The user name of its CONNECT, if it gave one.
    pub username: Slice,
    /// Of a client id such as `GID_fleet@@@truck-7` what stands before `@@@`; none for others.
    pub group_id: Slice,
    /// And what stands behind it.
    pub device_id: Slice,
    /// The instance that it belongs to.
    pub instance: Slice,
    /// Where it connects from, such as `192.0.2.7:51234`.
    pub peer: Slice,
    /// The name of the listener that took it.
    pub listener: Slice,
    /// Its certificate; null without TLS.
    pub tls: *const Tls,
    /// What `authenticate` granted, as the text of a JSON object; none before that.
    pub attrs: Slice,
}

/// What TLS told of a client. All but `san` are none when it showed no certificate.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Tls {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The subject's common name.
    pub cn: Slice,
    /// The subject's alternative names.
    pub san: SliceList,
    /// The serial number, in hex.
    pub serial: Slice,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: Slice,
    /// Since 1.1. The serial number of the authority that signed it, in hex: one that is registered in the client's instance, or none.
    pub ca_serial: Slice,
    /// Since 1.1. From when on it is valid, in seconds since 1970.
    pub valid_from: OptInt,
    /// Since 1.1. Until when.
    pub valid_until: OptInt,
}

/// A message on its way.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// 0, 1 or 2.
    pub qos: u32,
    /// The topic name.
    pub topic: Slice,
    /// The payload.
    pub payload: Slice,
    /// The size of the payload in bytes.
    pub size: u64,
    /// The RETAIN flag: 0 or 1.
    pub retain: u32,
    /// Where it comes from: one of `ORIGIN_`.
    pub origin: u32,
    /// What travels with it; null when there are none.
    pub properties: *const Properties,
    /// Names the message; zeros before it has a name.
    pub id: Slice,
}

/// The properties of a message. In a change they replace all that there were.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Properties {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Payload Format Indicator: 0 or 1.
    pub payload_is_text: OptInt,
    /// Message Expiry Interval, in seconds.
    pub message_expiry: OptInt,
    /// Content Type.
    pub content_type: Slice,
    /// Response Topic.
    pub response_topic: Slice,
    /// Correlation Data.
    pub correlation_data: Slice,
    /// User Properties, in their order; a name may occur more than once.
    pub user: PairList,
}

/// A message that a policy makes, or that a rule matched.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NewMessage {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// 0, 1 or 2.
    pub qos: u32,
    /// The topic name, without wildcards.
    pub topic: Slice,
    /// The payload; none is an empty one.
    pub payload: Slice,
    /// The RETAIN flag: 0 or 1.
    pub retain: u32,
    /// Zero.
    pub reserved: u32,
    /// Its properties; null for none.
    pub properties: *const Properties,
}

/// A CONNECT. The password is `authenticate`'s alone.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Connect {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Keep Alive, in seconds.
    pub keep_alive: u32,
    /// The client id; empty when the broker is to choose one.
    pub client_id: Slice,
    /// The user name, if it gave one.
    pub username: Slice,
    /// Clean Start, in 3.x Clean Session: 0 or 1.
    pub clean_start: u32,
    /// Zero.
    pub reserved: u32,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: OptInt,
    /// Receive Maximum, in messages.
    pub receive_maximum: OptInt,
    /// Maximum Packet Size, in bytes.
    pub maximum_packet_size: OptInt,
    /// User Properties.
    pub user: PairList,
    /// The will; null when there is none.
    pub will: *const ConnectWill,
}

/// The will of a CONNECT. In a change, what is not there stays.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ConnectWill {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The topic name.
    pub topic: Slice,
    /// The payload.
    pub payload: Slice,
    /// 0, 1 or 2.
    pub qos: OptInt,
    /// The RETAIN flag: 0 or 1.
    pub retain: OptInt,
    /// Will Delay Interval, in seconds.
    pub delay: OptInt,
}

/// A CONNACK that is about to be sent.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Connack {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// The reason code.
    pub code: u32,
    /// Whether there is a session to resume: 0 or 1.
    pub session_present: u32,
    /// Zero.
    pub reserved: u32,
    /// The client id that the broker chose, if it did.
    pub assigned_client_id: Slice,
}

/// A subscription that is asked for.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The topic filter, with `$share/NAME/` if it is shared.
    pub filter: Slice,
    /// 0, 1 or 2.
    pub qos: OptInt,
    /// No Local: 0 or 1.
    pub no_local: OptInt,
    /// Retain As Published: 0 or 1.
    pub retain_as_published: OptInt,
    /// Retain Handling: 0, 1 or 2.
    pub retain_handling: OptInt,
}

/// A list of messages: pointers, since the structs may grow. A null `items` is an empty list.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NewMessageList {
    /// The first pointer.
    pub items: *const *const NewMessage,
    /// How many.
    pub len: usize,
}

/// A list of filters: pointers, since the structs may grow. A null `items` is an empty list.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FilterList {
    /// The first pointer.
    pub items: *const *const Filter,
    /// How many.
    pub len: usize,
}

prefixed!(
    Context,
    Tls,
    Message,
    Properties,
    NewMessage,
    Connect,
    ConnectWill,
    Connack,
    Filter
);
