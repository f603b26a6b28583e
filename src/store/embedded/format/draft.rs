//! A frame in the making: what writes the ops that [`op`](super::op) reads.

use super::op::{flag, tag};
use super::wire::{put_bytes, put_number};
use super::{body, frame, record};
use crate::message::Message;
use crate::store::durable::SessionRecord;
use crate::store::embedded::index::{Location, State};

/// Bytes of the length of what is read alone.
pub(super) const SPAN: usize = 4;

/// What the frame of this number calls a name, kept with what has the name.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Mark {
    frame: u64,
    number: u32,
}

/// An instance that an op is about.
#[derive(Debug)]
pub(in super::super) struct Tenant<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) mark: &'a mut Mark,
}

/// A session that an op is about.
#[derive(Debug)]
pub(in super::super) struct Whose<'a> {
    pub(in super::super) instance: Tenant<'a>,
    pub(in super::super) client: &'a str,
    pub(in super::super) mark: &'a mut Mark,
}

/// An entry as it is written.
#[derive(Debug)]
pub(in super::super) struct NewEntry<'a> {
    pub(in super::super) seq: u64,
    pub(in super::super) stored_at: u64,
    pub(in super::super) qos: u8,
    pub(in super::super) retain: bool,
    pub(in super::super) state: State,
    pub(in super::super) body: u64,
    pub(in super::super) ids: &'a [u32],
}

/// A frame that is not written yet.
#[derive(Debug)]
pub(in super::super) struct Draft {
    /// The header's place, and the ops so far.
    bytes: Vec<u8>,
    number: u64,
    /// Where the frame will begin.
    segment: u32,
    offset: u64,
    /// How many names it has spelled out.
    instances: u32,
    sessions: u32,
}

impl Draft {
    /// An empty one that will begin at this place.
    pub(in super::super) fn new(number: u64, segment: u32, offset: u64) -> Self {
        Self {
            bytes: vec![0; frame::HEADER],
            number,
            segment,
            offset,
            instances: 0,
            sessions: 0,
        }
    }

    /// Nothing is in it.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.bytes.len() == frame::HEADER
    }

    pub(in super::super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The frame, as it is written.
    pub(in super::super) fn finish(mut self, synced: u64) -> Vec<u8> {
        frame::finish(&mut self.bytes, self.number, synced);
        self.bytes
    }

    /// Writes a message's body; where it will lie. `known` looks at its bytes: if they lie somewhere already, this writes nothing.
    pub(in super::super) fn body<T>(
        &mut self,
        id: u64,
        message: &Message,
        known: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Location, T> {
        let before = self.bytes.len();
        self.bytes.push(tag::BODY);
        put_number(&mut self.bytes, id);
        let place = self.open();
        self.bytes.reserve(body::size(message));
        body::encode(&mut self.bytes, message);
        let found = known(self.bytes.get(place..).unwrap_or_default());
        if let Some(found) = found {
            self.bytes.truncate(before);
            return Err(found);
        }
        Ok(self.close(place))
    }

    /// Writes a body again.
    pub(in super::super) fn body_bytes(&mut self, id: u64, bytes: &[u8]) -> Location {
        self.bytes.push(tag::BODY);
        put_number(&mut self.bytes, id);
        let place = self.open();
        self.bytes.extend_from_slice(bytes);
        self.close(place)
    }

    pub(in super::super) fn entry(&mut self, whose: Whose<'_>, entry: &NewEntry<'_>) {
        self.bytes.push(tag::ENTRY);
        self.whose(whose);
        put_number(&mut self.bytes, entry.seq);
        put_number(&mut self.bytes, entry.stored_at);
        let mut flags = entry.qos & flag::QOS;
        if entry.retain {
            flags |= flag::RETAIN;
        }
        if !entry.ids.is_empty() {
            flags |= flag::IDS;
        }
        flags |= match entry.state {
            State::Waiting => 0,
            State::Sent(_) => flag::SENT,
            State::Released(_) => flag::RELEASED,
        };
        self.bytes.push(flags);
        match entry.state {
            State::Waiting => put_number(&mut self.bytes, entry.body),
            State::Sent(packet_id) => {
                put_number(&mut self.bytes, packet_id.into());
                put_number(&mut self.bytes, entry.body);
            }
            State::Released(packet_id) => put_number(&mut self.bytes, packet_id.into()),
        }
        if !entry.ids.is_empty() {
            put_number(&mut self.bytes, entry.ids.len() as u64);
            for id in entry.ids {
                put_number(&mut self.bytes, u64::from(*id));
            }
        }
    }

    pub(in super::super) fn acknowledge(&mut self, whose: Whose<'_>, from: u64, up_to: u64) {
        self.bytes.push(tag::ACKNOWLEDGE);
        self.whose(whose);
        put_number(&mut self.bytes, from);
        put_number(&mut self.bytes, up_to.saturating_sub(from));
    }

    pub(in super::super) fn sent(&mut self, whose: Whose<'_>, seq: u64, packet_id: u16) {
        self.bytes.push(tag::SENT);
        self.whose(whose);
        put_number(&mut self.bytes, seq);
        put_number(&mut self.bytes, packet_id.into());
    }

    pub(in super::super) fn released(&mut self, whose: Whose<'_>, seq: u64) {
        self.bytes.push(tag::RELEASED);
        self.whose(whose);
        put_number(&mut self.bytes, seq);
    }

    pub(in super::super) fn received(&mut self, whose: Whose<'_>, packet_id: u16) {
        self.bytes.push(tag::RECEIVED);
        self.whose(whose);
        put_number(&mut self.bytes, packet_id.into());
    }

    pub(in super::super) fn forgotten(&mut self, whose: Whose<'_>, packet_id: u16) {
        self.bytes.push(tag::FORGOTTEN);
        self.whose(whose);
        put_number(&mut self.bytes, packet_id.into());
    }

    pub(in super::super) fn retain(&mut self, tenant: Tenant<'_>, topic: &str, body: u64) {
        self.bytes.push(tag::RETAIN);
        self.tenant(tenant);
        put_bytes(&mut self.bytes, topic.as_bytes());
        put_number(&mut self.bytes, body);
    }

    pub(in super::super) fn unretain(&mut self, tenant: Tenant<'_>, topic: &str) {
        self.bytes.push(tag::UNRETAIN);
        self.tenant(tenant);
        put_bytes(&mut self.bytes, topic.as_bytes());
    }

    pub(in super::super) fn evict(&mut self, tenant: Tenant<'_>, up_to: u64) {
        self.bytes.push(tag::EVICT);
        self.tenant(tenant);
        put_number(&mut self.bytes, up_to);
    }

    /// Writes a session record; where it will lie.
    pub(in super::super) fn record(
        &mut self,
        whose: Whose<'_>,
        revision: u64,
        record: &SessionRecord,
    ) -> Location {
        self.bytes.push(tag::RECORD);
        self.whose(whose);
        put_number(&mut self.bytes, revision);
        let place = self.open();
        record::encode(&mut self.bytes, record);
        self.close(place)
    }

    /// Writes a record again.
    pub(in super::super) fn record_bytes(
        &mut self,
        whose: Whose<'_>,
        revision: u64,
        bytes: &[u8],
    ) -> Location {
        self.bytes.push(tag::RECORD);
        self.whose(whose);
        put_number(&mut self.bytes, revision);
        let place = self.open();
        self.bytes.extend_from_slice(bytes);
        self.close(place)
    }

    pub(in super::super) fn discard(&mut self, whose: Whose<'_>) {
        self.bytes.push(tag::DISCARD);
        self.whose(whose);
    }

    pub(in super::super) fn forget(&mut self, tenant: Tenant<'_>) {
        self.bytes.push(tag::FORGET);
        self.tenant(tenant);
    }

    pub(in super::super) fn start(&mut self, segment: u32) {
        self.bytes.push(tag::START);
        put_number(&mut self.bytes, u64::from(segment));
    }

    /// Begins bytes that are read alone, later: leaves a place for their length.
    fn open(&mut self) -> usize {
        self.bytes.extend_from_slice(&[0; SPAN]);
        self.bytes.len()
    }

    /// They are written, from `start` on; where they will lie.
    fn close(&mut self, start: usize) -> Location {
        let len = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start - SPAN..start) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        Location {
            segment: self.segment,
            offset: u32::try_from(self.offset + start as u64).unwrap_or(u32::MAX),
            len,
        }
    }

    fn whose(&mut self, whose: Whose<'_>) {
        let Whose {
            instance,
            client,
            mark,
        } = whose;
        if self.knows(mark) {
            put_number(&mut self.bytes, u64::from(mark.number));
            return;
        }
        self.sessions += 1;
        *mark = self.mark(self.sessions);
        put_number(&mut self.bytes, 0);
        self.tenant(instance);
        put_bytes(&mut self.bytes, client.as_bytes());
    }

    fn tenant(&mut self, tenant: Tenant<'_>) {
        let Tenant { name, mark } = tenant;
        if self.knows(mark) {
            put_number(&mut self.bytes, u64::from(mark.number));
            return;
        }
        self.instances += 1;
        *mark = self.mark(self.instances);
        put_number(&mut self.bytes, 0);
        put_bytes(&mut self.bytes, name.as_bytes());
    }

    fn knows(&self, mark: &Mark) -> bool {
        mark.frame == self.number
    }

    fn mark(&self, number: u32) -> Mark {
        Mark {
            frame: self.number,
            number,
        }
    }
}
