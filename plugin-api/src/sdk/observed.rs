//! What observers are told, with the lifetimes of the call.

use super::client::{Client, text};
use crate::abi;
use std::marker::PhantomData;

/// `session_start`: A session began or was resumed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionStart<'a> {
    /// The client.
    pub client: Client<'a>,
    /// Whether there was a session to resume.
    pub resumed: bool,
}

impl<'a> SessionStart<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::SessionStart) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            resumed: raw.resumed != 0,
        })
    }
}

/// `session_end`: A session ended for good.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionEnd<'a> {
    /// The client.
    pub client: Client<'a>,
    /// Why, such as `expired`.
    pub reason: &'a str,
}

impl<'a> SessionEnd<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::SessionEnd) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            reason: text(raw.reason, of)?,
        })
    }
}

/// `disconnect`: A connection ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Disconnected<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The reason code of the DISCONNECT, or the nearest one.
    pub code: u8,
    /// Why, in words.
    pub reason: &'a str,
    /// Whether the client ended it.
    pub by_client: bool,
    /// Messages that came from it.
    pub received: u64,
    /// Messages that went to it.
    pub sent: u64,
}

impl<'a> Disconnected<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::Disconnected) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            code: u8::try_from(raw.code).ok()?,
            reason: text(raw.reason, of)?,
            by_client: raw.by_client != 0,
            received: raw.received,
            sent: raw.sent,
        })
    }
}

/// `acked`: A receiver acknowledged a message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Acked<'a> {
    /// The client.
    pub client: Client<'a>,
    /// Its topic.
    pub topic: &'a str,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The message's id.
    pub message_id: &'a str,
}

impl<'a> Acked<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::Acked) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            topic: text(raw.topic, of)?,
            qos: u8::try_from(raw.qos).ok()?,
            message_id: text(raw.message_id, of)?,
        })
    }
}

/// `dropped`: Messages were dropped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dropped<'a> {
    /// The client; `None` when no client is concerned.
    pub client: Option<Client<'a>>,
    /// The topic of the (first) message.
    pub topic: &'a str,
    /// Why, such as `queue full`.
    pub reason: &'a str,
    /// How many.
    pub count: u64,
}

impl<'a> Dropped<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::Dropped) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of),
            topic: text(raw.topic, of)?,
            reason: text(raw.reason, of)?,
            count: raw.count,
        })
    }
}
