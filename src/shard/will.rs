//! Wills: published when a connection ends without a goodbye, at once or after their delay.
//!
//! The policies are asked about a will as about any message. Where one waits the will waits for it; its client is gone, so
//! nothing else has to.

use std::rc::Rc;
use std::sync::Arc;

use super::policies::{event_of, patched};
use super::{Shard, Tenant};
use crate::codec::Will;
use crate::hooks::{Client, Hook, Patch, PublishDecision, PublishRequest, Transform};
use crate::message::{Message, Origin, Publication};
use crate::metrics::DropReason;
use crate::store::StoredWill;
use crate::time::Millis;
use crate::topic::TopicName;

/// A will that waits for its time.
pub(super) struct PendingWill {
    pub(super) will: Box<Will>,
    /// When its delay is over.
    pub(super) due: Millis,
}

impl PendingWill {
    /// The will as the store keeps it.
    pub(super) fn to_store(&self) -> StoredWill {
        stored(&self.will, Some(self.due))
    }

    /// The will that the store has kept.
    pub(super) fn from_store(stored: StoredWill, due: Millis) -> Self {
        let StoredWill {
            topic,
            payload,
            forward,
            qos,
            retain,
            delay,
            message_expiry,
            ..
        } = stored;
        let will = Will {
            topic,
            payload,
            qos,
            retain,
            delay,
            message_expiry,
            forward,
        };
        Self {
            will: Box::new(will),
            due,
        }
    }
}

/// A will as the store keeps it; while its client is connected it is not due.
pub(super) fn stored(will: &Will, due: Option<Millis>) -> StoredWill {
    StoredWill {
        topic: will.topic.clone(),
        payload: will.payload.clone(),
        forward: will.forward.clone(),
        qos: will.qos,
        retain: will.retain,
        delay: will.delay,
        message_expiry: will.message_expiry,
        due,
    }
}

impl Shard {
    /// Publishes a will in its client's name, if its client may publish that, and as policies change it.
    pub(super) fn publish_will(&mut self, will: Box<Will>, client: &Arc<Client>) {
        if self.publish_is_free() {
            return self.publish_allowed_will(&will, client);
        }
        let Some(waits) = self.will_may_wait() else {
            return self.metrics.messages_dropped.add(DropReason::Denied, 1);
        };
        let (aside, client) = (self.aside(), Arc::clone(client));
        let asked_of = aside.generation();
        let work = async move {
            let _turn = aside.turn().await;
            let (said, before) = aside.publish(&client, &asked_about(&will)).await;
            (will, client, said, before)
        };
        self.when_done(work, move |shard, (will, client, said, before)| {
            drop(waits);
            if asked_of == shard.hooks.generation().number() {
                let request = asked_about(&will);
                shard.hooks.compare_publish(&client, &request, &said, before);
            }
            match said {
                PublishDecision::Allow => shard.publish_allowed_will(&will, &client),
                _ => shard.metrics.messages_dropped.add(DropReason::Denied, 1),
            }
        });
    }

    /// A place among the wills that wait for a policy: there are as many as there may be sessions to leave them.
    fn will_may_wait(&self) -> Option<Rc<()>> {
        // The shard itself holds one of them.
        (Rc::strong_count(&self.wills) <= self.shared.limits.sessions).then(|| Rc::clone(&self.wills))
    }

    fn publish_allowed_will(&mut self, will: &Will, client: &Arc<Client>) {
        // Checked at CONNECT.
        let Ok(topic) = TopicName::new(&will.topic) else {
            return;
        };
        let Some(tenant) = self.shared.tenants.get_or_default(Some(&client.instance)) else {
            return;
        };
        let id = self.ids.next_id();
        let mut publication = Publication::new(id, &topic, &will.payload, will.qos, Origin::Will);
        publication.frame = Some(&will.payload);
        publication.forward = &will.forward;
        publication.qos = will.qos.min(tenant.settings.qos_cap);
        publication.retain = will.retain && tenant.settings.retain_available;
        publication.expires_at = self.expires_at(&tenant, will.message_expiry);
        self.metrics.wills_published.add(1);
        if self.hooks.wants(Hook::Will) || self.hooks.wants(Hook::Publish) {
            return self.publish_will_asked(&tenant, &publication.share(), client);
        }
        let Ok(matches) = self.matches.lookup(&tenant.index, &topic) else {
            return;
        };
        if !self.may_reach(Some(client), &matches, &publication) {
            return;
        }
        self.retain(&tenant, &publication, &matches);
        self.route(&tenant, &publication, &matches, None);
    }

    /// The will as the `will` hook, and then the `publish` hook, change it.
    fn publish_will_asked(&mut self, tenant: &Arc<Tenant>, will: &Arc<Message>, client: &Arc<Client>) {
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
        if !self.hooks.wants(Hook::Publish) {
            return self.publish_patched(tenant, Some(client), &will, &Patch::default());
        }
        let Some(waits) = self.will_may_wait() else {
            return self.metrics.messages_dropped.add(DropReason::Policy, 1);
        };
        let (aside, client, tenant) = (self.aside(), Arc::clone(client), Arc::clone(tenant));
        let (event, of) = (event_of(&will), Arc::clone(&client));
        let work = async move {
            let _turn = aside.turn().await;
            aside.change(&of, event).await
        };
        self.when_done(work, move |shard, published| {
            drop(waits);
            if let Some(patch) = shard.changed(&tenant, published) {
                // The instance may be gone by now, and another of its name be there.
                let same = |now: Arc<Tenant>| now.number == tenant.number;
                if shard.shared.tenants.get(&tenant.id).is_some_and(same) {
                    shard.publish_patched(&tenant, Some(&client), &will, &patch);
                }
            }
        });
    }
}

/// A will as the policies are asked about it.
fn asked_about(will: &Will) -> PublishRequest<'_> {
    PublishRequest {
        topic: &will.topic,
        qos: will.qos,
        retain: will.retain,
        origin: Origin::Will,
        payload: &will.payload,
    }
}
