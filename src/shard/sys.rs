//! `$SYS` topics: what the broker tells of itself, as retained messages.

use std::rc::Rc;

use super::{Shard, ShardRef};
use crate::codec::QoS;
use crate::hooks::Event;
use crate::message::Origin;
use crate::topic::TopicName;

impl Shard {
    pub(super) fn publish_sys(&mut self, topics: &[(&'static str, String)]) {
        for (topic, value) in topics {
            let Ok(topic) = TopicName::new(topic) else { continue };
            let retain = self.shared.settings.retain_available;
            let fill = |publication: &mut crate::message::Publication<'_>| publication.retain = retain;
            self.publish_own(&topic, fill, value.as_bytes(), QoS::AtMostOnce, Origin::Broker);
        }
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
            tokio::task::yield_now().await;
        }
    }
}

