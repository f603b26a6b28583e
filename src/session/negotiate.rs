//! What CONNECT asks, what the broker allows, and what both agree on for this connection.

use crate::codec::{ConnackProperties, Connect, Limits, ProtocolVersion, QoS};

/// What the operator allows; the same for all sessions of an instance. Plain numbers, from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The highest QoS a client may publish with, and is delivered with.
    pub maximum_qos: QoS,
    /// Messages go on, and are granted, with this QoS at most, whatever they were published with.
    pub qos_cap: QoS,
    /// QoS 2 outlives the connection.
    pub qos2_offline: bool,
    /// Sessions outlive their connections where the client wants that; else all are clean.
    pub persistent_sessions: bool,
    /// Whether messages may be retained.
    pub retain_available: bool,
    /// Unacknowledged QoS 1 and 2 messages that the broker takes from a 5.0 client at a time.
    pub receive_maximum: u16,
    /// Topic aliases that a client may set.
    pub topic_alias_maximum: u16,
    /// Topic aliases that the broker sets towards a client that lets it.
    pub outgoing_topic_alias_maximum: u16,
    /// The largest packet that the broker takes, in bytes.
    pub maximum_packet_size: u32,
    /// The Keep Alive that 5.0 clients are told to use, in seconds, whatever they asked for.
    pub server_keep_alive: Option<u16>,
    /// Shorter Keep Alives are treated as this one, in seconds; 0 stays 0.
    pub minimum_keep_alive: u16,
    /// Longer Keep Alives are treated as this one, in seconds; 5.0 clients are told.
    pub maximum_keep_alive: Option<u16>,
    /// Shorter Session Expiry Intervals but 0 are treated as this one, in seconds.
    pub session_expiry_minimum: u32,
    /// The longest Session Expiry Interval of a 5.0 client, in seconds; `None` does not limit it.
    pub session_expiry_maximum: Option<u32>,
    /// Shorter Message Expiry Intervals are treated as this one, in seconds.
    pub message_expiry_minimum: u32,
    /// Longer Message Expiry Intervals are treated as this one, in seconds.
    pub message_expiry_maximum: Option<u32>,
    /// Unacknowledged messages that a client gets at a time, if it does not take fewer.
    pub inflight: u16,
    /// Filters with wildcards may be subscribed to.
    pub wildcard_available: bool,
    /// `$share/...` may be subscribed to.
    pub shared_available: bool,
    /// Subscription Identifiers are kept.
    pub subscription_ids_available: bool,
    /// Subscriptions that one session may have.
    pub subscriptions: usize,
    /// Bytes that may wait for a socket before messages wait as messages.
    pub outbox_bytes: usize,
    /// Messages that may wait for one connected client, for QoS 0 and for QoS 1 and 2 each.
    pub queue_messages: usize,
    /// How long a client may take to acknowledge a message before the store gets it.
    pub grace: std::time::Duration,
}

impl Settings {
    /// The Session Expiry Interval that a 5.0 client gets for the one it asked for; `None` is for ever.
    #[must_use]
    pub fn session_expiry(&self, asked: Option<u32>) -> Option<u32> {
        match (asked, self.session_expiry_maximum) {
            (Some(0), _) => Some(0),
            (None, maximum) => maximum,
            (Some(asked), maximum) => Some(
                asked
                    .max(self.session_expiry_minimum)
                    .min(maximum.unwrap_or(u32::MAX)),
            ),
        }
    }

    /// The Message Expiry Interval that a message gets for the one its publisher gave.
    #[must_use]
    pub fn message_expiry(&self, asked: u32) -> u32 {
        asked
            .max(self.message_expiry_minimum)
            .min(self.message_expiry_maximum.unwrap_or(u32::MAX))
    }
}

/// What was agreed for one connection.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated {
    /// Seconds without a packet after half as many more of which the client is taken for gone; 0 is never.
    pub keep_alive: u16,
    /// Unacknowledged messages that the client takes at a time.
    pub receive_maximum: u16,
    /// The largest packet that the client takes.
    pub maximum_packet_size: u32,
    /// Topic aliases that the client lets the broker set.
    pub topic_alias_maximum: u16,
    /// Reason Strings may go with any packet [MQTT-3.1.2-29].
    pub problem_information: bool,
    /// Unacknowledged messages that the broker takes from this client at a time.
    pub inbound_receive_maximum: u16,
    /// The largest packet that the broker takes from this client.
    pub inbound_packet_size: u32,
}

impl Negotiated {
    /// What the codec has to heed in packets to this client.
    #[must_use]
    pub fn limits(&self, version: ProtocolVersion) -> Limits {
        Limits {
            version,
            maximum_packet_size: self.maximum_packet_size,
            problem_information: self.problem_information,
        }
    }
}

/// What a policy changes of an agreement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// Another Keep Alive, in seconds.
    pub keep_alive: Option<u16>,
    /// Another Session Expiry Interval, in seconds.
    pub session_expiry: Option<u32>,
    /// Fewer unacknowledged messages at a time from this client.
    pub receive_maximum: Option<u16>,
    /// Smaller packets from this client, in bytes.
    pub maximum_packet_size: Option<u32>,
}

/// Settles the terms: for the connection, for the session's life after it (`None` is for ever), and what a 5.0 client
/// has to be told.
#[must_use]
pub fn negotiate(
    connect: &Connect,
    settings: &Settings,
    offer: Offer,
) -> (Negotiated, Option<u32>, ConnackProperties<'static>) {
    let v5 = connect.version == ProtocolVersion::V5;
    let properties = &connect.properties;
    let keep_alive = keep_alive(connect, settings, offer);
    let asked_receive_maximum = properties.receive_maximum.unwrap_or(u16::MAX);
    let receive_maximum = settings
        .receive_maximum
        .min(offer.receive_maximum.unwrap_or(u16::MAX))
        .max(1);
    let maximum_packet_size = settings
        .maximum_packet_size
        .min(offer.maximum_packet_size.unwrap_or(u32::MAX));
    let link = Negotiated {
        keep_alive,
        receive_maximum: asked_receive_maximum.min(settings.inflight).max(1),
        maximum_packet_size: properties.maximum_packet_size.unwrap_or(u32::MAX),
        topic_alias_maximum: properties
            .topic_alias_maximum
            .min(settings.outgoing_topic_alias_maximum),
        problem_information: v5 && properties.request_problem_information,
        inbound_receive_maximum: receive_maximum,
        inbound_packet_size: maximum_packet_size,
    };
    let asked_expiry = asked_expiry(connect);
    let expiry = granted_expiry(connect, settings, offer);
    let told = ConnackProperties {
        session_expiry: (expiry != asked_expiry).then(|| expiry.unwrap_or(u32::MAX)),
        receive_maximum: (receive_maximum != u16::MAX).then_some(receive_maximum),
        maximum_qos: (settings.maximum_qos != QoS::ExactlyOnce).then_some(settings.maximum_qos),
        retain_available: (!settings.retain_available).then_some(false),
        maximum_packet_size: (maximum_packet_size < 1 << 28).then_some(maximum_packet_size),
        topic_alias_maximum: (settings.topic_alias_maximum > 0).then_some(settings.topic_alias_maximum),
        wildcard_subscription_available: (!settings.wildcard_available).then_some(false),
        subscription_identifiers_available: (!settings.subscription_ids_available).then_some(false),
        shared_subscription_available: (!settings.shared_available).then_some(false),
        server_keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
        ..ConnackProperties::default()
    };
    (link, expiry, told)
}

/// Seconds; 0 switches the watch off. Older clients cannot be told another one, and are never refused for theirs.
fn keep_alive(connect: &Connect, settings: &Settings, offer: Offer) -> u16 {
    let v5 = connect.version == ProtocolVersion::V5;
    let told = offer.keep_alive.or(settings.server_keep_alive).filter(|_| v5);
    let asked = told.unwrap_or(connect.keep_alive);
    match settings.maximum_keep_alive {
        _ if asked == 0 => 0,
        Some(maximum) if asked > maximum => maximum,
        _ => asked.max(settings.minimum_keep_alive),
    }
}

/// Seconds that the client wants its session to outlive the connection; `None` is for ever. Clean session 1 of 3.x ends
/// with the connection, clean session 0 never does [MQTT-3.1.2-5 of 3.1.1].
fn asked_expiry(connect: &Connect) -> Option<u32> {
    match (connect.version, connect.clean_start) {
        (ProtocolVersion::V5, _) => {
            Some(connect.properties.session_expiry.unwrap_or(0)).filter(|seconds| *seconds != u32::MAX)
        }
        (_, true) => Some(0),
        (_, false) => None,
    }
}

fn granted_expiry(connect: &Connect, settings: &Settings, offer: Offer) -> Option<u32> {
    if !settings.persistent_sessions {
        return Some(0);
    }
    match offer.session_expiry {
        Some(u32::MAX) => None,
        Some(seconds) => Some(seconds),
        None if connect.version == ProtocolVersion::V5 => settings.session_expiry(asked_expiry(connect)),
        None => asked_expiry(connect),
    }
}
