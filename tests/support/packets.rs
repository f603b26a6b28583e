//! Packets as bytes, written and read without any of the broker's code: right ones and wrong ones.

pub const CONNECT: u8 = 1;
pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBSCRIBE: u8 = 8;
pub const SUBACK: u8 = 9;
pub const UNSUBSCRIBE: u8 = 10;
pub const UNSUBACK: u8 = 11;
pub const PINGREQ: u8 = 12;
pub const PINGRESP: u8 = 13;
pub const DISCONNECT: u8 = 14;
pub const AUTH: u8 = 15;

pub const PAYLOAD_FORMAT: u8 = 0x01;
pub const MESSAGE_EXPIRY: u8 = 0x02;
pub const CONTENT_TYPE: u8 = 0x03;
pub const RESPONSE_TOPIC: u8 = 0x08;
pub const CORRELATION_DATA: u8 = 0x09;
pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
pub const SESSION_EXPIRY: u8 = 0x11;
pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub const SERVER_KEEP_ALIVE: u8 = 0x13;
pub const AUTHENTICATION_METHOD: u8 = 0x15;
pub const AUTHENTICATION_DATA: u8 = 0x16;
pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub const WILL_DELAY: u8 = 0x18;
pub const REASON_STRING: u8 = 0x1F;
pub const RECEIVE_MAXIMUM: u8 = 0x21;
pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub const TOPIC_ALIAS: u8 = 0x23;
pub const MAXIMUM_QOS: u8 = 0x24;
pub const USER_PROPERTY: u8 = 0x26;
pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;

pub const NO_LOCAL: u8 = 0x04;
pub const RETAIN_AS_PUBLISHED: u8 = 0x08;
/// Retain Handling 1: only if the subscription is new.
pub const RETAIN_IF_NEW: u8 = 0x10;
/// Retain Handling 2: never.
pub const RETAIN_NEVER: u8 = 0x20;

pub const V31: u8 = 3;
pub const V311: u8 = 4;
pub const V5: u8 = 5;

/// A variable byte integer of the fewest bytes.
pub fn varint(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (n % 128) as u8;
        n /= 128;
        out.push(if n > 0 { low | 0x80 } else { low });
        if n == 0 {
            return out;
        }
    }
}

/// Bytes behind their length of two bytes: a string or binary data.
pub fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut out = (bytes.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

pub fn prop_byte(id: u8, value: u8) -> Vec<u8> {
    vec![id, value]
}

pub fn prop_u16(id: u8, value: u16) -> Vec<u8> {
    [&[id], &value.to_be_bytes()[..]].concat()
}

pub fn prop_u32(id: u8, value: u32) -> Vec<u8> {
    [&[id], &value.to_be_bytes()[..]].concat()
}

pub fn prop_varint(id: u8, value: usize) -> Vec<u8> {
    [vec![id], varint(value)].concat()
}

pub fn prop_text(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![id], text(value)].concat()
}

pub fn user_property(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![USER_PROPERTY], text(key), text(value)].concat()
}

/// A packet of a first byte and a body.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    [vec![first], varint(body.len()), body.to_vec()].concat()
}

/// Bytes in hexadecimal; blanks do not count.
pub fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[derive(Clone, Default)]
pub struct Publish {
    topic: Vec<u8>,
    payload: Vec<u8>,
    flags: u8,
    id: u16,
    properties: Vec<u8>,
}

/// A PUBLISH of QoS 0.
pub fn publish(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
    Publish {
        topic: topic.as_ref().to_vec(),
        payload: payload.as_ref().to_vec(),
        ..Publish::default()
    }
}

impl Publish {
    pub fn qos(mut self, qos: u8, id: u16) -> Self {
        self.flags |= qos << 1;
        self.id = id;
        self
    }

    pub fn retain(mut self) -> Self {
        self.flags |= 1;
        self
    }

    pub fn dup(mut self) -> Self {
        self.flags |= 8;
        self
    }

    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }

    pub fn bytes(&self, version: u8) -> Vec<u8> {
        let mut body = text(&self.topic);
        if self.flags & 0x06 != 0 {
            body.extend(self.id.to_be_bytes());
        }
        if version == V5 {
            body.extend(varint(self.properties.len()));
            body.extend(&self.properties);
        }
        body.extend(&self.payload);
        frame(0x30 | self.flags, &body)
    }
}

/// A SUBSCRIBE; in 3.x the options are the QoS.
pub fn subscribe(version: u8, id: u16, filters: &[(&str, u8)], properties: &[u8]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == V5 {
        body.extend(varint(properties.len()));
        body.extend(properties);
    }
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    frame(0x82, &body)
}

pub fn unsubscribe(version: u8, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == V5 {
        body.push(0);
    }
    filters.iter().for_each(|filter| body.extend(text(filter)));
    frame(0xA2, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP without a code.
pub fn ack(kind: u8, id: u16) -> Vec<u8> {
    frame(kind << 4 | if kind == PUBREL { 2 } else { 0 }, &id.to_be_bytes())
}

/// The same with a 5.0 code.
pub fn ack_with(kind: u8, id: u16, code: u8) -> Vec<u8> {
    let first = kind << 4 | if kind == PUBREL { 2 } else { 0 };
    frame(first, &[id.to_be_bytes().as_slice(), &[code]].concat())
}

/// A DISCONNECT of 5.0.
pub fn disconnect(code: u8, properties: &[u8]) -> Vec<u8> {
    frame(
        0xE0,
        &[vec![code], varint(properties.len()), properties.to_vec()].concat(),
    )
}

/// An AUTH.
pub fn auth(code: u8, properties: &[u8]) -> Vec<u8> {
    frame(
        0xF0,
        &[vec![code], varint(properties.len()), properties.to_vec()].concat(),
    )
}

pub fn pingreq() -> Vec<u8> {
    vec![0xC0, 0]
}

/// A packet that came from the broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packet {
    pub kind: u8,
    pub flags: u8,
    pub id: u16,
    /// The reason codes; the one code of a short 5.0 acknowledgement is 0.
    pub codes: Vec<u8>,
    pub properties: Vec<(u8, Vec<u8>)>,
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
    pub session_present: bool,
    /// The whole packet, header and all.
    pub bytes: Vec<u8>,
}

impl Packet {
    pub fn qos(&self) -> u8 {
        self.flags >> 1 & 3
    }

    pub fn dup(&self) -> bool {
        self.flags & 8 != 0
    }

    pub fn retain(&self) -> bool {
        self.flags & 1 != 0
    }

    pub fn code(&self) -> u8 {
        self.codes[0]
    }

    pub fn topic(&self) -> &str {
        std::str::from_utf8(&self.topic).unwrap()
    }

    pub fn property(&self, id: u8) -> Option<&[u8]> {
        self.properties
            .iter()
            .find(|(found, _)| *found == id)
            .map(|(_, value)| value.as_slice())
    }

    /// The value of a one, two or four byte property.
    pub fn number(&self, id: u8) -> Option<u32> {
        self.property(id)
            .map(|value| value.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
    }

    /// The Subscription Identifiers, sorted.
    pub fn subscription_ids(&self) -> Vec<usize> {
        let ours = self
            .properties
            .iter()
            .filter(|(id, _)| *id == SUBSCRIPTION_IDENTIFIER);
        let mut ids: Vec<usize> = ours.map(|(_, value)| Reader(value).varint()).collect();
        ids.sort_unstable();
        ids
    }
}

/// Takes the first packet off `buffer`; `None` when it is not whole yet. Panics when it is wrong.
pub fn take_packet(buffer: &mut Vec<u8>, version: u8) -> Option<Packet> {
    let (mut length, mut at) = (0usize, 1);
    loop {
        let byte = *buffer.get(at)?;
        length |= usize::from(byte & 0x7F) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        assert!(at <= 4, "a remaining length of five bytes: {:02x?}", &buffer[..5]);
    }
    if buffer.len() < at + length {
        return None;
    }
    let rest = buffer.split_off(at + length);
    let bytes = std::mem::replace(buffer, rest);
    Some(read_packet(bytes, at, version))
}

fn read_packet(bytes: Vec<u8>, header: usize, version: u8) -> Packet {
    let mut packet = Packet {
        kind: bytes[0] >> 4,
        flags: bytes[0] & 15,
        bytes: bytes.clone(),
        ..Packet::default()
    };
    let mut body = Reader(&bytes[header..]);
    let v5 = version == V5;
    match packet.kind {
        CONNACK => {
            packet.session_present = body.u8() == 1;
            packet.codes.push(body.u8());
            // An answer to a version that the server does not know may be in the form of another one.
            if v5 && !body.0.is_empty() {
                packet.properties = body.properties();
            }
        }
        PUBLISH => {
            packet.topic = body.text();
            if packet.qos() > 0 {
                packet.id = body.u16();
            }
            if v5 {
                packet.properties = body.properties();
            }
            packet.payload = std::mem::take(&mut body.0).to_vec();
        }
        PUBACK | PUBREC | PUBREL | PUBCOMP => {
            packet.id = body.u16();
            packet
                .codes
                .push(if v5 && !body.0.is_empty() { body.u8() } else { 0 });
            if v5 && !body.0.is_empty() {
                packet.properties = body.properties();
            }
        }
        SUBACK | UNSUBACK => {
            packet.id = body.u16();
            if v5 {
                packet.properties = body.properties();
            }
            packet.codes = std::mem::take(&mut body.0).to_vec();
        }
        DISCONNECT | AUTH => {
            packet.codes.push(if body.0.is_empty() { 0 } else { body.u8() });
            if !body.0.is_empty() {
                packet.properties = body.properties();
            }
        }
        PINGRESP => {}
        kind => panic!("a broker does not send packets of type {kind}: {bytes:02x?}"),
    }
    assert!(body.0.is_empty(), "bytes behind the end of {bytes:02x?}");
    packet
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        head
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn text(&mut self) -> Vec<u8> {
        let n = self.u16();
        self.take(usize::from(n)).to_vec()
    }

    fn varint(&mut self) -> usize {
        let mut n = 0;
        for shift in 0.. {
            let byte = self.u8();
            n |= usize::from(byte & 0x7F) << (7 * shift);
            if byte & 0x80 == 0 {
                break;
            }
        }
        n
    }

    fn properties(&mut self) -> Vec<(u8, Vec<u8>)> {
        let n = self.varint();
        let mut inner = Reader(self.take(n));
        let mut out = Vec::new();
        while !inner.0.is_empty() {
            let id = inner.u8();
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => inner.take(1).to_vec(),
                0x13 | 0x21 | 0x22 | 0x23 => inner.take(2).to_vec(),
                0x02 | 0x11 | 0x18 | 0x27 => inner.take(4).to_vec(),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => inner.text(),
                SUBSCRIPTION_IDENTIFIER => varint(inner.varint()),
                USER_PROPERTY => [text(inner.text()), text(inner.text())].concat(),
                other => panic!("no property has the identifier {other:#04x}"),
            };
            out.push((id, value));
        }
        out
    }
}
