//! A subscriber whose session is kept: it acknowledges, at once or late, and keeps what MQTT has it keep.

use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use crate::drive::Role;
use crate::publisher::EXPIRY;
use crate::random::Random;
use crate::support::{
    Connect, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Packet, SUBACK, UNSUBACK, ack, subscribe, unsubscribe,
};
use crate::world::{Now, Phase, World};

/// Packet ids of its own.
const SUBSCRIBING: u16 = 1;
const UNSUBSCRIBING: u16 = 2;

/// When it is there.
#[derive(Clone)]
pub enum Wakes {
    /// Whenever it can.
    Always,
    /// To subscribe, and at the end.
    AtTheEnd,
    /// As it is told.
    Told(Rc<Cell<bool>>),
}

/// What its subscription has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    Wanted,
    Acknowledged,
    /// It is to end when all has come that was sent up to a point.
    Leaving,
    /// UNSUBSCRIBE is sent.
    Ending,
    Ended,
}

pub struct Subscriber {
    world: Rc<World>,
    /// Its place in the ledger.
    n: usize,
    name: String,
    version: u8,
    filter: String,
    qos: u8,
    group: Option<usize>,
    pub wakes: Wakes,
    /// Milliseconds until it acknowledges.
    pub delay: Option<Range<u64>>,
    pub receive_maximum: Option<u16>,
    /// Shared with who directs it.
    pub subscription: Rc<Cell<Subscription>>,
    random: Random,
    /// SUBSCRIBE was sent once.
    asked: bool,
    /// UNSUBSCRIBE was sent so often: the second may find nothing.
    farewells: u32,
    /// QoS 2 packet ids whose PUBREL has not come, with what came under them [MQTT-4.3.3].
    received: HashMap<u16, Vec<u8>>,
    /// Packet ids of this connection that the broker is to count against the Receive Maximum.
    open: HashSet<u16>,
    /// Acknowledgements that are not sent yet.
    due: VecDeque<(Instant, u8, u16)>,
}

impl Subscriber {
    pub fn new(
        world: &Rc<World>,
        (name, version): (&str, u8),
        filter: &str,
        qos: u8,
        random: Random,
    ) -> Subscriber {
        Subscriber {
            world: Rc::clone(world),
            n: world.ledger.borrow_mut().subscriber(name),
            name: name.to_owned(),
            version,
            filter: filter.to_owned(),
            qos,
            group: None,
            wakes: Wakes::Always,
            delay: None,
            receive_maximum: None,
            subscription: Rc::new(Cell::new(Subscription::Wanted)),
            random,
            asked: false,
            farewells: 0,
            received: HashMap::new(),
            open: HashSet::new(),
            due: VecDeque::new(),
        }
    }

    /// A member of a group that shares.
    pub fn shares(mut self, group: usize) -> Subscriber {
        self.group = Some(group);
        self
    }

    /// Acknowledges after so many milliseconds.
    pub fn slow(mut self, delay: Range<u64>) -> Subscriber {
        self.delay = Some(delay);
        self
    }

    pub fn told(mut self, wakes: &Rc<Cell<bool>>) -> Subscriber {
        self.wakes = Wakes::Told(Rc::clone(wakes));
        self
    }

    pub fn asleep(mut self) -> Subscriber {
        self.wakes = Wakes::AtTheEnd;
        self
    }

    pub fn receive_maximum(mut self, n: u16) -> Subscriber {
        self.receive_maximum = Some(n);
        self
    }

    fn whole_filter(&self) -> String {
        match self.group {
            Some(group) => {
                let name = &self.world.ledger.borrow().groups[group].name;
                format!("$share/{name}/{}", self.filter)
            }
            None => self.filter.clone(),
        }
    }

    fn wrong(&self, packet: &Packet, what: &str) {
        let what = format!("{} got {packet:02x?}: {what}", self.name);
        self.world.wrong("protocol", what);
    }

    fn deliver(&self, packet: &Packet) {
        let world = &self.world;
        let mut ledger = world.ledger.borrow_mut();
        if ledger.deliver(self.n, &packet.topic, &packet.payload, packet.qos(), world.time()) {
            world.goes_on();
        }
    }

    fn publish(&mut self, packet: &Packet) {
        if packet.qos() > 0 {
            self.open.insert(packet.id);
            let most = self.receive_maximum.map_or(usize::MAX, usize::from);
            if self.open.len() > most {
                self.wrong(packet, "more than its Receive Maximum");
            }
        }
        match packet.qos() {
            2 => match self.received.get(&packet.id) {
                None => {
                    self.received.insert(packet.id, packet.payload.clone());
                    self.deliver(packet);
                }
                Some(payload) if *payload == packet.payload => {}
                Some(_) => self.wrong(packet, "another message came under an id that awaits PUBREL"),
            },
            _ => self.deliver(packet),
        }
    }

    fn answer(&mut self, kind: u8, id: u16, out: &mut Vec<u8>) {
        match &self.delay {
            None => self.send(kind, id, out),
            Some(delay) => {
                let due = Instant::now() + self.random.millis(delay.clone());
                let last = self.due.back().map_or(due, |(last, ..)| *last);
                self.due.push_back((due.max(last), kind, id));
            }
        }
    }

    fn send(&mut self, kind: u8, id: u16, out: &mut Vec<u8>) {
        if kind != PUBREC {
            self.open.remove(&id);
        }
        out.extend(ack(kind, id));
    }

    fn acknowledged(&mut self) {
        self.subscription.set(Subscription::Acknowledged);
        let mut ledger = self.world.ledger.borrow_mut();
        ledger.subscribed(self.n);
        if !matches!(self.wakes, Wakes::Always) {
            ledger.views(self.n).for_each(|(_, view)| view.asleep = true);
        }
    }

    /// UNSUBSCRIBE, when it is time for it.
    fn leave(&mut self, out: &mut Vec<u8>) {
        let mut ledger = self.world.ledger.borrow_mut();
        let mut caught_up = true;
        for (sent, view) in ledger.views(self.n) {
            let complete = *view.complete.get_or_insert(sent);
            caught_up &= view.next >= complete;
        }
        if caught_up {
            self.subscription.set(Subscription::Ending);
            self.farewells += 1;
            out.extend(unsubscribe(self.version, UNSUBSCRIBING, &[&self.filter]));
        }
    }
}

impl Role for Subscriber {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Connect {
        let connect = Connect::new(self.version, &self.name).resume().expiry(EXPIRY);
        match self.receive_maximum {
            Some(n) => connect.receive_maximum(n),
            None => connect,
        }
    }

    fn wanted(&self, now: Now) -> bool {
        let wakes = match &self.wakes {
            Wakes::Always => true,
            Wakes::AtTheEnd => false,
            Wakes::Told(wakes) => wakes.get(),
        };
        wakes || self.subscription.get() == Subscription::Wanted || now.phase >= Phase::Drain
    }

    fn connected(&mut self, connack: &Packet, out: &mut Vec<u8>) {
        let present = connack.session_present;
        match self.subscription.get() {
            Subscription::Wanted => {
                if !self.asked {
                    let mut ledger = self.world.ledger.borrow_mut();
                    ledger.subscribing(self.n, &self.filter, self.qos, self.group);
                    self.asked = true;
                }
                let filter = self.whole_filter();
                out.extend(subscribe(self.version, SUBSCRIBING, &[(&filter, self.qos)], &[]));
            }
            state => {
                self.world.ledger.borrow_mut().counts.resumed += u64::from(present);
                if !present {
                    let what = format!(
                        "the session of subscriber {} ({}) is gone",
                        self.name, self.filter
                    );
                    self.world.wrong("session lost", what);
                }
                if state == Subscription::Ending {
                    self.farewells += 1;
                    out.extend(unsubscribe(self.version, UNSUBSCRIBING, &[&self.filter]));
                }
            }
        }
        if !present {
            self.received.clear();
        }
    }

    fn take(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        match packet.kind {
            PUBLISH => {
                self.publish(packet);
                match packet.qos() {
                    1 => self.answer(PUBACK, packet.id, out),
                    2 => self.answer(PUBREC, packet.id, out),
                    _ => {}
                }
            }
            PUBREL => {
                self.received.remove(&packet.id);
                self.world.goes_on();
                self.answer(PUBCOMP, packet.id, out);
            }
            SUBACK if packet.codes == [self.qos] => {
                if self.subscription.get() == Subscription::Wanted {
                    self.acknowledged();
                }
            }
            UNSUBACK if self.subscription.get() == Subscription::Ending => {
                if self.farewells == 1 && packet.codes.iter().any(|code| *code != 0) {
                    self.wrong(packet, "an acknowledged subscription was not there");
                }
                self.subscription.set(Subscription::Ended);
                let mut ledger = self.world.ledger.borrow_mut();
                ledger.views(self.n).for_each(|(sent, view)| view.to = Some(sent));
            }
            _ => self.wrong(packet, "this is not what is due"),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Instant> {
        while self.due.front().is_some_and(|(due, ..)| *due <= now) {
            if let Some((_, kind, id)) = self.due.pop_front() {
                self.send(kind, id, out);
            }
        }
        if self.subscription.get() == Subscription::Leaving {
            self.leave(out);
        }
        self.due.front().map(|(due, ..)| *due)
    }

    fn disconnected(&mut self) {
        self.due.clear();
        self.open.clear();
    }
}
