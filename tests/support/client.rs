//! A blocking client that does nothing on its own: it sends what it is told and shows what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::packets::*;
use super::{Broker, ms};

const PATIENCE: Duration = Duration::from_secs(5);

/// A Will of a CONNECT.
#[derive(Clone)]
pub struct Will {
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: Vec<u8>,
}

impl Will {
    pub fn new(topic: impl AsRef<[u8]>, payload: &str) -> Will {
        let (topic, payload) = (topic.as_ref().to_vec(), payload.as_bytes().to_vec());
        Will {
            topic,
            payload,
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    /// Will Delay Interval in seconds.
    pub fn delay(mut self, seconds: u32) -> Will {
        self.properties.extend(prop_u32(WILL_DELAY, seconds));
        self
    }
}

/// A CONNECT: clean, keep alive 0.
#[derive(Clone)]
pub struct Connect {
    pub version: u8,
    pub client_id: Vec<u8>,
    pub clean: bool,
    pub keep_alive: u16,
    pub properties: Vec<u8>,
    pub will: Option<Will>,
    pub username: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
}

impl Connect {
    pub fn new(version: u8, client_id: impl AsRef<[u8]>) -> Connect {
        Connect {
            version,
            client_id: client_id.as_ref().to_vec(),
            clean: true,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
            username: None,
            password: None,
        }
    }

    pub fn v5(client_id: impl AsRef<[u8]>) -> Connect {
        Connect::new(V5, client_id)
    }

    pub fn v311(client_id: impl AsRef<[u8]>) -> Connect {
        Connect::new(V311, client_id)
    }

    /// Clean Session or Clean Start 0.
    pub fn resume(mut self) -> Connect {
        self.clean = false;
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Connect {
        self.keep_alive = seconds;
        self
    }

    pub fn property(mut self, property: Vec<u8>) -> Connect {
        self.properties.extend(property);
        self
    }

    /// Session Expiry Interval in seconds.
    pub fn expiry(self, seconds: u32) -> Connect {
        self.property(prop_u32(SESSION_EXPIRY, seconds))
    }

    pub fn receive_maximum(self, n: u16) -> Connect {
        self.property(prop_u16(RECEIVE_MAXIMUM, n))
    }

    pub fn will(mut self, will: Will) -> Connect {
        self.will = Some(will);
        self
    }

    pub fn username(mut self, name: impl AsRef<[u8]>) -> Connect {
        self.username = Some(name.as_ref().to_vec());
        self
    }

    pub fn password(mut self, password: impl AsRef<[u8]>) -> Connect {
        self.password = Some(password.as_ref().to_vec());
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = text(if self.version == V31 { "MQIsdp" } else { "MQTT" });
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        }
        flags |= u8::from(self.password.is_some()) << 6 | u8::from(self.username.is_some()) << 7;
        body.extend([self.version, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        let put_properties = |body: &mut Vec<u8>, properties: &[u8]| {
            if self.version == V5 {
                body.extend(varint(properties.len()));
                body.extend(properties);
            }
        };
        put_properties(&mut body, &self.properties);
        body.extend(text(&self.client_id));
        if let Some(will) = &self.will {
            put_properties(&mut body, &will.properties);
            body.extend(text(&will.topic));
            body.extend(text(&will.payload));
        }
        self.username
            .iter()
            .chain(&self.password)
            .for_each(|field| body.extend(text(field)));
        frame(0x10, &body)
    }

    /// Sends it and returns the client with the CONNACK, whatever that says.
    pub fn answer(&self, broker: &Broker) -> (Client, Packet) {
        let mut client = Client::open(broker, self.version);
        client.send(&self.bytes());
        let connack = client.expect(CONNACK);
        client.connack = connack.clone();
        (client, connack)
    }

    /// Connects and is accepted.
    pub fn to(&self, broker: &Broker) -> Client {
        let (client, connack) = self.answer(broker);
        assert_eq!(connack.code(), 0, "CONNACK {connack:02x?}");
        client
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub version: u8,
    pub connack: Packet,
}

/// What one look at the connection gave.
enum Got {
    Packet(Packet),
    Closed,
    Nothing,
}

impl Client {
    /// A connection on which nothing was sent yet.
    pub fn open(broker: &Broker, version: u8) -> Client {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream,
            buffer: Vec::new(),
            version,
            connack: Packet::default(),
        }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends hexadecimal digits.
    pub fn send_hex(&mut self, digits: &str) {
        self.send(&hex(digits));
    }

    pub fn publish(&mut self, message: Publish) {
        let bytes = message.bytes(self.version);
        self.send(&bytes);
    }

    /// Subscribes to one filter with packet id 999 and returns the SUBACK.
    pub fn subscribe(&mut self, filter: &str, options: u8) -> Packet {
        self.subscribe_with(filter, options, &[])
    }

    pub fn subscribe_with(&mut self, filter: &str, options: u8, properties: &[u8]) -> Packet {
        self.send(&subscribe(self.version, 999, &[(filter, options)], properties));
        let suback = self.expect(SUBACK);
        assert_eq!(suback.id, 999);
        suback
    }

    fn look(&mut self, patience: Duration) -> Got {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(packet) = take_packet(&mut self.buffer, self.version) {
                return Got::Packet(packet);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Got::Nothing;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = vec![0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Got::Closed,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Got::Closed,
            }
        }
    }

    /// The next packet.
    pub fn receive(&mut self) -> Packet {
        match self.look(PATIENCE) {
            Got::Packet(packet) => packet,
            Got::Closed => panic!("the broker closed the connection"),
            Got::Nothing => panic!("nothing came for five seconds"),
        }
    }

    /// The next packet within `millis`, if one comes.
    pub fn receive_within(&mut self, millis: u64) -> Option<Packet> {
        match self.look(ms(millis)) {
            Got::Packet(packet) => Some(packet),
            Got::Closed => panic!("the broker closed the connection"),
            Got::Nothing => None,
        }
    }

    /// The next packet, which is of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: u8) -> Packet {
        let packet = self.receive();
        assert_eq!(packet.kind, kind, "{packet:02x?}");
        packet
    }

    /// The next packet, an acknowledgement of this type, id and code.
    #[track_caller]
    pub fn expect_ack(&mut self, kind: u8, id: u16, code: u8) {
        let packet = self.expect(kind);
        assert_eq!((packet.id, packet.code()), (id, code), "{packet:02x?}");
    }

    /// The next packet, a PUBLISH with this payload. It is not acknowledged.
    #[track_caller]
    pub fn expect_message(&mut self, payload: &str) -> Packet {
        let packet = self.expect(PUBLISH);
        assert_eq!(String::from_utf8_lossy(&packet.payload), payload, "{packet:02x?}");
        packet
    }

    /// Acknowledges a PUBLISH of any QoS, to the end.
    #[track_caller]
    pub fn acknowledge(&mut self, message: &Packet) {
        match message.qos() {
            0 => {}
            1 => self.send(&ack(PUBACK, message.id)),
            _ => {
                self.send(&ack(PUBREC, message.id));
                self.expect_ack(PUBREL, message.id, 0);
                self.send(&ack(PUBCOMP, message.id));
            }
        }
    }

    /// PINGREQ and PINGRESP: all that was sent before is done, and the connection lives.
    #[track_caller]
    pub fn ping(&mut self) {
        self.send(&pingreq());
        self.expect(PINGRESP);
    }

    /// The connection stays open and nothing comes for so long.
    #[track_caller]
    pub fn expect_nothing(&mut self, millis: u64) {
        match self.look(ms(millis)) {
            Got::Packet(packet) => panic!("unexpected {packet:02x?}"),
            Got::Closed => panic!("the broker closed the connection"),
            Got::Nothing => {}
        }
    }

    /// The broker closes, and says nothing before.
    #[track_caller]
    pub fn expect_close(&mut self) {
        match self.look(PATIENCE) {
            Got::Packet(packet) => panic!("a packet and no close: {packet:02x?}"),
            Got::Closed => assert!(self.buffer.is_empty(), "half a packet: {:02x?}", self.buffer),
            Got::Nothing => panic!("the broker did not close the connection"),
        }
    }

    /// DISCONNECT with this code, then the close.
    #[track_caller]
    pub fn expect_disconnect(&mut self, code: u8) -> Packet {
        let packet = match self.look(PATIENCE) {
            Got::Packet(packet) => packet,
            Got::Closed => panic!("closed without a DISCONNECT {code:#04x}"),
            Got::Nothing => panic!("neither a DISCONNECT {code:#04x} nor a close"),
        };
        assert_eq!(packet.kind, DISCONNECT, "{packet:02x?}");
        assert_eq!(
            packet.code(),
            code,
            "DISCONNECT {:#04x}, not {code:#04x}: {packet:02x?}",
            packet.code()
        );
        self.expect_close();
        packet
    }

    /// The connection ends because of an error: in 5.0 with this code, in 3.x without a word.
    #[track_caller]
    pub fn expect_error(&mut self, code: u8) {
        if self.version == V5 {
            self.expect_disconnect(code);
        } else {
            self.expect_close();
        }
    }

    /// A normal DISCONNECT; waits until the broker has closed.
    #[track_caller]
    pub fn disconnect(mut self) {
        let bytes = if self.version == V5 {
            disconnect(0, &[])
        } else {
            vec![0xE0, 0]
        };
        self.send(&bytes);
        self.expect_close();
    }

    /// Goes away without a DISCONNECT.
    pub fn vanish(self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Ends for which more than one answer is right.
impl Client {
    /// DISCONNECT with one of these codes, then the close.
    #[track_caller]
    pub fn expect_disconnect_of(&mut self, codes: &[u8]) -> Packet {
        let packet = self.expect(DISCONNECT);
        assert!(
            codes.contains(&packet.code()),
            "not one of {codes:02x?}: {packet:02x?}"
        );
        self.expect_close();
        packet
    }

    /// [`expect_disconnect_of`](Self::expect_disconnect_of) in 5.0, a bare close in 3.x.
    #[track_caller]
    pub fn expect_end(&mut self, codes: &[u8]) {
        if self.version == V5 {
            self.expect_disconnect_of(codes);
        } else {
            self.expect_close();
        }
    }

    /// Not let in: the close, with or without a CONNACK that says why.
    #[track_caller]
    pub fn expect_refusal(&mut self) -> Option<Packet> {
        match self.look(PATIENCE) {
            Got::Closed => None,
            Got::Nothing => panic!("neither an answer nor a close"),
            Got::Packet(packet) => {
                assert!(packet.kind == CONNACK && packet.code() != 0, "{packet:02x?}");
                assert!(!packet.session_present, "[MQTT-3.2.2-6] {packet:02x?}");
                self.expect_close();
                Some(packet)
            }
        }
    }
}

impl Client {
    /// The next packet; `None` when the broker closed.
    #[track_caller]
    pub fn receive_or_close(&mut self) -> Option<Packet> {
        match self.look(PATIENCE) {
            Got::Packet(packet) => Some(packet),
            Got::Closed => None,
            Got::Nothing => panic!("nothing came for five seconds"),
        }
    }
}

impl Client {
    /// Sends if the connection still takes it.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }
}
