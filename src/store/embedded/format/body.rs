//! A message's body: all that its receivers share.

use bytes::Bytes;

use super::sealed;
use super::wire::{Input, put_bytes, put_number};
use crate::codec::QoS;
use crate::message::{Message, MessageId, Origin};
use crate::time::Millis;
use crate::topic::TopicName;

const RETAIN: u8 = 1 << 2;
const EXPIRES: u8 = 1 << 3;
const ORIGIN: u32 = 4;

/// No body is shorter: check sum, flags, id, and the lengths of topic and properties.
pub(in super::super) const SHORTEST: usize = 4 + 1 + 16 + 2;

/// About as many bytes as its body takes; a little more.
pub(in super::super) fn size(message: &Message) -> usize {
    SHORTEST + 16 + message.topic.len() + message.forward.len() + message.payload.len()
}

pub(in super::super) fn encode(out: &mut Vec<u8>, message: &Message) {
    sealed::seal(out, |out| {
        let origin: u8 = match message.origin {
            Origin::Client => 0,
            Origin::Will => 1,
            Origin::Broker => 2,
            Origin::Script => 3,
        };
        let mut flags = message.qos as u8 | origin << ORIGIN;
        if message.retain {
            flags |= RETAIN;
        }
        if message.expires_at.is_some() {
            flags |= EXPIRES;
        }
        out.push(flags);
        out.extend_from_slice(&message.id.0.to_le_bytes());
        if let Some(at) = message.expires_at {
            put_number(out, at.0);
        }
        put_bytes(out, message.topic.as_bytes());
        put_bytes(out, &message.forward);
        out.extend_from_slice(&message.payload);
    });
}

/// The message; `payload` makes what it keeps of the payload's bytes. It shares the topic of the one before, if that is the same.
pub(in super::super) fn decode(
    bytes: &[u8],
    before: Option<&TopicName>,
    payload: impl FnOnce(&[u8]) -> Bytes,
) -> Option<Message> {
    let mut input = Input::new(sealed::open(bytes)?);
    let flags = input.byte()?;
    let id = MessageId(u128::from_le_bytes(input.array()?));
    let expires_at = match flags & EXPIRES {
        0 => None,
        _ => Some(Millis(input.number()?)),
    };
    let topic = input.text()?;
    let topic = match before {
        Some(before) if **before == *topic => before.clone(),
        _ => TopicName::new(topic).ok()?,
    };
    let forward = input.owned()?;
    Some(Message {
        id,
        topic,
        payload: payload(input.rest()),
        forward,
        qos: QoS::from_bits(flags & 3)?,
        retain: flags & RETAIN != 0,
        expires_at,
        origin: match flags >> ORIGIN {
            0 => Origin::Client,
            1 => Origin::Will,
            2 => Origin::Broker,
            3 => Origin::Script,
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        for origin in [Origin::Client, Origin::Will, Origin::Broker, Origin::Script] {
            for (qos, retain, expires_at) in [
                (QoS::AtMostOnce, false, None),
                (QoS::AtLeastOnce, true, Some(Millis(7))),
                (QoS::ExactlyOnce, false, Some(Millis(u64::MAX))),
            ] {
                let message = Message {
                    id: MessageId(u128::MAX - 3),
                    topic: TopicName::new("a/é").unwrap(),
                    payload: Bytes::from_static(b"\0payload"),
                    forward: Bytes::from_static(&[1, 2]),
                    qos,
                    retain,
                    expires_at,
                    origin,
                };
                let mut out = Vec::new();
                encode(&mut out, &message);
                assert!(out.len() >= SHORTEST && out.len() <= size(&message));
                let back = decode(&out, None, Bytes::copy_from_slice).unwrap();
                assert_eq!(format!("{back:?}"), format!("{message:?}"));
            }
        }
    }
}
