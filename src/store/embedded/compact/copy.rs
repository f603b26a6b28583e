//! Writes again what is wanted of an old frame: what it said of something that is there still, as that is by now.

use super::source::Frame;
use crate::store::embedded::format::draft::{Draft, NewEntry};
use crate::store::embedded::format::op::{Op, Owner, Span};
use crate::store::embedded::index::{Index, Location, Record};

/// Copies ops of one frame.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    index: &'a mut Index,
    draft: &'a mut Draft,
    frame: &'a Frame<'a>,
}

impl<'a> Copy<'a> {
    pub(super) fn new(index: &'a mut Index, draft: &'a mut Draft, frame: &'a Frame<'a>) -> Self {
        Self { index, draft, frame }
    }

    pub(super) fn op(&mut self, op: &Op<'_>) {
        // What is not wanted is nothing to be done.
        let _ = match op {
            Op::Body { span, .. } => self.body(*span),
            Op::Entry { owner, entry } => self.entry(*owner, entry.seq),
            Op::Received { owner, packet_id } => self.received(*owner, *packet_id),
            Op::Retain {
                instance,
                topic,
                body,
            } => self.retain(instance, topic, *body),
            Op::Record { owner, span, .. } => self.record(*owner, *span),
            // The entry says how far it has come.
            Op::Sent { .. } | Op::Released { .. } => None,
            // What these did away with lay before them, and is away.
            Op::Acknowledge { .. }
            | Op::Forgotten { .. }
            | Op::Unretain { .. }
            | Op::Evict { .. }
            | Op::Discard { .. }
            | Op::Forget { .. }
            | Op::Start { .. } => None,
        };
    }

    fn body(&mut self, span: Span) -> Option<()> {
        let here = self.location(span)?;
        let handle = self.frame.body_at(here.offset)?;
        let body = self
            .index
            .bodies
            .get(handle)
            .filter(|body| body.location == here)?;
        let bytes = self.bytes(span)?;
        let location = self.draft.body_bytes(body.id, bytes);
        self.index.bodies.place(handle, location);
        Some(())
    }

    fn entry(&mut self, owner: Owner<'_>, seq: u64) -> Option<()> {
        let (instance, bodies) = self.index.parts(owner.instance)?;
        let place = instance.place(owner.client)?;
        let inbox = instance.sessions.get(place as usize)?.inbox.as_ref()?;
        let entry = *inbox.get(seq)?;
        let ids = inbox.ids(&entry).to_vec();
        let new = NewEntry {
            seq,
            stored_at: entry.stored_at(),
            qos: entry.qos() as u8,
            retain: entry.retain(),
            state: entry.state(),
            body: bodies.get(entry.body).map_or(0, |body| body.id),
            ids: &ids,
        };
        self.draft.entry(instance.whose(place)?, &new);
        Some(())
    }

    fn received(&mut self, owner: Owner<'_>, packet_id: u16) -> Option<()> {
        let (instance, _) = self.index.parts(owner.instance)?;
        let place = instance.place(owner.client)?;
        let session = instance.sessions.get(place as usize)?;
        if session.has_received(packet_id) {
            self.draft.received(instance.whose(place)?, packet_id);
        }
        Some(())
    }

    fn retain(&mut self, instance: &str, topic: &str, body: u64) -> Option<()> {
        let (instance, bodies) = self.index.parts(instance)?;
        let handle = *instance.retained.get(topic)?;
        if bodies.is(handle, body) {
            self.draft.retain(instance.tenant(), topic, body);
        }
        Some(())
    }

    fn record(&mut self, owner: Owner<'_>, span: Span) -> Option<()> {
        let here = self.location(span)?;
        let bytes = self.bytes(span)?;
        let (instance, bodies) = self.index.parts(owner.instance)?;
        let place = instance.place(owner.client)?;
        let record = instance.sessions.get(place as usize)?.record()?;
        if record.location != here {
            return None;
        }
        let revision = record.revision;
        let location = self.draft.record_bytes(instance.whose(place)?, revision, bytes);
        let session = instance.sessions.get_mut(place as usize)?;
        session.set_record(Some(Record { revision, location }), bodies);
        Some(())
    }

    fn location(&self, span: Span) -> Option<Location> {
        Some(Location {
            segment: self.frame.segment,
            offset: u32::try_from(self.frame.start + span.start as u64).ok()?,
            len: u32::try_from(span.len).ok()?,
        })
    }

    fn bytes(&self, span: Span) -> Option<&'a [u8]> {
        self.frame.payload.get(span.start..span.start + span.len)
    }
}
