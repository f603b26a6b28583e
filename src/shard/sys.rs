//! `$SYS` topics: what the broker tells of itself, as retained messages.

use std::rc::Rc;
use std::sync::Arc;

use super::{Shard, ShardRef};
use crate::codec::QoS;
use crate::hooks::{Event, Hook};
use crate::message::{Delivery, Origin};
use crate::metrics::DropReason;
use crate::topic::TopicName;

impl Shard {
    pub(super) fn publish_sys(&mut self, topics: &[(&'static str, String)]) {
        // The operator's own instance: what it tells is about all of them.
        let Some(tenant) = self.shared.tenants.get_or_default(None) else {
            return;
        };
        for (topic, value) in topics {
            let Ok(topic) = TopicName::new(topic) else {
                continue;
            };
            let retain = tenant.settings.retain_available;
            let fill = |publication: &mut crate::message::Publication<'_>| publication.retain = retain;
            self.publish_own(
                &tenant,
                &topic,
                fill,
                value.as_bytes(),
                QoS::AtMostOnce,
                Origin::Broker,
            );
        }
    }

    /// A message was acknowledged by its receiver.
    pub(super) fn observe_acked(&mut self, at: u32, delivered: &Delivery) {
        if !self.hooks.wants(Hook::Acked) {
            return;
        }
        let Some(live) = self.live(at) else { return };
        let event = Event::Acked {
            client: Arc::clone(&live.client),
            topic: delivered.message.topic.as_str().into(),
            qos: delivered.qos,
            message_id: delivered.message.id,
        };
        self.observe(event);
    }

    /// A message did not reach a client.
    pub(super) fn observe_dropped(&mut self, at: u32, topic: &str, reason: DropReason) {
        self.metrics.messages_dropped.add(reason, 1);
        if !self.hooks.wants(Hook::Dropped) {
            return;
        }
        let client = self.live(at).map(|live| Arc::clone(&live.client));
        let event = Event::Dropped {
            client,
            topic: topic.into(),
            reason: reason.as_str().into(),
            count: 1,
        };
        self.observe(event);
    }

    /// Tells the observers, later and off the hot path, if there are any for this.
    pub(super) fn observe(&mut self, event: Event) {
        if self.hooks.wants(event.hook()) {
            self.hooks.observe(event);
            self.observers.notify_one();
        }
    }
}

/// Events that observers are told of before other tasks have their turn.
const OBSERVED_AT_A_TIME: usize = 16;

/// Runs observers, for as long as the shard lives: behind the tasks that were ready before.
pub async fn run_observers(shard: ShardRef) {
    let bell = Rc::clone(&shard.borrow().observers);
    loop {
        bell.notified().await;
        while shard.borrow_mut().hooks.run_observers(OBSERVED_AT_A_TIME) > 0 {
            let rest = shard.borrow().hooks.observers_rest();
            match rest {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => tokio::task::yield_now().await,
            }
        }
    }
}
