//! CONNECT (3.1): who the client is and what it wants.

use std::fmt;

use bytes::Bytes;

use super::primitives::Reader;
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId};
use super::will::Will;
use super::{ConnectError, DecodeError, FixedHeader, PacketType, ProtocolVersion, QoS};

/// What a client says of itself. Whether its client id is acceptable is not judged here.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// The protocol it speaks from here on.
    pub version: ProtocolVersion,
    /// Its name; may be empty, and of any length up to 65,535 bytes.
    pub client_id: String,
    /// Whatever session it had is to be forgotten; Clean Session before 5.0.
    pub clean_start: bool,
    /// Seconds; 0 for no keep alive.
    pub keep_alive: u16,
    /// Who it says it is.
    pub username: Option<String>,
    /// How it proves that.
    pub password: Option<Bytes>,
    /// What to publish in its name if it goes without a word.
    pub will: Option<Will>,
    /// 5.0 only.
    pub properties: ConnectProperties,
}

/// The properties of a CONNECT (3.1.2.11).
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectProperties {
    /// Seconds that the session outlives the connection; `u32::MAX` for ever, 0 or `None` not at all.
    pub session_expiry: Option<u32>,
    /// How many unacknowledged QoS 1 and 2 messages it takes at a time; never 0, `None` for 65,535.
    pub receive_maximum: Option<u16>,
    /// The largest packet it takes, in bytes; never 0, `None` for any.
    pub maximum_packet_size: Option<u32>,
    /// The highest Topic Alias it takes; 0 for none.
    pub topic_alias_maximum: u16,
    /// It would like Response Information in CONNACK.
    pub request_response_information: bool,
    /// It would like Reason Strings.
    pub request_problem_information: bool,
    /// The kind of enhanced authentication it wants.
    pub authentication_method: Option<String>,
    /// What that kind begins with.
    pub authentication_data: Option<Bytes>,
    /// Names and values, in order.
    pub user_properties: Vec<(String, String)>,
}

impl Default for ConnectProperties {
    fn default() -> Self {
        Self {
            session_expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            request_response_information: false,
            // 3.1.2.11.7: absent is 1.
            request_problem_information: true,
            authentication_method: None,
            authentication_data: None,
            user_properties: Vec::new(),
        }
    }
}

impl Connect {
    /// Would 3.1 allow this client id? It asks for 1 to 23 characters, and refuses all others with return code 2.
    #[must_use]
    pub fn client_id_fits_v31(&self) -> bool {
        (1..=23).contains(&self.client_id.chars().count())
    }

    /// Does MQTT forbid to make up an id for this client? In 3.1 always, in 3.1.1 if it wants its session kept
    /// [MQTT-3.1.3-8]; an empty id gets return code 2 then.
    #[must_use]
    pub const fn must_bring_client_id(&self) -> bool {
        match self.version {
            ProtocolVersion::V31 => true,
            ProtocolVersion::V311 => !self.clean_start,
            ProtocolVersion::V5 => false,
        }
    }
}

// By hand, so that no log ever holds a secret.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| Hidden))
            .field("will", &self.will)
            .field("properties", &self.properties)
            .finish()
    }
}

impl fmt::Debug for ConnectProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectProperties")
            .field("session_expiry", &self.session_expiry)
            .field("receive_maximum", &self.receive_maximum)
            .field("maximum_packet_size", &self.maximum_packet_size)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("request_response_information", &self.request_response_information)
            .field("request_problem_information", &self.request_problem_information)
            .field("authentication_method", &self.authentication_method)
            .field(
                "authentication_data",
                &self.authentication_data.as_ref().map(|_| Hidden),
            )
            .field("user_properties", &self.user_properties)
            .finish()
    }
}

/// Stands in a debug print for what must not be seen.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The Connect Flags (3.1.2.3).
#[derive(Clone, Copy)]
struct ConnectFlags {
    username: bool,
    password: bool,
    clean_start: bool,
    will: Option<(QoS, bool)>,
}

impl ConnectFlags {
    fn read(version: ProtocolVersion, byte: u8) -> Result<Self, DecodeError> {
        let set = |bit: u8| byte & (1 << bit) != 0;
        if set(0) {
            return Err(DecodeError::malformed(
                "the reserved Connect Flag is set [MQTT-3.1.2-3]",
            ));
        }
        let Some(will_qos) = QoS::from_bits((byte >> 3) & 0b11) else {
            return Err(DecodeError::malformed("the Will QoS is 3 [MQTT-3.1.2-12]"));
        };
        let (will, will_retain) = (set(2), set(5));
        if !will && (will_qos != QoS::AtMostOnce || will_retain) {
            return Err(DecodeError::malformed(
                "Will QoS or Will Retain without a Will [MQTT-3.1.2-11] [MQTT-3.1.2-13]",
            ));
        }
        let flags = Self {
            username: set(7),
            password: set(6),
            clean_start: set(1),
            will: will.then_some((will_qos, will_retain)),
        };
        if flags.password && !flags.username && version != ProtocolVersion::V5 {
            return Err(DecodeError::malformed(
                "a password without a user name [MQTT-3.1.2-22]",
            ));
        }
        Ok(flags)
    }
}

/// Reads the first packet of a connection.
///
/// # Errors
/// See [`ConnectError`]: it tells how to answer.
pub fn decode_connect(header: FixedHeader, body: &[u8]) -> Result<Connect, ConnectError> {
    if header.packet_type != PacketType::Connect {
        let what = "the first packet is not a CONNECT [MQTT-3.1.0-1]";
        return Err(ConnectError::Close(DecodeError::protocol(what)));
    }
    let mut reader = Reader::new(body);
    let version = protocol(&mut reader)?;
    decode_rest(version, reader).map_err(|error| match version {
        ProtocolVersion::V5 => ConnectError::Refuse(error),
        // Before 5.0 no return code says "malformed", and [MQTT-4.8.0-1] of 3.1.1 is to close.
        ProtocolVersion::V31 | ProtocolVersion::V311 => ConnectError::Close(error),
    })
}

/// Protocol name and level (3.1.2.1, 3.1.2.2).
fn protocol(reader: &mut Reader<'_>) -> Result<ProtocolVersion, ConnectError> {
    let name = reader.binary().map_err(ConnectError::Close)?;
    let level = reader.u8().map_err(ConnectError::Close)?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(ProtocolVersion::V31),
        (b"MQTT", 4) => Ok(ProtocolVersion::V311),
        (b"MQTT", 5) => Ok(ProtocolVersion::V5),
        // Mosquitto's bridges set the highest bit to try a dialect of their own, and fall back on return code 1.
        (b"MQIsdp", _) | (b"MQTT", 0..4 | 0x80..=0x84) => {
            Err(ConnectError::UnsupportedVersion(ProtocolVersion::V311))
        }
        (b"MQTT", _) => Err(ConnectError::UnsupportedVersion(ProtocolVersion::V5)),
        _ => Err(ConnectError::Close(DecodeError::protocol(
            "the protocol name is not MQTT [MQTT-3.1.2-1]",
        ))),
    }
}

fn decode_rest(version: ProtocolVersion, mut reader: Reader<'_>) -> Result<Connect, DecodeError> {
    let flags = ConnectFlags::read(version, reader.u8()?)?;
    let keep_alive = reader.u16()?;
    let properties = match version {
        ProtocolVersion::V5 => connect_properties(Properties::read(&mut reader)?)?,
        ProtocolVersion::V31 | ProtocolVersion::V311 => ConnectProperties::default(),
    };
    let client_id = reader.owned_string()?;
    let will = match flags.will {
        Some((qos, retain)) => Some(Will::read(version, qos, retain, &mut reader)?),
        None => None,
    };
    // 3.1 lets the Remaining Length win over these two flags, for clients older still: what is not there is absent.
    let is_there =
        |flag: bool, reader: &Reader<'_>| flag && !(version == ProtocolVersion::V31 && reader.is_empty());
    let username = if is_there(flags.username, &reader) {
        Some(reader.owned_string()?)
    } else {
        None
    };
    let password = if is_there(flags.password, &reader) {
        Some(reader.owned_binary()?)
    } else {
        None
    };
    reader.finish()?;
    Ok(Connect {
        version,
        client_id,
        clean_start: flags.clean_start,
        keep_alive,
        username,
        password,
        will,
        properties,
    })
}

fn connect_properties(mut properties: Properties<'_>) -> Result<ConnectProperties, DecodeError> {
    let mut read = ConnectProperties::default();
    while let Some(id) = properties.next_id()? {
        match id {
            PropertyId::SessionExpiryInterval => read.session_expiry = Some(properties.value.u32()?),
            PropertyId::ReceiveMaximum => match properties.value.u16()? {
                0 => return Err(DecodeError::protocol("the Receive Maximum is 0 (3.1.2.11.3)")),
                maximum => read.receive_maximum = Some(maximum),
            },
            PropertyId::MaximumPacketSize => match properties.value.u32()? {
                0 => return Err(DecodeError::protocol("the Maximum Packet Size is 0 (3.1.2.11.4)")),
                maximum => read.maximum_packet_size = Some(maximum),
            },
            PropertyId::TopicAliasMaximum => read.topic_alias_maximum = properties.value.u16()?,
            PropertyId::RequestResponseInformation => {
                read.request_response_information = properties.flag()?
            }
            PropertyId::RequestProblemInformation => read.request_problem_information = properties.flag()?,
            PropertyId::AuthenticationMethod => {
                read.authentication_method = Some(properties.value.owned_string()?);
            }
            PropertyId::AuthenticationData => {
                read.authentication_data = Some(properties.value.owned_binary()?);
            }
            PropertyId::UserProperty => {
                let name = properties.value.owned_string()?;
                read.user_properties
                    .push((name, properties.value.owned_string()?));
            }
            _ => return Err(NOT_IN_THIS_PACKET),
        }
    }
    if read.authentication_data.is_some() && read.authentication_method.is_none() {
        return Err(DecodeError::protocol(
            "Authentication Data without an Authentication Method (3.1.2.11.10)",
        ));
    }
    Ok(read)
}
