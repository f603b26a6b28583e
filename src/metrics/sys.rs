//! The `$SYS/broker/...` topics, under the names that people know from mosquitto.

use std::time::Duration;

use super::Snapshot;

/// Topics and payloads of everything but the load. `messages` are packets of all types there; `publish/messages` are PUBLISH.
pub fn sys_topics(now: &Snapshot) -> Vec<(&'static str, String)> {
    let published_in: u64 = now.publish_received.iter().sum();
    let published_out: u64 = now.publish_sent.iter().sum();
    let stored = now.retained + now.offline_messages + now.queued_messages + now.inflight;
    let numbers = [
        ("$SYS/broker/clients/connected", now.connections),
        ("$SYS/broker/clients/disconnected", now.sessions_offline),
        (
            "$SYS/broker/clients/total",
            now.connections + now.sessions_offline,
        ),
        ("$SYS/broker/clients/maximum", now.most_connections),
        ("$SYS/broker/clients/expired", now.sessions_expired),
        ("$SYS/broker/messages/received", now.packets_received),
        ("$SYS/broker/messages/sent", now.packets_sent),
        ("$SYS/broker/messages/dropped", now.dropped()),
        ("$SYS/broker/messages/inflight", now.inflight),
        ("$SYS/broker/messages/stored", stored),
        ("$SYS/broker/store/messages/count", stored),
        ("$SYS/broker/publish/messages/received", published_in),
        ("$SYS/broker/publish/messages/sent", published_out),
        ("$SYS/broker/publish/messages/dropped", now.dropped()),
        ("$SYS/broker/publish/bytes/received", now.publish_bytes_received),
        ("$SYS/broker/publish/bytes/sent", now.publish_bytes_sent),
        ("$SYS/broker/bytes/received", now.bytes_received),
        ("$SYS/broker/bytes/sent", now.bytes_sent),
        ("$SYS/broker/subscriptions/count", now.subscriptions),
        ("$SYS/broker/shared_subscriptions/count", now.shared_subscriptions),
        ("$SYS/broker/retained messages/count", now.retained),
    ];
    let mut topics = vec![
        (
            "$SYS/broker/version",
            concat!("dunlin ", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        ("$SYS/broker/uptime", format!("{} seconds", now.uptime.as_secs())),
    ];
    topics.extend(numbers.map(|(topic, number)| (topic, number.to_string())));
    topics
}

/// How many a minute, averaged over the last 1, 5 and 15 minutes (`$SYS/broker/load/...`). Each average forgets
/// exponentially, as the load averages of Unix do.
#[derive(Clone, Debug, Default)]
pub struct Load {
    before: Snapshot,
    averages: [[f64; 3]; 9],
}

const MINUTES: [f64; 3] = [1.0, 5.0, 15.0];

#[rustfmt::skip]
const LOAD_TOPICS: [[&str; 3]; 9] = [
    ["$SYS/broker/load/messages/received/1min", "$SYS/broker/load/messages/received/5min", "$SYS/broker/load/messages/received/15min"],
    ["$SYS/broker/load/messages/sent/1min", "$SYS/broker/load/messages/sent/5min", "$SYS/broker/load/messages/sent/15min"],
    ["$SYS/broker/load/publish/received/1min", "$SYS/broker/load/publish/received/5min", "$SYS/broker/load/publish/received/15min"],
    ["$SYS/broker/load/publish/sent/1min", "$SYS/broker/load/publish/sent/5min", "$SYS/broker/load/publish/sent/15min"],
    ["$SYS/broker/load/publish/dropped/1min", "$SYS/broker/load/publish/dropped/5min", "$SYS/broker/load/publish/dropped/15min"],
    ["$SYS/broker/load/bytes/received/1min", "$SYS/broker/load/bytes/received/5min", "$SYS/broker/load/bytes/received/15min"],
    ["$SYS/broker/load/bytes/sent/1min", "$SYS/broker/load/bytes/sent/5min", "$SYS/broker/load/bytes/sent/15min"],
    ["$SYS/broker/load/connections/1min", "$SYS/broker/load/connections/5min", "$SYS/broker/load/connections/15min"],
    ["$SYS/broker/load/sockets/1min", "$SYS/broker/load/sockets/5min", "$SYS/broker/load/sockets/15min"],
];

impl Load {
    /// Takes in what happened since the last update and gives the topics and payloads. Call it once for each interval.
    pub fn update(&mut self, now: &Snapshot) -> Vec<(&'static str, String)> {
        let minutes = now
            .uptime
            .saturating_sub(self.before.uptime)
            .max(Duration::from_millis(1))
            .as_secs_f64()
            / 60.0;
        let (after, before) = (totals(now), totals(&self.before));
        let mut topics = Vec::with_capacity(27);
        let rows = self
            .averages
            .iter_mut()
            .zip(LOAD_TOPICS)
            .zip(after.into_iter().zip(before));
        for ((averages, names), (after, before)) in rows {
            let per_minute = after.saturating_sub(before) as f64 / minutes;
            for ((average, name), window) in averages.iter_mut().zip(names).zip(MINUTES) {
                *average = per_minute + (-minutes / window).exp() * (*average - per_minute);
                topics.push((name, format!("{average:.2}")));
            }
        }
        self.before = now.clone();
        topics
    }
}

fn totals(now: &Snapshot) -> [u64; 9] {
    [
        now.packets_received,
        now.packets_sent,
        now.publish_received.iter().sum(),
        now.publish_sent.iter().sum(),
        now.dropped(),
        now.bytes_received,
        now.bytes_sent,
        now.connects_total,
        now.connects_total + now.connects_refused_total.iter().sum::<u64>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_people_expect_are_there() {
        let now = Snapshot {
            uptime: Duration::from_secs(90),
            retained: 7,
            publish_sent: [1, 2, 3],
            ..Snapshot::default()
        };
        let topics = sys_topics(&now);
        let get = |name: &str| {
            topics
                .iter()
                .find(|(topic, _)| *topic == name)
                .map(|(_, text)| text.as_str())
        };
        assert_eq!(get("$SYS/broker/uptime"), Some("90 seconds"));
        assert_eq!(get("$SYS/broker/retained messages/count"), Some("7"));
        assert_eq!(get("$SYS/broker/publish/messages/sent"), Some("6"));
        assert!(get("$SYS/broker/version").unwrap().starts_with("dunlin "));
    }

    #[test]
    fn the_load_nears_the_rate() {
        let mut load = Load::default();
        let mut now = Snapshot::default();
        let mut last = Vec::new();
        for _ in 0..60 {
            now.uptime += Duration::from_secs(10);
            now.bytes_received += 1_000;
            last = load.update(&now);
        }
        let get = |name: &str| {
            last.iter()
                .find(|(topic, _)| *topic == name)
                .unwrap()
                .1
                .parse::<f64>()
                .unwrap()
        };
        let (one, fifteen) = (
            get("$SYS/broker/load/bytes/received/1min"),
            get("$SYS/broker/load/bytes/received/15min"),
        );
        assert!((5_990.0..=6_000.0).contains(&one), "{one}");
        assert!((2_000.0..4_000.0).contains(&fifteen), "{fifteen}");
        assert_eq!(last.len(), 27);
    }
}
