//! Wills: published when a connection ends without a goodbye, at once or after their delay.

use std::sync::Arc;

use super::Shard;
use crate::codec::Will;
use crate::hooks::{Client, PublishDecision, PublishRequest};
use crate::message::Origin;
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
    /// Publishes a will in its client's name, if its client may publish that.
    pub(super) fn publish_will(&mut self, will: &Will, client: &Arc<Client>) {
        if !self.publish_is_free() {
            let request = PublishRequest {
                topic: &will.topic,
                qos: will.qos,
                retain: will.retain,
                payload: &will.payload,
            };
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
        let expires_at = self.expires_at(will.message_expiry);
        let Ok(matches) = self.matches.lookup(&self.shared.index, &topic) else {
            return;
        };
        let id = self.ids.next_id();
        let mut publication =
            crate::message::Publication::new(id, &topic, &will.payload, will.qos, Origin::Will);
        publication.frame = Some(&will.payload);
        publication.forward = &will.forward;
        publication.retain = will.retain && self.shared.settings.retain_available;
        publication.expires_at = expires_at;
        if publication.retain {
            self.retain(&publication);
        }
        self.route(&publication, &matches, None);
        self.metrics.wills_published.add(1);
    }
}
