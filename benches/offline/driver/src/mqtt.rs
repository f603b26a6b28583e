//! As much of MQTT 3.1.1 as a sleeping client needs.

use std::io::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Source addresses in 127.0.0.0/8 that are used in turn, for each has but some 28,000 ports.
const SOURCES: u64 = 16;

/// What a broker sends.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    Connack { session_present: bool, code: u8 },
    Publish { id: u16, payload: Vec<u8> },
    Puback,
    Suback { refused: usize },
}

/// A connection whose CONNACK is still to come or has come.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    read: usize,
}

impl Connection {
    /// Opens the socket alone. `number` chooses the source address.
    pub async fn open(target: SocketAddr, number: u64) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        let last = u8::try_from(number % SOURCES + 1).unwrap_or(1);
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0))?;
        let stream = socket.connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
            read: 0,
        })
    }

    /// Opens the socket, sends CONNECT, and tells whether there was a session.
    pub async fn connect(
        target: SocketAddr,
        number: u64,
        client_id: &str,
        clean: bool,
    ) -> Result<(Self, bool)> {
        let mut connection = Self::open(target, number).await?;
        connection.send(&connect(client_id, clean)).await?;
        let session_present = connection.connack().await?;
        Ok((connection, session_present))
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits for CONNACK; says whether there was a session.
    pub async fn connack(&mut self) -> Result<bool> {
        match self.packet().await? {
            Packet::Connack {
                session_present,
                code: 0,
            } => Ok(session_present),
            other => Err(Error::other(format!(
                "{other:?} instead of a CONNACK that accepts"
            ))),
        }
    }

    /// Waits for SUBACK.
    pub async fn suback(&mut self) -> Result<()> {
        match self.packet().await? {
            Packet::Suback { refused: 0 } => Ok(()),
            other => Err(Error::other(format!(
                "{other:?} instead of a SUBACK that grants all"
            ))),
        }
    }

    pub async fn packet(&mut self) -> Result<Packet> {
        loop {
            if let Some(packet) = self.next_received()? {
                return Ok(packet);
            }
            self.receive().await?;
        }
    }

    /// Waits for bytes; they are packets of [`Self::next_received`].
    pub async fn receive(&mut self) -> Result<()> {
        self.received.drain(..self.read);
        self.read = 0;
        self.received.reserve(16 << 10);
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(Error::other("the broker closed the connection")),
            _ => Ok(()),
        }
    }

    /// The next packet of those that have come.
    pub fn next_received(&mut self) -> Result<Option<Packet>> {
        let Some(rest) = self.received.get(self.read..) else {
            return Ok(None);
        };
        let Some((packet, length)) = parse(rest)? else {
            return Ok(None);
        };
        self.read += length;
        Ok(Some(packet))
    }

    /// Says goodbye and waits until the broker has closed the socket, which therefore has no port in TIME_WAIT.
    pub async fn disconnect(mut self) -> Result<()> {
        self.send(&[0xE0, 0]).await?;
        loop {
            self.received.clear();
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Ok(());
            }
        }
    }
}

pub fn connect(client_id: &str, clean: bool) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04".to_vec();
    body.extend([u8::from(clean) << 1, 0, 0]); // without keep-alive
    string(&mut body, client_id);
    packet(0x10, &body)
}

/// One SUBSCRIBE of all `filters`, QoS 1.
pub fn subscribe(filters: &[String]) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        string(&mut body, filter);
        body.push(1);
    }
    packet(0x82, &body)
}

/// Appends a PUBLISH of QoS 1.
pub fn publish(to: &mut Vec<u8>, id: u16, topic: &str, payload: &[u8]) {
    to.push(0x32);
    remaining_length(to, 2 + topic.len() + 2 + payload.len());
    string(to, topic);
    to.extend(id.to_be_bytes());
    to.extend(payload);
}

/// Appends a PUBACK.
pub fn puback(to: &mut Vec<u8>, id: u16) {
    to.extend([0x40, 2]);
    to.extend(id.to_be_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    remaining_length(&mut bytes, body.len());
    bytes.extend(body);
    bytes
}

fn remaining_length(to: &mut Vec<u8>, mut length: usize) {
    loop {
        let digit = u8::try_from(length % 128).unwrap_or(0);
        length /= 128;
        to.push(if length > 0 { digit | 128 } else { digit });
        if length == 0 {
            return;
        }
    }
}

fn string(to: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    to.extend(length.to_be_bytes());
    to.extend(text.as_bytes());
}

/// The first packet of `bytes` and its length, if it has come whole.
fn parse(bytes: &[u8]) -> Result<Option<(Packet, usize)>> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let (mut length, mut header) = (0usize, 1);
    loop {
        let Some(&digit) = bytes.get(header) else {
            return Ok(None);
        };
        length |= usize::from(digit & 127) << (7 * (header - 1));
        header += 1;
        if digit < 128 {
            break;
        }
        if header == 5 {
            return Err(Error::other("a packet with a wrong length"));
        }
    }
    let Some(body) = bytes.get(header..header + length) else {
        return Ok(None);
    };
    let short = || Error::other(format!("a packet {first:#04x} that is too short"));
    let packet = match (first >> 4, body) {
        (2, &[flags, code]) => Packet::Connack {
            session_present: flags & 1 == 1,
            code,
        },
        (3, _) => {
            let (topic, rest) = body.split_first_chunk::<2>().ok_or_else(short)?;
            let rest = rest
                .get(usize::from(u16::from_be_bytes(*topic))..)
                .ok_or_else(short)?;
            if first & 6 != 2 {
                return Err(Error::other("a PUBLISH whose QoS is not 1"));
            }
            let (id, payload) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            Packet::Publish {
                id: u16::from_be_bytes(*id),
                payload: payload.to_vec(),
            }
        }
        (4, _) => Packet::Puback,
        (9, [_, _, codes @ ..]) => Packet::Suback {
            refused: codes.iter().filter(|code| **code != 1).count(),
        },
        _ => return Err(Error::other(format!("a packet {first:#04x} that nobody expects"))),
    };
    Ok(Some((packet, header + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_parsed() {
        let mut bytes = Vec::new();
        publish(&mut bytes, 7, "a/b", &[5; 200]);
        assert_eq!(parse(&bytes[..bytes.len() - 1]).unwrap(), None);
        let expected = Packet::Publish {
            id: 7,
            payload: vec![5; 200],
        };
        assert_eq!(parse(&bytes).unwrap(), Some((expected, bytes.len())));
    }

    #[test]
    fn a_subscription_that_is_refused_is_seen() {
        assert_eq!(
            parse(&[0x90, 4, 0, 1, 1, 0x80]).unwrap(),
            Some((Packet::Suback { refused: 1 }, 6))
        );
    }
}
