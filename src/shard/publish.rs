//! A PUBLISH, from the packet to everybody who gets it. Read from top to bottom.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::hand::Publisher;
use super::permission::Permission;
use super::policies::event_of;
use super::slot::{Memo, Slot};
use super::tenant::Kind;
use super::trace::transform_said;
use super::wire_properties;
use super::{Shard, Tenant};
use crate::codec::{Publish, QoS, ReasonCode};
use crate::hooks::{Hook, Published, Transform};
use crate::instance::Hit;
use crate::message::{Origin, Publication};
use crate::metrics::DropReason;
use crate::router::Matches;
use crate::session::Close;
use crate::time::Millis;
use crate::topic::{TopicError, TopicName};

impl Shard {
    /// A PUBLISH of the client in `at`. `frame` is its packet's own buffer if it has one.
    #[inline]
    pub(super) fn on_publish(
        &mut self,
        at: u32,
        publish: &Publish<'_>,
        frame: Option<&Bytes>,
    ) -> Result<(), Close> {
        self.metrics.publish_received.inc(publish.qos as u8);
        self.mark_dirty_if_answered(at, publish.qos);

        // What was agreed: quota, alias, duplicate.
        let Some(Slot::Live(live)) = self.slots.get_mut(at as usize) else {
            return Ok(());
        };
        let inbound = live.session.accept_publish(publish, &live.tenant.settings)?;
        let Some(topic) = inbound.topic() else {
            return Ok(());
        };
        let tenant = Rc::clone(&live.tenant);
        if live.conn.pace.is_over(tenant.limits.client_tps, self.now) {
            self.warn_of_pace(at);
        }

        // What the instance has left for this second, and what it takes at all.
        if tenant.has_quota() && !self.spend(at, &tenant, publish.qos) {
            return self.publish_over(at, topic, publish, Hit::Tps);
        }
        if publish.payload.len() > tenant.limits.payload_size {
            return self.publish_over(at, topic, publish, Hit::PayloadSize);
        }
        if topic.starts_with("$SYS/") && self.on_own_topic(at, topic, publish) {
            return Ok(());
        }
        let Some(live) = self.live(at) else { return Ok(()) };

        // Where it goes, if it may. The memo answers both for a client that stays with its topic.
        let mut memo = live.memo.take().filter(|memo| *memo.matches.topic == *topic);
        let is_new = memo.is_none();
        if is_new && let Err(refused) = tenant.admit_topic(topic, Kind::Name) {
            return self.publish_refused(at, topic, publish, refused);
        }
        if self.hooks.wants_beside_the_path() && self.publish_waits(topic) {
            return self.publish_waiting(at, topic, publish);
        }
        match self.may_publish(at, topic, publish, &mut memo) {
            Permission::Granted => {}
            refused => return self.refuse_publish(at, topic, publish, refused),
        }
        if self.hooks.wants(Hook::Publish) {
            return self.publish_transformed(at, topic, publish, frame);
        }
        let allowed = memo.as_ref().and_then(|memo| memo.allowed);
        let matches = match memo {
            Some(memo) if memo.matches.is_current(&tenant.index) => memo.matches,
            _ => self.matches.lookup(&tenant.index, topic).map_err(not_a_topic)?,
        };

        let id = self.ids.next_id();
        let mut publication =
            Publication::new(id, &matches.topic, publish.payload, publish.qos, Origin::Client);
        publication.qos = publish.qos.min(tenant.settings.qos_cap);
        publication.frame = frame;
        publication.forward = &publish.properties.forward;
        publication.retain = publish.retain;
        publication.expires_at = self.expires_at(&tenant, publish.properties.message_expiry);
        if let Some(target) = &matches.p2p
            && let Err(refused) = self.may_send_to(at, target, &publication)
        {
            return self.refuse_publish(at, topic, publish, refused);
        }
        if is_new {
            self.make_parent_of(&tenant, topic);
        }

        self.distribute(at, &tenant, &publication, &matches, publish);
        if let Some(live) = self.live(at) {
            live.memo = Some(Memo { matches, allowed });
        }
        Ok(())
    }

    /// The policies say no.
    pub(super) fn refuse_publish(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        refused: Permission,
    ) -> Result<(), Close> {
        match refused {
            Permission::Granted => Ok(()),
            Permission::Refused(code) => {
                self.observe_dropped(at, topic, DropReason::Denied);
                if self.ends_for_refusals(at) {
                    self.tell_refusal(at, "publish to", topic);
                    let what = "the client may not publish there, and MQTT 3 has no way to tell it (product.on_refusal)";
                    return Err(Close::new(ReasonCode::NOT_AUTHORIZED, what));
                }
                self.answer(at, publish, code, true);
                Ok(())
            }
            Permission::Ended(close) => Err(close),
        }
    }

    /// The same way for a message that the `publish` hook wants to see; it may come out changed, or not at all.
    fn publish_transformed(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        frame: Option<&Bytes>,
    ) -> Result<(), Close> {
        let Some(live) = self.live(at) else { return Ok(()) };
        let client = Arc::clone(&live.client);
        let event = super::permission::event(topic, publish);
        let published = self.hooks.publish(Some(&client), event);
        self.publish_changed(at, topic, publish, frame, published)
    }

    /// What the `publish` hook made of a message goes on.
    pub(super) fn publish_changed(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        frame: Option<&Bytes>,
        published: Published,
    ) -> Result<(), Close> {
        if self.hooks.wants(Hook::Publish) {
            self.trace_answer(at, Hook::Publish, topic, || transform_said(&published.transform));
        }
        let Some(tenant) = self.tenant_of(at) else {
            return Ok(());
        };
        for message in published.more {
            self.publish_unasked(&tenant, message);
        }
        let patch = match published.transform {
            Transform::Pass => None,
            Transform::Patch(patch) => Some(patch),
            Transform::Drop(_) => {
                // The publisher is told success: that a message goes no further is the policy's business.
                self.observe_dropped(at, topic, DropReason::Policy);
                self.answer(at, publish, ReasonCode::SUCCESS, true);
                return Ok(());
            }
        };
        let patch = patch.unwrap_or_default();
        let to = patch.topic.as_deref().unwrap_or(topic);
        if to != topic
            && let Err(refused) = tenant.admit_topic(to, Kind::Name)
        {
            // The client has done nothing wrong; that its message goes no further is the policy's doing.
            tracing::warn!(instance = %tenant.id, topic = to, what = refused.what, "a policy changed a topic to one that the instance does not take");
            self.observe_dropped(at, to, DropReason::Policy);
            self.answer(at, publish, ReasonCode::SUCCESS, true);
            return Ok(());
        }
        let matches = self.matches.lookup(&tenant.index, to).map_err(not_a_topic)?;
        let name = topic;
        let topic = matches.topic.clone();
        let payload = patch.payload.as_deref().unwrap_or(publish.payload);
        let qos = patch.qos.unwrap_or(publish.qos).min(tenant.settings.qos_cap);
        let forward = patch.properties.as_ref().map(wire_properties::write);
        let expiry = match &patch.properties {
            Some(properties) => properties.message_expiry,
            None => publish.properties.message_expiry,
        };
        let mut publication = Publication::new(self.ids.next_id(), &topic, payload, qos, Origin::Client);
        publication.frame = frame;
        publication.forward = forward.as_deref().unwrap_or(&publish.properties.forward);
        publication.retain = patch.retain.unwrap_or(publish.retain);
        publication.expires_at = self.expires_at(&tenant, expiry);
        if let Some(target) = &matches.p2p
            && let Err(refused) = self.may_send_to(at, target, &publication)
        {
            return self.refuse_publish(at, name, publish, refused);
        }
        self.make_parent_of(&tenant, &topic);
        self.distribute(at, &tenant, &publication, &matches, publish);
        Ok(())
    }

    /// Hands a publication of a client to everybody who gets it, and to the store where it is to be kept. The publisher is
    /// answered now if all have it safely already, else when they have.
    fn distribute(
        &mut self,
        at: u32,
        tenant: &Tenant,
        publication: &Publication<'_>,
        matches: &Arc<Matches>,
        publish: &Publish<'_>,
    ) {
        let publisher = self.subscriber(at);
        // The packet's QoS, and not the publication's, which a policy may have changed.
        if publish.qos > QoS::AtMostOnce
            && let Some(live) = self.live(at)
        {
            let exactly_once = publish.qos == QoS::ExactlyOnce && live.session.is_persistent();
            let transaction = if exactly_once {
                Some(live.key.clone())
            } else {
                None
            };
            let publisher = Publisher {
                session: publisher,
                conn: live.conn.number,
                packet_id: publish.packet_id,
            };
            match transaction {
                None => self.take_in_hand(publisher),
                Some(session) => self.begin_transaction(publisher, session),
            }
        }
        self.retain(tenant, publication, matches);
        let receivers = self.route(tenant, publication, matches, Some(publisher));
        let reason = success(receivers);
        self.answer(at, publish, reason, !self.hand.is_waited_for());
        self.put_down(reason);
    }

    /// Answers a PUBLISH; with `settled` false the answer waits until the store has what it is to keep.
    #[inline]
    pub(super) fn answer(&mut self, at: u32, publish: &Publish<'_>, reason: ReasonCode, settled: bool) {
        if let Some(live) = self.live(at) {
            live.session
                .answer_publish(publish.qos, publish.packet_id, reason, settled);
        }
    }

    #[inline]
    fn mark_dirty_if_answered(&mut self, at: u32, qos: QoS) {
        if qos > QoS::AtMostOnce {
            self.mark_dirty(at);
        }
    }

    /// When a message published now expires.
    #[inline]
    pub(super) fn expires_at(&self, tenant: &Tenant, message_expiry: Option<u32>) -> Option<Millis> {
        let seconds = tenant.settings.message_expiry(message_expiry?);
        Some(self.now.plus_seconds(u64::from(seconds)))
    }

    /// A message that the broker, a script or a will publishes on this shard: no quota, no acknowledgement.
    pub(super) fn publish_own(
        &mut self,
        tenant: &Tenant,
        topic: &TopicName,
        fill: impl FnOnce(&mut Publication<'_>),
        payload: &[u8],
        qos: QoS,
        origin: Origin,
    ) {
        let Ok(matches) = self.matches.lookup(&tenant.index, topic) else {
            return;
        };
        let mut publication = Publication::new(self.ids.next_id(), topic, payload, qos, origin);
        fill(&mut publication);
        self.retain(tenant, &publication, &matches);
        self.route(tenant, &publication, &matches, None);
    }

    /// A message that a script published. The `publish` hook is asked where a policy wants messages of scripts.
    pub(super) fn publish_new(&mut self, tenant: &Tenant, message: crate::hooks::NewMessage) {
        if !self.hooks.wants(Hook::Publish) {
            return self.publish_unasked(tenant, message);
        }
        let Ok(topic) = TopicName::new(&message.topic) else {
            return;
        };
        let forward = wire_properties::write(&message.properties);
        let id = self.ids.next_id();
        let mut publication = Publication::new(id, &topic, &message.payload, message.qos, Origin::Script);
        publication.forward = &forward;
        publication.retain = message.retain;
        publication.expires_at = self.expires_at(tenant, message.properties.message_expiry);
        let message = publication.share();
        // Only entries that asked for messages of this origin are asked.
        let published = self.hooks.publish(None, event_of(&message));
        if let Some(patch) = self.changed(tenant, published) {
            self.publish_patched(tenant, None, &message, &patch);
        }
    }

    /// A message that a policy made while it was asked about another. No hook is asked about it, or it could go on for ever.
    pub(super) fn publish_unasked(&mut self, tenant: &Tenant, message: crate::hooks::NewMessage) {
        let Ok(topic) = TopicName::new(&message.topic) else {
            return;
        };
        let forward = Bytes::from(wire_properties::write(&message.properties));
        let expires_at = self.expires_at(tenant, message.properties.message_expiry);
        let Ok(matches) = self.matches.lookup(&tenant.index, &topic) else {
            return;
        };
        let id = self.ids.next_id();
        let mut publication = Publication::new(id, &topic, &message.payload, message.qos, Origin::Script);
        publication.frame = Some(&message.payload);
        publication.forward = &forward;
        publication.retain = message.retain;
        publication.expires_at = expires_at;
        self.retain(tenant, &publication, &matches);
        self.route(tenant, &publication, &matches, None);
    }
}

fn not_a_topic(error: TopicError) -> Close {
    Close::new(
        ReasonCode::TOPIC_NAME_INVALID,
        format!("the topic name is not valid: {error}"),
    )
}

/// What the publisher of a 5.0 message is told: 0x10 is a success that nobody was there to see (3.4.2.1).
fn success(receivers: usize) -> ReasonCode {
    if receivers == 0 {
        ReasonCode::NO_MATCHING_SUBSCRIBERS
    } else {
        ReasonCode::SUCCESS
    }
}
