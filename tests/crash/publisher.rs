//! A publisher whose session is kept: it sends again what was not acknowledged, as MQTT has it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::drive::Role;
use crate::message;
use crate::support::{Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, RECEIVE_MAXIMUM, ack, publish};
use crate::world::{Now, Phase, World};

/// Seconds that sessions are kept.
pub const EXPIRY: u32 = 3_600;
/// How far subscribers may be behind before their publisher waits for them: it bounds what a run holds.
const LAG: u64 = 1_000;
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// What a publisher that was held up makes good for at most.
const BURST: f64 = 50.0;

/// A message under way.
struct Outgoing {
    id: u16,
    stream: usize,
    number: u64,
    /// PUBREC has come: PUBREL is what is sent again.
    released: bool,
}

pub struct Publisher {
    world: Rc<World>,
    /// Its place in the ledger.
    n: usize,
    name: String,
    version: u8,
    streams: Vec<usize>,
    retained: bool,
    /// Messages under way at once.
    window: usize,
    /// Messages a second.
    rate: f64,
    /// What it may send by now.
    credit: f64,
    credited: Instant,
    looked: Instant,
    held: bool,
    /// In the order of their first sending [MQTT-4.6.0-1].
    under_way: Vec<Outgoing>,
    /// Packet ids; the last that came free is the next that is used.
    free: Vec<u16>,
    /// Its session was used: it must be there.
    established: bool,
    /// The broker's Receive Maximum.
    receive_maximum: usize,
    turn: usize,
}

impl Publisher {
    /// Publishes to these topics with each of these QoS.
    pub fn new(
        world: &Rc<World>,
        (name, version): (&str, u8),
        topics: &[&str],
        qos: &[u8],
        (window, rate): (u16, f64),
        retained: bool,
    ) -> Publisher {
        let mut ledger = world.ledger.borrow_mut();
        let mut streams = Vec::new();
        for topic in topics {
            streams.extend(qos.iter().map(|qos| ledger.stream(name, topic, *qos, retained)));
        }
        ledger.under_way.push(0);
        Publisher {
            world: Rc::clone(world),
            n: ledger.under_way.len() - 1,
            name: name.to_owned(),
            version,
            streams,
            retained,
            window: usize::from(window),
            rate,
            credit: 0.0,
            credited: Instant::now(),
            looked: Instant::now(),
            held: false,
            under_way: Vec::new(),
            free: (1..=window).rev().collect(),
            established: false,
            receive_maximum: usize::from(u16::MAX),
            turn: 0,
        }
    }

    fn packet(&self, outgoing: &Outgoing, dup: bool) -> Vec<u8> {
        if outgoing.released {
            return ack(PUBREL, outgoing.id);
        }
        let ledger = self.world.ledger.borrow();
        let stream = &ledger.streams[outgoing.stream];
        let payload = message::payload(outgoing.stream, outgoing.number, stream.retained);
        let mut packet = publish(&stream.topic, payload).qos(stream.qos, outgoing.id);
        if dup {
            packet = packet.dup();
        }
        if stream.retained {
            packet = packet.retain();
        }
        packet.bytes(self.version)
    }

    fn acknowledged(&mut self, at: usize) {
        let outgoing = &self.under_way[at];
        let mut ledger = self.world.ledger.borrow_mut();
        ledger.acknowledge(outgoing.stream, outgoing.number, self.world.time());
        self.established = true;
        self.world.goes_on();
    }

    fn done(&mut self, at: usize) {
        let outgoing = self.under_way.remove(at);
        self.free.push(outgoing.id);
        self.count();
    }

    fn count(&self) {
        self.world.ledger.borrow_mut().under_way[self.n] = self.under_way.len();
    }

    fn has_credit(&mut self, now: Instant) -> bool {
        let since = now.duration_since(self.credited).as_secs_f64();
        self.credited = now;
        self.credit = (self.credit + since * self.rate).min(BURST);
        self.credit >= 1.0
    }

    fn is_held(&mut self, now: Instant) -> bool {
        if now >= self.looked + LOOK || self.retained {
            self.looked = now;
            let ledger = self.world.ledger.borrow();
            let waits = self.retained && self.world.looks.get();
            self.held = waits || self.streams.iter().any(|stream| ledger.lag(*stream) > LAG);
        }
        self.held
    }
}

impl Role for Publisher {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Connect {
        Connect::new(self.version, &self.name).resume().expiry(EXPIRY)
    }

    fn wanted(&self, now: Now) -> bool {
        now.phase > Phase::Setup
    }

    fn connected(&mut self, connack: &Packet, out: &mut Vec<u8>) {
        let maximum = connack.number(RECEIVE_MAXIMUM);
        self.receive_maximum = maximum.map_or(usize::from(u16::MAX), |maximum| maximum as usize);
        self.credited = Instant::now();
        let present = connack.session_present;
        if self.established {
            let mut ledger = self.world.ledger.borrow_mut();
            ledger.counts.resumed += u64::from(present);
            ledger.counts.resent += self.under_way.len() as u64;
        }
        if self.established && !present {
            let what = format!("the session of publisher {} is gone", self.name);
            self.world.wrong("session lost", what);
        }
        if !present {
            // [MQTT-3.2.2-5]: what was released was taken, the rest is published anew.
            let (gone, kept): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(|o| o.released);
            self.free.extend(gone.into_iter().map(|outgoing| outgoing.id));
            self.under_way = kept;
            self.count();
        }
        // [MQTT-4.4.0-1], in the order of the first sending.
        for outgoing in &self.under_way {
            out.extend(self.packet(outgoing, present));
        }
    }

    fn take(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let at = self
            .under_way
            .iter()
            .position(|outgoing| outgoing.id == packet.id);
        let wrong = |what: &str| {
            let what = format!("{} got {packet:02x?}: {what}", self.name);
            self.world.wrong("protocol", what);
        };
        let Some(at) = at else {
            return wrong("nothing is under way with this id");
        };
        let outgoing = &self.under_way[at];
        let qos = self.world.ledger.borrow().streams[outgoing.stream].qos;
        // PUBCOMP 0x92: the broker had done with it when it died [MQTT-4.3.3].
        let refused = packet.code() >= 0x80 && packet.kind != PUBCOMP;
        match packet.kind {
            _ if refused => wrong("it was refused"),
            PUBACK if qos == 1 => {
                self.acknowledged(at);
                self.done(at);
            }
            PUBREC if qos == 2 => {
                if !outgoing.released {
                    self.acknowledged(at);
                    self.under_way[at].released = true;
                }
                out.extend(ack(PUBREL, packet.id));
            }
            PUBCOMP if outgoing.released => {
                self.world.goes_on();
                self.done(at);
            }
            _ => wrong("this is not what is due"),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Instant> {
        if self.world.phase() != Phase::Load || self.is_held(now) {
            return None;
        }
        let window = self.window.min(self.receive_maximum);
        while self.has_credit(now) && self.under_way.len() < window {
            let Some(id) = self.free.pop() else { break };
            self.credit -= 1.0;
            let stream = self.streams[self.turn % self.streams.len()];
            self.turn += 1;
            let number = self.world.ledger.borrow_mut().send(stream, self.world.time());
            let outgoing = Outgoing {
                id,
                stream,
                number,
                released: false,
            };
            out.extend(self.packet(&outgoing, false));
            self.under_way.push(outgoing);
        }
        self.count();
        let room = self.under_way.len() < window;
        room.then(|| now + Duration::from_secs_f64((1.0 - self.credit).max(0.1) / self.rate))
    }

    fn disconnected(&mut self) {}
}
