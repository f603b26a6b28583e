//! A session record.

use super::sealed;
use super::wire::{Input, put_bytes, put_number, put_option};
use crate::codec::QoS;
use crate::message::SubscriptionOptions;
use crate::store::durable::{SessionRecord, StoredWill};
use crate::time::Millis;
use crate::topic::TopicFilter;

const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
const RETAIN: u8 = 1 << 2;

pub(in super::super) fn encode(out: &mut Vec<u8>, record: &SessionRecord) {
    sealed::seal(out, |out| {
        put_option(out, record.expiry_seconds.map(u64::from));
        put_option(out, record.left_at.map(|at| at.0));
        put_number(out, u64::from(record.next_packet_id));
        put_number(out, record.subscriptions.len() as u64);
        for (filter, options) in &record.subscriptions {
            put_bytes(out, filter.as_str().as_bytes());
            let mut flags = options.qos as u8;
            if options.no_local {
                flags |= NO_LOCAL;
            }
            if options.retain_as_published {
                flags |= RETAIN_AS_PUBLISHED;
            }
            out.push(flags);
            put_option(out, options.subscription_id.map(u64::from));
        }
        out.push(u8::from(record.will.is_some()));
        if let Some(will) = &record.will {
            put_will(out, will);
        }
        put_bytes(out, &record.client);
    });
}

fn put_will(out: &mut Vec<u8>, will: &StoredWill) {
    put_bytes(out, will.topic.as_bytes());
    put_bytes(out, &will.payload);
    put_bytes(out, &will.forward);
    out.push(will.qos as u8 | if will.retain { RETAIN } else { 0 });
    put_number(out, u64::from(will.delay));
    put_option(out, will.message_expiry.map(u64::from));
    put_option(out, will.due.map(|due| due.0));
}

pub(in super::super) fn decode(bytes: &[u8]) -> Option<SessionRecord> {
    let mut input = Input::new(sealed::open(bytes)?);
    let expiry_seconds = option_u32(&mut input)?;
    let left_at = input.option()?.map(Millis);
    let next_packet_id = input.small()?;
    let count: usize = input.small()?;
    let mut subscriptions = Vec::with_capacity(count.min(input.len()));
    for _ in 0..count {
        let filter = TopicFilter::parse(input.text()?).ok()?;
        let flags = input.byte()?;
        let options = SubscriptionOptions {
            qos: QoS::from_bits(flags & 3)?,
            no_local: flags & NO_LOCAL != 0,
            retain_as_published: flags & RETAIN_AS_PUBLISHED != 0,
            subscription_id: option_u32(&mut input)?,
        };
        subscriptions.push((filter, options));
    }
    let will = match input.byte()? {
        0 => None,
        1 => Some(will(&mut input)?),
        _ => return None,
    };
    let client = input.owned()?;
    Some(SessionRecord {
        expiry_seconds,
        left_at,
        subscriptions,
        next_packet_id,
        will,
        client,
    })
}

fn will(input: &mut Input<'_>) -> Option<StoredWill> {
    let topic = input.text()?.to_owned();
    let payload = input.owned()?;
    let forward = input.owned()?;
    let flags = input.byte()?;
    Some(StoredWill {
        topic,
        payload,
        forward,
        qos: QoS::from_bits(flags & 3)?,
        retain: flags & RETAIN != 0,
        delay: input.small()?,
        message_expiry: option_u32(input)?,
        due: input.option()?.map(Millis),
    })
}

fn option_u32(input: &mut Input<'_>) -> Option<Option<u32>> {
    match input.option()? {
        None => Some(None),
        Some(number) => u32::try_from(number).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        let filter = |text| TopicFilter::parse(text).unwrap();
        let options = |subscription_id| SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            subscription_id,
        };
        let will = StoredWill {
            topic: "gone".into(),
            payload: Bytes::from_static(b"bye"),
            forward: Bytes::from_static(b"x"),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay: u32::MAX,
            message_expiry: Some(1),
            due: Some(Millis(9)),
        };
        let full = SessionRecord {
            expiry_seconds: Some(u32::MAX),
            left_at: Some(Millis(u64::MAX)),
            subscriptions: vec![
                (filter("a/+"), options(Some(268_435_455))),
                (filter("$share/g/#"), options(None)),
            ],
            next_packet_id: u16::MAX,
            will: Some(will),
            client: Bytes::from_static(b"\0\xFF"),
        };
        for record in [SessionRecord::default(), full] {
            let mut out = Vec::new();
            encode(&mut out, &record);
            assert_eq!(decode(&out), Some(record));
            assert_eq!(decode(&out[..out.len() - 1]), None);
        }
    }
}
