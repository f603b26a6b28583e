//! From what crosses the boundary to the broker's own types, checking each number and text on the way.
#![allow(
    unsafe_code,
    reason = "what a plugin hands over is good for the call in which it does, by the rules of the ABI"
)]

use crate::codec::{QoS, ReasonCode, SubscribeFilter};
use crate::hooks::acl::{Acl, Rule};
use crate::hooks::depends::Depends;
use crate::hooks::lua::answer::MAX_REASON;
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::grant::MAX_RULES;
use crate::hooks::lua::message::qos_of;
use crate::hooks::sendable::{self, TEXT};
use crate::hooks::verdict::{
    ActionOutcome, ConnackPatch, ConnectPatch, Controlled, Grant, NewMessage, Patch, Properties, Routed,
    SessionSettings, WillChange,
};
use crate::topic;
use bytes::Bytes;
use dunlin_plugin_api::abi::{self, OptInt, OptNum, PairList, Prefixed, Slice, SliceList, read_prefix};
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use std::time::Duration;

/// The longest list that is taken: a length is the plugin's word, and nobody means more.
const MOST: usize = 65_536;

/// Reads what a plugin hands to the host in a call.
#[derive(Clone, Copy)]
pub(super) struct Reader;

fn wrong(what: impl Into<String>) -> Fault {
    Fault::answer(what)
}

/// The structs that a list of pointers leads to.
fn pointed<T: Prefixed>(name: &str, items: *const *const T, len: usize) -> Result<Vec<T>, Fault> {
    if len > MOST {
        return Err(wrong(format!("`{name}` has {len} items, {MOST} are allowed")));
    }
    if items.is_null() || len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the list and what it leads to are good for the call.
    let items = unsafe { std::slice::from_raw_parts(items, len) };
    let read = items.iter().map(|item| {
        // SAFETY: the same.
        let read = unsafe { read_prefix(*item) };
        read.ok_or_else(|| {
            wrong(format!(
                "`{name}` holds a null, or a struct of an impossible size"
            ))
        })
    });
    read.collect()
}

/// The struct that a pointer leads to.
fn at<T: Prefixed>(name: &str, pointer: *const T) -> Result<T, Fault> {
    // SAFETY: it is good for the call.
    let read = unsafe { read_prefix(pointer) };
    read.ok_or_else(|| wrong(format!("`{name}` is null, or has an impossible size")))
}

impl Reader {
    pub(super) fn slice<'a>(self, slice: Slice) -> Option<&'a [u8]> {
        // SAFETY: it is good for the call, and what is made of it does not outlive that.
        unsafe { slice.bytes() }
    }

    pub(super) fn bytes(self, slice: Slice) -> Option<Bytes> {
        self.slice(slice).map(Bytes::copy_from_slice)
    }

    pub(super) fn str<'a>(self, name: &str, slice: Slice) -> Result<Option<&'a str>, Fault> {
        let Some(bytes) = self.slice(slice) else {
            return Ok(None);
        };
        if bytes.len() > TEXT {
            return Err(wrong(format!(
                "`{name}` has {} bytes, {TEXT} are allowed",
                bytes.len()
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong(format!("`{name}` is not UTF-8")))?;
        Ok(Some(text))
    }

    /// The id of an instance, which need not be one.
    pub(super) fn instance(self, slice: Slice) -> Result<Option<Arc<str>>, Fault> {
        Ok(self.str("instance", slice)?.map(Arc::from))
    }

    pub(super) fn text(self, name: &str, slice: Slice) -> Result<Option<String>, Fault> {
        Ok(self.str(name, slice)?.map(str::to_owned))
    }

    /// Why, in words; an empty one says nothing.
    pub(super) fn reason(self, slice: Slice) -> Result<Option<Arc<str>>, Fault> {
        let Some(bytes) = self.slice(slice).filter(|bytes| !bytes.is_empty()) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(4 * MAX_REASON)).unwrap_or(bytes));
        Ok(Some(
            text.get(..text.floor_char_boundary(MAX_REASON))
                .unwrap_or_default()
                .into(),
        ))
    }

    pub(super) fn integer<T: TryFrom<i64>>(self, name: &str, number: OptInt) -> Result<Option<T>, Fault> {
        match number.present {
            0 => Ok(None),
            1 => match T::try_from(number.value) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(wrong(format!("`{name}` cannot be {}", number.value))),
            },
            other => Err(wrong(format!("`{name}.present` is {other}; it is 0 or 1"))),
        }
    }

    pub(super) fn number(self, name: &str, number: OptNum) -> Result<Option<f64>, Fault> {
        match number.present {
            0 => Ok(None),
            1 if number.value.is_finite() => Ok(Some(number.value)),
            1 => Err(wrong(format!("`{name}` is {}", number.value))),
            other => Err(wrong(format!("`{name}.present` is {other}; it is 0 or 1"))),
        }
    }

    fn flag(self, name: &str, number: OptInt) -> Result<Option<bool>, Fault> {
        match self.integer::<u8>(name, number)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(other) => Err(wrong(format!("`{name}` is {other}; it is 0 or 1"))),
        }
    }

    pub(super) fn qos(self, name: &str, number: OptInt) -> Result<Option<QoS>, Fault> {
        let Some(number) = self.integer::<u8>(name, number)? else {
            return Ok(None);
        };
        let qos = qos_of(number).ok_or_else(|| wrong(format!("`{name}` is {number}; it is 0, 1 or 2")))?;
        Ok(Some(qos))
    }

    /// A reason code out of those that fit.
    pub(super) fn code(
        self,
        number: OptInt,
        word: &str,
        fits: fn(u8) -> bool,
        which: &str,
    ) -> Result<Option<ReasonCode>, Fault> {
        match self.integer::<u8>("code", number) {
            Ok(None) => Ok(None),
            Ok(Some(code)) if fits(code) => Ok(Some(ReasonCode(code))),
            _ => Err(wrong(format!(
                "it answered {word} with the code {:#04X}; {which}",
                number.value
            ))),
        }
    }

    fn topic(self, name: &str, slice: Slice) -> Result<Option<Arc<str>>, Fault> {
        let Some(text) = self.str(name, slice)? else {
            return Ok(None);
        };
        // [MQTT-3.3.2-2]: what goes on as a PUBLISH has a topic name without wildcards, whoever wrote it.
        topic::check_name(text).map_err(|why| wrong(format!("`{name}`: {why}")))?;
        Ok(Some(text.into()))
    }

    pub(super) fn texts(self, name: &str, list: SliceList) -> Result<Vec<String>, Fault> {
        let texts = self.slices(name, list)?.iter().map(|item| {
            self.text(name, *item)?
                .ok_or_else(|| wrong(format!("`{name}` holds a null")))
        });
        texts.collect()
    }

    fn slices<'a>(self, name: &str, list: SliceList) -> Result<&'a [Slice], Fault> {
        if list.len > MOST {
            return Err(wrong(format!(
                "`{name}` has {} items, {MOST} are allowed",
                list.len
            )));
        }
        // SAFETY: the list is good for the call, and nobody keeps it.
        Ok(unsafe { list.items() })
    }

    fn user(self, list: PairList) -> Result<Vec<(String, String)>, Fault> {
        if list.len > MOST {
            return Err(wrong(format!(
                "`user` has {} items, {MOST} are allowed",
                list.len
            )));
        }
        // SAFETY: the list is good for the call.
        let pairs = unsafe { list.items() };
        let pairs = pairs.iter().map(|pair| {
            let name = self.text("user", pair.name)?.unwrap_or_default();
            Ok((name, self.text("user", pair.value)?.unwrap_or_default()))
        });
        pairs.collect()
    }

    /// Labels of a metric.
    pub(super) fn labels(self, list: PairList) -> Result<Vec<(String, String)>, Fault> {
        self.user(list)
    }

    fn properties(self, pointer: *const abi::Properties) -> Result<Option<Properties>, Fault> {
        if pointer.is_null() {
            return Ok(None);
        }
        let raw = at("properties", pointer)?;
        let properties = Properties {
            payload_is_text: self.flag("payload_is_text", raw.payload_is_text)?,
            message_expiry: self.integer("message_expiry", raw.message_expiry)?,
            content_type: self.text("content_type", raw.content_type)?,
            response_topic: self
                .topic("response_topic", raw.response_topic)?
                .map(|topic| topic.to_string()),
            correlation_data: self.bytes(raw.correlation_data),
            user: self.user(raw.user)?,
        };
        sendable::properties(&properties).map_err(wrong)?;
        Ok(Some(properties))
    }

    /// A payload that a packet can carry.
    fn payload(self, slice: Slice) -> Result<Option<Bytes>, Fault> {
        let Some(payload) = self.slice(slice) else {
            return Ok(None);
        };
        sendable::payload(payload).map_err(wrong)?;
        Ok(Some(Bytes::copy_from_slice(payload)))
    }

    pub(super) fn message(self, pointer: *const abi::NewMessage) -> Result<NewMessage, Fault> {
        self.new_message(at("message", pointer)?)
    }

    fn new_message(self, raw: abi::NewMessage) -> Result<NewMessage, Fault> {
        let topic = self.topic("topic", raw.topic)?;
        Ok(NewMessage {
            topic: topic.ok_or_else(|| wrong("a message has no `topic`"))?,
            payload: self.payload(raw.payload)?.unwrap_or_default(),
            qos: u8::try_from(raw.qos)
                .ok()
                .and_then(qos_of)
                .ok_or_else(|| wrong(format!("a message's `qos` is {}; it is 0, 1 or 2", raw.qos)))?,
            retain: match raw.retain {
                0 => false,
                1 => true,
                other => return Err(wrong(format!("a message's `retain` is {other}; it is 0 or 1"))),
            },
            properties: self.properties(raw.properties)?.unwrap_or_default(),
        })
    }

    fn messages(self, name: &str, list: abi::NewMessageList) -> Result<Vec<NewMessage>, Fault> {
        let raw = pointed(name, list.items, list.len)?;
        raw.into_iter().map(|raw| self.new_message(raw)).collect()
    }

    pub(super) fn grant(self, pointer: *const abi::Grant) -> Result<Option<Grant>, Fault> {
        if pointer.is_null() {
            return Ok(None);
        }
        let raw = at("grant", pointer)?;
        let session = SessionSettings {
            keep_alive: self.integer("keep_alive", raw.keep_alive)?,
            session_expiry: self.integer("session_expiry", raw.session_expiry)?,
            receive_maximum: self.integer("receive_maximum", raw.receive_maximum)?,
            maximum_packet_size: self.integer("maximum_packet_size", raw.maximum_packet_size)?,
        };
        // Zero is a Protocol Error for both in CONNACK (MQTT 5, 3.2.2.3.3 and 3.2.2.3.6).
        if session.receive_maximum == Some(0) || session.maximum_packet_size == Some(0) {
            return Err(wrong("`receive_maximum` and `maximum_packet_size` must not be 0"));
        }
        Ok(Some(Grant {
            attrs: self.attrs(raw.attrs)?.unwrap_or_default(),
            session,
            expires_at: self.number("expires_at", raw.expires_at)?,
            acl: self.slice(raw.acl).map(acl).transpose()?,
            data: self.bytes(raw.data),
            any_client_id: self.flag("any_client_id", raw.any_client_id)?.unwrap_or(false),
            depends: self.depends(raw.depends)?,
        }))
    }

    fn attrs(self, slice: Slice) -> Result<Option<Map<String, Json>>, Fault> {
        match self.slice(slice).map(serde_json::from_slice) {
            None => Ok(None),
            Some(Ok(Json::Object(attrs))) => Ok(Some(attrs)),
            Some(Ok(_)) => Err(wrong("`attrs` is no JSON object")),
            Some(Err(error)) => Err(wrong(format!("`attrs` is no JSON: {error}"))),
        }
    }

    fn depends(self, list: SliceList) -> Result<Depends, Fault> {
        Depends::on(self.texts("depends", list)?).map_err(wrong)
    }

    pub(super) fn connect_patch(self, pointer: *const abi::ConnectPatch) -> Result<ConnectPatch, Fault> {
        let raw = at("connect", pointer)?;
        let will = match (raw.remove_will, raw.will.is_null()) {
            (1, _) => WillChange::Remove,
            (0, true) => WillChange::Keep,
            (0, false) => {
                let will = at("will", raw.will)?;
                WillChange::Change {
                    topic: self.topic("will.topic", will.topic)?,
                    payload: self.payload(will.payload)?,
                    qos: self.qos("will.qos", will.qos)?,
                    retain: self.flag("will.retain", will.retain)?,
                    delay: self.integer("will.delay", will.delay)?,
                }
            }
            (other, _) => return Err(wrong(format!("`remove_will` is {other}; it is 0 or 1"))),
        };
        let client_id = self.text("client_id", raw.client_id)?;
        if client_id
            .as_ref()
            .is_some_and(|id| id.is_empty() || id.contains('\0'))
        {
            return Err(wrong("`client_id` must be 1 to 65,535 bytes, without U+0000"));
        }
        Ok(ConnectPatch {
            client_id,
            clean_start: self.flag("clean_start", raw.clean_start)?,
            keep_alive: self.integer("keep_alive", raw.keep_alive)?,
            session_expiry: self.integer("session_expiry", raw.session_expiry)?,
            will,
            instance: self.instance(raw.instance)?,
        })
    }

    pub(super) fn connack(self, pointer: *const abi::ConnackPatch) -> Result<ConnackPatch, Fault> {
        let raw = at("connack", pointer)?;
        let patch = ConnackPatch {
            user: self.user(raw.user)?,
            reason_string: self.text("reason_string", raw.reason_string)?,
            response_information: self.text("response_information", raw.response_information)?,
            server_reference: self.text("server_reference", raw.server_reference)?,
        };
        sendable::connack(&patch).map_err(wrong)?;
        Ok(patch)
    }

    pub(super) fn publish_patch(
        self,
        pointer: *const abi::PublishPatch,
    ) -> Result<(Patch, Vec<NewMessage>), Fault> {
        let raw = at("publish", pointer)?;
        let patch = Patch {
            topic: self.topic("topic", raw.topic)?,
            payload: self.payload(raw.payload)?,
            qos: self.qos("qos", raw.qos)?,
            retain: self.flag("retain", raw.retain)?,
            properties: self.properties(raw.properties)?,
        };
        Ok((patch, self.messages("more", raw.more)?))
    }

    pub(super) fn will_patch(self, pointer: *const abi::WillPatch) -> Result<Patch, Fault> {
        let raw = at("will", pointer)?;
        Ok(Patch {
            topic: self.topic("topic", raw.topic)?,
            payload: self.payload(raw.payload)?,
            qos: self.qos("qos", raw.qos)?,
            retain: self.flag("retain", raw.retain)?,
            properties: self.properties(raw.properties)?,
        })
    }

    pub(super) fn deliver_patch(self, pointer: *const abi::DeliverPatch) -> Result<Patch, Fault> {
        let raw = at("deliver", pointer)?;
        Ok(Patch {
            payload: self.payload(raw.payload)?,
            properties: self.properties(raw.properties)?,
            ..Patch::default()
        })
    }

    pub(super) fn routed(self, pointer: *const abi::Routed) -> Result<Routed, Fault> {
        let raw = at("routed", pointer)?;
        let topics = self.slices("topics", raw.topics)?.iter().map(|topic| {
            self.topic("topics", *topic)?
                .ok_or_else(|| wrong("`topics` holds a null"))
        });
        let clients = self.texts("clients", raw.clients)?;
        Ok(Routed {
            drop: None,
            topics: topics.collect::<Result<_, _>>()?,
            clients: clients.into_iter().map(Arc::from).collect(),
        })
    }

    pub(super) fn controlled(self, pointer: *const abi::Controlled) -> Result<Controlled, Fault> {
        let raw = at("controlled", pointer)?;
        Ok(Controlled {
            messages: self.messages("messages", raw.messages)?,
            expires_at: self.number("expires_at", raw.expires_at)?,
            attrs: self.attrs(raw.attrs)?,
            acl: self.slice(raw.acl).map(acl).transpose()?,
            // Here alone a list that is not there is another thing than an empty one.
            depends: match raw.depends.items.is_null() {
                true => None,
                false => Some(self.depends(raw.depends)?),
            },
            disconnect: None,
        })
    }

    pub(super) fn filters(self, list: abi::FilterList) -> Result<Vec<SubscribeFilter>, Fault> {
        let filters = pointed("subscribe", list.items, list.len)?;
        let filters = filters.into_iter().map(|raw| {
            let handling: u8 = self.integer("retain_handling", raw.retain_handling)?.unwrap_or(0);
            if handling > 2 {
                return Err(wrong(format!("`retain_handling` is {handling}; it is 0, 1 or 2")));
            }
            let filter = self.text("filter", raw.filter)?;
            Ok(SubscribeFilter {
                filter: filter.ok_or_else(|| wrong("a filter has no `filter`"))?,
                qos: self.qos("qos", raw.qos)?.unwrap_or(QoS::AtMostOnce),
                no_local: self.flag("no_local", raw.no_local)?.unwrap_or(false),
                retain_as_published: self
                    .flag("retain_as_published", raw.retain_as_published)?
                    .unwrap_or(false),
                retain_handling: handling,
            })
        });
        filters.collect()
    }

    pub(super) fn results(self, list: abi::ActionResultList) -> Result<Vec<ActionOutcome>, Fault> {
        if list.len > MOST {
            return Err(wrong(format!(
                "`results` has {} items, {MOST} are allowed",
                list.len
            )));
        }
        if list.items.is_null() || list.len == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the list is good for the call.
        let items = unsafe { std::slice::from_raw_parts(list.items, list.len) };
        let results = items.iter().map(|item| match item.result {
            abi::ACTION_DONE => Ok(ActionOutcome::Done),
            abi::ACTION_RETRY => Duration::try_from_secs_f64(item.retry_after)
                .map(ActionOutcome::Retry)
                .map_err(|_| wrong(format!("`retry_after` is {}", item.retry_after))),
            abi::ACTION_DEAD_LETTER => {
                let reason = self.reason(item.reason)?;
                Ok(ActionOutcome::DeadLetter(reason.unwrap_or_else(|| "".into())))
            }
            other => Err(wrong(format!(
                "the result of a message is {other}, which is none"
            ))),
        });
        results.collect()
    }
}

/// The rules that a login brings: `[["allow", "publish", "a/#"], ...]`.
fn acl(text: &[u8]) -> Result<Arc<Acl>, Fault> {
    let rules: Vec<(String, String, String)> = serde_json::from_slice(text).map_err(|error| {
        wrong(format!(
            r#"`acl` is no JSON list of rules such as ["allow", "publish", "a/#"]: {error}"#
        ))
    })?;
    if rules.len() > MAX_RULES {
        return Err(wrong(format!("`acl` has more than {MAX_RULES} rules")));
    }
    let rules = rules.iter().enumerate().map(|(n, (effect, action, filter))| {
        Rule::parse(effect, action, filter).map_err(|what| wrong(format!("rule {} of `acl`: {what}", n + 1)))
    });
    Ok(Arc::new(Acl::new(rules.collect::<Result<_, _>>()?)))
}
