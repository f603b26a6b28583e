//! What each instance has and does, for Prometheus. Operators make instances, so there are as many series as they want.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::instance::Hit;
use crate::shard::{Shared, Tenant};
use crate::store::Counts;

/// The metrics `dunlin_instance_...`.
pub(super) struct InstanceMetrics(pub(super) Arc<Shared>);

impl fmt::Debug for InstanceMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstanceMetrics")
    }
}

type NoLabels = [(&'static str, &'static str); 0];

/// What is read of an instance at one moment.
struct Now {
    connections: u64,
    subscriptions: u64,
    tps: u32,
    kept: Counts,
}

type Read = fn(&Now) -> u64;

const GAUGES: [(&str, &str, Read); 5] = [
    (
        "dunlin_instance_connections",
        "Clients connected, by instance.",
        |now| now.connections,
    ),
    (
        "dunlin_instance_subscriptions",
        "Subscriptions, by instance.",
        |now| now.subscriptions,
    ),
    (
        "dunlin_instance_retained_messages",
        "Retained messages, by instance.",
        |now| now.kept.retained as u64,
    ),
    (
        "dunlin_instance_offline_messages",
        "Messages kept for absent clients, by instance.",
        |now| now.kept.offline as u64,
    ),
    (
        "dunlin_instance_tps",
        "What an instance with limits.tps has taken of it in this second.",
        |now| now.tps.into(),
    ),
];

impl Collector for InstanceMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.tenants.list();
        let now: Vec<(&Tenant, Now)> = all.iter().map(|tenant| (&**tenant, self.now(tenant))).collect();
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (tenant, now) in &now {
                let labels = [("instance", tenant.id.as_str())];
                let value = i64::try_from(read(now)).unwrap_or(i64::MAX);
                metric.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        let mut hits = encoder.encode_descriptor(
            "dunlin_instance_limit_hits",
            "How often a limit or a rule of an instance was met.",
            None,
            MetricType::Counter,
        )?;
        for tenant in &all {
            // Those that were never met as well: a rate begins at zero.
            for hit in Hit::ALL {
                let labels = [("instance", tenant.id.as_str()), ("limit", hit.name())];
                let mut series = hits.encode_family(&labels)?;
                series.encode_counter::<NoLabels, _, u64>(&tenant.usage.hits(hit), None)?;
            }
        }
        Ok(())
    }
}

impl InstanceMetrics {
    fn now(&self, tenant: &Tenant) -> Now {
        Now {
            connections: tenant.usage.connections.get(),
            subscriptions: tenant.usage.subscriptions.get(),
            tps: tenant.usage.quota.taken(self.0.clock.now()),
            kept: self.0.store.counts(&tenant.id, self.0.clock.now()),
        }
    }
}
