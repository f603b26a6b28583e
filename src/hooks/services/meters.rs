//! Counters, gauges and histograms of policies, for Prometheus. They belong to the process: a reload loses none.

use super::{KvTotals, Services};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How many series a policy may have: enough for what somebody looks at, and for no label with a value for each client.
pub(crate) const MOST: usize = 1000;

/// Labels of a series, the policy's name among them.
pub(crate) type Labels = Vec<(String, String)>;
type CounterOf = Counter<f64, AtomicU64>;
type GaugeOf = Gauge<f64, AtomicU64>;

/// A series that a script writes to.
#[derive(Clone)]
pub(crate) enum Meter {
    Counter(CounterOf),
    Gauge(GaugeOf),
    Histogram(Histogram),
}

type HistogramFamily = Family<Labels, Histogram, Box<dyn Fn() -> Histogram + Send + Sync>>;

enum Kind {
    Counter(Family<Labels, CounterOf>),
    Gauge(Family<Labels, GaugeOf>),
    Histogram(HistogramFamily),
}

/// What kind a script asks for.
pub(crate) enum Wanted {
    Counter,
    Gauge,
    /// With the upper ends of its buckets.
    Histogram(Vec<f64>),
}

/// Policies that use one name share a family, as Prometheus has one kind for a name.
struct Named {
    kind: Kind,
    buckets: Vec<f64>,
}

#[derive(Default)]
struct Known {
    families: BTreeMap<String, Named>,
    /// By policy.
    series: BTreeMap<String, BTreeSet<(String, Labels)>>,
}

/// All of them.
#[derive(Default)]
pub struct Meters(Mutex<Known>);

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl Meters {
    /// The series of that policy, name and labels, made at its first use.
    ///
    /// # Errors
    /// In words: another kind has the name, or there are too many.
    pub(crate) fn series(
        &self,
        policy: &str,
        name: &str,
        labels: Labels,
        wanted: &Wanted,
    ) -> Result<Meter, String> {
        let mut known = self.0.lock();
        let Known { families, series } = &mut *known;
        let of_policy = series.entry(policy.to_owned()).or_default();
        let own = (name.to_owned(), labels);
        if !of_policy.contains(&own) && of_policy.len() >= MOST {
            return Err(format!(
                "the policy has {MOST} series already; let labels have fewer values"
            ));
        }
        let family = families
            .entry(name.to_owned())
            .or_insert_with(|| Named::new(wanted));
        let mut labels = own.1.clone();
        labels.push(("policy".to_owned(), policy.to_owned()));
        let meter = family
            .meter(wanted, &labels)
            .map_err(|why| format!("`{name}` {why}"))?;
        of_policy.insert(own);
        Ok(meter)
    }
}

impl Named {
    fn new(wanted: &Wanted) -> Self {
        let (kind, buckets) = match wanted {
            Wanted::Counter => (Kind::Counter(Family::default()), Vec::new()),
            Wanted::Gauge => (Kind::Gauge(Family::default()), Vec::new()),
            Wanted::Histogram(buckets) => {
                let ends = buckets.clone();
                let make: Box<dyn Fn() -> Histogram + Send + Sync> =
                    Box::new(move || Histogram::new(ends.iter().copied()));
                (
                    Kind::Histogram(HistogramFamily::new_with_constructor(make)),
                    buckets.clone(),
                )
            }
        };
        Self { kind, buckets }
    }

    fn meter(&self, wanted: &Wanted, labels: &Labels) -> Result<Meter, &'static str> {
        match (&self.kind, wanted) {
            (Kind::Counter(family), Wanted::Counter) => {
                Ok(Meter::Counter(family.get_or_create(labels).clone()))
            }
            (Kind::Gauge(family), Wanted::Gauge) => Ok(Meter::Gauge(family.get_or_create(labels).clone())),
            (Kind::Histogram(family), Wanted::Histogram(buckets)) if *buckets == self.buckets => {
                Ok(Meter::Histogram(family.get_or_create(labels).clone()))
            }
            (Kind::Histogram(_), Wanted::Histogram(_)) => {
                Err("has other buckets since the broker started; give it another name")
            }
            _ => Err("is a metric of another kind since the broker started; give it another name"),
        }
    }
}

/// Shows the policies' own metrics, and how much they have in `kv` and `state`, to an [`Exporter`](crate::metrics::Exporter).
#[derive(Debug)]
pub struct MetersOf(pub Arc<Services>);

impl Collector for MetersOf {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        encode_kv(&self.0, &mut encoder)?;
        for (name, family) in &self.0.meters().0.lock().families {
            let name = format!("dunlin_policy_{name}");
            let metric: &dyn EncodeFamily = match &family.kind {
                Kind::Counter(family) => family,
                Kind::Gauge(family) => family,
                Kind::Histogram(family) => family,
            };
            metric.encode_as(&name, &mut encoder)?;
        }
        Ok(())
    }
}

trait EncodeFamily {
    fn encode_as(&self, name: &str, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result;
}

impl<M: EncodeMetric> EncodeFamily for M {
    fn encode_as(&self, name: &str, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let metric = encoder.encode_descriptor(name, "Made by a policy.", None, self.metric_type())?;
        self.encode(metric)
    }
}

fn encode_kv(services: &Services, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    type Read = fn(&KvTotals) -> u64;
    let metrics: [(&str, &str, MetricType, Read); 3] = [
        (
            "dunlin_kv_entries",
            "Values that policies keep.",
            MetricType::Gauge,
            |kv| kv.entries as u64,
        ),
        ("dunlin_kv_bytes", "What they take.", MetricType::Gauge, |kv| {
            kv.bytes as u64
        }),
        (
            "dunlin_kv_refused",
            "Values for which there was no room.",
            MetricType::Counter,
            |kv| kv.refused,
        ),
    ];
    let totals = services.kv_totals();
    for (name, help, kind, read) in metrics {
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        for ((policy, module), totals) in &totals {
            let labels = [("policy", policy.as_str()), ("module", *module)];
            let mut series = metric.encode_family(&labels)?;
            match kind {
                MetricType::Counter => {
                    series.encode_counter::<[(&str, &str); 0], _, u64>(&read(totals), None)?
                }
                _ => series.encode_gauge(&read(totals))?,
            }
        }
    }
    Ok(())
}
