//! The store: opened before anybody can connect, tidied while the broker serves, told to operators.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::json;

use crate::config::{Config, Engine, FsyncPolicy};
use crate::shard::{Control, Shared};
use crate::store::Store;
use crate::store::embedded::{EmbeddedStore, Fsync, Options};
use crate::store::memory::MemoryStore;

/// How often what is too old goes, and evictions are told.
const EVERY: Duration = Duration::from_secs(1);

/// Where evictions are told.
const EVICTED: &str = "$SYS/broker/messages/evicted";

/// The store that the configuration asks for.
///
/// # Errors
/// Why it cannot be opened, in a sentence that says what to do.
pub fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    match config.store.engine {
        Engine::Memory => Ok(Arc::new(MemoryStore::default())),
        Engine::Embedded => {
            let fsync = match config.store.fsync {
                FsyncPolicy::Always => Fsync::Always,
                FsyncPolicy::Interval => Fsync::Interval(config.store.fsync_interval),
                FsyncPolicy::Never => Fsync::Never,
            };
            let segment_bytes = config.store.segment as u64;
            let options = Options { fsync, segment_bytes };
            let opened = EmbeddedStore::open(&config.server.data, options);
            Ok(Arc::new(opened.context("the store could not be opened")?))
        }
    }
}

/// Lets go what is too old, and tells what had to make room, for as long as the broker serves.
pub(super) async fn tend(shared: Arc<Shared>) {
    let mut told: HashMap<u32, u64> = HashMap::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match shared.store.tidy(shared.clock.now()).await {
            Ok(evicted) => {
                for (instance, count) in evicted {
                    if let Some(tenant) = shared.tenants.get(&instance) {
                        tenant.usage.evicted.add(count as u64);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "what is too old stays in the store"),
        }
        let mut news = Vec::new();
        for tenant in shared.tenants.list() {
            let total = tenant.usage.evicted.get();
            let before = told.insert(tenant.number, total).unwrap_or(0);
            if total > before {
                tracing::warn!(
                    instance = %tenant.id,
                    messages = total - before,
                    "stored messages had to make room or were too old (limits.offline_messages, limits.offline_age)"
                );
                news.push(
                    json!({"instance": tenant.id.as_str(), "messages": total - before, "total": total}),
                );
            }
        }
        if !news.is_empty() {
            let text = serde_json::Value::Array(news).to_string();
            shared.control(0, Control::Sys(vec![(EVICTED, text)]));
        }
    }
}

/// The metrics of the store over all instances.
pub(super) struct StoreMetrics(pub(super) Arc<Shared>);

impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreMetrics")
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (store, now) = (&self.0.store, self.0.clock.now());
        let health = store.health();
        let tenants = self.0.tenants.list();
        let offline: usize = tenants
            .iter()
            .map(|tenant| store.counts(&tenant.id, now).offline)
            .sum();
        let gauges = [
            (
                "dunlin_retained_messages",
                "Retained messages.",
                store.retained_count(),
            ),
            (
                "dunlin_offline_messages",
                "Stored messages that count as offline messages by now (product.offline_visible_after).",
                offline,
            ),
            (
                "dunlin_stored_messages",
                "Messages in the store, for clients that are absent or slow.",
                store.offline_count(),
            ),
            (
                "dunlin_store_waiting_bytes",
                "Bytes that wait to be written to the disk.",
                health.waiting,
            ),
            (
                "dunlin_store_in_trouble",
                "1 while the store cannot write, as with a full disk.",
                usize::from(health.trouble.is_some()),
            ),
        ];
        for (name, help, value) in gauges {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        Ok(())
    }
}
