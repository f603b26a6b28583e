//! What a subscriber, or a group that shares, has got of one stream.

use std::collections::{BTreeMap, HashMap};

use crate::ledger::Stamp;

/// What a message that came is, in its stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// What was due.
    Next,
    /// One that was there; QoS 1 may do that.
    Again,
    /// One that was there, and must not come again.
    Twice,
    /// Messages from this one on were skipped: they are lost, or come too late.
    Gap(u64),
    /// For the first time, but behind one that was sent after it.
    Late,
    /// It was sent before the subscription was acknowledged, or while it was being ended: it may come or not.
    Free,
    /// It was sent after the subscription had ended.
    Unwanted,
}

/// A subscriber that gets everything from some message on.
#[derive(Debug, Default)]
pub struct View {
    /// What was sent before the subscription was acknowledged may come or not.
    pub from: u64,
    /// All from `from` up to here have come.
    pub next: u64,
    /// Beyond `next`, with the time of their coming.
    pub early: BTreeMap<u64, Stamp>,
    /// QoS 2 from end to end.
    pub exact: bool,
    /// Nobody waits for it before the end.
    pub asleep: bool,
    /// It is looked at no more: everything up to here has come, and the subscription ends.
    pub complete: Option<u64>,
    /// What was sent after the end of the subscription must not come.
    pub to: Option<u64>,
}

impl View {
    pub fn from(next: u64, exact: bool) -> View {
        View {
            from: next,
            next,
            exact,
            ..View::default()
        }
    }

    pub fn take(&mut self, number: u64, at: Stamp) -> Step {
        if self.to.is_some_and(|to| number >= to) {
            return Step::Unwanted;
        }
        if number < self.from || self.complete.is_some_and(|complete| number >= complete) {
            return Step::Free;
        }
        if number < self.next || self.early.contains_key(&number) {
            return if self.exact { Step::Twice } else { Step::Again };
        }
        if number > self.next {
            let gap = self.early.is_empty().then_some(self.next);
            let last = self.early.last_key_value().map(|(last, _)| *last);
            self.early.insert(number, at);
            return match (gap, last) {
                (Some(due), _) => Step::Gap(due),
                (None, Some(last)) if number < last => Step::Late,
                (None, _) => Step::Next,
            };
        }
        let late = !self.early.is_empty();
        self.next += 1;
        while self.early.remove(&self.next).is_some() {
            self.next += 1;
        }
        if late { Step::Late } else { Step::Next }
    }

    /// What has not come of `sent` messages, as ranges with their ends.
    pub fn missing(&self, sent: u64) -> Vec<(u64, u64)> {
        let sent = self.complete.unwrap_or(sent);
        let (mut ranges, mut from) = (Vec::new(), self.next);
        let ends = self.early.keys().copied().filter(|n| *n < sent);
        for came in ends.chain([sent]) {
            if came > from {
                ranges.push((from, came - 1));
            }
            from = came + 1;
        }
        ranges
    }
}

/// Members of a shared subscription: each message goes to one of them.
pub struct Group {
    pub name: String,
    pub streams: HashMap<usize, Together>,
}

/// What all members together have of one stream.
#[derive(Default)]
pub struct Together {
    exact: bool,
    /// A bit a message.
    seen: Vec<u64>,
    count: u64,
    /// The last that each member has got.
    last: HashMap<usize, u64>,
}

impl Group {
    pub fn new(name: &str) -> Group {
        Group {
            name: name.to_owned(),
            streams: HashMap::new(),
        }
    }

    pub fn share(&mut self, stream: usize, exact: bool) {
        self.streams.entry(stream).or_default().exact = exact;
    }

    /// How many messages of a stream have come.
    pub fn came(&self, stream: usize) -> u64 {
        self.streams[&stream].count
    }

    /// Order is looked at with QoS 2 alone: what a crash makes a publisher send again may go to another member than before.
    pub fn take(&mut self, member: usize, stream: usize, number: u64) -> Step {
        let together = self.streams.get_mut(&stream).unwrap();
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if together.seen.len() <= word {
            together.seen.resize(word + 1, 0);
        }
        if together.seen[word] & bit != 0 {
            return if together.exact { Step::Twice } else { Step::Again };
        }
        together.seen[word] |= bit;
        together.count += 1;
        let last = together.last.insert(member, number);
        if together.exact && last.is_some_and(|last| last > number) {
            return Step::Late;
        }
        Step::Next
    }
}

impl Together {
    pub fn missing(&self, sent: u64) -> Vec<(u64, u64)> {
        let seen = |n: u64| {
            let word = self.seen.get(n as usize / 64);
            word.is_some_and(|word| word & 1 << (n % 64) != 0)
        };
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for n in (0..sent).filter(|n| !seen(*n)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == n => *last = n,
                _ => ranges.push((n, n)),
            }
        }
        ranges
    }
}
