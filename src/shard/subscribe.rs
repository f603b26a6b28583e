//! SUBSCRIBE and UNSUBSCRIBE.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::Shard;
use super::slot::Slot;
use super::tenant::Kind;
use super::trace::subscribe_said;
use crate::codec::{self, QoS, ReasonCode, Subscribe, SubscribeFilter, Unsubscribe};
use crate::hooks::{Hook, SubscribeDecision, SubscribeRequest};
use crate::instance::Hit;
use crate::message::{Delivery, Message, SubscriptionOptions};
use crate::router::SubscriberId;
use crate::session::Close;
use crate::store::StoreError;
use crate::topic::TopicFilter;

/// A subscription that was made and brings retained messages.
struct Granted {
    filter: TopicFilter,
    options: SubscriptionOptions,
}

impl Shard {
    /// SUBSCRIBE: one reason code for each filter, in their order [MQTT-3.8.4-6]; retained messages follow SUBACK.
    pub(super) fn on_subscribe(&mut self, at: u32, subscribe: Subscribe) -> Result<(), Close> {
        let asked = subscribe.filters.len();
        // A retained message published just before, in the same read, is to be seen: the store does things in order.
        self.settle_turn();
        let Some(tenant) = self.tenant_of(at) else {
            return Ok(());
        };
        if subscribe.subscription_id.is_some() && !tenant.settings.subscription_ids_available {
            return Err(Close::new(
                ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
                "Subscription Identifiers are not available",
            ));
        }
        let mut subscribe = subscribe;
        subscribe.filters = self.rewrite_filters(at, subscribe.filters);
        if self.hooks.waits(Hook::AuthorizeSubscribe) {
            return self.subscribe_waiting(at, subscribe, asked);
        }
        self.subscribe_decided(at, subscribe, asked, None)
    }

    /// The filters as the `subscribe` hook wants them.
    fn rewrite_filters(&mut self, at: u32, filters: Vec<SubscribeFilter>) -> Vec<SubscribeFilter> {
        if !self.hooks.wants(Hook::Subscribe) {
            return filters;
        }
        let Some(live) = self.live(at) else { return filters };
        let client = Arc::clone(&live.client);
        self.hooks.subscribe(&client, filters)
    }

    /// Makes the subscriptions that are allowed, and answers. The first `asked` filters are the client's own; `decisions`
    /// are the policies' where they had to be waited for.
    pub(super) fn subscribe_decided(
        &mut self,
        at: u32,
        subscribe: Subscribe,
        asked: usize,
        decisions: Option<Vec<SubscribeDecision>>,
    ) -> Result<(), Close> {
        let mut decisions = decisions.map(Vec::into_iter);
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        // By filter: a packet that names one filter ten thousand times brings its retained messages once.
        let mut granted: HashMap<TopicFilter, SubscriptionOptions, FxBuildHasher> = HashMap::default();
        for filter in subscribe.filters {
            let decided = decisions.as_mut().and_then(Iterator::next);
            codes.push(
                match self.subscribe(at, &filter, subscribe.subscription_id, decided)? {
                    Ok((qos, brings)) => {
                        granted.extend(brings.map(|granted| (granted.filter, granted.options)));
                        granted_code(qos)
                    }
                    Err(refusal) => refusal,
                },
            );
        }
        // What a policy added has no place in the answer.
        codes.truncate(asked);
        // A subscription that outlives the connection is stored before its SUBACK.
        let changed = codes.iter().any(|code| !code.is_error());
        let packet_id = subscribe.packet_id;
        self.when_saved(at, changed, move |shard, at| {
            let Some(live) = shard.live(at) else { return };
            let limits = live.session.link.limits(live.session.version);
            codec::suback(live.session.outbox.buffer(), limits, packet_id, &codes, None);
            shard.mark_dirty(at);
            for (filter, options) in granted {
                shard.bring_retained(at, filter, options);
            }
        });
        Ok(())
    }

    /// Does `then` when the store has the subscriptions of the session in `at`, if they have `changed` and outlive the
    /// connection; else now. Not at all if the connection is gone by then.
    fn when_saved(&mut self, at: u32, changed: bool, then: impl FnOnce(&mut Self, u32) + 'static) {
        let subscriber = self.subscriber(at);
        let Some(live) = self.live(at) else { return };
        if !changed || !live.session.is_persistent() {
            return then(self, at);
        }
        let (key, conn, revision) = (live.key.clone(), live.conn.number, live.revision);
        let record = live.to_record();
        let then = Box::new(move |shard: &mut Self, saved: bool| {
            if shard.live_on(subscriber, conn).is_none() {
                return;
            }
            if saved {
                let buffers = &mut shard.buffers;
                if let Some(Slot::Live(live)) = shard.slots.get_mut(at as usize) {
                    live.session.outbox.lend(|| buffers.pop().unwrap_or_default());
                }
                then(shard, at);
            } else {
                let what = "the session could not be stored";
                shard.close(at, &Close::new(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, what));
            }
        });
        self.save(&key, revision, record, Some(then));
    }

    /// One filter: the QoS it gets and whether it brings retained messages, or the code it is refused with.
    ///
    /// # Errors
    /// It must end the connection.
    fn subscribe(
        &mut self,
        at: u32,
        asked: &SubscribeFilter,
        subscription_id: Option<u32>,
        decided: Option<SubscribeDecision>,
    ) -> Result<Result<(QoS, Option<Granted>), ReasonCode>, Close> {
        let Ok(filter) = TopicFilter::parse(&asked.filter) else {
            return Ok(Err(ReasonCode::TOPIC_FILTER_INVALID));
        };
        let Some(tenant) = self.tenant_of(at) else {
            return Ok(Err(ReasonCode::UNSPECIFIED_ERROR));
        };
        let settings = &tenant.settings;
        if let Err(refused) = tenant.admit_topic(filter.filter(), Kind::Filter) {
            return self.subscribe_refused(at, &asked.filter, refused).map(Err);
        }
        if filter.share_name().is_some() {
            if asked.no_local {
                // [MQTT-3.8.3-4]
                let what = "No Local on a shared subscription";
                return Err(Close::new(ReasonCode::PROTOCOL_ERROR, what));
            }
            if !settings.shared_available {
                return Ok(Err(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED));
            }
        }
        if filter.is_wildcard() && !settings.wildcard_available {
            return Ok(Err(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED));
        }
        let maximum_qos = settings.maximum_qos.min(settings.qos_cap);
        let most = self.limit(&tenant, "subscriptions", settings.subscriptions);
        let Some(live) = self.live(at) else {
            return Ok(Err(ReasonCode::UNSPECIFIED_ERROR));
        };
        if live.session.subscriptions.len() >= most && !live.session.subscriptions.contains(&filter) {
            self.hit(at, Hit::ClientSubscriptions, &asked.filter);
            return Ok(Err(ReasonCode::QUOTA_EXCEEDED));
        }
        let decision = decided.unwrap_or_else(|| self.may_subscribe(at, &filter, asked.qos));
        self.trace_answer(at, Hook::AuthorizeSubscribe, &asked.filter, || {
            subscribe_said(&decision)
        });
        let allowed = match decision {
            SubscribeDecision::Allow(qos) => qos,
            SubscribeDecision::Deny(denial) => {
                if self.ends_for_refusals(at) {
                    self.tell_refusal(at, "subscribe to", &asked.filter);
                    let what = format!(
                        "the client may not subscribe to {:?}: {} (product.on_refusal)",
                        asked.filter, denial.reason
                    );
                    return Err(Close::new(ReasonCode::NOT_AUTHORIZED, what));
                }
                return Ok(Err(denial.code));
            }
            SubscribeDecision::Disconnect(reason) => {
                return Err(Close::by_policy(ReasonCode::NOT_AUTHORIZED, reason.to_string()));
            }
        };
        let options = SubscriptionOptions {
            qos: asked.qos.min(allowed).min(maximum_qos),
            no_local: asked.no_local,
            retain_as_published: asked.retain_as_published,
            subscription_id,
        };
        let subscriber = self.subscriber(at);
        let most = self.limit(
            &tenant,
            "instance_subscriptions",
            tenant.limits.instance_subscriptions,
        );
        let Some(live) = self.live(at) else {
            return Ok(Err(ReasonCode::UNSPECIFIED_ERROR));
        };
        let new = !live.session.subscriptions.contains(&filter);
        if new && !tenant.usage.subscriptions.enter(most) {
            self.hit(at, Hit::Subscriptions, &asked.filter);
            return Ok(Err(ReasonCode::QUOTA_EXCEEDED));
        }
        let most = tenant.limits.wildcard_filters;
        let made = tenant
            .index
            .subscribe_within(subscriber, &filter, options, &live.presence, most);
        if made.is_err() {
            if new {
                tenant.usage.subscriptions.leave(1);
            }
            return Ok(self.wildcard_without_effect(at, &asked.filter, options.qos));
        }
        live.session.subscriptions.insert(filter.clone(), options);
        if new {
            self.metrics.subscriptions.add(1);
        }
        self.make_parent_of(&tenant, filter.filter());
        // Retain Handling 0 always, 1 only for a new subscription, 2 never [MQTT-3.3.1-9..11]; a shared one never.
        let brings = match asked.retain_handling {
            0 => true,
            1 => new,
            _ => false,
        };
        let brings = brings && filter.share_name().is_none();
        Ok(Ok((options.qos, brings.then_some(Granted { filter, options }))))
    }

    fn may_subscribe(&mut self, at: u32, filter: &TopicFilter, qos: QoS) -> SubscribeDecision {
        if self.subscribe_is_free() {
            return SubscribeDecision::Allow(qos);
        }
        let Some(live) = self.live(at) else {
            return SubscribeDecision::Allow(qos);
        };
        let client = Arc::clone(&live.client);
        let request = SubscribeRequest {
            filter: filter.filter(),
            qos,
            share: filter.share_name(),
        };
        self.hooks.authorize_subscribe(&client, &request).decision
    }

    fn bring_retained(&mut self, at: u32, filter: TopicFilter, options: SubscriptionOptions) {
        let subscriber = self.subscriber(at);
        let Some(live) = self.live(at) else { return };
        let instance = live.key.instance.clone();
        let (shared, now) = (Arc::clone(&self.shared), self.now);
        let mut told = Vec::new();
        if *shared.tenants.default_id() == instance {
            // What the broker tells of itself.
            shared
                .of_itself
                .read()
                .matching(&filter, |_, message| told.push(Arc::clone(message)));
        }
        let work = async move {
            let mut found = shared.store.retained(&instance, &filter, now).await?;
            found.extend(told);
            Ok(found)
        };
        self.when_done(work, move |shard, found| {
            shard.retained_found(subscriber, options, found)
        });
    }

    fn retained_found(
        &mut self,
        subscriber: SubscriberId,
        options: SubscriptionOptions,
        found: Result<Vec<Arc<Message>>, StoreError>,
    ) {
        let messages = match found {
            Ok(messages) => messages,
            Err(error) => return tracing::error!(%error, "retained messages could not be read"),
        };
        let asked = self.hooks.wants_deliveries();
        let Some(Slot::Live(live)) = self.slot(subscriber) else {
            return;
        };
        let most = live.tenant.limits.retained_messages;
        if live.session.retained_len() + messages.len() > most {
            // It subscribes again and again and does not read what that brings.
            return self.overflowed.push(subscriber);
        }
        for message in messages {
            let delivery = Delivery {
                qos: options.qos.min(message.qos),
                // A retained message that a subscription brings has RETAIN 1 [MQTT-3.3.1-8].
                retain: true,
                subscription_ids: options.subscription_id.iter().copied().collect(),
                message,
            };
            let delivery = if asked {
                self.delivery_asked(subscriber, delivery)
            } else {
                Some(delivery)
            };
            if let (Some(delivery), Some(Slot::Live(live))) = (delivery, self.slot(subscriber)) {
                let settings = &live.tenant.settings;
                let in_store = live.session.deliver_retained(delivery.clone(), settings);
                if in_store.is_some() {
                    self.store_for(subscriber.slot, delivery, in_store, None);
                }
            }
        }
        self.pump(subscriber.slot);
    }

    /// UNSUBSCRIBE: answered in any case [MQTT-3.10.4-4].
    pub(super) fn on_unsubscribe(&mut self, at: u32, unsubscribe: Unsubscribe) -> Result<(), Close> {
        let subscriber = self.subscriber(at);
        let asked = unsubscribe.filters.len();
        let mut filters = unsubscribe.filters;
        if self.hooks.wants(Hook::Unsubscribe)
            && let Some(live) = self.live(at)
        {
            let client = Arc::clone(&live.client);
            filters = self.hooks.unsubscribe(&client, filters);
        }
        let mut codes = Vec::with_capacity(filters.len());
        for text in &filters {
            let Ok(filter) = TopicFilter::parse(text) else {
                codes.push(ReasonCode::TOPIC_FILTER_INVALID);
                continue;
            };
            let Some(live) = self.live(at) else { return Ok(()) };
            if live.session.subscriptions.remove(&filter) {
                live.tenant.index.unsubscribe(subscriber, &filter);
                live.tenant.usage.subscriptions.leave(1);
                self.metrics.subscriptions.sub(1);
                codes.push(ReasonCode::SUCCESS);
            } else {
                codes.push(ReasonCode::NO_SUBSCRIPTION_EXISTED);
            }
        }
        // What a policy added has no place in the answer.
        codes.truncate(asked);
        let changed = codes.contains(&ReasonCode::SUCCESS);
        let packet_id = unsubscribe.packet_id;
        self.when_saved(at, changed, move |shard, at| {
            let Some(live) = shard.live(at) else { return };
            let limits = live.session.link.limits(live.session.version);
            codec::unsuback(live.session.outbox.buffer(), limits, packet_id, &codes, None);
            shard.mark_dirty(at);
        });
        Ok(())
    }
}

fn granted_code(qos: QoS) -> ReasonCode {
    // Granted QoS 0, 1 and 2 are the reason codes 0x00, 0x01 and 0x02.
    ReasonCode(qos as u8)
}
