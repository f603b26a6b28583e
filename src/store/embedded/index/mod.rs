//! The index: what is where on the disk, and who wants it. In memory only; recovery makes it anew.

mod bodies;
mod inbox;
mod instance;
mod session;

use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

use crate::instance::InstanceId;
pub(super) use bodies::{Bodies, Handle, Location};
pub(super) use inbox::{Entry, Inbox, State};
pub(super) use instance::{Evicted, Instance};
pub(super) use session::{Record, Session};

use super::format::segment::Next;

/// All instances.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_name: HashMap<Arc<str>, u32>,
    pub(super) instances: Slab<Instance>,
    pub(super) bodies: Bodies,
    /// The numbers to be given next: one row over all instances, so that none is given twice whatever is forgotten.
    pub(super) next: Next,
}

impl Index {
    pub(super) fn place(&self, instance: &str) -> Option<u32> {
        self.by_name.get(instance).copied()
    }

    pub(super) fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.get(self.place(id)? as usize)
    }

    pub(super) fn instance_mut(&mut self, place: u32) -> Option<&mut Instance> {
        self.instances.get_mut(place as usize)
    }

    /// An instance with the bodies that it shares with all others.
    pub(super) fn parts(&mut self, instance: &str) -> Option<(&mut Instance, &mut Bodies)> {
        let place = self.place(instance)?;
        let instance = self.instances.get_mut(place as usize)?;
        Some((instance, &mut self.bodies))
    }

    /// Where an instance is, which is made if there is none.
    pub(super) fn place_or_new(&mut self, instance: &str) -> u32 {
        if let Some(place) = self.place(instance) {
            return place;
        }
        let name: Arc<str> = instance.into();
        let id = InstanceId::from(Arc::clone(&name));
        let place = u32::try_from(self.instances.insert(Instance::new(id))).unwrap_or(u32::MAX);
        self.by_name.insert(name, place);
        place
    }

    /// Forgets all of an instance; whether there was anything.
    pub(super) fn forget(&mut self, instance: &str) -> bool {
        let Some(place) = self.by_name.remove(instance) else {
            return false;
        };
        if let Some(mut instance) = self.instances.try_remove(place as usize) {
            instance.clear(&mut self.bodies);
        }
        true
    }

    /// Shows each location there is, to be changed.
    pub(super) fn relocate(&mut self, mut change: impl FnMut(&mut Location)) {
        self.bodies.locations().for_each(&mut change);
        for (_, instance) in &mut self.instances {
            for (_, session) in &mut instance.sessions {
                session.record_location().map(&mut change);
            }
        }
    }

    /// How many messages lie in inboxes.
    pub(super) fn len(&self) -> usize {
        self.instances.iter().map(|(_, instance)| instance.len()).sum()
    }

    /// How many retained messages there are.
    pub(super) fn retained(&self) -> usize {
        let all = self.instances.iter();
        all.map(|(_, instance)| instance.retained.len()).sum()
    }
}
