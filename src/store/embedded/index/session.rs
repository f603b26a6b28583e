//! What is known of one session without a look at the disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bodies::{Bodies, Location};
use super::inbox::{Entry, Inbox};
use crate::store::embedded::format::draft::{Mark, Tenant, Whose};

/// Where a session record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Record {
    pub(in super::super) revision: u64,
    pub(in super::super) location: Location,
}

/// One session. There may be millions, of which most have an empty inbox.
#[derive(Debug)]
pub(in super::super) struct Session {
    /// To find the name by the place.
    pub(in super::super) client: Arc<str>,
    record: Option<Record>,
    pub(in super::super) inbox: Option<Box<Inbox>>,
    /// Inbound QoS 2 packet ids that await PUBREL.
    #[expect(
        clippy::box_collection,
        reason = "nearly all sessions have none, and there are many sessions"
    )]
    received: Option<Box<BTreeSet<u16>>>,
    /// The length of the names of client and instance, which each of its ops may spell out.
    pub(in super::super) names: u32,
    mark: Mark,
}

impl Session {
    pub(in super::super) fn new(client: Arc<str>, instance: &str) -> Self {
        let names = client.len() + instance.len();
        Self {
            client,
            record: None,
            inbox: None,
            received: None,
            names: u32::try_from(names).unwrap_or(u32::MAX),
            mark: Mark::default(),
        }
    }

    /// Nothing is kept of it, so it is none.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.record.is_none() && self.inbox.is_none() && self.received.is_none()
    }

    /// How an op calls it.
    pub(in super::super) fn whose<'a>(&'a mut self, instance: Tenant<'a>) -> Whose<'a> {
        Whose {
            instance,
            client: &self.client,
            mark: &mut self.mark,
        }
    }

    pub(in super::super) fn record(&self) -> Option<Record> {
        self.record
    }

    /// Its record from now on.
    pub(in super::super) fn set_record(&mut self, record: Option<Record>, bodies: &mut Bodies) {
        let names = self.names as usize;
        if let Some(old) = self.record {
            bodies.unwant(names + old.location.len as usize);
        }
        if let Some(new) = &record {
            bodies.want(names + new.location.len as usize);
        }
        self.record = record;
    }

    /// The record lies elsewhere.
    pub(in super::super) fn record_location(&mut self) -> Option<&mut Location> {
        self.record.as_mut().map(|record| &mut record.location)
    }

    pub(in super::super) fn received(&self) -> impl Iterator<Item = u16> {
        self.received.iter().flat_map(|ids| ids.iter().copied())
    }

    pub(in super::super) fn has_received(&self, packet_id: u16) -> bool {
        self.received.as_ref().is_some_and(|ids| ids.contains(&packet_id))
    }

    /// A packet id awaits PUBREL. It did before, if this says no.
    pub(in super::super) fn add_received(&mut self, packet_id: u16, bodies: &mut Bodies) -> bool {
        let new = self.received.get_or_insert_default().insert(packet_id);
        if new {
            bodies.want(self.names as usize);
        }
        new
    }

    /// It does not any more. It did not before, if this says no.
    pub(in super::super) fn remove_received(&mut self, packet_id: u16, bodies: &mut Bodies) -> bool {
        let Some(ids) = &mut self.received else {
            return false;
        };
        let was = ids.remove(&packet_id);
        if was {
            bodies.unwant(self.names as usize);
        }
        if ids.is_empty() {
            self.received = None;
        }
        was
    }

    /// The entry of this number.
    pub(in super::super) fn entry(&self, seq: u64) -> Option<&Entry> {
        self.inbox.as_ref()?.get(seq)
    }

    /// An entry is wanted from now on, and its body.
    pub(in super::super) fn want_entry(names: u32, entry: &Entry, ids: &[u32], bodies: &mut Bodies) {
        bodies.want(names as usize + 5 * ids.len());
        if entry.has_body() {
            bodies.hold(entry.body);
        }
    }

    /// It is not any more.
    pub(in super::super) fn unwant_entry(names: u32, entry: &Entry, ids: &[u32], bodies: &mut Bodies) {
        bodies.unwant(names as usize + 5 * ids.len());
        if entry.has_body() {
            bodies.release(entry.body);
        }
    }

    /// Wants what it has besides entries, anew.
    pub(in super::super) fn want_all(&self, bodies: &mut Bodies) {
        if let Some(record) = self.record {
            bodies.want(self.names as usize + record.location.len as usize);
        }
        for _ in self.received() {
            bodies.want(self.names as usize);
        }
    }

    /// Lets go all that it has; shows the entries that had a body.
    pub(in super::super) fn clear(&mut self, bodies: &mut Bodies, mut show: impl FnMut(&Entry)) {
        self.set_record(None, bodies);
        if let Some(ids) = self.received.take() {
            for _ in ids.iter() {
                bodies.unwant(self.names as usize);
            }
        }
        if let Some(inbox) = self.inbox.take() {
            for entry in inbox.entries() {
                Self::unwant_entry(self.names, entry, inbox.ids(entry), bodies);
                if entry.has_body() {
                    show(entry);
                }
            }
        }
    }
}
