//! Traces: an operator watches the packets of one client, and what the policies answer about it, while it happens.
//!
//! A connection that nobody watches costs one test of its own flag for a packet in, and one for a write out.
//!
//! *Invariant*: a trace never holds up a client. Who reads slower than the client acts misses lines, and is told how many.

mod line;
mod written;

use std::collections::HashMap;
use std::io::ErrorKind;

use rustc_hash::FxBuildHasher;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

pub use line::{TraceKind, TraceLine};

use super::Shard;
use super::slot::{Live, Slot};
use crate::codec::{self, FixedHeader, Outline, ProtocolVersion, ReasonCode};
use crate::hooks::{Delivered, Hook, Patch, PublishDecision, SubscribeDecision, Transform};
use crate::instance::SessionKey;
use crate::session::Outbox;
use crate::time::Millis;
use crate::topic::TopicFilter;
use crate::transport::Io;
use written::Written;

/// How many topic aliases of a client are remembered, for each direction.
const ALIASES: usize = 1024;

/// Who watches whom on this shard.
#[derive(Default)]
pub(super) struct Traces {
    watched: HashMap<SessionKey, Watched, FxBuildHasher>,
}

/// A client that somebody watches.
#[derive(Default)]
struct Watched {
    readers: Vec<Reader>,
    written: Written,
    /// Topics by alias, as the client set them.
    inbound: Aliases,
    /// The same, as the broker set them.
    outbound: Aliases,
}

type Aliases = HashMap<u16, String, FxBuildHasher>;

/// One who watches.
struct Reader {
    /// Only what is about such topics.
    topic: Option<TopicFilter>,
    lines: Sender<TraceLine>,
    missed: u64,
}

impl Reader {
    fn wants(&self, line: &TraceLine) -> bool {
        let Some(filter) = &self.topic else { return true };
        let about = |topic: &String| filter.matches(topic) || filter.filter() == topic;
        line.kind == TraceKind::Connection || line.topic.as_ref().is_some_and(about)
    }

    fn tell(&mut self, now: Millis, line: &TraceLine) {
        if !self.wants(line) {
            return;
        }
        if self.missed > 0 {
            let text = format!("{} lines: they are read too slowly", self.missed);
            let lost = TraceLine::new(now, TraceKind::Missed, "missed", text);
            if self.lines.try_send(lost).is_ok() {
                self.missed = 0;
            }
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line.clone()) {
            self.missed += 1;
        }
    }
}

impl Watched {
    fn tell(&mut self, now: Millis, line: &TraceLine) {
        for reader in &mut self.readers {
            reader.tell(now, line);
        }
    }

    fn packet(&mut self, now: Millis, kind: TraceKind, packet: Outline) {
        let aliases = match kind {
            TraceKind::In => &mut self.inbound,
            _ => &mut self.outbound,
        };
        let topic = match (packet.topic, packet.alias) {
            (Some(topic), Some(alias)) if topic.is_empty() => aliases.get(&alias).cloned(),
            (Some(topic), Some(alias)) => {
                if aliases.len() < ALIASES {
                    aliases.insert(alias, topic.clone());
                }
                Some(topic)
            }
            (topic, _) => topic,
        };
        let line = TraceLine::new(now, kind, packet.name, packet.text).about(topic);
        self.tell(now, &line);
    }
}

impl Traces {
    /// A packet came from a client that is watched.
    #[cold]
    pub(super) fn came(
        &mut self,
        now: Millis,
        key: &SessionKey,
        version: ProtocolVersion,
        header: FixedHeader,
        body: &[u8],
    ) {
        if let Some(watched) = self.watched.get_mut(key) {
            watched.packet(now, TraceKind::In, codec::outline(version, header, body));
        }
    }

    /// Writes to a client that is watched, as [`Outbox::write_to`] does.
    #[cold]
    pub(super) fn write(
        &mut self,
        now: Millis,
        key: &SessionKey,
        version: ProtocolVersion,
        outbox: &mut Outbox,
        io: &mut Io,
    ) -> (usize, std::io::Result<()>) {
        let Some(watched) = self.watched.get_mut(key) else {
            return outbox.write_to(|slices| io.try_write(slices));
        };
        let mut found = Vec::new();
        let result = outbox.write_to(|slices| {
            let taken = io.try_write(slices)?;
            watched.written.take(version, slices, taken, &mut found);
            Ok(taken)
        });
        for packet in found {
            watched.packet(now, TraceKind::Out, packet);
        }
        result
    }
}

impl Shard {
    /// From now on `lines` is told what happens to this client, which need not be connected. It ends when the other side
    /// of `lines` is dropped; [`Shard::untrace`] clears up behind it.
    pub(super) fn trace(&mut self, key: SessionKey, topic: Option<TopicFilter>, lines: Sender<TraceLine>) {
        let now = self.now;
        let at = self.by_key.get(&key).copied();
        let live = match at.and_then(|at| self.slots.get_mut(at as usize)) {
            Some(Slot::Live(live)) => Some(live),
            _ => None,
        };
        let watched = self.traces.watched.entry(key).or_default();
        let text = match live {
            Some(live) => {
                if !live.conn.traced {
                    live.conn.traced = true;
                    watched.written = Written::after(live.session.outbox.len());
                }
                introduction(live)
            }
            None => "not connected".to_owned(),
        };
        let mut reader = Reader {
            topic,
            lines,
            missed: 0,
        };
        reader.tell(now, &TraceLine::new(now, TraceKind::Connection, "watching", text));
        watched.readers.push(reader);
    }

    /// Lets those go who watched this client and do not any more.
    pub(super) fn untrace(&mut self, key: &SessionKey) {
        let Some(watched) = self.traces.watched.get_mut(key) else {
            return;
        };
        watched.readers.retain(|reader| !reader.lines.is_closed());
        if !watched.readers.is_empty() {
            return;
        }
        self.traces.watched.remove(key);
        if let Some(at) = self.by_key.get(key).copied()
            && let Some(live) = self.live(at)
        {
            live.conn.traced = false;
        }
    }

    /// What the policies answered about the client in `at`, if somebody watches it.
    #[inline]
    pub(super) fn trace_answer(&mut self, at: u32, hook: Hook, about: &str, said: impl FnOnce() -> String) {
        if !self.traces.watched.is_empty()
            && let Some(Slot::Live(live)) = self.slots.get(at as usize)
        {
            let key = live.key.clone();
            self.trace_line(&key, TraceKind::Hook, hook.name(), Some(about), said);
        }
    }

    /// Something about the client in `at` that its packets do not show.
    #[inline]
    pub(super) fn trace_note(&mut self, at: u32, what: &'static str, text: impl FnOnce() -> String) {
        if !self.traces.watched.is_empty()
            && let Some(Slot::Live(live)) = self.slots.get(at as usize)
        {
            let key = live.key.clone();
            self.trace_line(&key, TraceKind::Limit, what, None, text);
        }
    }

    /// A connection begins.
    #[inline]
    pub(super) fn trace_start(&mut self, at: u32) {
        if self.traces.watched.is_empty() {
            return;
        }
        let Some(Slot::Live(live)) = self.slots.get_mut(at as usize) else {
            return;
        };
        let Some(watched) = self.traces.watched.get_mut(&live.key) else {
            return;
        };
        live.conn.traced = true;
        watched.written = Written::default();
        watched.inbound.clear();
        watched.outbound.clear();
        let line = TraceLine::new(self.now, TraceKind::Connection, "connected", introduction(live));
        watched.tell(self.now, &line);
    }

    /// A connection ends; `outbox` holds its last words.
    #[cold]
    pub(super) fn trace_end(&mut self, live: &mut Live, code: ReasonCode, reason: &str) {
        let Some(watched) = self.traces.watched.get_mut(&live.key) else {
            return;
        };
        let (version, mut found) = (live.session.version, Vec::new());
        // Looks at what waits, and takes nothing of it.
        let _would_block = live.session.outbox.write_to(|slices| {
            let all = slices.iter().map(|slice| slice.len()).sum();
            watched.written.take(version, slices, all, &mut found);
            Err(ErrorKind::WouldBlock.into())
        });
        for packet in found {
            watched.packet(self.now, TraceKind::Out, packet);
        }
        let text = format!("{code}: {reason}");
        watched.tell(
            self.now,
            &TraceLine::new(self.now, TraceKind::Connection, "ended", text),
        );
    }

    /// The policies let a client in.
    pub fn trace_admitted(&mut self, key: &SessionKey) {
        self.trace_line(key, TraceKind::Hook, Hook::Authenticate.name(), None, || {
            "allow".to_owned()
        });
    }

    /// A connection was refused before it had a session.
    pub fn trace_refused(&mut self, key: &SessionKey, code: ReasonCode, reason: &str) {
        self.trace_line(key, TraceKind::Connection, "refused", None, || {
            format!("{code}: {reason}")
        });
    }

    #[inline]
    fn trace_line(
        &mut self,
        key: &SessionKey,
        kind: TraceKind,
        what: &'static str,
        about: Option<&str>,
        text: impl FnOnce() -> String,
    ) {
        if let Some(watched) = self.traces.watched.get_mut(key) {
            let now = self.shared.clock.now();
            let line = TraceLine::new(now, kind, what, text()).about(about.map(str::to_owned));
            watched.tell(now, &line);
        }
    }
}

/// Who is connected, and how.
fn introduction(live: &Live) -> String {
    let client = &live.client;
    let user = client
        .username
        .as_ref()
        .map_or(String::new(), |name| format!(", user name {name}"));
    format!(
        "connected from {} on listener {}, MQTT {}{user}",
        client.peer, client.listener, live.session.version
    )
}

/// A decision in words.
pub(super) fn publish_said(decision: &PublishDecision) -> String {
    match decision {
        PublishDecision::Allow => "allow".to_owned(),
        PublishDecision::Deny(denial) => format!("deny: {}: {}", denial.code, denial.reason),
        PublishDecision::Disconnect(reason) => format!("disconnect: {reason}"),
    }
}

/// A decision in words.
pub(super) fn subscribe_said(decision: &SubscribeDecision) -> String {
    match decision {
        SubscribeDecision::Allow(qos) => format!("allow, QoS {}", *qos as u8),
        SubscribeDecision::Deny(denial) => format!("deny: {}: {}", denial.code, denial.reason),
        SubscribeDecision::Disconnect(reason) => format!("disconnect: {reason}"),
    }
}

/// What becomes of a message, in words.
pub(super) fn transform_said(transform: &Transform) -> String {
    match transform {
        Transform::Pass => "pass".to_owned(),
        Transform::Patch(patch) => patch_said(patch),
        Transform::Drop(reason) => format!("drop: {reason}"),
    }
}

/// What one receiver gets, in words.
pub(super) fn delivered_said(delivered: &Delivered) -> String {
    match delivered {
        Delivered::Pass => "pass".to_owned(),
        Delivered::Patch(patch) => patch_said(patch),
        Delivered::Skip(reason) => format!("skip: {reason}"),
    }
}

/// Which parts of a message change.
fn patch_said(patch: &Patch) -> String {
    let mut changes = Vec::new();
    if let Some(topic) = &patch.topic {
        changes.push(format!("topic {topic}"));
    }
    if let Some(payload) = &patch.payload {
        changes.push(format!("payload of {} bytes", payload.len()));
    }
    if let Some(qos) = patch.qos {
        changes.push(format!("QoS {}", qos as u8));
    }
    if let Some(retain) = patch.retain {
        changes.push(format!("retain {retain}"));
    }
    if patch.properties.is_some() {
        changes.push("properties".to_owned());
    }
    format!("changed: {}", changes.join(", "))
}
