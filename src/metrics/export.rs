//! The counters in Prometheus' text form.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::process::{Process, unix_seconds};
use super::{DropReason, Metrics, RefuseReason};

/// Writes all metrics. Other modules add their own with [`Exporter::register`].
#[derive(Debug)]
pub struct Exporter {
    registry: Mutex<Registry>,
}

impl Exporter {
    /// The media type of [`Exporter::text`].
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// An exporter of `metrics` and of what the system says about the process.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Broker {
            metrics,
            started: unix_seconds(),
        }));
        Self {
            registry: Mutex::new(registry),
        }
    }

    /// Adds a source that is asked at each [`Exporter::text`], with the whole name of its metrics (`dunlin_hook_...`).
    pub fn register(&self, source: Box<dyn Collector>) {
        self.registry.lock().register_collector(source);
    }

    /// All metrics now.
    ///
    /// # Errors
    /// When a source could not write its own.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry.lock())?;
        Ok(out)
    }
}

#[derive(Debug)]
struct Broker {
    metrics: Arc<Metrics>,
    started: f64,
}

type Label = [(&'static str, &'static str); 1];

impl Collector for Broker {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.metrics.snapshot();
        let mut out = Out { encoder };

        let mut info =
            out.encoder
                .encode_descriptor("dunlin_build", "The running version.", None, MetricType::Info)?;
        info.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;

        out.gauge("dunlin_connections", "Clients connected.", now.connections)?;
        let mut shards = out.encoder.encode_descriptor(
            "dunlin_shard_connections",
            "Clients connected, by shard.",
            None,
            MetricType::Gauge,
        )?;
        for (index, shard) in self.metrics.shards().enumerate() {
            let label = [("shard", index.to_string())];
            shards
                .encode_family(&label)?
                .encode_gauge(&signed(shard.connections.get()))?;
        }
        out.counter("dunlin_connects", "Connections let in.", now.connects_total)?;
        let refused = RefuseReason::ALL.map(|reason| [("reason", reason.as_str())]);
        out.counters(
            "dunlin_connects_refused",
            "Connections not let in.",
            &refused,
            &now.connects_refused_total,
        )?;
        out.counter("dunlin_disconnects", "Connections ended.", now.disconnects_total)?;
        out.counter(
            "dunlin_takeovers",
            "Sessions taken over by a new connection.",
            now.takeovers_total,
        )?;
        out.counter(
            "dunlin_auth_denied",
            "Logins denied; dunlin_hook_denied counts what else policies deny.",
            now.auth_denied,
        )?;

        out.counter(
            "dunlin_packets_received",
            "MQTT packets received.",
            now.packets_received,
        )?;
        out.counter("dunlin_packets_sent", "MQTT packets sent.", now.packets_sent)?;
        out.counter(
            "dunlin_received_bytes",
            "Bytes of MQTT received.",
            now.bytes_received,
        )?;
        out.counter("dunlin_sent_bytes", "Bytes of MQTT sent.", now.bytes_sent)?;

        let qos: [Label; 3] = [[("qos", "0")], [("qos", "1")], [("qos", "2")]];
        out.counters(
            "dunlin_messages_received",
            "PUBLISH packets received.",
            &qos,
            &now.publish_received,
        )?;
        out.counters(
            "dunlin_messages_sent",
            "PUBLISH packets sent.",
            &qos,
            &now.publish_sent,
        )?;
        out.counter(
            "dunlin_payload_received_bytes",
            "Bytes of payload received.",
            now.publish_bytes_received,
        )?;
        out.counter(
            "dunlin_payload_sent_bytes",
            "Bytes of payload sent.",
            now.publish_bytes_sent,
        )?;
        let dropped = DropReason::ALL.map(|reason| [("reason", reason.as_str())]);
        let help = "Messages dropped, one for each receiver.";
        out.counters("dunlin_messages_dropped", help, &dropped, &now.messages_dropped)?;
        out.counter("dunlin_wills_published", "Wills published.", now.wills_published)?;
        out.counter(
            "dunlin_mailbox_full",
            "Times a full mailbox held a publisher back.",
            now.mailbox_full,
        )?;

        out.gauge("dunlin_sessions", "Sessions.", now.sessions)?;
        out.gauge(
            "dunlin_sessions_offline",
            "Sessions without a connection.",
            now.sessions_offline,
        )?;
        out.counter(
            "dunlin_sessions_expired",
            "Sessions that expired.",
            now.sessions_expired,
        )?;
        out.gauge("dunlin_subscriptions", "Subscriptions.", now.subscriptions)?;
        out.gauge(
            "dunlin_shared_subscriptions",
            "Shared subscriptions.",
            now.shared_subscriptions,
        )?;
        out.gauge(
            "dunlin_inflight_messages",
            "Messages sent and not acknowledged.",
            now.inflight,
        )?;
        out.gauge(
            "dunlin_queued_messages",
            "Messages waiting for connected clients.",
            now.queued_messages,
        )?;
        self.process(&mut out)
    }
}

impl Broker {
    fn process(&self, out: &mut Out<'_>) -> fmt::Result {
        let process = Process::now();
        let numbers = [
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                process.resident_bytes,
            ),
            ("process_open_fds", "Open file descriptors.", process.open_fds),
            (
                "process_max_fds",
                "Most file descriptors that may be open.",
                process.max_fds,
            ),
            ("process_threads", "Threads.", process.threads),
        ];
        for (name, help, number) in numbers {
            if let Some(number) = number {
                out.gauge(name, help, number)?;
            }
        }
        let mut cpu = out.metric(
            "process_cpu_seconds",
            "CPU time of all threads.",
            MetricType::Counter,
        )?;
        cpu.encode_counter(&process.cpu_seconds, NO_EXEMPLAR)?;
        let mut start = out.metric(
            "process_start_time_seconds",
            "Start, in Unix time.",
            MetricType::Gauge,
        )?;
        start.encode_gauge(&self.started)
    }
}

const NO_EXEMPLAR: Option<&Exemplar<Label, f64>> = None;

struct Out<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl Out<'_> {
    /// A counter's name is given without the `_total` that the text form adds.
    fn metric<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, None::<&Unit>, kind)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.metric(name, help, MetricType::Counter)?
            .encode_counter(&value, NO_EXEMPLAR)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[L],
        values: &[u64],
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, MetricType::Counter)?;
        for (label, value) in labels.iter().zip(values) {
            metric.encode_family(label)?.encode_counter(value, NO_EXEMPLAR)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.metric(name, help, MetricType::Gauge)?
            .encode_gauge(&signed(value))
    }
}

/// Gauges of the library are signed; no count of ours comes near.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_are_summed_under_good_names() {
        let metrics = Metrics::new(2);
        for index in 0..2 {
            let shard = metrics.shard(index).unwrap();
            shard.connections.add(3);
            shard.publish_received.inc(1);
            shard.messages_dropped.add(DropReason::QueueFull, 5);
            shard.connects_refused_total.inc(RefuseReason::Timeout);
        }
        assert!(metrics.shard(2).is_none());
        let text = Exporter::new(metrics).text().unwrap();
        for line in [
            "dunlin_connections 6",
            "dunlin_shard_connections{shard=\"1\"} 3",
            "dunlin_messages_received_total{qos=\"1\"} 2",
            "dunlin_messages_dropped_total{reason=\"queue_full\"} 10",
            "dunlin_connects_refused_total{reason=\"timeout\"} 2",
            "# TYPE dunlin_messages_sent counter",
            "# HELP dunlin_sessions Sessions.",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(
            text.contains("process_cpu_seconds_total ") && text.ends_with("# EOF\n"),
            "{text}"
        );
    }

    #[test]
    fn every_reason_has_its_own_number() {
        assert!(
            DropReason::ALL
                .iter()
                .enumerate()
                .all(|(number, reason)| *reason as usize == number)
        );
        assert!(
            RefuseReason::ALL
                .iter()
                .enumerate()
                .all(|(number, reason)| *reason as usize == number)
        );
    }
}
