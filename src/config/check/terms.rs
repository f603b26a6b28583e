//! Numbers of `[limits]`, `[mqtt]` and `[product]` that MQTT cannot say or that contradict each other, for the broker and for each
//! instance alike.

use std::time::Duration;

use super::shown;
use crate::config::{Limits, MqttConfig, ProductConfig};

/// MQTT's largest packet: one byte, four bytes of length, 268,435,455 bytes (MQTT 5.0, 2.1.4).
const LARGEST_PACKET: usize = 5 + 268_435_455;
/// The longest string and the largest two-byte number of MQTT.
const TWO_BYTES: u64 = u16::MAX as u64;

/// A setting that is wrong, or two that contradict each other.
pub(in crate::config) struct Fault {
    pub setting: [&'static str; 2],
    pub other: Option<[&'static str; 2]>,
    pub message: String,
}

impl Fault {
    fn of(section: &'static str, key: &'static str, message: String) -> Self {
        Self {
            setting: [section, key],
            other: None,
            message,
        }
    }
}

/// Everything that is wrong.
pub(in crate::config) fn faults(limits: &Limits, mqtt: &MqttConfig, product: &ProductConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    numbers(limits, mqtt, product, &mut faults);
    durations(mqtt, &mut faults);
    pairs(limits, mqtt, &mut faults);
    faults
}

fn numbers(limits: &Limits, mqtt: &MqttConfig, product: &ProductConfig, faults: &mut Vec<Fault>) {
    for (section, key, qos) in [
        ("mqtt", "maximum_qos", mqtt.maximum_qos),
        ("product", "qos_ignored_above", product.qos_ignored_above),
    ] {
        if qos > 2 {
            let message = format!("`{section}.{key}` is {qos}; write 0, 1 or 2");
            faults.push(Fault::of(section, key, message));
        }
    }
    // MQTT 5.0, 3.1.2.11.3: Receive Maximum 0 is a protocol error.
    for (section, key, number) in [
        ("mqtt", "receive_maximum", mqtt.receive_maximum),
        ("limits", "inflight", limits.inflight),
    ] {
        if number == 0 {
            let message = format!("`{section}.{key}` is 0; write a whole number from 1 to 65535");
            faults.push(Fault::of(section, key, message));
        }
    }
    // Less than a CONNECT with a client id of a few letters lets nobody in.
    for (key, bytes) in [
        ("packet_size", limits.packet_size),
        ("connect_packet_size", limits.connect_packet_size),
    ] {
        if !(64..=LARGEST_PACKET).contains(&bytes) {
            let message = format!(
                "`limits.{key}` is {bytes} bytes; write from 64 to {LARGEST_PACKET} bytes, which is MQTT's largest packet"
            );
            faults.push(Fault::of("limits", key, message));
        }
    }
}

fn durations(mqtt: &MqttConfig, faults: &mut Vec<Fault>) {
    let whole = [
        ("server_keep_alive", mqtt.server_keep_alive),
        ("minimum_keep_alive", Some(mqtt.minimum_keep_alive)),
        ("maximum_keep_alive", mqtt.maximum_keep_alive),
    ];
    for (key, duration) in whole {
        let Some(duration) = duration else { continue };
        if duration.subsec_nanos() != 0 || duration.as_secs() > TWO_BYTES {
            let message = format!(
                "`mqtt.{key}` is {}; write whole seconds, at most \"65535s\"",
                shown(duration)
            );
            faults.push(Fault::of("mqtt", key, message));
        }
    }
    // 0 is reserved for "ends with the connection", 0xFFFFFFFF for "never" (MQTT 5.0, 3.1.2.11.2).
    let never = |longest: Duration| longest.as_secs() >= u64::from(u32::MAX);
    if mqtt.session_expiry_maximum.is_some_and(never) {
        let message = "`mqtt.session_expiry_maximum` is longer than MQTT can say; write at most \"4294967294s\", or \"unlimited\"";
        faults.push(Fault::of("mqtt", "session_expiry_maximum", message.into()));
    }
}

fn pairs(limits: &Limits, mqtt: &MqttConfig, faults: &mut Vec<Fault>) {
    if limits.payload_size > limits.packet_size {
        let message = format!(
            "`limits.payload_size` ({} bytes) is more than `limits.packet_size` ({} bytes), so no such payload can come; raise packet_size",
            limits.payload_size, limits.packet_size
        );
        faults.push(Fault {
            setting: ["limits", "payload_size"],
            other: Some(["limits", "packet_size"]),
            message,
        });
    }
    if limits.topic_length_minimum > limits.topic_length {
        let message = format!(
            "`limits.topic_length_minimum` ({}) is more than `limits.topic_length` ({}), so that no topic is left; lower it",
            limits.topic_length_minimum, limits.topic_length
        );
        faults.push(Fault {
            setting: ["limits", "topic_length_minimum"],
            other: Some(["limits", "topic_length"]),
            message,
        });
    }
    let ranges = [
        (
            ["mqtt", "minimum_keep_alive"],
            mqtt.minimum_keep_alive,
            ["mqtt", "maximum_keep_alive"],
            mqtt.maximum_keep_alive,
        ),
        (
            ["mqtt", "session_expiry_minimum"],
            mqtt.session_expiry_minimum,
            ["mqtt", "session_expiry_maximum"],
            mqtt.session_expiry_maximum,
        ),
        (
            ["mqtt", "message_expiry_minimum"],
            mqtt.message_expiry_minimum,
            ["mqtt", "message_expiry_maximum"],
            mqtt.message_expiry_maximum,
        ),
    ];
    for (low_setting, low, high_setting, high) in ranges {
        let Some(high) = high.filter(|high| low > *high) else {
            continue;
        };
        let message = format!(
            "`{}` ({}) is more than `{}` ({}); lower it",
            low_setting.join("."),
            shown(low),
            high_setting.join("."),
            shown(high)
        );
        faults.push(Fault {
            setting: low_setting,
            other: Some(high_setting),
            message,
        });
    }
}
