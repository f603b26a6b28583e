//! From answers to what crosses the boundary.

use super::answers::*;
use crate::abi::{self, OptInt, OptNum, Outcome, Pair, PairList, Prefixed, Slice, SliceList};
use serde_json::Value;

/// An answer that can be given to the host. The types that hooks answer with are all there are.
pub trait Give: Send + 'static {
    /// The integer that says it all, when one does.
    #[doc(hidden)]
    fn plain(&self) -> Option<i32>;
    /// Shows the whole answer to `to`; what it refers to is good until that returns.
    #[doc(hidden)]
    fn show(&self, to: &mut dyn FnMut(&Outcome));
}

fn blank(verdict: i32) -> Outcome {
    Outcome {
        verdict,
        ..Outcome::blank()
    }
}

fn opt_text(text: &Option<String>) -> Slice {
    text.as_deref().map_or(Slice::NONE, Slice::text)
}

fn opt_bytes(bytes: &Option<Vec<u8>>) -> Slice {
    bytes.as_deref().map_or(Slice::NONE, Slice::of)
}

fn pairs(of: &[(String, String)]) -> Vec<Pair> {
    let pair = |(name, value): &(String, String)| Pair {
        name: Slice::text(name),
        value: Slice::text(value),
    };
    of.iter().map(pair).collect()
}

fn with_properties<R>(of: &Properties, then: impl FnOnce(*const abi::Properties) -> R) -> R {
    let user = pairs(&of.user);
    let raw = abi::Properties {
        payload_is_text: of.payload_is_text.into(),
        message_expiry: of.message_expiry.into(),
        content_type: opt_text(&of.content_type),
        response_topic: opt_text(&of.response_topic),
        correlation_data: opt_bytes(&of.correlation_data),
        user: PairList::of(&user),
        ..abi::Properties::blank()
    };
    then(&raw const raw)
}

fn with_opt_properties<R>(of: &Option<Properties>, then: impl FnOnce(*const abi::Properties) -> R) -> R {
    match of {
        Some(of) => with_properties(of, then),
        None => then(std::ptr::null()),
    }
}

pub(super) fn with_message<R>(of: &NewMessage, then: impl FnOnce(&abi::NewMessage) -> R) -> R {
    with_properties(&of.properties, |properties| {
        then(&abi::NewMessage {
            qos: of.qos.into(),
            topic: Slice::text(&of.topic),
            payload: Slice::of(&of.payload),
            retain: of.retain.into(),
            properties,
            ..abi::NewMessage::blank()
        })
    })
}

/// Everything that the list refers to lives until `then` has returned.
pub(super) fn with_messages<R>(of: &[NewMessage], then: impl FnOnce(abi::NewMessageList) -> R) -> R {
    let users: Vec<_> = of.iter().map(|message| pairs(&message.properties.user)).collect();
    let properties: Vec<_> = of
        .iter()
        .zip(&users)
        .map(|(message, user)| abi::Properties {
            payload_is_text: message.properties.payload_is_text.into(),
            message_expiry: message.properties.message_expiry.into(),
            content_type: opt_text(&message.properties.content_type),
            response_topic: opt_text(&message.properties.response_topic),
            correlation_data: opt_bytes(&message.properties.correlation_data),
            user: PairList::of(user),
            ..abi::Properties::blank()
        })
        .collect();
    let raw: Vec<_> = of
        .iter()
        .zip(&properties)
        .map(|(message, properties)| abi::NewMessage {
            qos: message.qos.into(),
            topic: Slice::text(&message.topic),
            payload: Slice::of(&message.payload),
            retain: message.retain.into(),
            properties,
            ..abi::NewMessage::blank()
        })
        .collect();
    let items: Vec<*const abi::NewMessage> = raw.iter().map(std::ptr::from_ref).collect();
    then(abi::NewMessageList {
        items: items.as_ptr(),
        len: items.len(),
    })
}

pub(super) fn with_will<R>(of: &Option<ConnectWill>, then: impl FnOnce(*const abi::ConnectWill) -> R) -> R {
    let Some(of) = of else {
        return then(std::ptr::null());
    };
    let raw = abi::ConnectWill {
        topic: opt_text(&of.topic),
        payload: opt_bytes(&of.payload),
        qos: of.qos.into(),
        retain: of.retain.into(),
        delay: of.delay.into(),
        ..abi::ConnectWill::blank()
    };
    then(&raw const raw)
}

pub(super) fn with_filters<R>(of: &[Filter], then: impl FnOnce(abi::FilterList) -> R) -> R {
    let raw: Vec<_> = of
        .iter()
        .map(|filter| abi::Filter {
            filter: Slice::text(&filter.filter),
            qos: filter.qos.into(),
            no_local: filter.no_local.into(),
            retain_as_published: filter.retain_as_published.into(),
            retain_handling: filter.retain_handling.into(),
            ..abi::Filter::blank()
        })
        .collect();
    let items: Vec<*const abi::Filter> = raw.iter().map(std::ptr::from_ref).collect();
    then(abi::FilterList {
        items: items.as_ptr(),
        len: items.len(),
    })
}

pub(super) fn with_texts<R>(of: &[String], then: impl FnOnce(SliceList) -> R) -> R {
    let slices: Vec<_> = of.iter().map(|text| Slice::text(text)).collect();
    then(SliceList::of(&slices))
}

/// A list that may not be there at all, which is another thing than an empty one: its `items` are null then.
fn with_opt_texts<R>(of: &Option<Vec<String>>, then: impl FnOnce(SliceList) -> R) -> R {
    match of {
        Some(of) => with_texts(of, then),
        None => then(SliceList {
            items: std::ptr::null(),
            len: 0,
        }),
    }
}

impl Give for Login {
    fn plain(&self) -> Option<i32> {
        match self {
            Login::Allow(grant) if *grant == Grant::default() => Some(abi::ALLOW),
            Login::Deny { code: None, reason } if reason.is_empty() => Some(abi::DENY),
            Login::Next => Some(abi::NEXT),
            _ => None,
        }
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        match self {
            Login::Allow(grant) => {
                let attrs = (!grant.attrs.is_null()).then(|| grant.attrs.to_string());
                let acl = (!grant.acl.is_empty()).then(|| serde_json::json!(grant.acl).to_string());
                with_texts(&grant.depends, |depends| {
                    let raw = abi::Grant {
                        attrs: opt_text(&attrs),
                        acl: opt_text(&acl),
                        expires_at: grant.expires_at.into(),
                        keep_alive: grant.keep_alive.into(),
                        session_expiry: grant.session_expiry.into(),
                        receive_maximum: grant.receive_maximum.into(),
                        maximum_packet_size: grant.maximum_packet_size.into(),
                        data: opt_bytes(&grant.data),
                        any_client_id: grant.any_client_id.then_some(true).into(),
                        depends,
                        ..abi::Grant::blank()
                    };
                    to(&Outcome {
                        grant: &raw const raw,
                        ..blank(abi::ALLOW)
                    });
                });
            }
            Login::Deny { code, reason } => to(&Outcome {
                code: (*code).into(),
                reason: Slice::text(reason),
                ..blank(abi::DENY)
            }),
            Login::Continue { data, state } => {
                let state = state.to_string();
                to(&Outcome {
                    data: Slice::of(data),
                    state: Slice::text(&state),
                    ..blank(abi::CONTINUE)
                });
            }
            Login::Next => to(&blank(abi::NEXT)),
        }
    }
}

impl Give for Access {
    fn plain(&self) -> Option<i32> {
        match self {
            Access::Allow => Some(abi::ALLOW),
            Access::Next => Some(abi::NEXT),
            Access::Deny { code: None, reason } if reason.is_empty() => Some(abi::DENY),
            Access::Disconnect { reason } if reason.is_empty() => Some(abi::DISCONNECT),
            _ => None,
        }
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        to(&match self {
            Access::Allow => blank(abi::ALLOW),
            Access::AllowAt(qos) => Outcome {
                qos: OptInt::some((*qos).into()),
                ..blank(abi::ALLOW)
            },
            Access::Deny { code, reason } => Outcome {
                code: (*code).into(),
                reason: Slice::text(reason),
                ..blank(abi::DENY)
            },
            Access::Disconnect { reason } => Outcome {
                reason: Slice::text(reason),
                ..blank(abi::DISCONNECT)
            },
            Access::Next => blank(abi::NEXT),
        });
    }
}

/// What a change is made of.
pub trait Patch: Send + 'static {
    /// Puts itself into an outcome and shows that to `to`.
    #[doc(hidden)]
    fn show(&self, outcome: Outcome, to: &mut dyn FnMut(&Outcome));
}

impl<T: Patch> Give for Change<T> {
    fn plain(&self) -> Option<i32> {
        match self {
            Change::Pass => Some(abi::PASS),
            Change::Drop(reason) if reason.is_empty() => Some(abi::DROP),
            _ => None,
        }
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        match self {
            Change::Pass => to(&blank(abi::PASS)),
            Change::Patch(patch) => patch.show(blank(abi::CHANGE), to),
            Change::Drop(reason) => to(&Outcome {
                reason: Slice::text(reason),
                ..blank(abi::DROP)
            }),
        }
    }
}

impl Patch for PublishPatch {
    fn show(&self, outcome: Outcome, to: &mut dyn FnMut(&Outcome)) {
        with_opt_properties(&self.properties, |properties| {
            with_messages(&self.more, |more| {
                let raw = abi::PublishPatch {
                    topic: opt_text(&self.topic),
                    payload: opt_bytes(&self.payload),
                    qos: self.qos.into(),
                    retain: self.retain.into(),
                    properties,
                    more,
                    ..abi::PublishPatch::blank()
                };
                to(&Outcome {
                    publish: &raw const raw,
                    ..outcome
                });
            });
        });
    }
}

impl Patch for DeliverPatch {
    fn show(&self, outcome: Outcome, to: &mut dyn FnMut(&Outcome)) {
        with_opt_properties(&self.properties, |properties| {
            let raw = abi::DeliverPatch {
                payload: opt_bytes(&self.payload),
                properties,
                ..abi::DeliverPatch::blank()
            };
            to(&Outcome {
                deliver: &raw const raw,
                ..outcome
            });
        });
    }
}

impl Patch for WillPatch {
    fn show(&self, outcome: Outcome, to: &mut dyn FnMut(&Outcome)) {
        with_opt_properties(&self.properties, |properties| {
            let raw = abi::WillPatch {
                topic: opt_text(&self.topic),
                payload: opt_bytes(&self.payload),
                qos: self.qos.into(),
                retain: self.retain.into(),
                properties,
                ..abi::WillPatch::blank()
            };
            to(&Outcome {
                will: &raw const raw,
                ..outcome
            });
        });
    }
}

impl Patch for Routed {
    fn show(&self, outcome: Outcome, to: &mut dyn FnMut(&Outcome)) {
        with_texts(&self.topics, |topics| {
            with_texts(&self.clients, |clients| {
                let raw = abi::Routed {
                    topics,
                    clients,
                    ..abi::Routed::blank()
                };
                to(&Outcome {
                    routed: &raw const raw,
                    ..outcome
                });
            });
        });
    }
}

impl Patch for ConnackPatch {
    fn show(&self, outcome: Outcome, to: &mut dyn FnMut(&Outcome)) {
        let user = pairs(&self.user);
        let raw = abi::ConnackPatch {
            user: PairList::of(&user),
            reason_string: opt_text(&self.reason_string),
            response_information: opt_text(&self.response_information),
            server_reference: opt_text(&self.server_reference),
            ..abi::ConnackPatch::blank()
        };
        to(&Outcome {
            connack: &raw const raw,
            ..outcome
        });
    }
}

/// `offline` changes nothing: it keeps or drops.
impl Patch for std::convert::Infallible {
    fn show(&self, _outcome: Outcome, _to: &mut dyn FnMut(&Outcome)) {
        match *self {}
    }
}

impl Give for Connecting {
    fn plain(&self) -> Option<i32> {
        matches!(self, Connecting::Pass).then_some(abi::PASS)
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        match self {
            Connecting::Pass => to(&blank(abi::PASS)),
            Connecting::Patch(patch) => with_will(&patch.will, |will| {
                let raw = abi::ConnectPatch {
                    remove_will: patch.remove_will.into(),
                    client_id: opt_text(&patch.client_id),
                    clean_start: patch.clean_start.into(),
                    keep_alive: patch.keep_alive.into(),
                    session_expiry: patch.session_expiry.into(),
                    will,
                    instance: opt_text(&patch.instance),
                    ..abi::ConnectPatch::blank()
                };
                to(&Outcome {
                    connect: &raw const raw,
                    ..blank(abi::CHANGE)
                });
            }),
            Connecting::Reject { code, reason } => to(&Outcome {
                code: OptInt::some((*code).into()),
                reason: Slice::text(reason),
                ..blank(abi::REJECT)
            }),
            Connecting::Redirect { server, permanently } => to(&Outcome {
                server: Slice::text(server),
                permanently: (*permanently).into(),
                ..blank(abi::REDIRECT)
            }),
        }
    }
}

impl Give for Controlling {
    fn plain(&self) -> Option<i32> {
        matches!(self, Controlling::Pass).then_some(abi::PASS)
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        match self {
            Controlling::Pass => to(&blank(abi::PASS)),
            Controlling::Do(what) => with_messages(&what.messages, |messages| {
                with_opt_texts(&what.depends, |depends| {
                    let attrs = what.attrs.as_ref().map(Value::to_string);
                    let acl = what
                        .acl
                        .as_ref()
                        .map(|rules| serde_json::json!(rules).to_string());
                    let raw = abi::Controlled {
                        messages,
                        expires_at: what.expires_at.into(),
                        attrs: opt_text(&attrs),
                        acl: opt_text(&acl),
                        depends,
                        ..abi::Controlled::blank()
                    };
                    to(&Outcome {
                        controlled: &raw const raw,
                        ..blank(abi::CHANGE)
                    });
                });
            }),
            Controlling::Disconnect { code, reason } => to(&Outcome {
                code: (*code).into(),
                reason: Slice::text(reason),
                ..blank(abi::DISCONNECT)
            }),
        }
    }
}

impl Give for Filters {
    fn plain(&self) -> Option<i32> {
        self.is_none().then_some(abi::PASS)
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        match self {
            None => to(&blank(abi::PASS)),
            Some(filters) => with_filters(filters, |subscribe| {
                to(&Outcome {
                    subscribe,
                    ..blank(abi::CHANGE)
                })
            }),
        }
    }
}

impl Give for Topics {
    fn plain(&self) -> Option<i32> {
        self.is_none().then_some(abi::PASS)
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        match self {
            None => to(&blank(abi::PASS)),
            Some(topics) => with_texts(topics, |unsubscribe| {
                to(&Outcome {
                    unsubscribe,
                    ..blank(abi::CHANGE)
                })
            }),
        }
    }
}

impl Give for Number {
    fn plain(&self) -> Option<i32> {
        self.is_none().then_some(abi::NEXT)
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        to(&match self {
            None => blank(abi::NEXT),
            Some(number) => Outcome {
                number: OptNum::some(*number),
                ..blank(abi::NUMBER)
            },
        });
    }
}

impl Give for Batch {
    fn plain(&self) -> Option<i32> {
        matches!(self, Batch::Done).then_some(abi::DONE)
    }

    fn show(&self, to: &mut dyn FnMut(&Outcome)) {
        let Batch::Each(results) = self else {
            return to(&blank(abi::DONE));
        };
        let raw = |result: u32, retry_after, reason| abi::ActionResult {
            result,
            reserved: 0,
            retry_after,
            reason,
        };
        let items: Vec<_> = results
            .iter()
            .map(|result| match result {
                ActionResult::Done => raw(abi::ACTION_DONE, 0.0, Slice::NONE),
                ActionResult::Retry(after) => raw(abi::ACTION_RETRY, *after, Slice::NONE),
                ActionResult::DeadLetter(reason) => raw(abi::ACTION_DEAD_LETTER, 0.0, Slice::text(reason)),
            })
            .collect();
        to(&Outcome {
            results: abi::ActionResultList {
                items: items.as_ptr(),
                len: items.len(),
            },
            ..blank(abi::DONE)
        });
    }
}
