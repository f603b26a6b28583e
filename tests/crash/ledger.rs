//! What was sent, acknowledged and delivered: every message of a run, and what must not have happened.

use std::time::Duration;

use crate::message::{self, Header};
use crate::view::{Group, Step, View};
use crate::wills::Wills;

/// A point of time in a run, in tenths of a millisecond; `NEVER` has not been.
pub type Stamp = u32;
pub const NEVER: Stamp = u32::MAX;

/// Violations that are told; more are counted.
const TOLD: usize = 40;

pub fn stamp(time: Duration) -> Stamp {
    u32::try_from(time.as_micros() / 100).unwrap()
}

/// Messages of one publisher, topic and QoS: MQTT keeps their order.
pub struct Stream {
    pub publisher: String,
    pub topic: String,
    pub qos: u8,
    pub retained: bool,
    /// By number: when it was sent for the first time, and when it was acknowledged.
    pub messages: Vec<(Stamp, Stamp)>,
    /// Behind the last that was acknowledged.
    pub acknowledged: u64,
}

impl Stream {
    pub fn sent(&self) -> u64 {
        self.messages.len() as u64
    }

    pub fn is_acknowledged(&self, number: u64) -> bool {
        self.messages[number as usize].1 != NEVER
    }

    pub fn name(&self) -> String {
        format!("{} from {}, QoS {}", self.topic, self.publisher, self.qos)
    }
}

/// What one subscriber has of one stream.
pub struct Entry {
    pub stream: usize,
    pub qos: u8,
    pub place: Place,
}

pub enum Place {
    /// It gets everything.
    Alone(View),
    /// It shares with the others of this group.
    Shared(usize),
    /// It may miss some: what came, in its order.
    Log(Vec<u64>),
}

#[derive(Default)]
pub struct Subscriber {
    pub name: String,
    pub entries: Vec<Entry>,
}

/// One death of the broker.
pub struct Kill {
    pub at: Stamp,
    pub up: Stamp,
}

pub struct Violation {
    pub kind: &'static str,
    pub what: String,
    pub at: Stamp,
    pub round: usize,
}

#[derive(Default)]
pub struct Ledger {
    pub streams: Vec<Stream>,
    pub subscribers: Vec<Subscriber>,
    pub groups: Vec<Group>,
    pub kills: Vec<Kill>,
    pub violations: Vec<Violation>,
    /// All of them, told or not.
    pub wrongs: usize,
    pub deliveries: u64,
    /// QoS 1 alone.
    pub duplicates: u64,
    /// Messages under way, by publisher.
    pub under_way: Vec<usize>,
    pub wills: Wills,
    pub counts: Counts,
}

/// How much of what happened.
#[derive(Default)]
pub struct Counts {
    pub resumed: u64,
    pub takeovers: u64,
    pub resent: u64,
    pub retained: u64,
    pub interrupted: u64,
}

impl Ledger {
    pub fn up(&mut self, time: Duration) {
        if let Some(kill) = self.kills.last_mut() {
            kill.up = stamp(time);
        }
    }

    pub fn down(&mut self, time: Duration) {
        self.kills.push(Kill {
            at: stamp(time),
            up: NEVER,
        });
    }

    pub fn wrong(&mut self, kind: &'static str, what: String, time: Duration) {
        self.wrongs += 1;
        if self.violations.len() < TOLD {
            let (at, round) = (stamp(time), self.kills.len());
            self.violations.push(Violation {
                kind,
                what,
                at,
                round,
            });
        }
    }

    pub fn stream(&mut self, publisher: &str, topic: &str, qos: u8, retained: bool) -> usize {
        self.streams.push(Stream {
            publisher: publisher.to_owned(),
            topic: topic.to_owned(),
            qos,
            retained,
            messages: Vec::new(),
            acknowledged: 0,
        });
        self.streams.len() - 1
    }

    pub fn subscriber(&mut self, name: &str) -> usize {
        self.subscribers.push(Subscriber {
            name: name.to_owned(),
            entries: Vec::new(),
        });
        self.subscribers.len() - 1
    }

    pub fn group(&mut self, name: &str) -> usize {
        self.groups.push(Group::new(name));
        self.groups.len() - 1
    }

    /// The subscriber asks for what its filter matches. What comes from now on may come.
    pub fn subscribing(&mut self, subscriber: usize, filter: &str, qos: u8, group: Option<usize>) {
        for (n, stream) in self.streams.iter().enumerate() {
            if !message::matches(filter, &stream.topic) {
                continue;
            }
            let place = match group {
                None => Place::Alone(View::from(u64::MAX, stream.qos.min(qos) == 2)),
                Some(group) => {
                    self.groups[group].share(n, stream.qos.min(qos) == 2);
                    Place::Shared(group)
                }
            };
            self.subscribers[subscriber].entries.push(Entry {
                stream: n,
                qos: stream.qos.min(qos),
                place,
            });
        }
    }

    /// The streams that a subscriber has for itself, with how many messages were sent, and its view.
    pub fn views(&mut self, subscriber: usize) -> impl Iterator<Item = (u64, &mut View)> {
        let streams = &self.streams;
        let entries = self.subscribers[subscriber].entries.iter_mut();
        entries.filter_map(|entry| match &mut entry.place {
            Place::Alone(view) => Some((streams[entry.stream].sent(), view)),
            Place::Shared(_) | Place::Log(_) => None,
        })
    }

    /// Its subscription was acknowledged: what is sent from now on has to come.
    pub fn subscribed(&mut self, subscriber: usize) {
        for (sent, view) in self.views(subscriber) {
            (view.from, view.next) = (sent, sent);
        }
    }

    /// Everything has come to its end.
    pub fn complete(&self) -> bool {
        let entries = self.subscribers.iter().flat_map(|s| &s.entries);
        let mut came = entries.map(|entry| (self.streams[entry.stream].sent(), entry));
        self.under_way.iter().all(|n| *n == 0)
            && self.wills.complete()
            && came.all(|(sent, entry)| match &entry.place {
                Place::Alone(view) => view.next >= view.complete.unwrap_or(sent),
                Place::Shared(group) => self.groups[*group].came(entry.stream) == sent,
                Place::Log(_) => true,
            })
    }

    /// Sends the next message of a stream.
    pub fn send(&mut self, stream: usize, time: Duration) -> u64 {
        let stream = &mut self.streams[stream];
        stream.messages.push((stamp(time), NEVER));
        stream.sent() - 1
    }

    pub fn acknowledge(&mut self, stream: usize, number: u64, time: Duration) {
        let stream = &mut self.streams[stream];
        stream.messages[number as usize].1 = stamp(time);
        stream.acknowledged = stream.acknowledged.max(number + 1);
    }

    /// How far behind the slowest subscriber of a stream is, of those that are not asleep.
    pub fn lag(&self, stream: usize) -> u64 {
        let sent = self.streams[stream].sent();
        let entries = self.subscribers.iter().flat_map(|s| &s.entries);
        let behind = entries
            .filter(|entry| entry.stream == stream)
            .map(|entry| match &entry.place {
                Place::Alone(view) if view.asleep || view.complete.is_some() => 0,
                Place::Alone(view) => sent.saturating_sub(view.next),
                Place::Log(_) => 0,
                Place::Shared(group) => sent - self.groups[*group].came(stream),
            });
        behind.max().unwrap_or(0)
    }

    /// A subscriber has got a message, for the first time as the protocol sees it. Whether that moves things on.
    pub fn deliver(
        &mut self,
        subscriber: usize,
        topic: &[u8],
        payload: &[u8],
        qos: u8,
        time: Duration,
    ) -> bool {
        self.deliveries += 1;
        if let Some(will) = topic.strip_prefix(b"will/") {
            return self.wills.came(will, stamp(time));
        }
        let name = self.subscribers[subscriber].name.clone();
        let Some(header) = Header::read(payload).filter(|header| header.stream < self.streams.len()) else {
            let what = format!(
                "{name} got {} with {payload:02x?}",
                String::from_utf8_lossy(topic)
            );
            self.wrong("changed", what, time);
            return false;
        };
        let (n, number) = (header.stream, header.number);
        let stream = &self.streams[n];
        let entry = self.subscribers[subscriber].entries.iter_mut();
        let entry = entry.rev().find(|entry| entry.stream == n);
        let wrong = match &entry {
            _ if topic != stream.topic.as_bytes() || number >= stream.sent() => Some("changed"),
            _ if payload != message::payload(n, number, false) => Some("changed"),
            None => Some("not subscribed to"),
            Some(entry) if entry.qos != qos => Some("of another QoS"),
            Some(_) => None,
        };
        if let Some(kind) = wrong {
            let topic = String::from_utf8_lossy(topic);
            let what = format!("{name} got {topic}, QoS {qos}: {}", self.told(n, number));
            self.wrong(kind, what, time);
            return false;
        }
        let Some(entry) = entry else { return false };
        let step = match &mut entry.place {
            Place::Alone(view) => view.take(number, stamp(time)),
            Place::Shared(group) => self.groups[*group].take(subscriber, n, number),
            Place::Log(log) => {
                log.push(number);
                Step::Next
            }
        };
        let kind = match step {
            Step::Next => return true,
            Step::Free => return false,
            Step::Again => {
                self.duplicates += 1;
                return false;
            }
            Step::Twice => "delivered twice",
            Step::Gap(due) => {
                let (due, came) = (self.told(n, due), self.told(n, number));
                let what = format!("{name}: {came} came where {due} is due");
                self.wrong("lost or out of order", what, time);
                return true;
            }
            Step::Late => "out of order",
            Step::Unwanted => "delivered after UNSUBACK",
        };
        let what = format!("{name}: {}", self.told(n, number));
        self.wrong(kind, what, time);
        true
    }

    /// A message in words.
    pub fn told(&self, stream: usize, number: u64) -> String {
        let Some(stream) = self.streams.get(stream) else {
            return format!("number {number} of no stream");
        };
        let Some((sent, acknowledged)) = stream.messages.get(number as usize) else {
            return format!("number {number} of {}, which was not sent yet", stream.name());
        };
        let acknowledged = match *acknowledged {
            NEVER => "not acknowledged".to_owned(),
            at => format!("acknowledged {}", self.when(at)),
        };
        let sent = self.when(*sent);
        format!(
            "number {number} of {} (sent {sent}, {acknowledged})",
            stream.name()
        )
    }

    /// A point of time in words.
    pub fn when(&self, at: Stamp) -> String {
        let round = self.kills.iter().take_while(|kill| kill.at < at).count();
        format!("at {} in round {}", seconds(at), round + 1)
    }
}

pub fn seconds(at: Stamp) -> String {
    match at {
        NEVER => "never".to_owned(),
        at => format!("{:.4} s", f64::from(at) / 10_000.0),
    }
}
