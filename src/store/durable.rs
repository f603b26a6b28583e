//! What outlives a connection, and a process: inboxes, session records, in-flight state, retained messages.
//!
//! [`Store`] is batch-shaped: one [`Change`] is one step of durable state, a batch of them is atomic, and a future resolves
//! only when what it did is as durable as this store makes it. Calls of one thread take effect in the order in which they are
//! made, whether their futures have been awaited or not: what is read sees what was changed before.
//!
//! *Invariant*: no code outside this module assumes that a future of the store is ready at once, nor that there is
//! one node.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::QoS;
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Message, SubscriptionOptions};
use crate::time::Millis;
use crate::topic::{TopicFilter, TopicName};

/// What a store answers with, sooner or later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store could not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has saved the record since it was loaded: the claim on the session is lost.
    #[error("the session record was changed by somebody else")]
    Stale,
    /// The store's own trouble, in its words.
    #[error("the store failed: {0}")]
    Failed(String),
    /// What is there cannot be used, or what is asked cannot be done: a sentence that says what to do.
    #[error("{0}")]
    Refused(String),
}

/// Where a message stands in an inbox: opaque, ordered within a session, never reused, not even over a restart. Zero stands
/// before all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxSeq(pub u64);

/// Which version of a session record is meant. Zero is "there is none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision(pub u64);

/// One step of durable state.
#[derive(Clone, Debug)]
pub enum Change {
    /// A message for an inbox, behind all that are there.
    Append {
        /// Whose inbox. There need be no session record (yet): then the inbox stands alone.
        session: SessionKey,
        /// The message and how it goes out. Deliveries of one message share its body, here and on the disk.
        delivery: Delivery,
        /// It is in flight already, under this packet id.
        sent: Option<u16>,
    },
    /// Forgets the messages of an inbox from `from` to `up_to`, both included. Those that are not there are no error.
    Acknowledge {
        /// Whose inbox.
        session: SessionKey,
        /// The first.
        from: InboxSeq,
        /// The last.
        up_to: InboxSeq,
    },
    /// This message of an inbox is in flight under this packet id [MQTT-4.4.0-1]. Nothing if it is not there any more.
    Sent {
        /// Whose inbox.
        session: SessionKey,
        /// Which message.
        seq: InboxSeq,
        /// Its packet id.
        packet_id: u16,
    },
    /// PUBREC has come for this message, which was `Sent`: its body is not needed any more, PUBREL is owed [MQTT-4.3.3-8].
    /// Nothing if it is not there any more.
    Released {
        /// Whose inbox.
        session: SessionKey,
        /// Which message.
        seq: InboxSeq,
    },
    /// A QoS 2 packet id of this session's client was taken, and awaits PUBREL [MQTT-4.3.3-10].
    Received {
        /// Whose.
        session: SessionKey,
        /// Which.
        packet_id: u16,
    },
    /// PUBREL has come for a packet id that was `Received`.
    Forgotten {
        /// Whose.
        session: SessionKey,
        /// Which.
        packet_id: u16,
    },
    /// The retained message of a topic; without a message there is none any more [MQTT-3.3.1-6].
    Retain {
        /// The tenant.
        instance: InstanceId,
        /// The topic.
        topic: TopicName,
        /// The message.
        message: Option<Arc<Message>>,
    },
}

/// What a batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Where the batch's `Append`s stand, in their order. One that found no place at all (a cap of zero) has `InboxSeq(0)`.
    pub seqs: Vec<InboxSeq>,
    /// How many older messages of which instance had to make room, or were too old.
    pub evicted: Vec<(InstanceId, usize)>,
}

/// A part of an inbox, oldest first.
#[derive(Debug, Default)]
pub struct Page {
    /// The messages with their places. Those that are in flight (`Sent`, `Released`) are not among them.
    pub deliveries: Vec<(InboxSeq, Delivery)>,
    /// The last place that this page has looked at: the next begins after it. At least `after`.
    pub upto: InboxSeq,
    /// There is more behind it.
    pub more: bool,
}

/// How far an outbound message had come [MQTT-4.4.0-1].
#[derive(Clone, Debug)]
pub enum Unacknowledged {
    /// PUBLISH is sent, PUBACK or PUBREC is owed: send it again with DUP.
    Publish(Delivery),
    /// PUBREC has come, PUBCOMP is owed: send PUBREL again.
    Pubrel,
}

/// A will, as it waits in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWill {
    /// Where it is published.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// Its properties that subscribers get, in wire form.
    pub forward: Bytes,
    /// With which QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Seconds between the end of the connection and the will.
    pub delay: u32,
    /// Its Message Expiry Interval.
    pub message_expiry: Option<u32>,
    /// When its delay is over; `None` while the connection lasts.
    pub due: Option<Millis>,
}

/// What is kept of a session besides its inbox and its in-flight state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionRecord {
    /// Seconds it lives on without a connection; `None` is for ever.
    pub expiry_seconds: Option<u32>,
    /// When the connection ended; `None` while it lasts.
    pub left_at: Option<Millis>,
    /// Its subscriptions.
    pub subscriptions: Vec<(TopicFilter, SubscriptionOptions)>,
    /// The packet id to try first for the next message.
    pub next_packet_id: u16,
    /// To be published unless the client says goodbye.
    pub will: Option<StoredWill>,
    /// Who the client was, in the words of whoever wrote it; opaque here.
    pub client: Bytes,
}

/// A session as it comes back.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Its record.
    pub record: SessionRecord,
    /// The version of it.
    pub revision: Revision,
    /// Sent and not acknowledged, in the order of the inbox.
    pub unacknowledged: Vec<(u16, InboxSeq, Unacknowledged)>,
    /// Inbound QoS 2 packet ids that await PUBREL.
    pub received: Vec<u16>,
    /// There are messages in the inbox that are not in flight.
    pub waiting: bool,
}

/// How many messages an instance's inboxes may hold, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct InboxLimits {
    /// Messages of one instance; the oldest goes first when there are more.
    pub messages_per_instance: usize,
    /// Milliseconds that a message is kept.
    pub age_ms: u64,
    /// Milliseconds until a stored message counts as an offline message.
    pub visible_after_ms: u64,
}

/// What an instance has in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Retained messages.
    pub retained: usize,
    /// Messages in inboxes that count as offline messages by now.
    pub offline: usize,
    /// Messages in inboxes.
    pub stored: usize,
}

/// How a store does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Bytes that wait to be written; what fills up when the disk is slow, or full.
    pub waiting: usize,
    /// What keeps it from writing at the moment.
    pub trouble: Option<String>,
}

/// State that outlives connections. One object serves all shards.
pub trait Store: Send + Sync + 'static {
    /// Makes changes, in order. After a crash either all of a batch is there or nothing of it.
    fn commit(&self, batch: Vec<Change>, now: Millis) -> StoreFuture<'_, Committed>;

    /// Reads at most `max` messages that stand after `after`, are not in flight, and neither too old nor expired by now.
    fn read<'a>(
        &'a self,
        session: &'a SessionKey,
        after: InboxSeq,
        max: usize,
        now: Millis,
    ) -> StoreFuture<'a, Page>;

    /// Forgets a session: record, in-flight state, inbox.
    fn discard<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, ()>;

    /// Reads a session. `None` if it has no record.
    fn load<'a>(&'a self, session: &'a SessionKey, now: Millis) -> StoreFuture<'a, Option<Stored>>;

    /// Writes a session record if nobody has since `expected`; answers with the new revision.
    fn save<'a>(
        &'a self,
        session: &'a SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> StoreFuture<'a, Revision>;

    /// The sessions that have a record.
    fn sessions(&self) -> StoreFuture<'_, Vec<SessionKey>>;

    /// The instances of which there is anything.
    fn instances(&self) -> StoreFuture<'_, Vec<InstanceId>>;

    /// The retained messages that a filter matches, without those that have expired.
    fn retained<'a>(
        &'a self,
        instance: &'a InstanceId,
        filter: &'a TopicFilter,
        now: Millis,
    ) -> StoreFuture<'a, Vec<Arc<Message>>>;

    /// From now on an instance's inboxes hold no more than this. One that was never given limits keeps what it has and takes
    /// nothing new.
    fn limit_inboxes(&self, instance: &InstanceId, limits: InboxLimits);

    /// Forgets everything of an instance: sessions, inboxes, retained messages.
    fn forget_instance<'a>(&'a self, instance: &'a InstanceId) -> StoreFuture<'a, ()>;

    /// Lets go what is too old by now; answers with how many messages of which instance.
    fn tidy(&self, now: Millis) -> StoreFuture<'_, Vec<(InstanceId, usize)>>;

    /// Resolves when all that was done before is on the disk itself, whatever this store waits for otherwise.
    fn sync(&self) -> StoreFuture<'_, ()>;

    /// How many retained messages an instance has.
    fn retained_in(&self, instance: &InstanceId) -> usize;

    /// What an instance has here.
    fn counts(&self, instance: &InstanceId, now: Millis) -> Counts;

    /// How many retained messages there are.
    fn retained_count(&self) -> usize;

    /// How many messages lie in inboxes.
    fn offline_count(&self) -> usize;

    /// How it does.
    fn health(&self) -> Health;
}
