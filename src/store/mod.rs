//! What outlives a connection: inboxes, session records, retained messages.
//!
//! [`Store`] is batch-shaped: one call covers many messages, and a future resolves only when what it did is as durable
//! as this store can make it. [`memory`] is the one implementation for now: it is durable for as long as the process lives.
//!
//! *Invariant*: no code outside this module assumes that a future of the store is ready at once, nor that there is
//! one node.

pub mod durable;
pub mod memory;
pub mod registry;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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

/// Where a message stands in an inbox: opaque, ordered within a session, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxSeq(pub u64);

/// Which version of a session record is meant. Zero is "there is none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision(pub u64);

/// A message for the inbox of a session that cannot take it now.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose inbox.
    pub session: SessionKey,
    /// The message and how it is to go out.
    pub delivery: Delivery,
}

/// A part of an inbox, oldest first.
#[derive(Debug, Default)]
pub struct Page {
    /// The messages with their places.
    pub deliveries: Vec<(InboxSeq, Delivery)>,
    /// There is more behind the last of them.
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

/// A session at rest: all that MQTT calls Session State, without a connection.
#[derive(Clone, Debug, Default)]
pub struct SessionRecord {
    /// Seconds it lives on without a connection; `None` is for ever.
    pub expiry_seconds: Option<u32>,
    /// When the connection ended.
    pub left_at: Millis,
    /// Its subscriptions.
    pub subscriptions: Vec<(TopicFilter, SubscriptionOptions)>,
    /// Sent and not acknowledged, in the order of sending.
    pub unacknowledged: Vec<(u16, Unacknowledged)>,
    /// The packet id to try first for the next message.
    pub next_packet_id: u16,
    /// Inbound QoS 2 packet ids that await PUBREL.
    pub received: Vec<u16>,
    /// Waiting to be sent, all older than what the inbox holds.
    pub queue: Vec<Delivery>,
    /// Everything in the inbox up to here has been taken into this record.
    pub cursor: InboxSeq,
}

/// How many messages an inbox may hold, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct InboxLimits {
    /// Messages of one instance; the oldest goes first when there are more.
    pub messages_per_instance: usize,
    /// Milliseconds that a message is kept.
    pub age_ms: u64,
}

/// What an instance has in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Retained messages.
    pub retained: usize,
    /// Messages in inboxes.
    pub offline: usize,
}

/// State that outlives connections. One object serves all shards.
pub trait Store: Send + Sync + 'static {
    /// Puts messages into inboxes, in order. Resolves when all are as durable as this store makes them; answers with
    /// how many older messages had to make room.
    fn append(&self, batch: Vec<Append>, now: Millis) -> StoreFuture<'_, usize>;

    /// Reads at most `max` messages that stand after `after` and are not too old now.
    fn read<'a>(
        &'a self,
        session: &'a SessionKey,
        after: InboxSeq,
        max: usize,
        now: Millis,
    ) -> StoreFuture<'a, Page>;

    /// Forgets all messages of the inbox up to and including `up_to`.
    fn acknowledge<'a>(&'a self, session: &'a SessionKey, up_to: InboxSeq) -> StoreFuture<'a, ()>;

    /// Forgets a session: its record and its inbox.
    fn discard<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, ()>;

    /// Reads a session record.
    fn load<'a>(&'a self, session: &'a SessionKey) -> StoreFuture<'a, Option<(SessionRecord, Revision)>>;

    /// Writes a session record if nobody has since `expected`; answers with the new revision.
    fn save<'a>(
        &'a self,
        session: &'a SessionKey,
        record: SessionRecord,
        expected: Revision,
    ) -> StoreFuture<'a, Revision>;

    /// Keeps `message` as the retained message of its topic, or none if there is no message [MQTT-3.3.1-6].
    fn retain<'a>(
        &'a self,
        instance: &'a InstanceId,
        topic: &'a TopicName,
        message: Option<Arc<Message>>,
    ) -> StoreFuture<'a, ()>;

    /// The retained messages that a filter matches, without those that have expired.
    fn retained<'a>(
        &'a self,
        instance: &'a InstanceId,
        filter: &'a TopicFilter,
        now: Millis,
    ) -> StoreFuture<'a, Vec<Arc<Message>>>;

    /// From now on an instance's inboxes hold no more than this.
    fn limit_inboxes(&self, instance: &InstanceId, limits: InboxLimits);

    /// Forgets everything of an instance: sessions, inboxes, retained messages.
    fn forget_instance<'a>(&'a self, instance: &'a InstanceId) -> StoreFuture<'a, ()>;

    /// How many retained messages an instance has.
    fn retained_in(&self, instance: &InstanceId) -> usize;

    /// How many retained messages an instance has, and how many messages lie in its inboxes.
    fn counts(&self, instance: &InstanceId) -> Counts;

    /// How many retained messages there are.
    fn retained_count(&self) -> usize;

    /// How many messages lie in inboxes.
    fn offline_count(&self) -> usize;
}
