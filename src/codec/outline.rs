//! A packet in a few words, for people who watch a client: either direction, and never an error. No payload, no password
//! and no authentication data is in it.

use std::fmt::Write;

use super::forward::ForwardProperty;
use super::primitives::Reader;
use super::properties::{Properties, PropertyId};
use super::{
    DecodeError, FixedHeader, PacketType, ProtocolVersion, ReasonCode, ack, disconnect, subscribe,
    unsubscribe,
};

/// How many filters or codes are named; a SUBSCRIBE may have ten thousand.
const NAMED: usize = 20;

/// What a packet says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its name in the standard: `PUBLISH`.
    pub name: &'static str,
    /// The topic of a PUBLISH; empty where an alias stands for it.
    pub topic: Option<String>,
    /// The alias of a PUBLISH.
    pub alias: Option<u16>,
    /// The rest, in words.
    pub text: String,
}

/// Reads a packet whose header [`super::peek`] gave. `body` may be its beginning alone.
#[must_use]
pub fn outline(version: ProtocolVersion, header: FixedHeader, body: &[u8]) -> Outline {
    let mut outline = Outline {
        name: name(header.packet_type),
        ..Outline::default()
    };
    if let Err(error) = outline.read(version, header, body) {
        let whole = body.len() >= header.remaining as usize;
        let what = if whole { error.what } else { "too long to show" };
        outline.say(format_args!("{what}"));
    }
    outline
}

impl Outline {
    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        let comma = if self.text.is_empty() { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(self.text, "{comma}{what}");
    }

    fn read(
        &mut self,
        version: ProtocolVersion,
        header: FixedHeader,
        body: &[u8],
    ) -> Result<(), DecodeError> {
        let v5 = version == ProtocolVersion::V5;
        let mut reader = Reader::new(body);
        match header.packet_type {
            PacketType::Publish => self.publish(v5, header, reader)?,
            kind @ (PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp) => {
                let ack = ack::decode(version, kind, body)?;
                self.say(format_args!("id {}", ack.packet_id));
                if v5 {
                    self.say(format_args!("{}", ack.reason));
                }
                self.because(ack.reason_string.as_deref());
            }
            PacketType::Connack => {
                let present = reader.u8()? & 1 == 1;
                let code = reader.u8()?;
                if v5 {
                    self.say(format_args!("{}", ReasonCode(code)));
                } else {
                    self.say(format_args!("return code {code}"));
                }
                if present {
                    self.say(format_args!("session present"));
                }
            }
            PacketType::Subscribe => {
                let read = subscribe::decode(version, body)?;
                self.say(format_args!("id {}", read.packet_id));
                for filter in read.filters.iter().take(NAMED) {
                    self.say(format_args!("{} QoS {}", filter.filter, filter.qos as u8));
                }
                self.and_more(read.filters.len());
            }
            PacketType::Unsubscribe => {
                let read = unsubscribe::decode(version, body)?;
                self.say(format_args!("id {}", read.packet_id));
                for filter in read.filters.iter().take(NAMED) {
                    self.say(format_args!("{filter}"));
                }
                self.and_more(read.filters.len());
            }
            PacketType::Suback | PacketType::Unsuback => {
                self.say(format_args!("id {}", reader.packet_id()?));
                if v5 {
                    Properties::read(&mut reader)?;
                }
                let codes = reader.rest();
                for code in codes.iter().take(NAMED) {
                    self.say(format_args!("{}", granted(*code)));
                }
                self.and_more(codes.len());
            }
            PacketType::Disconnect if v5 => match disconnect::decode(version, body) {
                Ok(read) => {
                    self.say(format_args!("{}", read.reason));
                    self.because(read.reason_string.as_deref());
                }
                // The server's own has codes and properties that a client's may not have.
                Err(_) => self.say(format_args!("{}", ReasonCode(reader.u8().unwrap_or(0)))),
            },
            PacketType::Auth => self.say(format_args!("{}", ReasonCode(reader.u8().unwrap_or(0)))),
            PacketType::Connect | PacketType::Disconnect | PacketType::Pingreq | PacketType::Pingresp => {}
        }
        Ok(())
    }

    fn publish(&mut self, v5: bool, header: FixedHeader, mut reader: Reader<'_>) -> Result<(), DecodeError> {
        let length = reader.len();
        self.topic = Some(reader.string()?.to_owned());
        let qos = (header.flags >> 1) & 0b11;
        self.say(format_args!("QoS {qos}"));
        if qos > 0 {
            self.say(format_args!("id {}", reader.packet_id()?));
        }
        if header.flags & 0b1000 != 0 {
            self.say(format_args!("DUP"));
        }
        if header.flags & 0b0001 != 0 {
            self.say(format_args!("RETAIN"));
        }
        if v5 {
            let mut properties = Properties::read(&mut reader)?;
            while let Some(id) = properties.next_id()? {
                match id {
                    PropertyId::TopicAlias => {
                        let alias = properties.value.u16()?;
                        self.say(format_args!("alias {alias}"));
                        self.alias = Some(alias);
                    }
                    PropertyId::MessageExpiryInterval => {
                        self.say(format_args!("expires in {} s", properties.value.u32()?));
                    }
                    PropertyId::SubscriptionIdentifier => drop(properties.value.variable()?),
                    id => drop(ForwardProperty::read(id, &mut properties.value)?),
                }
            }
        }
        let payload = header.remaining as usize - (length - reader.len()).min(header.remaining as usize);
        self.say(format_args!(
            "{payload} byte{}",
            if payload == 1 { "" } else { "s" }
        ));
        Ok(())
    }

    fn because(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason {
            let _ = write!(self.text, ": {reason}");
        }
    }

    fn and_more(&mut self, all: usize) {
        if all > NAMED {
            self.say(format_args!("and {} more", all - NAMED));
        }
    }
}

/// A code of SUBACK or UNSUBACK; the first three grant a Quality of Service.
fn granted(code: u8) -> String {
    match code {
        0..=2 => format!("QoS {code}"),
        code => ReasonCode(code).to_string(),
    }
}

fn name(kind: PacketType) -> &'static str {
    match kind {
        PacketType::Connect => "CONNECT",
        PacketType::Connack => "CONNACK",
        PacketType::Publish => "PUBLISH",
        PacketType::Puback => "PUBACK",
        PacketType::Pubrec => "PUBREC",
        PacketType::Pubrel => "PUBREL",
        PacketType::Pubcomp => "PUBCOMP",
        PacketType::Subscribe => "SUBSCRIBE",
        PacketType::Suback => "SUBACK",
        PacketType::Unsubscribe => "UNSUBSCRIBE",
        PacketType::Unsuback => "UNSUBACK",
        PacketType::Pingreq => "PINGREQ",
        PacketType::Pingresp => "PINGRESP",
        PacketType::Disconnect => "DISCONNECT",
        PacketType::Auth => "AUTH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::peek;

    fn line(version: ProtocolVersion, bytes: &[u8]) -> String {
        let header = peek(bytes).unwrap().unwrap();
        let outline = outline(version, header, &bytes[usize::from(header.header_len)..]);
        let topic = outline.topic.map_or(String::new(), |topic| format!(" {topic:?}"));
        format!("{}{topic} {}", outline.name, outline.text)
    }

    #[test]
    fn packets_of_both_directions() {
        use ProtocolVersion::{V5, V311};
        for (version, bytes, expected) in [
            (
                V311,
                &b"\x33\x09\x00\x03a/b\x00\x05hi"[..],
                "PUBLISH \"a/b\" QoS 1, id 5, RETAIN, 2 bytes",
            ),
            (
                V5,
                b"\x30\x09\x00\x01a\x05\x23\x00\x07\x0b\x01",
                "PUBLISH \"a\" QoS 0, alias 7, 0 bytes",
            ),
            (
                V5,
                b"\x40\x04\x00\x05\x87\x00",
                "PUBACK id 5, 0x87 Not authorized",
            ),
            (
                V311,
                b"\x20\x02\x01\x05",
                "CONNACK return code 5, session present",
            ),
            (V5, b"\x20\x03\x00\x00\x00", "CONNACK 0x00 Success"),
            (V311, b"\x82\x06\x00\x01\x00\x01a\x01", "SUBSCRIBE id 1, a QoS 1"),
            (
                V311,
                b"\x90\x04\x00\x01\x01\x80",
                "SUBACK id 1, QoS 1, 0x80 Unspecified error",
            ),
            (V5, b"\xe0\x01\x98", "DISCONNECT 0x98 Administrative action"),
            (V311, b"\xe0\x00", "DISCONNECT "),
        ] {
            assert_eq!(line(version, bytes), expected);
        }
    }

    #[test]
    fn the_beginning_of_a_packet_is_enough_and_nonsense_is_said() {
        let header = peek(b"\x30\xe8\x07").unwrap().unwrap();
        let first = outline(ProtocolVersion::V311, header, b"\x00\x01axxxx");
        assert_eq!(
            (first.topic.as_deref(), &*first.text),
            (Some("a"), "QoS 0, 997 bytes")
        );
        let cut = outline(ProtocolVersion::V311, header, b"\x00\x09a");
        assert_eq!(cut.text, "too long to show");
        let header = peek(b"\x40\x01").unwrap().unwrap();
        assert!(!outline(ProtocolVersion::V311, header, b"\x00").text.is_empty());
    }
}
