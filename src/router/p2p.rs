//! Topics that reach one client: `PARENT/p2p/CLIENT_ID`, whatever that client is subscribed to.

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::instance::{InstanceId, SessionKey, names};

/// What a P2P topic means in an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum P2pMode {
    /// Nothing: it is a topic like any other.
    Off = 0,
    /// The client that it names gets the message, and nobody else.
    Only = 1,
    /// The client that it names gets it, and subscribers whose filters match get it as well.
    AndSubscribers = 2,
}

/// The one client that a topic names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P2pTarget {
    /// Its session.
    pub key: SessionKey,
    /// The shard that the session lives on.
    pub home: u16,
}

/// How an index takes P2P topics.
#[derive(Debug)]
pub(super) struct P2p {
    mode: AtomicU8,
    instance: InstanceId,
    home_seed: RandomState,
    shards: usize,
}

impl P2p {
    pub(super) fn new(instance: InstanceId, home_seed: RandomState, shards: usize) -> Self {
        Self {
            mode: AtomicU8::new(P2pMode::Off as u8),
            instance,
            home_seed,
            shards,
        }
    }

    pub(super) fn set(&self, mode: P2pMode) {
        self.mode.store(mode as u8, Ordering::Release);
    }

    pub(super) fn mode(&self) -> P2pMode {
        match self.mode.load(Ordering::Acquire) {
            1 => P2pMode::Only,
            2 => P2pMode::AndSubscribers,
            _ => P2pMode::Off,
        }
    }

    /// Whom the topic is for, if it is a P2P topic and those mean something here.
    pub(super) fn target(&self, topic: &str) -> Option<Arc<P2pTarget>> {
        if self.mode() == P2pMode::Off {
            return None;
        }
        let key = SessionKey {
            instance: self.instance.clone(),
            client_id: names::p2p_target(topic)?.into(),
        };
        let home = key.home(&self.home_seed, self.shards);
        Some(Arc::new(P2pTarget { key, home }))
    }
}
