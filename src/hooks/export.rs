//! What policies did, for Prometheus: calls, failures and times of each entry, and how reloading stands.

use super::counters::{EntryTotals, HookMetrics, HookTotals, Latency};
use super::reload::Reloader;
use super::services::Services;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;

/// The metrics `dunlin_hook_...` and `dunlin_policies_...`.
#[derive(Debug)]
pub struct PolicyMetrics {
    /// What is counted.
    pub hooks: Arc<HookMetrics>,
    /// Who loads.
    pub reloader: Arc<Reloader>,
    /// What the process holds of compiled plugins.
    pub services: Arc<Services>,
}

type NoLabels = [(&'static str, &'static str); 0];
/// Writes one series of a metric by policy and hook.
type Series<'a> = dyn FnMut(&[(&str, &str); 2], &HookTotals) -> fmt::Result + 'a;
type Read = fn(&EntryTotals) -> u64;

/// Counters of an entry: name, help, and where it is read.
const COUNTERS: [(&str, &str, Read); 7] = [
    ("errors", "Calls that failed, by policy.", |entry| entry.errors),
    ("panics", "Calls in which a compiled plugin panicked.", |entry| {
        entry.panics
    }),
    ("timeouts", "Calls that overran their time or steps.", |entry| {
        entry.timeouts
    }),
    ("denied", "Calls that said deny or disconnect.", |entry| {
        entry.denied
    }),
    (
        "refused",
        "Calls not made because the breaker was open.",
        |entry| entry.refused,
    ),
    ("breaker_opened", "Times the breaker opened.", |entry| {
        entry.opened
    }),
    ("states_rebuilt", "States dropped and built again.", |entry| {
        entry.rebuilt
    }),
];

const GAUGES: [(&str, &str, Read); 2] = [
    (
        "dunlin_hook_breaker_open",
        "On how many shards the breaker is open.",
        |entry| entry.open,
    ),
    (
        "dunlin_hook_slow",
        "On how many shards its calls wait their turn because they take long.",
        |entry| entry.slow,
    ),
];

impl Collector for PolicyMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.hooks.totals();
        self.encode_calls(&mut encoder, &totals)?;
        for (name, help, read) in COUNTERS {
            let name = format!("dunlin_hook_{name}");
            let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (policy, entry) in &totals {
                let labels = [("policy", &**policy)];
                let mut series = metric.encode_family(&labels)?;
                series.encode_counter::<NoLabels, _, u64>(&read(entry), None)?;
            }
        }
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (policy, entry) in &totals {
                let labels = [("policy", &**policy)];
                metric.encode_family(&labels)?.encode_gauge(&read(entry))?;
            }
        }
        let lost = self.hooks.events_dropped.load(Relaxed);
        encoder
            .encode_descriptor(
                "dunlin_hook_events_dropped",
                "Events that observers missed because their queue was full.",
                None,
                MetricType::Counter,
            )?
            .encode_counter::<NoLabels, _, u64>(&lost, None)?;
        self.encode_plugins(&mut encoder)?;
        self.encode_reloads(&mut encoder)
    }
}

impl PolicyMetrics {
    fn encode_calls(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        totals: &BTreeMap<Arc<str>, EntryTotals>,
    ) -> fmt::Result {
        let every = |read: &mut Series<'_>| {
            totals.iter().try_for_each(|(policy, entry)| {
                let mut hooks = entry.hooks.iter();
                hooks.try_for_each(|(hook, did)| read(&[("policy", policy), ("hook", hook.name())], did))
            })
        };
        let mut calls = encoder.encode_descriptor(
            "dunlin_hook_calls",
            "Calls of policies, by hook.",
            None,
            MetricType::Counter,
        )?;
        every(&mut |labels, did| {
            let mut series = calls.encode_family(labels)?;
            series.encode_counter::<NoLabels, _, u64>(&did.calls, None)
        })?;
        let mut times = encoder.encode_descriptor(
            "dunlin_hook_duration_seconds",
            "How long calls took; one in sixteen is timed, of those that wait each.",
            None,
            MetricType::Histogram,
        )?;
        every(&mut |labels, did| {
            let series = times.encode_family(labels)?;
            Times(&did.latency).encode(series)
        })
    }

    fn encode_plugins(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = self.services.plugins().totals();
        let gauges = [
            (
                "dunlin_plugin_images",
                "Images of compiled plugins that are mapped.",
                totals.images as u64,
            ),
            (
                "dunlin_plugin_mapped_bytes",
                "The size of their files.",
                totals.bytes,
            ),
            (
                "dunlin_plugin_instances",
                "Instances of compiled plugins that have not ended.",
                totals.living as u64,
            ),
            (
                "dunlin_plugin_instances_stuck",
                "Instances that stay for ever, because threads of theirs did not stop.",
                totals.stuck as u64,
            ),
        ];
        for (name, help, value) in gauges {
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(&value)?;
        }
        Ok(())
    }

    fn encode_reloads(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.reloader.status();
        let since = status.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let gauges: [(&str, &str, f64); 3] = [
            (
                "dunlin_policies_generation",
                "The generation in force.",
                status.generation as f64,
            ),
            (
                "dunlin_policies_in_force_since_seconds",
                "Since when it is in force.",
                since.as_secs_f64(),
            ),
            (
                "dunlin_policies_refused_now",
                "1 while the files are not what is in force, because they were refused.",
                f64::from(u8::from(status.refused.is_some())),
            ),
        ];
        for (name, help, value) in gauges {
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(&value)?;
        }
        let mut reloads = encoder.encode_descriptor(
            "dunlin_policies_reloads",
            "Sets of files that were looked at, by what came of them.",
            None,
            MetricType::Counter,
        )?;
        let results = [
            ("in force", status.reloads),
            ("refused", status.refusals),
            ("rolled back", status.rollbacks),
        ];
        for (result, count) in results {
            let labels = [("result", result)];
            let mut series = reloads.encode_family(&labels)?;
            series.encode_counter::<NoLabels, _, u64>(&count, None)?;
        }
        Ok(())
    }
}

/// A histogram whose sum is not kept: it is taken from the upper ends of the buckets.
struct Times<'a>(&'a [u64; Latency::BUCKETS]);

impl Times<'_> {
    fn encode(&self, mut series: MetricEncoder<'_>) -> fmt::Result {
        let counts = self.0.iter().enumerate();
        let mut buckets: Vec<(f64, u64)> = counts
            .map(|(bucket, count)| (Latency::upper(bucket).as_secs_f64(), *count))
            .collect();
        let sum = buckets.iter().map(|(upper, count)| upper * *count as f64).sum();
        let count = self.0.iter().sum();
        if let Some((upper, _)) = buckets.last_mut() {
            // Written as `+Inf`: what took longer is counted there too.
            *upper = f64::INFINITY;
        }
        let none: Option<&HashMap<usize, Exemplar<NoLabels, f64>>> = None;
        series.encode_histogram(sum, count, &buckets, none)
    }
}
