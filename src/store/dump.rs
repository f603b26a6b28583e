//! A store as text, one JSON object a line: for a look at it, for a backup, for another store.
//!
//! ```text
//! {"format":"dunlin-store","version":1}
//! {"session":{"instance":"i","client_id":"c","record":{...},"received":[7]}}
//! {"message":{"instance":"i","client_id":"c","qos":1,...,"message":{...}}}
//! {"retained":{"instance":"i","message":{...}}}
//! ```

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Change, InboxLimits, InboxSeq, Revision, SessionRecord, Store, StoreError, Stored, StoredWill,
    Unacknowledged,
};
use crate::codec::QoS;
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Message, MessageId, Origin, SubscriptionOptions};
use crate::time::Millis;
use crate::topic::{TopicFilter, TopicName};

/// What the first line says.
const FORMAT: &str = "dunlin-store";
const VERSION: u32 = 1;

/// Messages that are read, or written, at a time.
const AT_ONCE: usize = 256;

/// How much was written or read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dumped {
    /// Session records.
    pub sessions: usize,
    /// Messages in inboxes.
    pub messages: usize,
    /// Retained messages.
    pub retained: usize,
}

impl fmt::Display for Dumped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sessions,
            messages,
            retained,
        } = self;
        write!(
            f,
            "{sessions} sessions, {messages} messages, {retained} retained messages"
        )
    }
}

/// What can go wrong besides the store.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A line that is none of ours.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Session(Box<SessionLine>),
    Message(Box<MessageLine>),
    Retained(Box<RetainedLine>),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct SessionLine {
    instance: String,
    client_id: String,
    expiry_seconds: Option<u32>,
    left_at: Option<u64>,
    subscriptions: Vec<SubscriptionLine>,
    next_packet_id: u16,
    will: Option<WillLine>,
    client: String,
    received: Vec<u16>,
}

#[derive(Serialize, Deserialize)]
struct SubscriptionLine {
    filter: String,
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    subscription_id: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct WillLine {
    topic: String,
    payload: String,
    forward: String,
    qos: u8,
    retain: bool,
    delay: u32,
    message_expiry: Option<u32>,
    due: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct MessageLine {
    instance: String,
    client_id: String,
    qos: u8,
    retain: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subscription_ids: Vec<u32>,
    /// It is in flight under this packet id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packet_id: Option<u16>,
    /// Without a body: PUBREC has come for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<BodyLine>,
}

#[derive(Serialize, Deserialize)]
struct RetainedLine {
    instance: String,
    message: BodyLine,
}

#[derive(Serialize, Deserialize)]
struct BodyLine {
    id: String,
    topic: String,
    payload: String,
    forward: String,
    qos: u8,
    retain: bool,
    expires_at: Option<u64>,
    origin: String,
}

/// Writes all that is in a store, without what is too old or has expired by `now`.
///
/// # Errors
/// The store's, or the file's.
pub async fn export(store: &dyn Store, now: Millis, out: &mut impl Write) -> Result<Dumped, DumpError> {
    let mut dumped = Dumped::default();
    let head = Head {
        format: FORMAT.to_owned(),
        version: VERSION,
    };
    write_line(out, &head)?;
    for key in store.sessions().await? {
        let Some(stored) = store.load(&key, now).await? else {
            continue;
        };
        write_line(out, &Line::Session(Box::new(session_line(&key, &stored))))?;
        dumped.sessions += 1;
        for (packet_id, _, state) in &stored.unacknowledged {
            let delivery = match state {
                Unacknowledged::Publish(delivery) => Some(delivery),
                Unacknowledged::Pubrel => None,
            };
            let line = message_line(&key, delivery, Some(*packet_id));
            write_line(out, &Line::Message(Box::new(line)))?;
            dumped.messages += 1;
        }
        let mut after = InboxSeq(0);
        loop {
            let page = store.read(&key, after, AT_ONCE, now).await?;
            after = page.upto;
            for (_, delivery) in &page.deliveries {
                let line = message_line(&key, Some(delivery), None);
                write_line(out, &Line::Message(Box::new(line)))?;
                dumped.messages += 1;
            }
            if !page.more {
                break;
            }
        }
    }
    for instance in store.instances().await? {
        for filter in ["#", "$SYS/#"] {
            let Ok(filter) = TopicFilter::parse(filter) else {
                continue;
            };
            for message in store.retained(&instance, &filter, now).await? {
                let line = RetainedLine {
                    instance: instance.as_str().to_owned(),
                    message: body_line(&message),
                };
                write_line(out, &Line::Retained(Box::new(line)))?;
                dumped.retained += 1;
            }
        }
    }
    out.flush()?;
    Ok(dumped)
}

/// Puts what [`export`] wrote into a store. A session that is there already keeps its record, and gets the messages.
///
/// # Errors
/// The store's, the file's, or what is wrong with a line; what stood before it is in the store then.
pub async fn import(store: &dyn Store, now: Millis, input: impl BufRead) -> Result<Dumped, DumpError> {
    let mut dumped = Dumped::default();
    let mut lines = (1..).zip(input.lines());
    let Some((line, head)) = lines.next() else {
        return Err(wrong(1, "the file is empty"));
    };
    let head: Head = serde_json::from_str(&head?)
        .map_err(|_| wrong(line, "it does not begin as `dunlin store export` begins a file"))?;
    if head.format != FORMAT || head.version != VERSION {
        let what = "it is of another format; use the Dunlin that wrote it to write it anew";
        return Err(wrong(line, what));
    }
    let mut batch = Vec::new();
    let mut limited = HashSet::new();
    for (line, text) in lines {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let parsed: Line = serde_json::from_str(&text).map_err(|error| wrong(line, &error.to_string()))?;
        let taken = match parsed {
            Line::Session(session) => {
                commit(store, &mut batch, now).await?;
                take_session(store, *session, &mut batch, now)
                    .await
                    .map(|()| dumped.sessions += 1)
            }
            Line::Message(message) => {
                if limited.insert(message.instance.clone()) {
                    // What was stored within its limits once comes back as it was.
                    let unlimited = InboxLimits {
                        messages_per_instance: usize::MAX,
                        age_ms: u64::MAX,
                        visible_after_ms: 0,
                    };
                    store.limit_inboxes(&InstanceId::new(&message.instance), unlimited);
                }
                let taken = take_message(store, *message, &mut batch, now).await;
                taken.map(|()| dumped.messages += 1)
            }
            Line::Retained(retained) => take_retained(*retained, &mut batch).map(|()| dumped.retained += 1),
        };
        taken.map_err(|error| match error {
            DumpError::Line { what, .. } => DumpError::Line { line, what },
            other => other,
        })?;
        if batch.len() >= AT_ONCE {
            commit(store, &mut batch, now).await?;
        }
    }
    commit(store, &mut batch, now).await?;
    store.sync().await?;
    Ok(dumped)
}

async fn commit(store: &dyn Store, batch: &mut Vec<Change>, now: Millis) -> Result<(), StoreError> {
    if !batch.is_empty() {
        store.commit(std::mem::take(batch), now).await?;
    }
    Ok(())
}

async fn take_session(
    store: &dyn Store,
    line: SessionLine,
    batch: &mut Vec<Change>,
    now: Millis,
) -> Result<(), DumpError> {
    let key = key_of(&line.instance, &line.client_id);
    let subscriptions = line.subscriptions.iter().map(subscription_of);
    let record = SessionRecord {
        expiry_seconds: line.expiry_seconds,
        // Nobody is connected to it here.
        left_at: Some(line.left_at.map_or(now, Millis)),
        subscriptions: subscriptions.collect::<Result<_, _>>()?,
        next_packet_id: line.next_packet_id,
        will: line.will.as_ref().map(will_of).transpose()?,
        client: line.client.into_bytes().into(),
    };
    match store.save(&key, record, Revision(0)).await {
        Ok(_) | Err(StoreError::Stale) => {}
        Err(error) => return Err(error.into()),
    }
    batch.extend(line.received.into_iter().map(|packet_id| Change::Received {
        session: key.clone(),
        packet_id,
    }));
    Ok(())
}

async fn take_message(
    store: &dyn Store,
    line: MessageLine,
    batch: &mut Vec<Change>,
    now: Millis,
) -> Result<(), DumpError> {
    let session = key_of(&line.instance, &line.client_id);
    let released = line.message.is_none();
    let message = match line.message {
        Some(body) => message_of(body)?,
        None => nothing()?,
    };
    batch.push(Change::Append {
        session: session.clone(),
        delivery: Delivery {
            message,
            qos: qos_of(line.qos)?,
            retain: line.retain,
            subscription_ids: line.subscription_ids.into(),
        },
        sent: line.packet_id,
    });
    if released {
        let done = store.commit(std::mem::take(batch), now).await?;
        if let Some(seq) = done.seqs.last() {
            batch.push(Change::Released { session, seq: *seq });
        }
    }
    Ok(())
}

fn take_retained(line: RetainedLine, batch: &mut Vec<Change>) -> Result<(), DumpError> {
    let message = message_of(line.message)?;
    batch.push(Change::Retain {
        instance: InstanceId::new(&line.instance),
        topic: message.topic.clone(),
        message: Some(message),
    });
    Ok(())
}

fn session_line(key: &SessionKey, stored: &Stored) -> SessionLine {
    let record = &stored.record;
    let subscriptions = record.subscriptions.iter();
    SessionLine {
        instance: key.instance.as_str().to_owned(),
        client_id: key.client_id.to_string(),
        expiry_seconds: record.expiry_seconds,
        left_at: record.left_at.map(|at| at.0),
        subscriptions: subscriptions
            .map(|(filter, options)| SubscriptionLine {
                filter: filter.as_str().to_owned(),
                qos: options.qos as u8,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                subscription_id: options.subscription_id,
            })
            .collect(),
        next_packet_id: record.next_packet_id,
        will: record.will.as_ref().map(will_line),
        client: String::from_utf8_lossy(&record.client).into_owned(),
        received: stored.received.clone(),
    }
}

fn message_line(key: &SessionKey, delivery: Option<&Delivery>, packet_id: Option<u16>) -> MessageLine {
    MessageLine {
        instance: key.instance.as_str().to_owned(),
        client_id: key.client_id.to_string(),
        qos: delivery.map_or(QoS::ExactlyOnce, |delivery| delivery.qos) as u8,
        retain: delivery.is_some_and(|delivery| delivery.retain),
        subscription_ids: delivery.map_or_else(Vec::new, |delivery| delivery.subscription_ids.to_vec()),
        packet_id,
        message: delivery.map(|delivery| body_line(&delivery.message)),
    }
}

fn body_line(message: &Message) -> BodyLine {
    let origin = match message.origin {
        Origin::Client => "client",
        Origin::Will => "will",
        Origin::Broker => "broker",
        Origin::Script => "script",
    };
    BodyLine {
        id: message.id.to_string(),
        topic: message.topic.as_str().to_owned(),
        payload: STANDARD.encode(&message.payload),
        forward: STANDARD.encode(&message.forward),
        qos: message.qos as u8,
        retain: message.retain,
        expires_at: message.expires_at.map(|at| at.0),
        origin: origin.to_owned(),
    }
}

fn will_line(will: &StoredWill) -> WillLine {
    WillLine {
        topic: will.topic.clone(),
        payload: STANDARD.encode(&will.payload),
        forward: STANDARD.encode(&will.forward),
        qos: will.qos as u8,
        retain: will.retain,
        delay: will.delay,
        message_expiry: will.message_expiry,
        due: will.due.map(|due| due.0),
    }
}

fn message_of(line: BodyLine) -> Result<Arc<Message>, DumpError> {
    let origin = match line.origin.as_str() {
        "client" => Origin::Client,
        "will" => Origin::Will,
        "broker" => Origin::Broker,
        "script" => Origin::Script,
        other => {
            return Err(wrong(
                0,
                &format!("\"{other}\" is no origin; write client, will, broker or script"),
            ));
        }
    };
    Ok(Arc::new(Message {
        id: MessageId(
            u128::from_str_radix(&line.id, 16)
                .map_err(|_| wrong(0, &format!("\"{}\" is no message id", line.id)))?,
        ),
        topic: TopicName::new(&line.topic).map_err(|error| wrong(0, &error.to_string()))?,
        payload: bytes_of(&line.payload)?,
        forward: bytes_of(&line.forward)?,
        qos: qos_of(line.qos)?,
        retain: line.retain,
        expires_at: line.expires_at.map(Millis),
        origin,
    }))
}

/// Stands for a message whose body nobody needs any more.
fn nothing() -> Result<Arc<Message>, DumpError> {
    Ok(Arc::new(Message {
        id: MessageId(0),
        topic: TopicName::new("released").map_err(|error| wrong(0, &error.to_string()))?,
        payload: Bytes::new(),
        forward: Bytes::new(),
        qos: QoS::ExactlyOnce,
        retain: false,
        expires_at: None,
        origin: Origin::Broker,
    }))
}

fn subscription_of(line: &SubscriptionLine) -> Result<(TopicFilter, SubscriptionOptions), DumpError> {
    let filter = TopicFilter::parse(&line.filter).map_err(|error| wrong(0, &error.to_string()))?;
    let options = SubscriptionOptions {
        qos: qos_of(line.qos)?,
        no_local: line.no_local,
        retain_as_published: line.retain_as_published,
        subscription_id: line.subscription_id,
    };
    Ok((filter, options))
}

fn will_of(line: &WillLine) -> Result<StoredWill, DumpError> {
    Ok(StoredWill {
        topic: line.topic.clone(),
        payload: bytes_of(&line.payload)?,
        forward: bytes_of(&line.forward)?,
        qos: qos_of(line.qos)?,
        retain: line.retain,
        delay: line.delay,
        message_expiry: line.message_expiry,
        due: line.due.map(Millis),
    })
}

fn qos_of(bits: u8) -> Result<QoS, DumpError> {
    QoS::from_bits(bits).ok_or_else(|| wrong(0, &format!("{bits} is no QoS; write 0, 1 or 2")))
}

fn bytes_of(text: &str) -> Result<Bytes, DumpError> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| wrong(0, "a payload is not base64"))?;
    Ok(bytes.into())
}

fn key_of(instance: &str, client_id: &str) -> SessionKey {
    SessionKey {
        instance: InstanceId::new(instance),
        client_id: client_id.into(),
    }
}

fn wrong(line: usize, what: &str) -> DumpError {
    DumpError::Line {
        line,
        what: what.to_owned(),
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), DumpError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
