//! The protocol state machine of one client, without I/O.
//!
//! A [`Session`] takes decoded packets and the time, changes its state, and leaves bytes in its [`Outbox`]; what concerns
//! others (route this message, keep that one in the store, close the connection) it answers to its shard. So nearly all
//! of MQTT's behaviour is tested with plain calls and a clock of the test's making.
//!
//! *Invariant*: a session knows no socket, no other session, no hook and no store.

mod ack;
mod deliver;
mod held;
mod inflight;
mod negotiate;
mod outbox;
mod place;
mod publish;
mod record;
mod subscriptions;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{HashMap, HashSet, VecDeque};

use rustc_hash::FxBuildHasher;

use crate::codec::{PacketType, ProtocolVersion, ReasonCode};
use crate::store::InboxSeq;
use crate::topic::TopicName;
pub use deliver::{DropReason, Outcome, Pumped, Receiver, to_delivery};
pub use held::{At, Finished, Held, InStore, Of, Receipt};
pub use inflight::Inflight;
pub use negotiate::{Negotiated, Offer, Settings, negotiate};
pub use outbox::{Outbox, SHARE_FROM};
pub use place::Pubrec;
pub use publish::Inbound;
pub use record::Leaving;
pub use subscriptions::Subscriptions;
pub use wire::Wires;

/// Why the broker ends a connection: what a 5.0 client is told in DISCONNECT, and what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The reason code of MQTT 5 table 3-10.
    pub reason: ReasonCode,
    /// One sentence for people; sent as the Reason String when the client wants one.
    pub what: std::borrow::Cow<'static, str>,
    /// A policy wants it: what policies have asked for before is done first.
    pub by_policy: bool,
}

impl Close {
    /// A close for this reason.
    pub fn new(reason: ReasonCode, what: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self {
            reason,
            what: what.into(),
            by_policy: false,
        }
    }

    /// The same, and a policy wants it.
    pub fn by_policy(reason: ReasonCode, what: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self {
            by_policy: true,
            ..Self::new(reason, what)
        }
    }
}

/// An acknowledgement that waits for its message to settle, or for one before it [MQTT-4.6.0-2].
#[derive(Debug)]
struct PendingAck {
    packet_type: PacketType,
    packet_id: u16,
    /// What it will say; `None` while the message has not settled.
    reason: Option<ReasonCode>,
}

/// The state of one client's session, and of the connection it has.
#[derive(Debug)]
pub struct Session {
    /// The protocol the present connection speaks.
    pub version: ProtocolVersion,
    /// What was agreed for the present connection.
    pub link: Negotiated,
    /// Seconds the session lives on after the connection; `None` is for ever, `Some(0)` ends with it.
    pub expiry: Option<u32>,
    /// What the client is subscribed to.
    pub subscriptions: Subscriptions,
    /// Bytes for the socket.
    pub outbox: Outbox,
    /// Somebody wants to be told what was acknowledged: keep it until then, even if it is never sent again.
    pub keep_sent: bool,
    /// There is more for this session in the store's inbox than it holds itself.
    pub spilled: bool,
    /// It acknowledges slowly: the store gets its messages at once, and no grace is given.
    pub slow: bool,
    /// A deadline is set for what waits to be acknowledged.
    graced: bool,
    /// Something waits to be acknowledged that its publisher waits for, and no deadline is set.
    wants_grace: bool,
    /// A page of the inbox is on its way.
    pub reading: bool,
    /// Something has gone into the inbox since the page on its way was asked for.
    more_came: bool,
    /// What is held here, or was, of which the store has not said yet that it has it.
    asked: u32,
    /// What goes into the inbox with others' messages, some time.
    on_its_way: u32,
    /// The inbox was read to its end, and something is on its way there.
    dry: bool,
    /// Everything of the inbox up to here is held here, or over.
    cursor: InboxSeq,
    /// What is held here, or over, and stands behind the cursor.
    #[allow(
        clippy::box_collection,
        reason = "hardly a session has any, and each has the place for it"
    )]
    ahead: Option<Box<HashSet<InboxSeq, FxBuildHasher>>>,
    /// The number of the newest message.
    newest: u32,
    /// PUBLISH packets put into the outbox since somebody asked, by QoS.
    sent: [u64; 3],
    /// Sent with QoS 1 and 2, not acknowledged.
    inflight: Inflight,
    /// QoS 1 and 2 that wait for room in the window, oldest first.
    queue: VecDeque<Held>,
    /// QoS 0 that waits for room in the outbox, oldest first.
    queue_qos0: VecDeque<crate::message::Delivery>,
    /// Retained messages that a subscription brought, apart from the queues' limits since nobody would send them again.
    retained: VecDeque<Held>,
    /// Inbound QoS 2 packet ids between PUBLISH and PUBREL [MQTT-4.3.3-10].
    received: HashSet<u16, FxBuildHasher>,
    /// Acknowledgements that cannot go yet.
    pending_acks: VecDeque<PendingAck>,
    /// Topics by the alias the client gave them, 1 first. Ends with the connection [MQTT-3.3.2-7].
    inbound_aliases: Vec<Option<TopicName>>,
    /// The aliases that the client was told.
    outbound_aliases: HashMap<TopicName, u16, FxBuildHasher>,
}

impl Session {
    /// A session without a past, for a connection as agreed.
    #[must_use]
    pub fn new(version: ProtocolVersion, link: Negotiated, expiry: Option<u32>) -> Self {
        Self {
            version,
            link,
            expiry,
            subscriptions: Subscriptions::default(),
            outbox: Outbox::default(),
            keep_sent: false,
            spilled: false,
            slow: false,
            graced: false,
            wants_grace: false,
            reading: false,
            more_came: false,
            asked: 0,
            on_its_way: 0,
            dry: false,
            cursor: InboxSeq(0),
            ahead: None,
            newest: 0,
            sent: [0; 3],
            inflight: Inflight::default(),
            queue: VecDeque::new(),
            queue_qos0: VecDeque::new(),
            retained: VecDeque::new(),
            received: HashSet::default(),
            pending_acks: VecDeque::new(),
            inbound_aliases: Vec::new(),
            outbound_aliases: HashMap::default(),
        }
    }

    /// Does it outlive its connection?
    #[inline]
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.expiry != Some(0)
    }

    /// Messages sent and unacknowledged.
    #[must_use]
    pub fn inflight_len(&self) -> usize {
        usize::from(self.inflight.out())
    }

    /// How many PUBLISH packets of each QoS have gone into the outbox since this was asked last.
    #[inline]
    pub fn take_sent(&mut self) -> [u64; 3] {
        std::mem::take(&mut self.sent)
    }

    /// Retained messages that wait.
    #[must_use]
    pub fn retained_len(&self) -> usize {
        self.retained.len()
    }

    /// Messages that wait in memory.
    #[must_use]
    pub fn queued_len(&self) -> usize {
        self.queue.len() + self.queue_qos0.len() + self.retained.len()
    }
}
