//! Many clients on one thread: sockets that never block, looked at in turn. A few publish all the time.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::signed;
use crate::support::{
    Broker, CONNACK, PINGRESP, PUBACK, PUBLISH, Packet, SUBACK, V5, ack, pingreq, publish, subscribe,
    take_packet,
};

/// A publisher sends its next message so long after the last one, once that is acknowledged.
const PACE: Duration = Duration::from_millis(50);
/// Connecting this many at a time leaves the broker's queue of strangers short.
const BATCH: usize = 50;

/// A client of the crowd.
struct Member {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What the last SUBACK, CONNACK or PINGRESP was.
    last: u8,
    /// Why it is not connected any more.
    gone: Option<String>,
}

impl Member {
    fn connect(broker: &Broker, id: &str) -> Member {
        let mut stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&signed(V5, id).bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Member {
            stream,
            buffer: Vec::new(),
            last: 0,
            gone: None,
        }
    }

    /// The packets are small and few: the socket's own buffer always has room for them.
    fn send(&mut self, bytes: &[u8]) {
        if let Err(e) = self.stream.write_all(bytes) {
            self.gone.get_or_insert(format!("sending: {e}"));
        }
    }

    /// What came, whole packets only.
    fn receive(&mut self) -> Vec<Packet> {
        let mut chunk = [0; 4096];
        while self.gone.is_none() {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.gone = Some("the broker closed".to_owned()),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => self.gone = Some(format!("receiving: {e}")),
            }
        }
        std::iter::from_fn(|| take_packet(&mut self.buffer, V5)).collect()
    }
}

/// One pair's messages: publisher `n` publishes 0, 1, 2 ... to `load/n`, and only member `pairs + n` subscribes to it.
#[derive(Default)]
struct Pair {
    /// The message that is not acknowledged yet, and when it was sent.
    waiting: Option<(u64, Instant)>,
    sent: u64,
    acknowledged: u64,
    /// The messages that came, and how often.
    came: BTreeMap<u64, u32>,
    /// The version that the policies wrote on the last one, if they write any.
    stamp: u64,
    due: Option<Instant>,
}

pub struct Crowd {
    members: Vec<Member>,
    pairs: Vec<Pair>,
    longest: Duration,
    wrong: Vec<String>,
}

/// The version in `v1 v1 v1`, if there is any; an error when they differ.
fn one_version(stamps: &str) -> Result<Option<u64>, ()> {
    let mut stamps = stamps.split(' ').filter(|stamp| !stamp.is_empty());
    let Some(first) = stamps.next() else {
        return Ok(None);
    };
    if stamps.any(|stamp| stamp != first) {
        return Err(());
    }
    first[1..].parse().map(Some).map_err(drop)
}

/// What became of it.
pub struct Figures {
    pub acknowledged: u64,
    pub lost: u64,
    pub twice: u64,
    /// The longest wait for a PUBACK.
    pub longest: Duration,
}

impl Crowd {
    /// Connects `count` clients, of which `pairs` publish and as many subscribe.
    pub fn connect(broker: &Broker, count: usize, pairs: usize) -> Crowd {
        let mut crowd = Crowd {
            members: Vec::new(),
            pairs: (0..pairs).map(|_| Pair::default()).collect(),
            longest: Duration::ZERO,
            wrong: Vec::new(),
        };
        while crowd.members.len() < count {
            let from = crowd.members.len();
            let to = count.min(from + BATCH);
            for n in from..to {
                crowd
                    .members
                    .push(Member::connect(broker, &format!("GID_crowd@@@{n}")));
            }
            crowd.all_get("connected", from..to, CONNACK);
        }
        for n in 0..pairs {
            let filter = format!("load/{n}");
            crowd.members[pairs + n].send(&subscribe(V5, 1, &[(&filter, 1)], &[]));
        }
        crowd.all_get("subscribed", pairs..2 * pairs, SUBACK);
        crowd
    }

    fn all_get(&mut self, what: &str, range: std::ops::Range<usize>, kind: u8) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.members[range.clone()]
            .iter()
            .any(|member| member.last != kind)
        {
            self.turn(false);
            self.check();
            assert!(
                Instant::now() < deadline,
                "not all of {range:?} {what} within 30 seconds"
            );
        }
    }

    /// Looks at everybody once.
    fn turn(&mut self, publishing: bool) {
        for n in 0..self.members.len() {
            for packet in self.members[n].receive() {
                self.packet(n, &packet);
            }
        }
        let now = Instant::now();
        for (n, pair) in self.pairs.iter_mut().enumerate() {
            if publishing && pair.waiting.is_none() && pair.due.is_none_or(|due| due <= now) {
                let payload = pair.sent.to_string();
                let id = (pair.sent % 65_535) as u16 + 1;
                let message = publish(format!("load/{n}"), payload).qos(1, id);
                self.members[n].send(&message.bytes(V5));
                pair.waiting = Some((pair.sent, now));
                pair.sent += 1;
                pair.due = Some(now + PACE);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }

    fn packet(&mut self, n: usize, packet: &Packet) {
        match packet.kind {
            PUBLISH => {
                let text = String::from_utf8_lossy(&packet.payload).into_owned();
                let (message, stamps) = text.split_once(' ').unwrap_or((&text, ""));
                let receiver = n - self.pairs.len();
                let pair = &mut self.pairs[receiver];
                *pair.came.entry(message.parse().unwrap()).or_default() += 1;
                match one_version(stamps) {
                    Ok(None) => {}
                    Ok(Some(stamp)) if stamp >= pair.stamp => pair.stamp = stamp,
                    Ok(Some(stamp)) => self.wrong.push(format!("v{stamp} after v{}", pair.stamp)),
                    Err(()) => self.wrong.push(format!("served by a mix: {stamps}")),
                }
                self.members[n].send(&ack(PUBACK, packet.id));
            }
            PUBACK => {
                let pair = &mut self.pairs[n];
                let (_, since) = pair.waiting.take().expect("a PUBACK for nothing");
                pair.acknowledged += 1;
                self.longest = self.longest.max(since.elapsed());
                if packet.code() != 0 {
                    self.wrong
                        .push(format!("client {n}: PUBACK {:#04x}", packet.code()));
                }
            }
            kind @ (CONNACK | SUBACK | PINGRESP) => {
                self.members[n].last = kind;
                if kind == CONNACK && packet.code() != 0 || kind == SUBACK && packet.codes != [1] {
                    self.wrong.push(format!("client {n}: {packet:02x?}"));
                }
            }
            _ => self.wrong.push(format!("client {n}: {packet:02x?}")),
        }
    }

    /// Nobody is gone and nothing was refused.
    #[track_caller]
    pub fn check(&self) {
        assert!(
            self.wrong.is_empty(),
            "{} refusals: {:?}",
            self.wrong.len(),
            &self.wrong[..1]
        );
        let gone = self
            .members
            .iter()
            .enumerate()
            .filter_map(|(n, m)| Some((n, m.gone.as_ref()?)));
        let gone: Vec<_> = gone.collect();
        assert!(
            gone.is_empty(),
            "{} clients were disconnected, the first: {:?}",
            gone.len(),
            gone[0]
        );
    }

    /// Publishes until `stop`, then waits until all is acknowledged and delivered, or for ten seconds.
    pub fn publish_until(&mut self, stop: impl Fn() -> bool) -> Figures {
        while !stop() {
            self.turn(true);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        let open = |pair: &Pair| pair.waiting.is_some() || (pair.came.len() as u64) < pair.sent;
        while self.pairs.iter().any(open) && Instant::now() < deadline {
            self.turn(false);
        }
        let lost = |pair: &Pair| {
            (0..pair.acknowledged)
                .filter(|n| !pair.came.contains_key(n))
                .count() as u64
        };
        let twice = |pair: &Pair| pair.came.values().filter(|times| **times > 1).count() as u64;
        Figures {
            acknowledged: self.pairs.iter().map(|pair| pair.acknowledged).sum(),
            lost: self.pairs.iter().map(lost).sum(),
            twice: self.pairs.iter().map(twice).sum(),
            longest: self.longest,
        }
    }

    /// Everybody still gets an answer.
    #[track_caller]
    pub fn ping(&mut self) {
        for member in &mut self.members {
            member.send(&pingreq());
        }
        self.all_get("answered a ping", 0..self.members.len(), PINGRESP);
    }
}
