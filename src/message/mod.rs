//! A message on its way through the broker.
//!
//! Two forms of one thing. [`Publication`] borrows from the read buffer and lives for one turn of a shard: the hot path
//! needs no allocation. [`Message`] owns what it holds and is shared by everybody who has to keep it: queues, in-flight
//! windows, the store, other shards. A `Publication` becomes a `Message` at most once, when the first of them asks.
//!
//! *Invariant*: a message is never changed once it has been routed; who delivers it adds only packet id, flags,
//! subscription identifiers, alias and what is left of its expiry.

mod id;

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::QoS;
use crate::time::Millis;
use crate::topic::TopicName;
pub use id::{MessageId, MessageIds};

/// Who made a message; hooks may tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's PUBLISH.
    Client,
    /// A client's Will, published by the broker in its name.
    Will,
    /// The broker itself: `$SYS` topics.
    Broker,
    /// A policy script.
    Script,
}

/// A message that owns its parts.
#[derive(Debug)]
pub struct Message {
    /// The name it was given as it entered.
    pub id: MessageId,
    /// Where it was published.
    pub topic: TopicName,
    /// The application's bytes, never looked into.
    pub payload: Bytes,
    /// MQTT 5 properties that subscribers get unaltered, in wire form (`codec::ForwardProperties` reads them).
    pub forward: Bytes,
    /// The Quality of Service it was published with; a subscription can only lower it.
    pub qos: QoS,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// When it stops being worth delivering [MQTT-3.3.2-5].
    pub expires_at: Option<Millis>,
    /// Who made it.
    pub origin: Origin,
}

impl Message {
    /// Seconds that are left of its life, as the Message Expiry Interval that a subscriber is told [MQTT-3.3.2-6].
    /// `Err` if it has expired.
    pub fn remaining_expiry(&self, now: Millis) -> Result<Option<u32>, Expired> {
        remaining(self.expires_at, now)
    }
}

/// A message's time was over before it could be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired;

fn remaining(expires_at: Option<Millis>, now: Millis) -> Result<Option<u32>, Expired> {
    let Some(at) = expires_at else { return Ok(None) };
    if at <= now {
        return Err(Expired);
    }
    // Rounded up, so that a message forwarded at once keeps the number that its publisher gave.
    Ok(Some(
        u32::try_from((at.0 - now.0).div_ceil(1000)).unwrap_or(u32::MAX),
    ))
}

/// A message being routed in this turn; its bytes still lie in the read buffer.
#[derive(Debug)]
pub struct Publication<'a> {
    /// The name it was given as it entered.
    pub id: MessageId,
    /// Where it was published.
    pub topic: &'a TopicName,
    /// The application's bytes.
    pub payload: &'a [u8],
    /// The packet's own buffer if it is worth sharing rather than copying; `payload` and `forward` lie within it.
    pub frame: Option<&'a Bytes>,
    /// Properties that go on unaltered, in wire form.
    pub forward: &'a [u8],
    /// The Quality of Service it was published with.
    pub qos: QoS,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Who made it.
    pub origin: Origin,
    /// The owned form, once somebody needed it.
    shared: OnceCell<Arc<Message>>,
}

impl<'a> Publication<'a> {
    /// A publication of the parts given.
    #[must_use]
    pub fn new(id: MessageId, topic: &'a TopicName, payload: &'a [u8], qos: QoS, origin: Origin) -> Self {
        Self {
            id,
            topic,
            payload,
            frame: None,
            forward: &[],
            qos,
            retain: false,
            expires_at: None,
            origin,
            shared: OnceCell::new(),
        }
    }

    /// The same message again, from its owned form.
    #[must_use]
    pub fn of(message: &'a Arc<Message>) -> Self {
        Self {
            id: message.id,
            topic: &message.topic,
            payload: &message.payload,
            frame: Some(&message.payload),
            forward: &message.forward,
            qos: message.qos,
            retain: message.retain,
            expires_at: message.expires_at,
            origin: message.origin,
            shared: OnceCell::from(Arc::clone(message)),
        }
    }

    /// The owned form, made on first use and shared from then on.
    pub fn share(&self) -> Arc<Message> {
        Arc::clone(self.shared.get_or_init(|| {
            Arc::new(Message {
                id: self.id,
                topic: self.topic.clone(),
                payload: self.payload_bytes(),
                forward: Bytes::copy_from_slice(self.forward),
                qos: self.qos,
                retain: self.retain,
                expires_at: self.expires_at,
                origin: self.origin,
            })
        }))
    }

    /// The payload as a shareable slice: of the packet's own buffer where there is one, else a copy.
    #[must_use]
    pub fn payload_bytes(&self) -> Bytes {
        match self.frame {
            Some(frame) if lies_within(self.payload, frame) => frame.slice_ref(self.payload),
            _ => Bytes::copy_from_slice(self.payload),
        }
    }

    /// Seconds that are left of its life; `Err` if it has expired.
    pub fn remaining_expiry(&self, now: Millis) -> Result<Option<u32>, Expired> {
        remaining(self.expires_at, now)
    }
}

/// `Bytes::slice_ref` panics on a slice from elsewhere; a transformed payload may be one.
fn lies_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    part.start >= whole.start && part.end <= whole.end
}

/// What a subscription asks for besides its filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// The highest Quality of Service it wants.
    pub qos: QoS,
    /// It does not want its own messages back.
    pub no_local: bool,
    /// Forwarded messages keep their RETAIN flag [MQTT-3.3.1-13].
    pub retain_as_published: bool,
    /// The number that comes with each message it matched.
    pub subscription_id: Option<u32>,
}

/// A message for one session, waiting: in its queue, its in-flight window or its inbox.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message, shared with all others that wait for it.
    pub message: Arc<Message>,
    /// The Quality of Service it goes out with.
    pub qos: QoS,
    /// The RETAIN flag it goes out with.
    pub retain: bool,
    /// The identifiers of the subscriptions it matched [MQTT-3.3.4-3].
    pub subscription_ids: Box<[u32]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_counts_down_and_rounds_up() {
        let at = |ms| remaining(Some(Millis(10_000)), Millis(ms));
        assert_eq!(at(0), Ok(Some(10)));
        assert_eq!(at(1), Ok(Some(10)));
        assert_eq!(at(9_999), Ok(Some(1)));
        assert_eq!(at(10_000), Err(Expired));
        assert_eq!(remaining(None, Millis(5)), Ok(None));
    }

    #[test]
    fn a_payload_within_the_frame_is_shared_and_another_is_copied() {
        let topic = TopicName::new("t").unwrap();
        let frame = Bytes::from(vec![7; 32]);
        let other = [1, 2, 3];
        let mut publication =
            Publication::new(MessageId(1), &topic, &frame[8..], QoS::AtMostOnce, Origin::Client);
        publication.frame = Some(&frame);
        assert_eq!(publication.payload_bytes().as_ptr(), frame[8..].as_ptr());
        publication.payload = &other;
        assert_eq!(publication.share().payload, other[..]);
    }
}
