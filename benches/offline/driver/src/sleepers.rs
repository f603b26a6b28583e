//! Persistent sessions with ten subscriptions each, whose clients are away.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::mqtt::{self, Connection, Packet};

/// Of the ten filters of a session, those that no other session has.
const OWN: usize = 7;

/// Which sessions there are.
#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
    #[arg(long, default_value = "127.0.0.1:1883")]
    target: SocketAddr,
    #[arg(long, default_value_t = 100_000)]
    sessions: u64,
}

fn client_id(session: u64) -> String {
    format!("GID_Fleet@@@unit-{session:07}")
}

/// Seven of the session's own, one of a site (1,000 of them), one of a model (20), one of all.
fn filters(session: u64) -> [String; 10] {
    let id = client_id(session);
    [
        format!("fleet/{id}/config"),
        format!("fleet/{id}/commands/#"),
        format!("fleet/{id}/jobs/+"),
        format!("fleet/{id}/rpc/+/request"),
        format!("fleet/{id}/firmware/+/status"),
        format!("fleet/{id}/shadow/update/accepted"),
        format!("fleet/{id}/shadow/update/rejected"),
        format!("sites/hall-{:04}/announcements", session % 1000),
        format!("models/type-{:02}/firmware/#", session % 20),
        "broadcast/all".to_owned(),
    ]
}

/// A topic that the filter of a session's own matches.
fn topic(filter: &str) -> String {
    filter.replace('+', "4711").replace('#', "restart/now")
}

/// Makes all sessions, over `parallel` connections at a time.
pub async fn make(plan: &Plan, parallel: usize) -> Result<()> {
    let next = Rc::new(AtomicU64::new(0));
    let started = Instant::now();
    let local = LocalSet::new();
    let mut workers = JoinSet::new();
    for _ in 0..parallel {
        let (plan, next) = (plan.clone(), next.clone());
        let worker = async move {
            loop {
                let session = next.fetch_add(1, Ordering::Relaxed);
                if session >= plan.sessions {
                    return Ok::<_, Error>(());
                }
                let mut connection = Connection::open(plan.target, session).await?;
                let mut bytes = mqtt::connect(&client_id(session), false);
                bytes.extend(mqtt::subscribe(&filters(session)));
                connection.send(&bytes).await?;
                connection.connack().await?;
                connection.suback().await?;
                connection.disconnect().await?;
            }
        };
        workers.spawn_local_on(worker, &local);
    }
    local
        .run_until(async {
            while let Some(worker) = workers.join_next().await {
                worker.map_err(Error::other)??;
            }
            Ok::<_, Error>(())
        })
        .await?;
    println!(
        r#"{{"sessions": {}, "seconds": {:.3}}}"#,
        plan.sessions,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Resumes `count` sessions one after the other: how long until CONNACK, and are their own subscriptions alive?
pub async fn resume(plan: &Plan, count: u64) -> Result<()> {
    let (mut publisher, _) = Connection::connect(plan.target, 0, "sleepers-publisher", true).await?;
    let (mut times, mut present, mut received) = (Vec::new(), 0, 0);
    for n in 0..count {
        let session = n.wrapping_mul(2_654_435_761) % plan.sessions.max(1);
        let mut connection = Connection::open(plan.target, session).await?;
        let connect = mqtt::connect(&client_id(session), false);
        let started = Instant::now();
        connection.send(&connect).await?;
        present += u64::from(connection.connack().await?);
        times.push(started.elapsed());

        let mut bytes = Vec::new();
        for (id, filter) in (1..).zip(filters(session).iter().take(OWN)) {
            mqtt::publish(&mut bytes, id, &topic(filter), b"wake up");
        }
        publisher.send(&bytes).await?;
        received += wait(&mut publisher, &mut connection).await?;
        connection.disconnect().await?;
    }
    publisher.disconnect().await?;
    times.sort_unstable();
    let micros = |part: usize| {
        times
            .get((times.len() * part / 100).min(times.len().saturating_sub(1)))
            .map_or(0, Duration::as_micros)
    };
    println!(
        r#"{{"count": {count}, "session_present": {present}, "messages": {received}, "messages_expected": {}, "connack_us_median": {}, "connack_us_p99": {}}}"#,
        count * OWN as u64,
        micros(50),
        micros(99),
    );
    Ok(())
}

/// Messages that come to a session of those that were published, which all have to be acknowledged.
async fn wait(publisher: &mut Connection, session: &mut Connection) -> Result<u64> {
    let mut received = 0;
    let all = async {
        while received < OWN as u64 {
            if let Packet::Publish { id, .. } = session.packet().await? {
                received += 1;
                let mut bytes = Vec::new();
                mqtt::puback(&mut bytes, id);
                session.send(&bytes).await?;
            }
        }
        Ok::<_, Error>(())
    };
    // One that does not come is counted, not waited for.
    if let Ok(failed) = tokio::time::timeout(Duration::from_secs(2), all).await {
        failed?;
    }
    for _ in 0..OWN {
        publisher.packet().await?;
    }
    Ok(received)
}
