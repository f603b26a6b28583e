//! Bytes to MQTT packets and back: 3.1, 3.1.1 and 5.0.
//!
//! [`peek`] finds a packet's length in what was read, [`decode_connect`] reads the first one, [`decode`] all others. The
//! functions named like packets ([`connack`], [`publish`], [`ack`], ...) append one to a buffer.
//!
//! What can be told from a packet alone is checked here, once, for all versions: encoding, reserved bits, which property
//! belongs where, topic names. What depends on what was agreed before (aliases, quotas, packet ids in use), and what is
//! answered rather than punished (topic filters, client ids), is the session's.
//!
//! *Invariant*: no I/O, no state from packet to packet, no panic on any bytes, and no memory for what a length only claims.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod forward;
mod frame;
mod header;
mod outline;
mod packet;
mod ping;
mod primitives;
mod properties;
mod publish;
mod reason;
mod scan;
mod subscribe;
mod unsubscribe;
mod version;
mod will;

pub use ack::{Ack, ack};
pub use auth::{Auth, auth};
pub use connack::{ConnackProperties, connack};
pub use connect::{Connect, ConnectProperties, decode_connect};
pub use disconnect::{Disconnect, DisconnectProperties, disconnect};
pub use error::{ConnectError, DecodeError};
pub use forward::{ForwardBuilder, ForwardError, ForwardProperties, ForwardProperty};
pub use frame::{Limits, MAX_PACKET_LEN, SURELY_FITS};
pub use header::{FixedHeader, PacketType, peek};
pub use outline::{Outline, outline};
pub use packet::{Packet, decode};
pub use ping::pingresp;
pub use publish::{
    OutboundProperties, Publish, PublishParts, PublishProperties, decode_publish, publish, publish_flags,
    publish_head, publish_len,
};
pub use reason::ReasonCode;
pub use subscribe::{Subscribe, SubscribeFilter, suback};
pub use unsubscribe::{Unsubscribe, unsuback};
pub use version::{ProtocolVersion, QoS};
pub use will::Will;

#[cfg(test)]
mod tests;
