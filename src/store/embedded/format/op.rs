//! What a frame holds: steps of durable state, in order. All of them say what is from now on, so that one that is read a
//! second time, behind later ones, changes nothing.
//!
//! Names are long and come again and again, so a frame spells out each once and then calls it by its number: 1 is the first.

use super::draft::SPAN;
use super::wire::Input;
use crate::codec::QoS;
use crate::store::embedded::index::State;

/// The first byte of an op.
pub(super) mod tag {
    pub(in super::super) const BODY: u8 = 1;
    pub(in super::super) const ENTRY: u8 = 2;
    pub(in super::super) const ACKNOWLEDGE: u8 = 3;
    pub(in super::super) const SENT: u8 = 4;
    pub(in super::super) const RELEASED: u8 = 5;
    pub(in super::super) const RECEIVED: u8 = 6;
    pub(in super::super) const FORGOTTEN: u8 = 7;
    pub(in super::super) const RETAIN: u8 = 8;
    pub(in super::super) const UNRETAIN: u8 = 9;
    pub(in super::super) const EVICT: u8 = 10;
    pub(in super::super) const RECORD: u8 = 11;
    pub(in super::super) const DISCARD: u8 = 12;
    pub(in super::super) const FORGET: u8 = 13;
    pub(in super::super) const START: u8 = 14;
}

/// The bits of an entry's flags.
pub(super) mod flag {
    pub(in super::super) const QOS: u8 = 3;
    pub(in super::super) const RETAIN: u8 = 1 << 2;
    pub(in super::super) const IDS: u8 = 1 << 3;
    pub(in super::super) const SENT: u8 = 1 << 4;
    pub(in super::super) const RELEASED: u8 = 1 << 5;
}

/// Bytes within a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Span {
    pub(in super::super) start: usize,
    pub(in super::super) len: usize,
}

/// Whose inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Owner<'a> {
    /// What the frame calls it.
    pub(in super::super) number: usize,
    pub(in super::super) instance: &'a str,
    pub(in super::super) client: &'a str,
}

/// A message in an inbox, as it is at this place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Entry {
    pub(in super::super) seq: u64,
    pub(in super::super) stored_at: u64,
    pub(in super::super) qos: QoS,
    pub(in super::super) retain: bool,
    pub(in super::super) state: State,
    /// 0 for one that is released.
    pub(in super::super) body: u64,
    pub(in super::super) ids: Vec<u32>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Op<'a> {
    /// The body of this number lies here from now on.
    Body { id: u64, span: Span },
    /// This is in the inbox.
    Entry { owner: Owner<'a>, entry: Entry },
    /// These are not in it any more.
    Acknowledge { owner: Owner<'a>, from: u64, up_to: u64 },
    /// This one is in flight.
    Sent {
        owner: Owner<'a>,
        seq: u64,
        packet_id: u16,
    },
    /// PUBREC has come for this one.
    Released { owner: Owner<'a>, seq: u64 },
    /// This packet id awaits PUBREL.
    Received { owner: Owner<'a>, packet_id: u16 },
    /// It does not any more.
    Forgotten { owner: Owner<'a>, packet_id: u16 },
    /// The retained message of this topic.
    Retain {
        instance: &'a str,
        topic: &'a str,
        body: u64,
    },
    /// There is none any more.
    Unretain { instance: &'a str, topic: &'a str },
    /// What came up to here to any inbox of the instance, and is not released, had to go.
    Evict { instance: &'a str, up_to: u64 },
    /// The record of the session.
    Record {
        owner: Owner<'a>,
        revision: u64,
        span: Span,
    },
    /// There is nothing of the session any more.
    Discard { owner: Owner<'a> },
    /// There is nothing of the instance any more.
    Forget { instance: &'a str },
    /// What is wanted of the segments before this one has been written again: they do not count any more.
    Start { segment: u32 },
}

/// The payload makes no sense, though its sum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Senseless;

/// Reads the ops of a payload.
#[derive(Debug)]
pub(in super::super) struct Ops<'a> {
    len: usize,
    input: Input<'a>,
    instances: Vec<&'a str>,
    owners: Vec<Owner<'a>>,
}

impl<'a> Ops<'a> {
    pub(in super::super) fn new(payload: &'a [u8]) -> Self {
        Self {
            len: payload.len(),
            input: Input::new(payload),
            instances: Vec::new(),
            owners: Vec::new(),
        }
    }

    /// The next, `Ok(None)` at the end.
    pub(in super::super) fn next(&mut self) -> Result<Option<Op<'a>>, Senseless> {
        if self.input.len() == 0 {
            return Ok(None);
        }
        self.read().map(Some).ok_or(Senseless)
    }

    fn read(&mut self) -> Option<Op<'a>> {
        Some(match self.input.byte()? {
            tag::BODY => Op::Body {
                id: self.input.number()?,
                span: self.span()?,
            },
            tag::ENTRY => Op::Entry {
                owner: self.owner()?,
                entry: self.entry()?,
            },
            tag::ACKNOWLEDGE => {
                let owner = self.owner()?;
                let from = self.input.number()?;
                let up_to = from.checked_add(self.input.number()?)?;
                Op::Acknowledge { owner, from, up_to }
            }
            tag::SENT => Op::Sent {
                owner: self.owner()?,
                seq: self.input.number()?,
                packet_id: self.input.small()?,
            },
            tag::RELEASED => Op::Released {
                owner: self.owner()?,
                seq: self.input.number()?,
            },
            tag::RECEIVED => Op::Received {
                owner: self.owner()?,
                packet_id: self.input.small()?,
            },
            tag::FORGOTTEN => Op::Forgotten {
                owner: self.owner()?,
                packet_id: self.input.small()?,
            },
            tag::RETAIN => Op::Retain {
                instance: self.instance()?,
                topic: self.input.text()?,
                body: self.input.number()?,
            },
            tag::UNRETAIN => Op::Unretain {
                instance: self.instance()?,
                topic: self.input.text()?,
            },
            tag::EVICT => Op::Evict {
                instance: self.instance()?,
                up_to: self.input.number()?,
            },
            tag::RECORD => Op::Record {
                owner: self.owner()?,
                revision: self.input.number()?,
                span: self.span()?,
            },
            tag::DISCARD => Op::Discard { owner: self.owner()? },
            tag::FORGET => Op::Forget {
                instance: self.instance()?,
            },
            tag::START => Op::Start {
                segment: self.input.small()?,
            },
            _ => return None,
        })
    }

    fn entry(&mut self) -> Option<Entry> {
        let seq = self.input.number()?;
        let stored_at = self.input.number()?;
        let flags = self.input.byte()?;
        let state = match flags & (flag::SENT | flag::RELEASED) {
            0 => State::Waiting,
            flag::SENT => State::Sent(self.input.small()?),
            flag::RELEASED => State::Released(self.input.small()?),
            _ => return None,
        };
        let body = match state {
            State::Released(_) => 0,
            _ => self.input.number()?,
        };
        let mut ids = Vec::new();
        if flags & flag::IDS != 0 {
            let count: usize = self.input.small()?;
            ids.reserve(count.min(self.input.len()));
            for _ in 0..count {
                ids.push(self.input.small()?);
            }
        }
        Some(Entry {
            seq,
            stored_at,
            qos: QoS::from_bits(flags & flag::QOS)?,
            retain: flags & flag::RETAIN != 0,
            state,
            body,
            ids,
        })
    }

    fn owner(&mut self) -> Option<Owner<'a>> {
        let number: usize = self.input.small()?;
        if let Some(known) = number.checked_sub(1) {
            return self.owners.get(known).copied();
        }
        let owner = Owner {
            number: self.owners.len() + 1,
            instance: self.instance()?,
            client: self.input.text()?,
        };
        self.owners.push(owner);
        Some(owner)
    }

    fn instance(&mut self) -> Option<&'a str> {
        let number: usize = self.input.small()?;
        if let Some(known) = number.checked_sub(1) {
            return self.instances.get(known).copied();
        }
        let instance = self.input.text()?;
        self.instances.push(instance);
        Some(instance)
    }

    fn span(&mut self) -> Option<Span> {
        let len = u32::from_le_bytes(self.input.array::<SPAN>()?) as usize;
        let start = self.len - self.input.len();
        self.input.take(len)?;
        Some(Span { start, len })
    }
}
