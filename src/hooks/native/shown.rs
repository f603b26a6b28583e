//! Clients and messages as plugins see them: structs that borrow what the broker has, for one call.

use crate::codec::{Connect, ProtocolVersion, SubscribeFilter};
use crate::hooks::client::{Client, TlsInfo};
use crate::hooks::lua::message::Shown;
use crate::hooks::verdict::{NewMessage, Properties};
use crate::message::{MessageId, Origin};
use dunlin_plugin_api::abi::{
    self, Context, ORIGIN_BROKER, ORIGIN_CLIENT, ORIGIN_SCRIPT, ORIGIN_WILL, OptInt, Pair, PairList,
    Prefixed, Slice, SliceList,
};
use smallvec::SmallVec;

/// As many as most lists have, without the heap.
const FEW: usize = 8;

pub(super) fn optional(text: Option<&str>) -> Slice {
    text.map_or(Slice::NONE, Slice::text)
}

pub(super) fn bytes(bytes: Option<&[u8]>) -> Slice {
    bytes.map_or(Slice::NONE, Slice::of)
}

/// Calls `with` with a client.
#[inline]
pub(super) fn with_client<R>(client: &Client, with: impl FnOnce(*const Context) -> R) -> R {
    match client.tls.as_deref() {
        None => {
            let context = context(client);
            with(&raw const context)
        }
        Some(tls) => with_tls(tls, |tls| {
            let context = Context {
                tls,
                ..context(client)
            };
            with(&raw const context)
        }),
    }
}

/// Calls `with` with a client, or null where none is concerned.
#[inline]
pub(super) fn with_maybe<R>(client: Option<&Client>, with: impl FnOnce(*const Context) -> R) -> R {
    match client {
        Some(client) => with_client(client, with),
        None => with(std::ptr::null()),
    }
}

#[inline]
fn context(client: &Client) -> Context {
    let group = client.group();
    Context {
        protocol_version: match client.protocol_version {
            ProtocolVersion::V31 => 3,
            ProtocolVersion::V311 => 4,
            ProtocolVersion::V5 => 5,
        },
        client_id: Slice::text(&client.client_id),
        username: optional(client.username.as_deref()),
        group_id: optional(group.map(|(group, _)| group)),
        device_id: optional(group.map(|(_, device)| device)),
        instance: Slice::text(&client.instance),
        peer: Slice::text(&client.peer),
        listener: Slice::text(&client.listener),
        attrs: optional(client.attrs_text()),
        ..Context::blank()
    }
}

#[cold]
fn with_tls<R>(info: &TlsInfo, with: impl FnOnce(*const abi::Tls) -> R) -> R {
    let san: SmallVec<[Slice; FEW]> = info.san.iter().map(|name| Slice::text(name)).collect();
    let tls = abi::Tls {
        cn: optional(info.cn.as_deref()),
        san: SliceList::of(&san),
        serial: optional(info.serial.as_deref()),
        fingerprint: optional(info.fingerprint.as_deref()),
        ca_serial: optional(info.ca_serial.as_deref()),
        valid_from: info.valid_from.map_or(OptInt::NONE, OptInt::some),
        valid_until: info.valid_until.map_or(OptInt::NONE, OptInt::some),
        ..abi::Tls::blank()
    };
    with(&raw const tls)
}

/// Calls `with` with properties; null when there are none.
#[inline]
fn with_properties<R>(properties: &Properties, with: impl FnOnce(*const abi::Properties) -> R) -> R {
    if *properties == Properties::default() {
        return with(std::ptr::null());
    }
    with_pairs(&properties.user, |user| {
        let raw = abi::Properties {
            payload_is_text: OptInt::from(properties.payload_is_text),
            message_expiry: OptInt::from(properties.message_expiry),
            content_type: optional(properties.content_type.as_deref()),
            response_topic: optional(properties.response_topic.as_deref()),
            correlation_data: bytes(properties.correlation_data.as_deref()),
            user,
            ..abi::Properties::blank()
        };
        with(&raw const raw)
    })
}

fn with_pairs<R>(pairs: &[(String, String)], with: impl FnOnce(PairList) -> R) -> R {
    let pairs: SmallVec<[Pair; FEW]> = pairs
        .iter()
        .map(|(name, value)| Pair {
            name: Slice::text(name),
            value: Slice::text(value),
        })
        .collect();
    with(PairList::of(&pairs))
}

/// Calls `with` with a message on its way.
#[inline]
pub(super) fn with_message<R>(shown: &Shown, with: impl FnOnce(*const abi::Message) -> R) -> R {
    let id = hex(shown.id);
    with_properties(&shown.properties, |properties| {
        let message = abi::Message {
            qos: shown.qos as u32,
            topic: Slice::text(&shown.topic),
            payload: Slice::of(&shown.payload),
            size: shown.payload.len() as u64,
            retain: shown.retain.into(),
            origin: origin(shown.origin),
            properties,
            id: Slice::of(&id),
            ..abi::Message::blank()
        };
        with(&raw const message)
    })
}

/// The 32 digits of a Message ID, without the cost of formatting.
fn hex(id: MessageId) -> [u8; 32] {
    let mut digits = [b'0'; 32];
    let mut left = id.0;
    for digit in digits.iter_mut().rev() {
        if left == 0 {
            break;
        }
        let nibble = (left & 0xF) as u8;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' + nibble - 10
        };
        left >>= 4;
    }
    digits
}

const fn origin(origin: Origin) -> u32 {
    match origin {
        Origin::Client => ORIGIN_CLIENT,
        Origin::Will => ORIGIN_WILL,
        Origin::Script => ORIGIN_SCRIPT,
        Origin::Broker => ORIGIN_BROKER,
    }
}

/// Calls `with` with messages that a rule matched.
pub(super) fn with_new_messages<R>(
    messages: &[NewMessage],
    with: impl FnOnce(abi::NewMessageList) -> R,
) -> R {
    // Two passes, so that what is pointed to does not move any more.
    let users: Vec<Vec<Pair>> = messages
        .iter()
        .map(|message| {
            let pairs = message.properties.user.iter();
            pairs
                .map(|(name, value)| Pair {
                    name: Slice::text(name),
                    value: Slice::text(value),
                })
                .collect()
        })
        .collect();
    let properties: Vec<abi::Properties> = messages
        .iter()
        .zip(&users)
        .map(|(message, user)| {
            let of = &message.properties;
            abi::Properties {
                payload_is_text: OptInt::from(of.payload_is_text),
                message_expiry: OptInt::from(of.message_expiry),
                content_type: optional(of.content_type.as_deref()),
                response_topic: optional(of.response_topic.as_deref()),
                correlation_data: bytes(of.correlation_data.as_deref()),
                user: PairList::of(user),
                ..abi::Properties::blank()
            }
        })
        .collect();
    let raw: Vec<abi::NewMessage> = messages
        .iter()
        .zip(&properties)
        .map(|(message, properties)| abi::NewMessage {
            qos: message.qos as u32,
            topic: Slice::text(&message.topic),
            payload: Slice::of(&message.payload),
            retain: message.retain.into(),
            properties: &raw const *properties,
            ..abi::NewMessage::blank()
        })
        .collect();
    let pointers: Vec<*const abi::NewMessage> = raw.iter().map(|message| &raw const *message).collect();
    with(abi::NewMessageList {
        items: pointers.as_ptr(),
        len: pointers.len(),
    })
}

/// Calls `with` with the filters of a SUBSCRIBE.
pub(super) fn with_filters<R>(filters: &[SubscribeFilter], with: impl FnOnce(abi::FilterList) -> R) -> R {
    let raw: SmallVec<[abi::Filter; 2]> = filters
        .iter()
        .map(|filter| abi::Filter {
            filter: Slice::text(&filter.filter),
            qos: OptInt::some(filter.qos as i64),
            no_local: OptInt::some(filter.no_local.into()),
            retain_as_published: OptInt::some(filter.retain_as_published.into()),
            retain_handling: OptInt::some(filter.retain_handling.into()),
            ..abi::Filter::blank()
        })
        .collect();
    let pointers: SmallVec<[*const abi::Filter; FEW]> = raw.iter().map(|filter| &raw const *filter).collect();
    with(abi::FilterList {
        items: pointers.as_ptr(),
        len: pointers.len(),
    })
}

/// Calls `with` with a CONNECT.
pub(super) fn with_connect<R>(connect: &Connect, with: impl FnOnce(*const abi::Connect) -> R) -> R {
    let will = connect.will.as_ref().map(|will| abi::ConnectWill {
        topic: Slice::text(&will.topic),
        payload: Slice::of(&will.payload),
        qos: OptInt::some(will.qos as i64),
        retain: OptInt::some(will.retain.into()),
        delay: OptInt::some(will.delay.into()),
        ..abi::ConnectWill::blank()
    });
    let properties = &connect.properties;
    with_pairs(&properties.user_properties, |user| {
        let raw = abi::Connect {
            keep_alive: connect.keep_alive.into(),
            client_id: Slice::text(&connect.client_id),
            username: optional(connect.username.as_deref()),
            clean_start: connect.clean_start.into(),
            session_expiry: OptInt::from(properties.session_expiry),
            receive_maximum: OptInt::from(properties.receive_maximum),
            maximum_packet_size: OptInt::from(properties.maximum_packet_size),
            user,
            will: will.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            ..abi::Connect::blank()
        };
        with(&raw const raw)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_32_digits_also_before_it_has_a_name() {
        for id in [
            MessageId(0),
            MessageId(0xA),
            MessageId(u128::MAX),
            MessageId(1 << 77),
        ] {
            assert_eq!(std::str::from_utf8(&hex(id)).unwrap(), id.to_string());
        }
    }
}
