//! What each hook is asked, with the lifetimes of the call.

use super::answers::{ConnectWill, Filter, NewMessage};
use super::client::{Client, Message, bytes, pairs, properties, text};
use crate::abi::{self, read_prefix};
use std::marker::PhantomData;

/// `connect`: A CONNECT, before authentication: nothing that it says has been proved.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Connect<'a> {
    /// The client.
    pub client: Client<'a>,
    /// What it asks for.
    pub connect: ConnectPacket<'a>,
}

impl<'a> Connect<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::ConnectEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            connect: ConnectPacket::read(raw.connect, of)?,
        })
    }
}

/// `authenticate`: Who is this client, and may it come in?
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Authenticate<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The user name, if it gave one.
    pub username: Option<&'a str>,
    /// The password, if it gave one.
    pub password: Option<&'a [u8]>,
    /// The Authentication Method of an MQTT 5 client.
    pub method: Option<&'a str>,
    /// Its Authentication Data.
    pub data: Option<&'a [u8]>,
}

impl<'a> Authenticate<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::AuthenticateEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            username: text(raw.username, of),
            password: bytes(raw.password, of),
            method: text(raw.method, of),
            data: bytes(raw.data, of),
        })
    }
}

/// `expiring`: A login that ends soon, or has ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Expiring<'a> {
    /// The client.
    pub client: Client<'a>,
    /// When the login ends, in seconds since 1970.
    pub expires_at: f64,
    /// Whether that time has come.
    pub ended: bool,
}

impl<'a> Expiring<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::ExpiringEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            expires_at: raw.expires_at,
            ended: raw.ended != 0,
        })
    }
}

/// `control`: A publish to a control topic that the plugin owns.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Control<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The message.
    pub message: Message<'a>,
}

impl<'a> Control<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::ControlEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            message: Message::read(raw.msg, of)?,
        })
    }
}

/// `auth_continue`: The next step of an MQTT 5 AUTH exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthContinue<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The Authentication Method.
    pub method: Option<&'a str>,
    /// Its Authentication Data.
    pub data: Option<&'a [u8]>,
    /// What the last `Continue` gave, as the text of a JSON value.
    pub state: Option<&'a str>,
}

impl<'a> AuthContinue<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::AuthContinueEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            method: text(raw.method, of),
            data: bytes(raw.data, of),
            state: text(raw.state, of),
        })
    }
}

/// `connack`: The CONNACK, before it is sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Connack<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The reason code.
    pub code: u8,
    /// Whether there is a session to resume.
    pub session_present: bool,
    /// The client id that the broker chose.
    pub assigned_client_id: Option<&'a str>,
}

impl<'a> Connack<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::ConnackEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        // SAFETY: the host gives null or a struct that is good for the call.
        let connack = unsafe { read_prefix(raw.connack) }?;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            code: u8::try_from(connack.code).ok()?,
            session_present: connack.session_present != 0,
            assigned_client_id: text(connack.assigned_client_id, of),
        })
    }
}

/// `authorize_publish`: May this client publish this?
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthorizePublish<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The topic name.
    pub topic: &'a str,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The RETAIN flag.
    pub retain: bool,
    /// The size of the payload in bytes.
    pub size: u64,
    /// The payload; `None` unless [`Plugin::PAYLOAD`](super::Plugin::PAYLOAD) has the hook.
    pub payload: Option<&'a [u8]>,
}

impl<'a> AuthorizePublish<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::AuthorizePublishEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            topic: text(raw.topic, of)?,
            qos: u8::try_from(raw.qos).ok()?,
            retain: raw.retain != 0,
            size: raw.size,
            payload: bytes(raw.payload, of),
        })
    }
}

/// `publish`: A message that may be published, before it is routed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Publish<'a> {
    /// The client; `None` when no client is concerned.
    pub client: Option<Client<'a>>,
    /// The message.
    pub message: Message<'a>,
}

impl<'a> Publish<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::PublishEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of),
            message: Message::read(raw.msg, of)?,
        })
    }
}

/// `authorize_subscribe`: May this client subscribe to this filter?
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthorizeSubscribe<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The topic filter, without `$share/NAME/`.
    pub filter: &'a str,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The share name of a shared subscription.
    pub share: Option<&'a str>,
}

impl<'a> AuthorizeSubscribe<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::AuthorizeSubscribeEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            filter: text(raw.filter, of)?,
            qos: u8::try_from(raw.qos).ok()?,
            share: text(raw.share, of),
        })
    }
}

/// `subscribe`: The filters of a SUBSCRIBE.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Subscribe<'a> {
    /// The client.
    pub client: Client<'a>,
    /// What the client asks for.
    pub filters: Vec<Filter>,
}

impl<'a> Subscribe<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::SubscribeEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            filters: filters(raw.filters, of),
        })
    }
}

/// `unsubscribe`: The filters of an UNSUBSCRIBE.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unsubscribe<'a> {
    /// The client.
    pub client: Client<'a>,
    /// What the client no longer wants.
    pub filters: Vec<&'a str>,
}

impl<'a> Unsubscribe<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::UnsubscribeEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            filters: texts(raw.filters, of),
        })
    }
}

/// `route`: A message and the number of its receivers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Route<'a> {
    /// The client; `None` when no client is concerned.
    pub client: Option<Client<'a>>,
    /// The message.
    pub message: Message<'a>,
    /// How many subscriptions match.
    pub receivers: u64,
}

impl<'a> Route<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::RouteEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of),
            message: Message::read(raw.msg, of)?,
            receivers: raw.receivers,
        })
    }
}

/// `authorize_deliver`: May this receiver have messages of this topic?
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthorizeDeliver<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The topic name.
    pub topic: &'a str,
}

impl<'a> AuthorizeDeliver<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::AuthorizeDeliverEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            topic: text(raw.topic, of)?,
        })
    }
}

/// `deliver`: A message on its way to one receiver.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Deliver<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The message.
    pub message: Message<'a>,
}

impl<'a> Deliver<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::DeliverEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            message: Message::read(raw.msg, of)?,
        })
    }
}

/// `p2p`: May this client send to that client directly?
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct P2p<'a> {
    /// The client; `None` when no client is concerned.
    pub client: Option<Client<'a>>,
    /// The client id that it is for.
    pub target: &'a str,
    /// The message.
    pub message: Message<'a>,
}

impl<'a> P2p<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::P2pEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of),
            target: text(raw.target, of)?,
            message: Message::read(raw.msg, of)?,
        })
    }
}

/// `offline`: A message for a client that is not connected: `Pass` keeps it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Offline<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The message.
    pub message: Message<'a>,
}

impl<'a> Offline<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::OfflineEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            message: Message::read(raw.msg, of)?,
        })
    }
}

/// `will`: A will, before it is published.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Will<'a> {
    /// The client.
    pub client: Client<'a>,
    /// The message.
    pub message: Message<'a>,
}

impl<'a> Will<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::WillEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            client: Client::read(raw.ctx, of)?,
            message: Message::read(raw.msg, of)?,
        })
    }
}

/// `limit`: How high is this limit for this instance?
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limit<'a> {
    /// Whose limit.
    pub instance: &'a str,
    /// Which limit, by its name under `limits` in dunlin.toml.
    pub name: &'a str,
}

impl<'a> Limit<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::LimitEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            instance: text(raw.instance, of)?,
            name: text(raw.name, of)?,
        })
    }
}

/// `rule_action`: A batch of messages that a rule matched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RuleAction<'a> {
    /// The rule as it is written, a JSON object.
    pub rule: &'a str,
    /// The messages that it matched.
    pub messages: Vec<NewMessage>,
}

impl<'a> RuleAction<'a> {
    /// `None` when the host left out what must be there.
    pub(super) fn read(raw: &'a abi::RuleActionEvent) -> Option<Self> {
        let of = PhantomData::<&'a ()>;
        Some(Self {
            rule: text(raw.rule, of)?,
            messages: messages(raw.messages, of),
        })
    }
}

/// A CONNECT. The password is `authenticate`'s alone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectPacket<'a> {
    /// The client id; empty when the broker is to choose one.
    pub client_id: &'a str,
    /// The user name, if it gave one.
    pub username: Option<&'a str>,
    /// Clean Start, in 3.x Clean Session.
    pub clean_start: bool,
    /// Keep Alive, in seconds.
    pub keep_alive: u16,
    /// Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// Receive Maximum, in messages.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// User Properties.
    pub user: Vec<(&'a str, &'a str)>,
    /// The will; `None` when there is none.
    pub will: Option<ConnectWill>,
}

impl<'a> ConnectPacket<'a> {
    fn read(raw: *const abi::Connect, of: PhantomData<&'a ()>) -> Option<Self> {
        // SAFETY: the host gives null or a struct that is good for the call.
        let raw = unsafe { read_prefix(raw) }?;
        // SAFETY: the same.
        let will = unsafe { read_prefix(raw.will) };
        Some(Self {
            client_id: text(raw.client_id, of).unwrap_or_default(),
            username: text(raw.username, of),
            clean_start: raw.clean_start != 0,
            keep_alive: u16::try_from(raw.keep_alive).ok()?,
            session_expiry: small(raw.session_expiry),
            receive_maximum: small(raw.receive_maximum),
            maximum_packet_size: small(raw.maximum_packet_size),
            user: pairs(raw.user, of).collect(),
            will: will.map(|will| ConnectWill {
                topic: text(will.topic, of).map(str::to_owned),
                payload: bytes(will.payload, of).map(<[u8]>::to_vec),
                qos: small(will.qos),
                retain: will.retain.get().map(|retain| retain != 0),
                delay: small(will.delay),
            }),
        })
    }
}

fn small<T: TryFrom<i64>>(number: abi::OptInt) -> Option<T> {
    number.get().and_then(|number| T::try_from(number).ok())
}

fn texts<'a>(list: abi::SliceList, of: PhantomData<&'a ()>) -> Vec<&'a str> {
    // SAFETY: lists that the host gives are good for the call.
    let items: &'a [abi::Slice] = unsafe { list.items() };
    items
        .iter()
        .map(|item| text(*item, of).unwrap_or_default())
        .collect()
}

fn filters(list: abi::FilterList, of: PhantomData<&()>) -> Vec<Filter> {
    // SAFETY: lists that the host gives are good for the call, and what they point to is too.
    let items = unsafe { abi::pointed_at(list.items, list.len) };
    items
        .map(|raw| Filter {
            filter: text(raw.filter, of).unwrap_or_default().to_owned(),
            qos: small(raw.qos),
            no_local: raw.no_local.get().map(|value| value != 0),
            retain_as_published: raw.retain_as_published.get().map(|value| value != 0),
            retain_handling: small(raw.retain_handling),
        })
        .collect()
}

fn messages(list: abi::NewMessageList, of: PhantomData<&()>) -> Vec<NewMessage> {
    // SAFETY: lists that the host gives are good for the call, and what they point to is too.
    let items = unsafe { abi::pointed_at(list.items, list.len) };
    items
        .map(|raw| NewMessage {
            topic: text(raw.topic, of).unwrap_or_default().to_owned(),
            payload: bytes(raw.payload, of).unwrap_or_default().to_vec(),
            qos: raw.qos as u8,
            retain: raw.retain != 0,
            properties: properties(raw.properties, of),
        })
        .collect()
}
