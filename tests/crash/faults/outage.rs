//! The disk takes nothing for two seconds in the middle of the load: what has to be on it waits, all else goes on, and when the disk
//! takes something again all is acknowledged, on the same connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::disk::{Done, EIO, ENOSPC, FOREVER, Tell, loss};
use super::stage::{Stage, rounds};
use crate::alone;
use crate::ledger::{Stamp, stamp};
use crate::support::{
    Broker, Client, Connect, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V311, ack, disconnect,
    pingreq, publish,
};

const STORE: [&str; 2] = ["store.fsync=\"always\"", "store.segment=\"256KiB\""];
const ROUNDS: u32 = 6;
/// How long the disk takes nothing.
const OUTAGE: Duration = Duration::from_secs(2);
/// How soon a broker in trouble answers what needs no disk.
const SOON: Duration = Duration::from_millis(700);
/// How soon all is acknowledged when the trouble is over.
const HEALED: Duration = Duration::from_secs(8);
/// Messages to somebody who is away.
const MESSAGES: u16 = 10;
/// Streams of which nothing can be acknowledged without the disk: to those who sleep, and retained ones.
const NEED_THE_DISK: [&str; 2] = ["load/5/", "keep/"];

/// How far a run is: what the probe and the run tell each other.
const BEFORE: u32 = 0;
const READY: u32 = 1;
const DURING: u32 = 2;
const AFTER: u32 = 3;

/// A disk that fails, in its ways; what it counts then.
type Fault = fn(&mut Stage) -> Done;

fn full(stage: &mut Stage) -> Done {
    let disk = &stage.disk;
    disk.tell(Tell::CreateError, ENOSPC);
    disk.tell(Tell::Budget, stage.random.between(1..3_000));
    disk.tell(Tell::WriteError, ENOSPC);
    Done::RefusedWrites
}

fn cannot_write(stage: &mut Stage) -> Done {
    stage.disk.tell(Tell::TruncateError, EIO);
    stage.disk.tell(Tell::Budget, stage.random.between(0..300));
    stage.disk.tell(Tell::WriteError, EIO);
    Done::RefusedWrites
}

fn cannot_sync(stage: &mut Stage) -> Done {
    stage.disk.tell(Tell::Loss, loss::AT_ONCE);
    stage.disk.tell(Tell::SyncError, EIO);
    stage.disk.tell(Tell::SyncFailures, FOREVER);
    Done::FailedSyncs
}

#[test]
fn a_full_disk_holds_up_what_needs_it_and_nothing_else() {
    alone(outage("a full disk", full));
}

#[test]
fn a_disk_that_cannot_write_holds_up_what_needs_it_and_nothing_else() {
    alone(outage("a disk that cannot write", cannot_write));
}

#[test]
fn a_disk_that_cannot_sync_holds_up_what_needs_it_and_nothing_else() {
    alone(outage("a disk that cannot sync", cannot_sync));
}

#[test]
fn death_in_an_outage_loses_nothing_acknowledged() {
    alone(async {
        let mut stage = Stage::new("death in an outage", &STORE).await;
        for round in 0..rounds(ROUNDS) {
            stage.load(30..250).await;
            let fault: Fault = [full, cannot_write, cannot_sync][round as usize % 3];
            begin(&mut stage, fault).await;
            stage.load(0..400).await;
            stage.kill().await;
            stage.tell("killed in the outage");
            stage.disk.heal();
            stage.start().await;
            if stage.is_wrong() {
                break;
            }
        }
        stage.load(100..300).await;
        stage.finish().await;
    });
}

/// From now on the disk fails, and has failed once.
async fn begin(stage: &mut Stage, fault: Fault) {
    let signs = [Done::RefusedWrites, Done::RefusedCreates, Done::FailedSyncs];
    let failed = |stage: &Stage| signs.map(|sign| stage.disk.done(sign)).iter().sum::<u64>();
    let before = failed(stage);
    let sign = fault(stage);
    let deadline = Instant::now() + Duration::from_secs(3);
    while failed(stage) == before {
        let in_time = Instant::now() < deadline;
        assert!(
            in_time,
            "the disk refused nothing ({sign:?}): {}",
            stage.account()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stage.tell(format_args!("the disk fails: {sign:?}"));
}

async fn outage(name: &str, fault: Fault) {
    let mut stage = Stage::new(name, &STORE).await;
    let phase = Arc::new(AtomicU32::new(BEFORE));
    let probe = {
        let (phase, metrics) = (Arc::clone(&phase), stage.metrics);
        let address = stage.world.now().address.unwrap();
        tokio::task::spawn_blocking(move || probe(&Broker::at(address), metrics, &phase))
    };
    stage.load(300..600).await;
    reached(&phase, READY).await;

    begin(&mut stage, fault).await;
    let from = stamp(stage.world.time());
    phase.store(DURING, Ordering::SeqCst);
    let deadline = Instant::now() + OUTAGE;
    while Instant::now() < deadline {
        stage.load(50..250).await;
    }
    let early = acknowledged_since(&stage, from);
    for what in early.iter().take(5) {
        stage.world.wrong("acknowledged without the disk", what.clone());
    }
    stage.disk.heal();
    let until = stamp(stage.world.time());
    stage.tell("the disk is well again");
    phase.store(AFTER, Ordering::SeqCst);

    let deadline = Instant::now() + HEALED;
    while let Some(waits) = unacknowledged(&stage, until) {
        if Instant::now() > deadline {
            let what = format!("{waits} is not acknowledged though the disk is well");
            stage.world.wrong("not acknowledged", what);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Err(why) = probe.await {
        let why = why.into_panic();
        let why = why.downcast_ref::<String>().cloned();
        let what = why.unwrap_or_else(|| "see above".to_owned());
        stage.world.wrong("in the outage", what);
    }
    stage.kill().await;
    stage.start().await;
    let address = stage.world.now().address.unwrap();
    let away = tokio::task::spawn_blocking(move || come_back(&Broker::at(address)));
    if !stage.is_wrong() {
        away.await.expect("who was away gets all that was acknowledged");
    }
    stage.load(100..300).await;
    stage.finish().await;
}

async fn reached(phase: &AtomicU32, wanted: u32) {
    let deadline = Instant::now() + HEALED;
    while phase.load(Ordering::SeqCst) < wanted {
        assert!(Instant::now() < deadline, "the probe is not ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Messages that need the disk, sent since `from`, and acknowledged.
fn acknowledged_since(stage: &Stage, from: Stamp) -> Vec<String> {
    let ledger = stage.world.ledger.borrow();
    let mut early = Vec::new();
    for (n, stream) in ledger.streams.iter().enumerate() {
        if !NEED_THE_DISK
            .iter()
            .any(|prefix| stream.topic.starts_with(prefix))
        {
            continue;
        }
        for (number, (sent, _)) in stream.messages.iter().enumerate() {
            if *sent > from && stream.is_acknowledged(number as u64) {
                early.push(ledger.told(n, number as u64));
            }
        }
    }
    early
}

/// The first message that was sent up to then and is not acknowledged.
fn unacknowledged(stage: &Stage, until: Stamp) -> Option<String> {
    let ledger = stage.world.ledger.borrow();
    let mut waiting = ledger.streams.iter().enumerate().filter_map(|(n, stream)| {
        let sent = stream
            .messages
            .iter()
            .take_while(|(sent, _)| *sent <= until)
            .count() as u64;
        let number = (0..sent).find(|number| !stream.is_acknowledged(*number))?;
        Some(ledger.told(n, number))
    });
    waiting.next()
}

/// Sees the outage with clients of its own: what has to wait, and what has to go on.
fn probe(broker: &Broker, metrics: SocketAddr, phase: &AtomicU32) {
    let mut away = Connect::v5("away").resume().expiry(3_600).to(broker);
    away.subscribe("probe/away", 2);
    away.send(&disconnect(0, &[]));
    away.expect_close();
    let mut listener = Connect::v5("listener").to(broker);
    listener.subscribe("probe/zero", 0);
    let mut publisher = Connect::v311("sender").to(broker);
    publisher.publish(publish("probe/away", "0").qos(1, 500));
    publisher.expect_ack(PUBACK, 500, 0);
    assert!(in_trouble(metrics).ends_with(" 0"), "{}", in_trouble(metrics));
    phase.store(READY, Ordering::SeqCst);
    while phase.load(Ordering::SeqCst) < DURING {
        std::thread::sleep(Duration::from_millis(2));
    }

    for id in 1..=MESSAGES {
        let qos = if id % 2 == 0 { 1 } else { 2 };
        publisher.publish(publish("probe/away", id.to_string()).qos(qos, id));
    }
    let mut zeros = Connect::new(V311, "zeros").to(broker);
    let (mut n, mut slowest, mut troubled) = (0, Duration::ZERO, false);
    while phase.load(Ordering::SeqCst) == DURING {
        let began = Instant::now();
        zeros.publish(publish("probe/zero", n.to_string()));
        zeros.send(&pingreq());
        publisher.send(&pingreq());
        let millis = SOON.as_millis() as u64;
        let came = listener.receive_within(millis).expect("QoS 0 goes on");
        assert_eq!((came.kind, came.payload), (PUBLISH, n.to_string().into_bytes()));
        expect_pong(&mut zeros);
        expect_pong(&mut publisher);
        slowest = slowest.max(began.elapsed());
        troubled |= in_trouble(metrics).ends_with(" 1");
        n += 1;
        std::thread::sleep(Duration::from_millis(40));
    }
    println!("in the outage: {n} messages of QoS 0 and answers to PINGREQ, the slowest in {slowest:.1?}");
    assert!(n > 3, "only {n} messages in the outage");
    assert!(
        troubled,
        "the metrics say nothing of the trouble: {}",
        in_trouble(metrics)
    );
    let mut due: Vec<(u8, u16)> = (1..=MESSAGES)
        .map(|id| (if id % 2 == 0 { PUBACK } else { PUBREC }, id))
        .collect();
    while !due.is_empty() {
        let packet = publisher.receive_within(HEALED.as_millis() as u64);
        let packet = packet.unwrap_or_else(|| panic!("after the outage these did not come: {due:?}"));
        let place = due.iter().position(|due| *due == (packet.kind, packet.id));
        let place = place.filter(|_| packet.code() < 0x80);
        due.swap_remove(place.unwrap_or_else(|| panic!("unexpected {packet:02x?}")));
        if packet.kind == PUBREC {
            publisher.send(&ack(PUBREL, packet.id));
            due.push((PUBCOMP, packet.id));
        }
    }
    let deadline = Instant::now() + HEALED;
    while !in_trouble(metrics).ends_with(" 0") {
        assert!(Instant::now() < deadline, "{}", in_trouble(metrics));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn expect_pong(client: &mut Client) {
    let packet = client.receive_within(SOON.as_millis() as u64);
    let packet = packet.expect("PINGREQ is answered");
    assert_eq!(packet.kind, PINGRESP, "in the outage came {packet:02x?}");
}

/// After the crash.
fn come_back(broker: &Broker) {
    let mut away = Connect::v5("away").resume().expiry(3_600).to(broker);
    assert!(
        away.connack.session_present,
        "the session of who was away is gone"
    );
    // QoS 1 and QoS 2 are two streams [MQTT-4.6.0-5].
    let mut came: [Vec<String>; 2] = Default::default();
    while let Some(packet) = away.receive_within(500) {
        match (packet.kind, packet.qos()) {
            (PUBLISH, qos @ (1 | 2)) => {
                away.send(&ack(if qos == 1 { PUBACK } else { PUBREC }, packet.id));
                let text = String::from_utf8_lossy(&packet.payload).into_owned();
                came[usize::from(qos) - 1].push(text);
            }
            (PUBREL, _) => away.send(&ack(PUBCOMP, packet.id)),
            _ => panic!("unexpected {packet:02x?}"),
        }
    }
    let due = |first| (first..=MESSAGES).step_by(2).map(|id| id.to_string());
    let due = [due(0), due(1)].map(Vec::from_iter);
    assert_eq!(came, due);
}

/// What /metrics says of the store's trouble.
fn in_trouble(metrics: SocketAddr) -> String {
    let mut stream = TcpStream::connect(metrics).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("dunlin_store_in_trouble"));
    line.unwrap_or("no dunlin_store_in_trouble").trim_end().to_owned()
}
