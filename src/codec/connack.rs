//! CONNACK (3.2): the answer to CONNECT.

use super::frame::{Frame, Limits, reason_string_always};
use super::primitives::fits_string;
use super::properties::{PropertyId, put_bytes, put_u8, put_u16, put_u32, put_user_property};
use super::{PacketType, ProtocolVersion, QoS, ReasonCode};

/// What a 5.0 client is told (3.2.2.3); `None` leaves a property out, and the client takes MQTT's default.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnackProperties<'a> {
    /// Seconds that the session outlives the connection, if other than the client asked for.
    pub session_expiry: Option<u32>,
    /// How many unacknowledged QoS 1 and 2 messages the server takes at a time; not 0.
    pub receive_maximum: Option<u16>,
    /// The highest QoS the server takes; [`QoS::ExactlyOnce`] is not said, since the absence says so.
    pub maximum_qos: Option<QoS>,
    /// Whether the server retains messages.
    pub retain_available: Option<bool>,
    /// The largest packet the server takes, in bytes; not 0.
    pub maximum_packet_size: Option<u32>,
    /// The client id that the server made up [MQTT-3.2.2-16].
    pub assigned_client_id: Option<&'a str>,
    /// The highest Topic Alias the server takes.
    pub topic_alias_maximum: Option<u16>,
    /// Why, for people; left out if there is no room [MQTT-3.2.2-19].
    pub reason_string: Option<&'a str>,
    /// Names and values, in order; left out, all of them, if there is no room [MQTT-3.2.2-20].
    pub user_properties: &'a [(String, String)],
    /// Whether wildcard subscriptions are possible.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether Subscription Identifiers are possible.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether shared subscriptions are possible.
    pub shared_subscription_available: Option<bool>,
    /// Seconds of keep alive that the client has to use instead of its own [MQTT-3.1.2-21].
    pub server_keep_alive: Option<u16>,
    /// What response topics are made from.
    pub response_information: Option<&'a str>,
    /// Another server to use.
    pub server_reference: Option<&'a str>,
    /// The kind of enhanced authentication.
    pub authentication_method: Option<&'a str>,
    /// What it ends with.
    pub authentication_data: Option<&'a [u8]>,
}

impl ConnackProperties<'_> {
    /// All but those that may be left out.
    fn put(&self, out: &mut Vec<u8>) {
        if let Some(seconds) = self.session_expiry {
            put_u32(out, PropertyId::SessionExpiryInterval, seconds);
        }
        if let Some(bytes) = self.maximum_packet_size {
            put_u32(out, PropertyId::MaximumPacketSize, bytes);
        }
        let numbers = [
            (PropertyId::ReceiveMaximum, self.receive_maximum),
            (PropertyId::TopicAliasMaximum, self.topic_alias_maximum),
            (PropertyId::ServerKeepAlive, self.server_keep_alive),
        ];
        for (id, number) in numbers {
            if let Some(number) = number {
                put_u16(out, id, number);
            }
        }
        // 3.2.2.3.4: 0 and 1 are the only values; 2 would be a protocol error.
        let maximum_qos = self.maximum_qos.filter(|qos| *qos < QoS::ExactlyOnce);
        let bytes = [
            (PropertyId::MaximumQoS, maximum_qos.map(|qos| qos as u8)),
            (PropertyId::RetainAvailable, self.retain_available.map(u8::from)),
            (
                PropertyId::WildcardSubscriptionAvailable,
                self.wildcard_subscription_available.map(u8::from),
            ),
            (
                PropertyId::SubscriptionIdentifierAvailable,
                self.subscription_identifiers_available.map(u8::from),
            ),
            (
                PropertyId::SharedSubscriptionAvailable,
                self.shared_subscription_available.map(u8::from),
            ),
        ];
        for (id, byte) in bytes {
            if let Some(byte) = byte {
                put_u8(out, id, byte);
            }
        }
        let strings = [
            (PropertyId::AssignedClientIdentifier, self.assigned_client_id),
            (PropertyId::ResponseInformation, self.response_information),
            (PropertyId::ServerReference, self.server_reference),
            (PropertyId::AuthenticationMethod, self.authentication_method),
        ];
        for (id, string) in strings {
            if let Some(string) = string {
                put_bytes(out, id, string.as_bytes());
            }
        }
        if let Some(data) = self.authentication_data {
            put_bytes(out, PropertyId::AuthenticationData, data);
        }
    }
}

/// Appends the answer to a CONNECT. Session Present is 0 with an error [MQTT-3.2.2-6], and in 3.1, which has none. Before
/// 5.0, the reason becomes one of the return codes 0 to 5, and there are no properties. Answers `false`, with nothing
/// written, if the packet is larger than the client takes even without reason string and user properties.
pub fn connack(
    out: &mut Vec<u8>,
    limits: impl Into<Limits>,
    session_present: bool,
    reason: ReasonCode,
    properties: &ConnackProperties<'_>,
) -> bool {
    let limits = limits.into();
    let v5 = limits.version == ProtocolVersion::V5;
    let code = if v5 { reason.0 } else { return_code(reason) };
    let present = session_present && code == 0 && limits.version != ProtocolVersion::V31;
    let mut needed = Vec::new();
    let mut user_properties = Vec::new();
    if v5 {
        properties.put(&mut needed);
        for (name, value) in properties.user_properties {
            if fits_string(name) && fits_string(value) {
                put_user_property(&mut user_properties, name, value);
            }
        }
    }
    Frame {
        first: PacketType::Connack.first_byte(),
        head: &[u8::from(present), code],
        properties: &needed,
        droppable: &[&reason_string_always(properties.reason_string), &user_properties],
        ..Frame::default()
    }
    .put(out, limits)
}

/// The return code of 3.1 and 3.1.1 (3.2.2.3 there) that comes closest.
fn return_code(reason: ReasonCode) -> u8 {
    match reason {
        reason if !reason.is_error() => 0,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => 1,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => 2,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => 4,
        ReasonCode::NOT_AUTHORIZED | ReasonCode::BANNED | ReasonCode::BAD_AUTHENTICATION_METHOD => 5,
        _ => 3,
    }
}
