//! Publishes `$SYS` topics: the main thread reads the counters, shard 0 publishes.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Load, Metrics, sys_topics};
use crate::shard::{Control, Shared};

pub(super) async fn run(shared: Arc<Shared>, metrics: Arc<Metrics>, every: Duration) {
    let mut load = Load::default();
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let mut now = metrics.snapshot();
        now.retained = shared.store.retained_count() as u64;
        now.offline_messages = shared.store.offline_count() as u64;
        let mut topics = sys_topics(&now);
        topics.extend(load.update(&now));
        shared.control(0, Control::Sys(topics));
    }
}
