//! The retained messages of all instances.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::instance::InstanceId;
use crate::message::Message;
use crate::time::Millis;
use crate::topic::tree::TopicTree;
use crate::topic::{TopicFilter, TopicName};

/// Retained messages by instance and topic.
#[derive(Debug, Default)]
pub(super) struct Retained {
    trees: HashMap<InstanceId, TopicTree<Arc<Message>>>,
    /// How many there are over all instances.
    len: usize,
}

impl Retained {
    /// The instances that have any.
    pub(super) fn instances(&self) -> impl Iterator<Item = InstanceId> {
        self.trees.keys().cloned()
    }

    /// The message of a topic from now on, or none.
    pub(super) fn set(&mut self, instance: &InstanceId, topic: &TopicName, message: Option<Arc<Message>>) {
        match message {
            Some(message) => {
                let tree = self.trees.entry(instance.clone()).or_default();
                self.len += usize::from(tree.insert(topic, message).is_none());
            }
            None => {
                let Some(tree) = self.trees.get_mut(instance) else {
                    return;
                };
                self.len -= usize::from(tree.remove(topic).is_some());
                if tree.is_empty() {
                    self.trees.remove(instance);
                }
            }
        }
    }

    /// Those that a filter matches and that have not expired.
    pub(super) fn matching(
        &self,
        instance: &InstanceId,
        filter: &TopicFilter,
        now: Millis,
    ) -> Vec<Arc<Message>> {
        let mut found = Vec::new();
        if let Some(tree) = self.trees.get(instance) {
            tree.matching(filter, |_, message| {
                if message.remaining_expiry(now).is_ok() {
                    found.push(Arc::clone(message));
                }
            });
        }
        found
    }

    /// Forgets all of an instance.
    pub(super) fn forget(&mut self, instance: &InstanceId) {
        if let Some(tree) = self.trees.remove(instance) {
            self.len -= tree.len();
        }
    }

    /// How many an instance has.
    pub(super) fn len_of(&self, instance: &InstanceId) -> usize {
        self.trees.get(instance).map_or(0, TopicTree::len)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}
