//! From what crosses the boundary back to answers, checking each number on the way as a broker does.

use super::super::answers::*;
use super::super::client::properties;
use super::Failure;
use crate::abi::{self, OptInt, Outcome, Slice, SliceList, pointed_at, read_prefix};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::marker::PhantomData;

/// An outcome, copied. What is wrong in it is in `wrong`.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) verdict: i32,
    pub(super) state: Option<Vec<u8>>,
    pub(super) state_version: u32,
    wrong: Option<String>,
    code: Option<u8>,
    reason: String,
    qos: Option<u8>,
    number: Option<f64>,
    server: Option<String>,
    permanently: bool,
    data: Vec<u8>,
    grant: Option<Grant>,
    connect: Option<ConnectPatch>,
    connack: Option<ConnackPatch>,
    publish: Option<PublishPatch>,
    deliver: Option<DeliverPatch>,
    will: Option<WillPatch>,
    routed: Option<Routed>,
    controlled: Option<Controlled>,
    subscribe: Vec<Filter>,
    unsubscribe: Vec<String>,
    results: Vec<ActionResult>,
}

/// Reads values and remembers the first that makes no sense.
#[derive(Default)]
struct Reader {
    wrong: Option<String>,
}

impl Reader {
    fn bytes(slice: Slice) -> Option<Vec<u8>> {
        // SAFETY: what a plugin hands to the host is good for the call.
        unsafe { slice.bytes() }.map(<[u8]>::to_vec)
    }

    fn complain(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    fn text(&mut self, name: &str, slice: Slice) -> Option<String> {
        let text = String::from_utf8(Self::bytes(slice)?);
        text.map_err(|_| self.complain(format!("`{name}` is not UTF-8")))
            .ok()
    }

    fn number<T: TryFrom<i64>>(&mut self, name: &str, number: OptInt) -> Option<T> {
        match number.present {
            0 => None,
            1 => match T::try_from(number.value) {
                Ok(value) => Some(value),
                Err(_) => {
                    self.complain(format!("`{name}` cannot be {}", number.value));
                    None
                }
            },
            other => {
                self.complain(format!("`{name}.present` is {other}"));
                None
            }
        }
    }

    fn up_to(&mut self, name: &str, most: u8, number: OptInt) -> Option<u8> {
        let value = self.number::<u8>(name, number)?;
        if value > most {
            self.complain(format!("`{name}` cannot be {value}"));
            return None;
        }
        Some(value)
    }

    fn flag(&mut self, name: &str, number: OptInt) -> Option<bool> {
        self.up_to(name, 1, number).map(|value| value == 1)
    }

    fn texts(&mut self, name: &str, list: SliceList) -> Vec<String> {
        // SAFETY: what a plugin hands to the host is good for the call.
        let items = unsafe { list.items() };
        items
            .iter()
            .map(|item| self.text(name, *item).unwrap_or_default())
            .collect()
    }

    fn properties(raw: *const abi::Properties) -> Option<Properties> {
        (!raw.is_null()).then(|| properties(raw, PhantomData))
    }

    fn messages(&mut self, list: abi::NewMessageList) -> Vec<NewMessage> {
        // SAFETY: what a plugin hands to the host is good for the call.
        let items = unsafe { pointed_at(list.items, list.len) };
        items
            .map(|raw| {
                if raw.qos > 2 || raw.retain > 1 {
                    self.complain("a message's qos or retain".to_owned());
                }
                NewMessage {
                    topic: self.text("topic", raw.topic).unwrap_or_default(),
                    payload: Self::bytes(raw.payload).unwrap_or_default(),
                    qos: raw.qos as u8,
                    retain: raw.retain == 1,
                    properties: properties(raw.properties, PhantomData),
                }
            })
            .collect()
    }

    /// A value in JSON.
    fn json<T: DeserializeOwned>(&mut self, name: &str, slice: Slice) -> Option<T> {
        let text = self.text(name, slice)?;
        serde_json::from_str(&text)
            .map_err(|error| self.complain(format!("`{name}`: {error}")))
            .ok()
    }

    /// Records of the registry, by kind and name.
    fn records(&mut self, list: SliceList) -> Vec<String> {
        let records = self.texts("depends", list);
        let names_one = |record: &String| {
            let parts = record.split_once('/');
            parts.is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
        };
        if let Some(wrong) = records.iter().find(|record| !names_one(record)) {
            self.complain(format!(
                "`depends` names records as \"kind/name\"; it holds {wrong:?}"
            ));
        }
        records
    }

    fn controlled(&mut self, raw: abi::Controlled) -> Controlled {
        Controlled {
            messages: self.messages(raw.messages),
            expires_at: raw.expires_at.get(),
            attrs: self.json("attrs", raw.attrs),
            acl: self.json("acl", raw.acl),
            depends: (!raw.depends.items.is_null()).then(|| self.records(raw.depends)),
        }
    }

    fn grant(&mut self, raw: abi::Grant) -> Grant {
        Grant {
            attrs: self.json("attrs", raw.attrs).unwrap_or_default(),
            acl: self.json("acl", raw.acl).unwrap_or_default(),
            expires_at: raw.expires_at.get(),
            keep_alive: self.number("keep_alive", raw.keep_alive),
            session_expiry: self.number("session_expiry", raw.session_expiry),
            receive_maximum: self.number("receive_maximum", raw.receive_maximum),
            maximum_packet_size: self.number("maximum_packet_size", raw.maximum_packet_size),
            data: Self::bytes(raw.data),
            any_client_id: self.flag("any_client_id", raw.any_client_id) == Some(true),
            depends: self.records(raw.depends),
        }
    }

    fn will(&mut self, raw: abi::ConnectWill) -> ConnectWill {
        ConnectWill {
            topic: self.text("topic", raw.topic),
            payload: Self::bytes(raw.payload),
            qos: self.up_to("qos", 2, raw.qos),
            retain: self.flag("retain", raw.retain),
            delay: self.number("delay", raw.delay),
        }
    }

    fn connect(&mut self, raw: abi::ConnectPatch) -> ConnectPatch {
        // SAFETY: what a plugin hands to the host is good for the call.
        let will = unsafe { read_prefix(raw.will) };
        ConnectPatch {
            client_id: self.text("client_id", raw.client_id),
            clean_start: self.flag("clean_start", raw.clean_start),
            keep_alive: self.number("keep_alive", raw.keep_alive),
            session_expiry: self.number("session_expiry", raw.session_expiry),
            remove_will: raw.remove_will == 1,
            will: will.map(|will| self.will(will)),
            instance: self.text("instance", raw.instance),
        }
    }

    fn connack(&mut self, raw: abi::ConnackPatch) -> ConnackPatch {
        // SAFETY: what a plugin hands to the host is good for the call.
        let user = unsafe { raw.user.items() };
        let user = user.iter().map(|pair| {
            let name = self.text("user", pair.name).unwrap_or_default();
            (name, self.text("user", pair.value).unwrap_or_default())
        });
        ConnackPatch {
            user: user.collect(),
            reason_string: self.text("reason_string", raw.reason_string),
            response_information: self.text("response_information", raw.response_information),
            server_reference: self.text("server_reference", raw.server_reference),
        }
    }

    fn publish(&mut self, raw: abi::PublishPatch) -> PublishPatch {
        PublishPatch {
            topic: self.text("topic", raw.topic),
            payload: Self::bytes(raw.payload),
            qos: self.up_to("qos", 2, raw.qos),
            retain: self.flag("retain", raw.retain),
            properties: Self::properties(raw.properties),
            more: self.messages(raw.more),
        }
    }

    fn will_patch(&mut self, raw: abi::WillPatch) -> WillPatch {
        WillPatch {
            topic: self.text("topic", raw.topic),
            payload: Self::bytes(raw.payload),
            qos: self.up_to("qos", 2, raw.qos),
            retain: self.flag("retain", raw.retain),
            properties: Self::properties(raw.properties),
        }
    }

    fn filters(&mut self, list: abi::FilterList) -> Vec<Filter> {
        // SAFETY: what a plugin hands to the host is good for the call.
        let items = unsafe { pointed_at(list.items, list.len) };
        items
            .map(|raw| Filter {
                filter: self.text("filter", raw.filter).unwrap_or_default(),
                qos: self.up_to("qos", 2, raw.qos),
                no_local: self.flag("no_local", raw.no_local),
                retain_as_published: self.flag("retain_as_published", raw.retain_as_published),
                retain_handling: self.up_to("retain_handling", 2, raw.retain_handling),
            })
            .collect()
    }

    fn results(&mut self, list: abi::ActionResultList) -> Vec<ActionResult> {
        // SAFETY: what a plugin hands to the host is good for the call.
        let items = unsafe { abi::list(list.items, list.len) };
        items
            .iter()
            .map(|item| match item.result {
                abi::ACTION_DONE => ActionResult::Done,
                abi::ACTION_RETRY => ActionResult::Retry(item.retry_after),
                abi::ACTION_DEAD_LETTER => {
                    ActionResult::DeadLetter(self.text("reason", item.reason).unwrap_or_default())
                }
                other => {
                    self.complain(format!("the result {other} of a message"));
                    ActionResult::Done
                }
            })
            .collect()
    }
}

impl Decoded {
    /// The same as returning this integer.
    pub(super) fn plain(verdict: i32) -> Decoded {
        Decoded {
            verdict,
            ..Decoded::default()
        }
    }

    /// # Safety
    /// `outcome` must be null or what the ABI says of `complete`.
    pub(super) unsafe fn of(outcome: *const Outcome) -> Option<Decoded> {
        // SAFETY: the caller vouches for the outcome and what it refers to.
        unsafe {
            let raw = read_prefix(outcome)?;
            let mut reader = Reader::default();
            let r = &mut reader;
            let decoded = Decoded {
                verdict: raw.verdict,
                state: Reader::bytes(raw.state),
                state_version: raw.state_version,
                wrong: None,
                code: r.number("code", raw.code),
                reason: r.text("reason", raw.reason).unwrap_or_default(),
                qos: r.up_to("qos", 2, raw.qos),
                number: raw.number.get(),
                server: r.text("server", raw.server),
                permanently: raw.permanently == 1,
                data: Reader::bytes(raw.data).unwrap_or_default(),
                grant: read_prefix(raw.grant).map(|raw| r.grant(raw)),
                connect: read_prefix(raw.connect).map(|raw| r.connect(raw)),
                connack: read_prefix(raw.connack).map(|raw| r.connack(raw)),
                publish: read_prefix(raw.publish).map(|raw| r.publish(raw)),
                deliver: read_prefix(raw.deliver).map(|raw| DeliverPatch {
                    payload: Reader::bytes(raw.payload),
                    properties: Reader::properties(raw.properties),
                }),
                will: read_prefix(raw.will).map(|raw| r.will_patch(raw)),
                routed: read_prefix(raw.routed).map(|raw| Routed {
                    topics: r.texts("topics", raw.topics),
                    clients: r.texts("clients", raw.clients),
                }),
                controlled: read_prefix(raw.controlled).map(|raw| r.controlled(raw)),
                subscribe: r.filters(raw.subscribe),
                unsubscribe: r.texts("unsubscribe", raw.unsubscribe),
                results: r.results(raw.results),
            };
            Some(Decoded {
                wrong: reader.wrong,
                ..decoded
            })
        }
    }

    /// The answer, as the hook's type.
    pub(super) fn take<T: Take>(mut self) -> Result<T, Failure> {
        if let Some(wrong) = self.wrong.take() {
            return Err(Failure::Wrong(wrong));
        }
        match self.verdict {
            abi::ERROR => Err(Failure::Error(self.reason)),
            abi::PANIC => Err(Failure::Panic),
            verdict => {
                T::take(self).ok_or_else(|| Failure::Wrong(format!("the verdict {verdict} does not fit")))
            }
        }
    }
}

/// An answer that can be made of an outcome.
pub(super) trait Take: Sized {
    fn take(of: Decoded) -> Option<Self>;
}

impl Take for Login {
    fn take(of: Decoded) -> Option<Self> {
        Some(match of.verdict {
            abi::ALLOW => Login::Allow(of.grant.unwrap_or_default()),
            abi::DENY => Login::Deny {
                code: of.code,
                reason: of.reason,
            },
            abi::CONTINUE => Login::Continue {
                data: of.data,
                state: serde_json::from_slice(&of.state.unwrap_or_else(|| b"null".to_vec())).ok()?,
            },
            abi::NEXT => Login::Next,
            _ => return None,
        })
    }
}

impl Take for Access {
    fn take(of: Decoded) -> Option<Self> {
        Some(match (of.verdict, of.qos) {
            (abi::ALLOW, None) => Access::Allow,
            (abi::ALLOW, Some(qos)) => Access::AllowAt(qos),
            (abi::DENY, _) => Access::Deny {
                code: of.code,
                reason: of.reason,
            },
            (abi::DISCONNECT, _) => Access::Disconnect { reason: of.reason },
            (abi::NEXT, _) => Access::Next,
            _ => return None,
        })
    }
}

fn change<T>(of: Decoded, patch: impl FnOnce(Decoded) -> Option<T>) -> Option<Change<T>> {
    Some(match of.verdict {
        abi::PASS => Change::Pass,
        abi::DROP => Change::Drop(of.reason),
        abi::CHANGE => Change::Patch(patch(of)?),
        _ => return None,
    })
}

macro_rules! changes {
    ($($patch:ty: $field:ident),*) => {$(
        impl Take for Change<$patch> {
            fn take(of: Decoded) -> Option<Self> {
                change(of, |of| of.$field)
            }
        }
    )*};
}
changes!(PublishPatch: publish, DeliverPatch: deliver, WillPatch: will, Routed: routed, ConnackPatch: connack);

impl Take for Change<Infallible> {
    fn take(of: Decoded) -> Option<Self> {
        change(of, |_| None)
    }
}

impl Take for Connecting {
    fn take(of: Decoded) -> Option<Self> {
        Some(match of.verdict {
            abi::PASS => Connecting::Pass,
            abi::CHANGE => Connecting::Patch(of.connect?),
            abi::REJECT => Connecting::Reject {
                code: of.code?,
                reason: of.reason,
            },
            abi::REDIRECT => Connecting::Redirect {
                server: of.server?,
                permanently: of.permanently,
            },
            _ => return None,
        })
    }
}

impl Take for Controlling {
    fn take(of: Decoded) -> Option<Self> {
        Some(match of.verdict {
            abi::PASS => Controlling::Pass,
            abi::CHANGE => Controlling::Do(of.controlled?),
            abi::DISCONNECT => Controlling::Disconnect {
                code: of.code,
                reason: of.reason,
            },
            _ => return None,
        })
    }
}

impl Take for Filters {
    fn take(of: Decoded) -> Option<Self> {
        Some(match of.verdict {
            abi::PASS => None,
            abi::CHANGE => Some(of.subscribe),
            _ => return None,
        })
    }
}

impl Take for Topics {
    fn take(of: Decoded) -> Option<Self> {
        Some(match of.verdict {
            abi::PASS => None,
            abi::CHANGE => Some(of.unsubscribe),
            _ => return None,
        })
    }
}

impl Take for Number {
    fn take(of: Decoded) -> Option<Self> {
        match of.verdict {
            abi::NEXT => Some(None),
            abi::NUMBER => of.number.map(Some),
            _ => None,
        }
    }
}

impl Take for Batch {
    fn take(of: Decoded) -> Option<Self> {
        match of.verdict {
            abi::DONE if of.results.is_empty() => Some(Batch::Done),
            abi::DONE => Some(Batch::Each(of.results)),
            _ => None,
        }
    }
}
