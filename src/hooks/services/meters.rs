//! Counters, gauges and histograms of policies, for Prometheus. They belong to the process: a reload loses none.

use super::Services;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How many series the policies may have in all.
const MOST: usize = 10_000;

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

#[derive(Default)]
struct Known {
    families: BTreeMap<String, Kind>,
    series: std::collections::BTreeSet<(String, Labels)>,
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
    /// The series of that name and labels, made at its first use.
    ///
    /// # Errors
    /// In words: another kind has the name, or there are too many.
    pub(crate) fn series(&self, name: &str, labels: Labels, wanted: Wanted) -> Result<Meter, String> {
        let mut known = self.0.lock();
        let known = &mut *known;
        let series = (name.to_owned(), labels.clone());
        if !known.series.contains(&series) {
            if known.series.len() >= MOST {
                return Err(format!(
                    "there are {MOST} series of policies already; use fewer labels"
                ));
            }
            known.series.insert(series);
        }
        let family = known
            .families
            .entry(name.to_owned())
            .or_insert_with(|| match &wanted {
                Wanted::Counter => Kind::Counter(Family::default()),
                Wanted::Gauge => Kind::Gauge(Family::default()),
                Wanted::Histogram(buckets) => {
                    let buckets = buckets.clone();
                    let make: Box<dyn Fn() -> Histogram + Send + Sync> =
                        Box::new(move || Histogram::new(buckets.iter().copied()));
                    Kind::Histogram(HistogramFamily::new_with_constructor(make))
                }
            });
        match (family, wanted) {
            (Kind::Counter(family), Wanted::Counter) => {
                Ok(Meter::Counter(family.get_or_create(&labels).clone()))
            }
            (Kind::Gauge(family), Wanted::Gauge) => Ok(Meter::Gauge(family.get_or_create(&labels).clone())),
            (Kind::Histogram(family), Wanted::Histogram(_)) => {
                Ok(Meter::Histogram(family.get_or_create(&labels).clone()))
            }
            _ => Err(format!("`{name}` is a metric of another kind already")),
        }
    }
}

/// Shows the policies' own metrics to an [`Exporter`](crate::metrics::Exporter).
#[derive(Debug)]
pub struct MetersOf(pub Arc<Services>);

impl Collector for MetersOf {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        for (name, family) in &self.0.meters().0.lock().families {
            let name = format!("dunlin_policy_{name}");
            let metric: &dyn EncodeFamily = match family {
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
