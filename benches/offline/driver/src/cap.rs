//! More messages for sleeping sessions than the broker keeps: which of them are still there?

use std::io::Result;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use crate::mqtt::{self, Connection, Packet};

/// Connections that are opened at a time.
const OPENING: usize = 64;

/// After the last message that is expected, time for one that is not.
const QUIET: Duration = Duration::from_secs(1);

/// Which sessions there are, and what is published to them.
#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
    #[arg(long, default_value = "127.0.0.1:1883")]
    target: SocketAddr,
    #[arg(long, default_value_t = 1000)]
    sessions: u64,
    /// Messages published in all.
    #[arg(long, default_value_t = 1_200_000)]
    messages: u64,
    #[arg(long, default_value_t = 64)]
    payload: usize,
}

impl Plan {
    /// To which session a message goes. The first ones get the most, so that a limit of each session's own would show.
    fn session_of(&self, number: u64) -> u64 {
        let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let even = u128::from((z ^ (z >> 31)) >> 32);
        let skewed = (even * even * u128::from(self.sessions)) >> 64;
        u64::try_from(skewed).unwrap_or(0)
    }

    fn client_id(session: u64) -> String {
        format!("cap-{session}")
    }

    fn topic(session: u64) -> String {
        format!("cap/{session}")
    }
}

/// Makes the sessions and publishes all messages, from one client with at most `window` of them unacknowledged.
pub async fn publish(plan: &Plan, window: u64) -> Result<()> {
    for session in 0..plan.sessions {
        let id = Plan::client_id(session);
        let (mut connection, _) = Connection::connect(plan.target, session, &id, false).await?;
        connection.send(&mqtt::subscribe(&[Plan::topic(session)])).await?;
        connection.suback().await?;
        connection.disconnect().await?;
    }

    let topics: Vec<String> = (0..plan.sessions).map(Plan::topic).collect();
    let (mut publisher, _) = Connection::connect(plan.target, 0, "cap-publisher", true).await?;
    let mut payload = vec![0; plan.payload.max(8)];
    let (mut sent, mut acknowledged, mut bytes) = (0, 0, Vec::new());
    let started = Instant::now();
    while acknowledged < plan.messages {
        bytes.clear();
        while sent < plan.messages && sent < acknowledged + window {
            let topic = usize::try_from(plan.session_of(sent))
                .ok()
                .and_then(|session| topics.get(session));
            if let Some((head, _)) = payload.split_first_chunk_mut() {
                *head = sent.to_be_bytes();
            }
            let id = u16::try_from(sent % 65_535 + 1).unwrap_or(1);
            mqtt::publish(&mut bytes, id, topic.map_or("cap", String::as_str), &payload);
            sent += 1;
        }
        publisher.send(&bytes).await?;
        publisher.receive().await?;
        while let Some(packet) = publisher.next_received()? {
            acknowledged += u64::from(packet == Packet::Puback);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    publisher.disconnect().await?;
    println!(r#"{{"sent": {sent}, "seconds": {seconds:.3}}}"#);
    Ok(())
}

/// Resumes all sessions at once, receives what they have, and compares it with the newest `keep` messages.
pub async fn drain(plan: &Plan, keep: u64, patience: Duration) -> Result<()> {
    let kept = plan.messages.saturating_sub(keep)..plan.messages;
    let mut expected = vec![Vec::new(); usize::try_from(plan.sessions).unwrap_or(0)];
    for number in kept.clone() {
        if let Some(of_session) = usize::try_from(plan.session_of(number))
            .ok()
            .and_then(|at| expected.get_mut(at))
        {
            of_session.push(number);
        }
    }

    let delivered = Arc::new(AtomicU64::new(0));
    let opening = Rc::new(Semaphore::new(OPENING));
    let (stop, stopped) = watch::channel(false);
    let started = Instant::now();
    let local = LocalSet::new();
    let mut sessions = JoinSet::new();
    for (session, expected) in (0..).zip(expected) {
        let (delivered, opening, stopped) = (delivered.clone(), opening.clone(), stopped.clone());
        let target = plan.target;
        let task = async move {
            let (present, received) = receive(target, session, &opening, &delivered, stopped).await?;
            Ok::<_, std::io::Error>(Verdict::of(present, &expected, &received))
        };
        sessions.spawn_local_on(task, &local);
    }
    let (verdict, seconds) = local
        .run_until(async {
            let (mut before, mut progress, mut last) = (0, Instant::now(), Instant::now());
            while before < keep.min(plan.messages) && progress.elapsed() < patience {
                sleep(Duration::from_millis(5)).await;
                let now = delivered.load(Ordering::Relaxed);
                if now != before {
                    (before, progress, last) = (now, Instant::now(), Instant::now());
                }
            }
            sleep(QUIET).await;
            stop.send_replace(true);
            let mut verdict = Verdict::default();
            while let Some(session) = sessions.join_next().await {
                verdict.add(&session.map_err(std::io::Error::other)??);
            }
            Ok::<_, std::io::Error>((verdict, (last - started).as_secs_f64()))
        })
        .await?;

    println!(
        r#"{{"expected": {}, "oldest_expected": {}, "delivered": {}, "resumed": {}, "exact_sessions": {}, "missing": {}, "unexpected": {}, "out_of_order": {}, "newest_missing": {}, "oldest": {}, "newest": {}, "seconds": {seconds:.3}}}"#,
        kept.end - kept.start,
        kept.start,
        delivered.load(Ordering::Relaxed),
        verdict.resumed,
        verdict.exact,
        verdict.missing,
        verdict.unexpected,
        verdict.out_of_order,
        verdict.newest_missing.unwrap_or(0),
        verdict.oldest.unwrap_or(0),
        verdict.newest.unwrap_or(0),
    );
    Ok(())
}

/// The numbers of the messages that one session gets until all is `stopped`, acknowledged at once.
async fn receive(
    target: SocketAddr,
    session: u64,
    opening: &Semaphore,
    delivered: &AtomicU64,
    mut stopped: watch::Receiver<bool>,
) -> Result<(bool, Vec<u64>)> {
    let permit = opening.acquire().await.map_err(std::io::Error::other)?;
    let (mut connection, present) =
        Connection::connect(target, session, &Plan::client_id(session), false).await?;
    drop(permit);
    let (mut received, mut acknowledgements) = (Vec::new(), Vec::new());
    loop {
        let before = received.len();
        while let Some(packet) = connection.next_received()? {
            if let Packet::Publish { id, payload } = packet {
                mqtt::puback(&mut acknowledgements, id);
                received.push(
                    payload
                        .first_chunk()
                        .map_or(u64::MAX, |number| u64::from_be_bytes(*number)),
                );
            }
        }
        delivered.fetch_add((received.len() - before) as u64, Ordering::Relaxed);
        connection.send(&acknowledgements).await?;
        acknowledgements.clear();
        tokio::select! {
            came = connection.receive() => came?,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    connection.disconnect().await?;
    Ok((present, received))
}

/// How what came differs from what should have come.
#[derive(Default)]
struct Verdict {
    resumed: u64,
    exact: u64,
    missing: usize,
    unexpected: usize,
    out_of_order: usize,
    newest_missing: Option<u64>,
    oldest: Option<u64>,
    newest: Option<u64>,
}

impl Verdict {
    fn of(present: bool, expected: &[u64], received: &[u64]) -> Self {
        let mut sorted = received.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let missing = expected
            .iter()
            .filter(|number| sorted.binary_search(number).is_err());
        let found = expected.len() - missing.clone().count();
        Self {
            resumed: u64::from(present),
            exact: u64::from(expected == received),
            missing: expected.len() - found,
            unexpected: received.len() - found,
            out_of_order: received
                .windows(2)
                .filter(|pair| pair.first() >= pair.last())
                .count(),
            newest_missing: missing.max().copied(),
            oldest: sorted.first().copied(),
            newest: sorted.last().copied(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.resumed += other.resumed;
        self.exact += other.exact;
        self.missing += other.missing;
        self.unexpected += other.unexpected;
        self.out_of_order += other.out_of_order;
        self.newest_missing = self.newest_missing.max(other.newest_missing);
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
        self.newest = self.newest.max(other.newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_tells_what_is_wrong() {
        let verdict = Verdict::of(true, &[3, 5, 7, 8], &[2, 3, 7, 5, 5]);
        assert_eq!(
            (
                verdict.exact,
                verdict.missing,
                verdict.unexpected,
                verdict.out_of_order
            ),
            (0, 1, 2, 2)
        );
        assert_eq!(
            (verdict.oldest, verdict.newest, verdict.newest_missing),
            (Some(2), Some(7), Some(8))
        );
        assert_eq!(Verdict::of(true, &[3, 5], &[3, 5]).exact, 1);
    }

    #[test]
    fn every_session_gets_some_and_the_first_the_most() {
        let plan = Plan {
            target: ([127, 0, 0, 1], 1).into(),
            sessions: 10,
            messages: 1000,
            payload: 8,
        };
        let mut counts = [0; 10];
        for number in 0..plan.messages {
            counts[plan.session_of(number) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| *count > 0) && counts[0] > 3 * counts[9],
            "{counts:?}"
        );
    }
}
