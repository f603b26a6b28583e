//! Events for observers: written down on the hot path, told to policies afterwards.

use super::client::Client;
use crate::codec::{QoS, ReasonCode};
use crate::message::MessageId;
use dunlin_plugin_api::Hook;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A session began or was resumed: the client got a CONNACK that lets it in.
    SessionStart {
        /// Whose session.
        client: Arc<Client>,
        /// Whether there was a session to resume (Session Present).
        resumed: bool,
    },
    /// A session ended for good: what was kept for it is gone.
    SessionEnd {
        /// Whose session.
        client: Arc<Client>,
        /// Why: `expired`, `clean start`, `kicked`.
        reason: Cow<'static, str>,
    },
    /// A connection ended.
    Disconnect {
        /// Whose connection.
        client: Arc<Client>,
        /// The reason code of the DISCONNECT, sent or received, or the nearest one where there was none.
        code: ReasonCode,
        /// Why, in words.
        reason: Cow<'static, str>,
        /// Whether the client ended it, with a DISCONNECT.
        by_client: bool,
        /// PUBLISH packets that came from it.
        received: u64,
        /// PUBLISH packets that went to it.
        sent: u64,
    },
    /// A receiver acknowledged a message: PUBACK, or PUBCOMP.
    Acked {
        /// Who received it.
        client: Arc<Client>,
        /// The topic of the message.
        topic: Arc<str>,
        /// The QoS at which it was delivered.
        qos: QoS,
        /// Which message.
        message_id: MessageId,
    },
    /// Messages were dropped.
    Dropped {
        /// Who did not get them, or could not publish them; `None` when no client was concerned.
        client: Option<Arc<Client>>,
        /// The topic of the (first) message.
        topic: Arc<str>,
        /// Why: `queue full`, `expired`, `not authorized`, or a policy's own reason.
        reason: Cow<'static, str>,
        /// How many.
        count: u64,
    },
}

impl Event {
    /// The hook that is told of it.
    pub fn hook(&self) -> Hook {
        match self {
            Event::SessionStart { .. } => Hook::SessionStart,
            Event::SessionEnd { .. } => Hook::SessionEnd,
            Event::Disconnect { .. } => Hook::Disconnect,
            Event::Acked { .. } => Hook::Acked,
            Event::Dropped { .. } => Hook::Dropped,
        }
    }

    /// The client that it is about.
    pub fn client(&self) -> Option<&Arc<Client>> {
        match self {
            Event::SessionStart { client, .. }
            | Event::SessionEnd { client, .. }
            | Event::Disconnect { client, .. }
            | Event::Acked { client, .. } => Some(client),
            Event::Dropped { client, .. } => client.as_ref(),
        }
    }
}

/// The events that wait on one shard. Bounded: when it is full the newest is lost, so that what is told is in order and
/// without gaps up to the point where it stops.
#[derive(Debug)]
pub(crate) struct EventQueue {
    waiting: VecDeque<Event>,
    most: usize,
}

impl EventQueue {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            most,
        }
    }

    /// Puts an event in; `false` when it was lost.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let fits = self.waiting.len() < self.most;
        if fits {
            self.waiting.push_back(event);
        }
        fits
    }

    /// Takes the first events, as far as they are of one kind, and at most so many.
    pub(crate) fn pop_alike(&mut self, most: usize) -> Vec<Event> {
        let Some(hook) = self.waiting.front().map(Event::hook) else {
            return Vec::new();
        };
        let alike = self
            .waiting
            .iter()
            .take(most)
            .take_while(|event| event.hook() == hook);
        let alike = alike.count();
        self.waiting.drain(..alike).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
