//! From the configuration to what each part works with.

use std::time::Duration;

use crate::codec::QoS;
use crate::config::{Config, Lifetime, Terms};
use crate::listener::GateSettings;
use crate::session::Settings;
use crate::shard::Limits;

pub(super) fn session(terms: &Terms, grace: Duration) -> Settings {
    let Terms {
        mqtt,
        limits,
        product,
    } = terms;
    Settings {
        maximum_qos: QoS::from_bits(mqtt.maximum_qos).unwrap_or(QoS::ExactlyOnce),
        qos_cap: QoS::from_bits(product.qos_ignored_above).unwrap_or(QoS::ExactlyOnce),
        qos2_offline: product.qos2_subscriptions == Lifetime::Session,
        persistent_sessions: product.persistent_sessions,
        retain_available: mqtt.retain_available,
        receive_maximum: mqtt.receive_maximum,
        topic_alias_maximum: mqtt.topic_alias_maximum,
        outgoing_topic_alias_maximum: mqtt.outgoing_topic_alias_maximum,
        maximum_packet_size: u32::try_from(limits.packet_size).unwrap_or(u32::MAX),
        server_keep_alive: mqtt.server_keep_alive.map(seconds16),
        minimum_keep_alive: seconds16(mqtt.minimum_keep_alive),
        maximum_keep_alive: mqtt.maximum_keep_alive.map(seconds16),
        session_expiry_minimum: seconds32(mqtt.session_expiry_minimum),
        session_expiry_maximum: mqtt.session_expiry_maximum.map(seconds32),
        message_expiry_minimum: seconds32(mqtt.message_expiry_minimum),
        message_expiry_maximum: mqtt.message_expiry_maximum.map(seconds32),
        inflight: limits.inflight.max(1),
        wildcard_available: mqtt.wildcard_subscription_available,
        shared_available: mqtt.shared_subscription_available,
        subscription_ids_available: mqtt.subscription_identifiers_available,
        subscriptions: limits.subscriptions,
        outbox_bytes: limits.outbox_bytes,
        queue_messages: limits.queue_messages,
        grace,
    }
}

pub(super) fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        connect_timeout: limits.connect_timeout,
        connect_packet_size: limits.connect_packet_size,
        connecting: limits.connecting,
        // Client ids spread evenly, so each shard takes its part.
        sessions: limits.sessions.div_ceil(config.server.shard_count().max(1)),
    }
}

/// Limits on connections at once and on new ones a second; the largest numbers are no limit.
pub(super) fn gate(connections: usize, rate: u32) -> GateSettings {
    GateSettings {
        max_connections: connections,
        rate: (rate != u32::MAX).then_some(rate),
        burst: rate.max(1),
    }
}

fn seconds16(duration: Duration) -> u16 {
    u16::try_from(duration.as_secs()).unwrap_or(u16::MAX)
}

fn seconds32(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
