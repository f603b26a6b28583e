//! What grace saves: pairs of persistent QoS 1 clients that are both there, with `store.grace` and without.
//!
//! `cargo bench --bench grace`. Starts the release binary on a folder of its own for each row; the rows take turns.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench may end in a panic"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

const PAIRS: usize = 10;
const SECONDS: u64 = 3;
const ROUNDS: usize = 3;
const PORT: u16 = 21_883;

struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(data: &Path, fsync: &str, grace: &str) -> Broker {
    let child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["serve", "--config"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/dunlin.open.toml"))
        .arg("--data")
        .arg(data)
        .args(["--set", &format!("listeners.tcp.bind=\"127.0.0.1:{PORT}\"")])
        .args(["--set", "admin.enabled=false", "--set", "log.level=\"warn\""])
        .args(["--set", &format!("store.fsync=\"{fsync}\"")])
        .args(["--set", &format!("store.grace=\"{grace}\"")])
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the broker starts");
    let broker = Broker(child);
    let begin = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", PORT)).is_err() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "the broker does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    broker
}

/// CPU milliseconds of a process, and bytes that it had written to the disk.
fn spent(pid: u32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    let written = written.and_then(|text| text.parse().ok()).unwrap_or(0);
    ((ticks(11) + ticks(12)) * 10, written)
}

fn options(id: String) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", PORT);
    options.set_clean_session(false).set_inflight(100);
    options
}

async fn pair(number: usize, until: Instant, came: Arc<AtomicU64>) {
    let topic = format!("grace/{number}");
    let (subscriber, mut incoming) = AsyncClient::new(options(format!("sub-{number}")), 1_000);
    subscriber
        .subscribe(&topic, QoS::AtLeastOnce)
        .await
        .expect("room");
    let reading = tokio::spawn(async move {
        while Instant::now() < until {
            let event = tokio::time::timeout(Duration::from_millis(200), incoming.poll()).await;
            if let Ok(Ok(Event::Incoming(Packet::Publish(_)))) = event {
                came.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (publisher, mut outgoing) = AsyncClient::new(options(format!("pub-{number}")), 100);
    let writing = tokio::spawn(async move {
        while Instant::now() < until {
            let _ = tokio::time::timeout(Duration::from_millis(200), outgoing.poll()).await;
        }
    });
    while Instant::now() < until {
        let sent = publisher.publish(&topic, QoS::AtLeastOnce, false, vec![7; 64]);
        let _ = tokio::time::timeout(Duration::from_millis(200), sent).await;
    }
    let _ = (reading.await, writing.await);
}

fn main() {
    let rows = [
        ("always", "20ms"),
        ("always", "0s"),
        ("never", "20ms"),
        ("never", "0s"),
    ];
    let mut figures = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for (row, (fsync, grace)) in rows.iter().enumerate() {
            let data = tempfile::tempdir().expect("a folder");
            let broker = start(data.path(), fsync, grace);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let came = Arc::new(AtomicU64::new(0));
            let until = Instant::now() + Duration::from_secs(SECONDS);
            runtime.expect("a runtime").block_on(async {
                let pairs = (0..PAIRS).map(|number| tokio::spawn(pair(number, until, Arc::clone(&came))));
                for pair in pairs.collect::<Vec<_>>() {
                    let _ = pair.await;
                }
            });
            let (cpu, written) = spent(broker.0.id());
            let count = came.load(Ordering::Relaxed).max(1);
            figures[row].push((count / SECONDS, cpu * 1000 / count, written / count));
        }
    }
    println!("| fsync | grace | messages/s | broker CPU us a message | bytes on the disk a message |");
    println!("| --- | --- | --: | --: | --: |");
    for ((fsync, grace), mut runs) in rows.iter().zip(figures) {
        runs.sort_unstable();
        let (rate, cpu, bytes) = runs[runs.len() / 2];
        println!("| {fsync} | {grace} | {rate} | {cpu} | {bytes} |");
    }
}
