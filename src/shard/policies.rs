//! Hooks on the way of a message: where else it goes, who may have it, what each gets. Without such hooks none of this is
//! reached; the way in [`super::deliver`] tests one bit for it.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::slot::Slot;
use super::trace::delivered_said;
use super::{Shard, Tenant, wire_properties};
use crate::hooks::{Client, Delivered, Hook, Patch, PublishEvent, Published, Routed, Transform};
use crate::instance::SessionKey;
use crate::message::{Delivery, Message, Publication};
use crate::metrics::DropReason;
use crate::router::{Matches, SubscriberId};
use crate::session::Receiver;
use crate::time::Millis;
use crate::topic::TopicName;

/// How many answers about deliveries a shard keeps; then it begins anew.
const KEPT: usize = 65_536;
/// How long a limit that a policy gave is kept.
const LIMIT_KEPT_MS: u64 = 10_000;

/// Answers that are kept on the shard, for one generation.
#[derive(Default)]
pub(super) struct KeptAnswers {
    generation: u64,
    /// `authorize_deliver`: by receiver, and by topic.
    deliveries: HashMap<u64, HashMap<Box<str>, bool, FxBuildHasher>, FxBuildHasher>,
    count: usize,
    /// `limit`, by instance: until when, and how high.
    limits: HashMap<(u32, &'static str), (Millis, Option<usize>), FxBuildHasher>,
}

impl KeptAnswers {
    fn of(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation || self.count > KEPT {
            *self = Self {
                generation,
                ..Self::default()
            };
        }
        self
    }
}

impl Shard {
    /// A limit as a policy sets it, or as it is configured.
    pub(super) fn limit(&mut self, tenant: &Tenant, name: &'static str, configured: usize) -> usize {
        if !self.hooks.wants(Hook::Limit) {
            return configured;
        }
        let (generation, now) = (self.hooks.generation().number(), self.now);
        if let Some((until, limit)) = self
            .kept_answers
            .of(generation)
            .limits
            .get(&(tenant.number, name))
            && *until > now
        {
            return limit.unwrap_or(configured);
        }
        let limit = self
            .hooks
            .limit(tenant.id.as_str(), name)
            .map(|limit| limit as usize);
        let until = Millis(now.0 + LIMIT_KEPT_MS);
        self.kept_answers
            .limits
            .insert((tenant.number, name), (until, limit));
        limit.unwrap_or(configured)
    }

    /// The `route` hook: more topics, more clients, or nobody. Answers with how many got it.
    pub(super) fn route_asked(
        &mut self,
        tenant: &Tenant,
        publication: &Publication<'_>,
        matches: &Arc<Matches>,
        publisher: Option<SubscriberId>,
    ) -> usize {
        let receivers =
            matches.by_shard.iter().map(|shard| shard.len()).sum::<usize>() + matches.groups.len();
        let client = publisher.and_then(|publisher| match self.slot(publisher) {
            Some(Slot::Live(live)) => Some(Arc::clone(&live.client)),
            _ => None,
        });
        let shared = publication.share();
        let Routed {
            drop,
            topics,
            clients,
        } = self.hooks.route(client.as_ref(), event_of(&shared), receivers);
        if drop.is_some() {
            self.metrics.messages_dropped.add(DropReason::Policy, 1);
            return 0;
        }
        let mut got = self.route_matches(publication, matches, publisher);
        for topic in topics {
            let Ok(topic) = TopicName::new(&topic) else {
                continue;
            };
            let Ok(matches) = self.matches.lookup(&tenant.index, &topic) else {
                continue;
            };
            let mut copy = Publication::new(
                self.ids.next_id(),
                &topic,
                &shared.payload,
                publication.qos,
                publication.origin,
            );
            copy.frame = Some(&shared.payload);
            copy.forward = publication.forward;
            copy.expires_at = publication.expires_at;
            got += self.route_matches(&copy, &matches, publisher);
        }
        for target in clients {
            if self.hooks.wants(Hook::P2p)
                && let Err(reason) = self.hooks.p2p(client.as_ref(), &target, event_of(&shared))
            {
                tracing::debug!(%target, %reason, "a message for one client was denied");
                self.metrics.messages_dropped.add(DropReason::Denied, 1);
                continue;
            }
            let message = crate::hooks::NewMessage {
                topic: shared.topic.as_str().into(),
                payload: shared.payload.clone(),
                qos: publication.qos,
                retain: false,
                properties: wire_properties::read(publication.forward),
            };
            let key = SessionKey {
                instance: tenant.id.clone(),
                client_id: target,
            };
            self.send_to_client(key, message);
            got += 1;
        }
        got
    }

    /// One receiver, where policies have a say about deliveries.
    pub(super) fn deliver_asked(
        &mut self,
        publication: &Publication<'_>,
        to: SubscriberId,
        receiver: Receiver<'_>,
    ) {
        let (client, absent) = match self.slot(to) {
            Some(Slot::Live(live)) => (Arc::clone(&live.client), false),
            Some(Slot::Absent(absent)) if absent.tenant.keeps_offline(receiver.qos) => {
                (Arc::clone(&absent.client), true)
            }
            _ => return,
        };
        if !self.may_have(&client, publication.topic) {
            self.metrics.messages_dropped.add(DropReason::Denied, 1);
            return;
        }
        let hook = if absent { Hook::Offline } else { Hook::Deliver };
        if !self.hooks.wants(hook) {
            return self.deliver_unasked(publication, to, receiver);
        }
        let shared = publication.share();
        let delivered = if absent {
            self.hooks.offline(&client, event_of(&shared))
        } else {
            self.hooks.deliver(&client, event_of(&shared))
        };
        self.trace_answer(to.slot, hook, publication.topic, || delivered_said(&delivered));
        match delivered {
            Delivered::Pass => self.deliver_unasked(publication, to, receiver),
            Delivered::Skip(_) => self.observe_dropped(to.slot, publication.topic, DropReason::Policy),
            Delivered::Patch(patch) => {
                // What the others get must not be taken for this one's, nor the other way round.
                self.wires.reset();
                let payload = patch.payload.as_deref().unwrap_or(publication.payload);
                let forward = patch.properties.as_ref().map(wire_properties::write);
                let mut own = Publication::new(
                    publication.id,
                    publication.topic,
                    payload,
                    publication.qos,
                    publication.origin,
                );
                own.forward = forward.as_deref().unwrap_or(publication.forward);
                own.retain = publication.retain;
                own.expires_at = publication.expires_at;
                self.deliver_unasked(&own, to, receiver);
                self.wires.reset();
            }
        }
    }

    /// A message that waited for this session, as policies let it through.
    pub(super) fn delivery_asked(&mut self, to: SubscriberId, delivery: Delivery) -> Option<Delivery> {
        let client = match self.slot(to) {
            Some(Slot::Live(live)) => Arc::clone(&live.client),
            _ => return Some(delivery),
        };
        if !self.may_have(&client, delivery.message.topic.as_str()) {
            self.metrics.messages_dropped.add(DropReason::Denied, 1);
            return None;
        }
        if !self.hooks.wants(Hook::Deliver) {
            return Some(delivery);
        }
        let delivered = self.hooks.deliver(&client, event_of(&delivery.message));
        self.trace_answer(to.slot, Hook::Deliver, &delivery.message.topic, || {
            delivered_said(&delivered)
        });
        match delivered {
            Delivered::Pass => Some(delivery),
            Delivered::Skip(_) => {
                self.observe_dropped(to.slot, delivery.message.topic.as_str(), DropReason::Policy);
                None
            }
            Delivered::Patch(patch) => {
                let message = patched(&delivery.message, &patch)?;
                Some(Delivery { message, ..delivery })
            }
        }
    }

    fn may_have(&mut self, client: &Arc<Client>, topic: &str) -> bool {
        if !self.hooks.wants(Hook::AuthorizeDeliver) {
            return true;
        }
        let kept = self.kept_answers.of(self.hooks.generation().number());
        let known = kept
            .deliveries
            .get(&client.serial())
            .and_then(|topics| topics.get(topic));
        if let Some(allowed) = known {
            return *allowed;
        }
        let allowed = self.hooks.authorize_deliver(client, topic);
        self.kept_answers.count += 1;
        let topics = self.kept_answers.deliveries.entry(client.serial()).or_default();
        topics.insert(topic.into(), allowed);
        allowed
    }

    /// What the `publish` hook made of a message that did not come in a PUBLISH; `None` if it goes no further.
    pub(super) fn changed(&mut self, tenant: &Tenant, published: Published) -> Option<Box<Patch>> {
        let Published { transform, more } = published;
        for new in more {
            self.publish_unasked(tenant, new);
        }
        match transform {
            Transform::Pass => Some(Box::default()),
            Transform::Patch(patch) => Some(patch),
            Transform::Drop(_) => {
                self.metrics.messages_dropped.add(DropReason::Policy, 1);
                None
            }
        }
    }

    /// Publishes a message that the broker or a script made, as the `publish` hook changed it.
    pub(super) fn publish_patched(
        &mut self,
        tenant: &Tenant,
        client: Option<&Arc<Client>>,
        old: &Arc<Message>,
        patch: &Patch,
    ) {
        let Some(message) = patched(old, patch) else {
            return;
        };
        let Ok(matches) = self.matches.lookup(&tenant.index, &message.topic) else {
            return;
        };
        let publication = Publication::of(&message);
        if !self.may_reach(client, &matches, &publication) {
            return;
        }
        self.retain(tenant, &publication, &matches);
        self.route(tenant, &publication, &matches, None);
    }
}

/// The message with the changes; `None` if its new topic is none.
pub(super) fn patched(old: &Message, patch: &Patch) -> Option<Arc<Message>> {
    let topic = match &patch.topic {
        Some(topic) => TopicName::new(topic).ok()?,
        None => old.topic.clone(),
    };
    let payload = patch.payload.as_ref().unwrap_or(&old.payload);
    let forward = patch.properties.as_ref().map(wire_properties::write);
    let mut new = Publication::new(old.id, &topic, payload, patch.qos.unwrap_or(old.qos), old.origin);
    new.forward = forward.as_deref().unwrap_or(&old.forward);
    new.retain = patch.retain.unwrap_or(old.retain);
    new.expires_at = old.expires_at;
    Some(new.share())
}

/// A message as hooks see it.
pub(super) fn event_of(message: &Arc<Message>) -> PublishEvent {
    PublishEvent {
        topic: message.topic.as_str().into(),
        payload: message.payload.clone(),
        qos: message.qos,
        retain: message.retain,
        properties: Arc::new(wire_properties::read(&message.forward)),
        origin: message.origin,
        id: message.id,
    }
}
