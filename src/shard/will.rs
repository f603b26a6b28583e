//! Wills: published when a connection ends without a goodbye, at once or after their delay.

use std::sync::Arc;

use super::Shard;
use super::policies::{event_of, patched};
use crate::codec::Will;
use crate::hooks::{Client, Hook, PublishDecision, PublishRequest, Transform};
use crate::message::{Message, Origin, Publication};
use crate::metrics::DropReason;
use crate::time::Millis;
use crate::topic::TopicName;

/// A will that waits for its time.
pub(super) struct PendingWill {
    pub(super) will: Box<Will>,
    /// When its delay is over.
    pub(super) due: Millis,
}

impl Shard {
    /// Publishes a will in its client's name, if its client may publish that, and as policies change it.
    pub(super) fn publish_will(&mut self, will: &Will, client: &Arc<Client>) {
        if !self.publish_is_free() {
            let request = PublishRequest {
                topic: &will.topic,
                qos: will.qos,
                retain: will.retain,
                origin: Origin::Will,
                payload: &will.payload,
            };
            // A policy that waits is not waited for here: nobody is there any more who could.
            let answer = self.hooks.authorize_publish(client, &request);
            if answer.decision != PublishDecision::Allow {
                self.metrics.messages_dropped.add(DropReason::Denied, 1);
                return;
            }
        }
        // Checked at CONNECT.
        let Ok(topic) = TopicName::new(&will.topic) else {
            return;
        };
        let id = self.ids.next_id();
        let mut publication = Publication::new(id, &topic, &will.payload, will.qos, Origin::Will);
        publication.frame = Some(&will.payload);
        publication.forward = &will.forward;
        publication.retain = will.retain && self.shared.settings.retain_available;
        publication.expires_at = self.expires_at(will.message_expiry);
        self.metrics.wills_published.add(1);
        if self.hooks.wants(Hook::Will) || self.hooks.wants(Hook::Publish) {
            return self.publish_will_asked(&publication.share(), client);
        }
        let Ok(matches) = self.matches.lookup(&self.shared.index, &topic) else {
            return;
        };
        if publication.retain {
            self.retain(&publication);
        }
        self.route(&publication, &matches, None);
    }

    /// The will as the `will` hook, and then the `publish` hook, change it.
    fn publish_will_asked(&mut self, will: &Arc<Message>, client: &Arc<Client>) {
        let mut will = Arc::clone(will);
        if self.hooks.wants(Hook::Will) {
            match self.hooks.will(client, event_of(&will)).transform {
                Transform::Pass => {}
                Transform::Patch(patch) => match patched(&will, &patch) {
                    Some(changed) => will = changed,
                    None => return,
                },
                Transform::Drop(_) => {
                    self.metrics.messages_dropped.add(DropReason::Policy, 1);
                    return;
                }
            }
        }
        if let Some(patch) = self.changed(Some(client), &will) {
            self.publish_patched(&will, &patch);
        }
    }
}
