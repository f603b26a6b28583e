//! Things to store.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use dunlin::codec::QoS;
use dunlin::instance::{InstanceId, SessionKey};
use dunlin::message::{Delivery, Message, MessageId, Origin};
use dunlin::store::durable::{Change, Committed, InboxLimits, InboxSeq, Unacknowledged};
use dunlin::time::Millis;
use dunlin::topic::TopicName;

/// A point in time to begin with.
pub const NOW: Millis = Millis(1_700_000_000_000);

/// An hour, and room for all that a promise stores.
pub const LIMITS: InboxLimits = InboxLimits {
    messages_per_instance: 100_000,
    age_ms: 3_600_000,
    visible_after_ms: 0,
};

/// Behind all places.
pub const END: InboxSeq = InboxSeq(u64::MAX);

/// `NOW` and so many milliseconds.
pub fn later(ms: u64) -> Millis {
    Millis(NOW.0 + ms)
}

pub fn instance(name: &str) -> InstanceId {
    InstanceId::new(name)
}

/// A session of the instance `i`.
pub fn session(client_id: &str) -> SessionKey {
    session_of(&instance("i"), client_id)
}

pub fn session_of(instance: &InstanceId, client_id: &str) -> SessionKey {
    SessionKey {
        instance: instance.clone(),
        client_id: client_id.into(),
    }
}

pub fn topic(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

/// A message that is told by its number.
pub fn message(number: u128) -> Message {
    Message {
        id: MessageId(number),
        topic: topic("t"),
        payload: Bytes::from(number.to_string()),
        forward: Bytes::new(),
        qos: QoS::AtLeastOnce,
        retain: false,
        expires_at: None,
        origin: Origin::Client,
    }
}

pub fn expiring(number: u128, expires_at: Millis) -> Message {
    Message {
        expires_at: Some(expires_at),
        ..message(number)
    }
}

pub fn delivery(message: Message) -> Delivery {
    Delivery {
        qos: message.qos,
        message: Arc::new(message),
        retain: false,
        subscription_ids: Box::default(),
    }
}

/// All of a message, to be compared.
pub fn parts(message: &Message) -> impl PartialEq + Debug + use<> {
    let Message {
        id,
        topic,
        payload,
        forward,
        qos,
        retain,
        expires_at,
        origin,
    } = message;
    let content = (topic.clone(), payload.clone(), forward.clone());
    (*id, content, *qos, *retain, *expires_at, *origin)
}

pub fn append(session: &SessionKey, number: u128) -> Change {
    append_this(session, delivery(message(number)))
}

pub fn append_this(session: &SessionKey, delivery: Delivery) -> Change {
    Change::Append {
        session: session.clone(),
        delivery,
        sent: None,
    }
}

/// A plain message that is in flight as it comes.
pub fn append_sent(session: &SessionKey, number: u128, packet_id: u16) -> Change {
    Change::Append {
        session: session.clone(),
        delivery: delivery(message(number)),
        sent: Some(packet_id),
    }
}

pub fn acknowledge(session: &SessionKey, from: InboxSeq, up_to: InboxSeq) -> Change {
    Change::Acknowledge {
        session: session.clone(),
        from,
        up_to,
    }
}

pub fn sent(session: &SessionKey, seq: InboxSeq, packet_id: u16) -> Change {
    Change::Sent {
        session: session.clone(),
        seq,
        packet_id,
    }
}

pub fn released(session: &SessionKey, seq: InboxSeq) -> Change {
    Change::Released {
        session: session.clone(),
        seq,
    }
}

pub fn received(session: &SessionKey, packet_id: u16) -> Change {
    Change::Received {
        session: session.clone(),
        packet_id,
    }
}

pub fn forgotten(session: &SessionKey, packet_id: u16) -> Change {
    Change::Forgotten {
        session: session.clone(),
        packet_id,
    }
}

pub fn retain(instance: &InstanceId, message: Message) -> Change {
    Change::Retain {
        instance: instance.clone(),
        topic: message.topic.clone(),
        message: Some(Arc::new(message)),
    }
}

/// A plain message of a topic, retained.
pub fn retain_on(instance: &InstanceId, text: &str, number: u128) -> Change {
    retain(
        instance,
        Message {
            topic: topic(text),
            retain: true,
            ..message(number)
        },
    )
}

pub fn retain_nothing(instance: &InstanceId, text: &str) -> Change {
    Change::Retain {
        instance: instance.clone(),
        topic: topic(text),
        message: None,
    }
}

/// What is in flight, in few words: packet id, place, number of the message, or nothing for PUBREL.
pub fn owed(unacknowledged: &[(u16, InboxSeq, Unacknowledged)]) -> Vec<(u16, InboxSeq, Option<u128>)> {
    let told = unacknowledged.iter().map(|(packet_id, seq, what)| {
        let number = match what {
            Unacknowledged::Publish(delivery) => Some(delivery.message.id.0),
            Unacknowledged::Pubrel => None,
        };
        (*packet_id, *seq, number)
    });
    told.collect()
}

/// How many of an instance had to go.
pub fn evicted(committed: &Committed, of: &InstanceId) -> usize {
    let of_it = committed.evicted.iter().filter(|(instance, _)| instance == of);
    of_it.map(|(_, count)| count).sum()
}
