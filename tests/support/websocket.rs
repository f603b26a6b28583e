//! A WebSocket client of the fewest lines: frames as the test says, masked with zeroes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::packets::{Packet, take_packet};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

pub struct WebSocket {
    stream: TcpStream,
    bytes: Vec<u8>,
    version: u8,
    /// The head of the server's answer.
    pub head: String,
}

impl WebSocket {
    /// Asks for an upgrade with these more header lines ("Sec-WebSocket-Protocol: mqtt\r\n").
    pub fn open(address: SocketAddr, version: u8, headers: &str) -> WebSocket {
        WebSocket::open_at(address, &address.to_string(), version, headers)
    }

    /// The same, with this host.
    pub fn open_at(address: SocketAddr, host: &str, version: u8, headers: &str) -> WebSocket {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        WebSocket {
            stream,
            bytes: Vec::new(),
            version,
            head: String::from_utf8_lossy(&head).into_owned(),
        }
    }

    /// Sends one frame.
    pub fn frame(&mut self, last: bool, opcode: u8, payload: &[u8]) {
        let mut out = vec![opcode | if last { 0x80 } else { 0 }];
        match payload.len() {
            n @ 0..=125 => out.push(0x80 | n as u8),
            n @ 126..=65_535 => {
                out.push(0x80 | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(0x80 | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        out.extend([0; 4]);
        out.extend(payload);
        self.stream.write_all(&out).unwrap();
    }

    /// Sends bytes in one binary message.
    pub fn send(&mut self, bytes: &[u8]) {
        self.frame(true, BINARY, bytes);
    }

    /// The next frame of the server; `None` at the end.
    pub fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        assert_eq!(head[1] & 0x80, 0, "a server must not mask");
        let length = match head[1] {
            126 => self
                .read(2)?
                .iter()
                .fold(0, |n, byte| n << 8 | usize::from(*byte)),
            127 => self
                .read(8)?
                .iter()
                .fold(0, |n, byte| n << 8 | usize::from(*byte)),
            n => usize::from(n),
        };
        Some((head[0] & 15, self.read(length)?))
    }

    fn read(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The next MQTT packet; `None` when the server closed.
    pub fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = take_packet(&mut self.bytes, self.version) {
                return Some(packet);
            }
            match self.next_frame()? {
                (CLOSE, _) => return None,
                (BINARY | CONTINUATION, payload) => self.bytes.extend(payload),
                (PING | PONG, _) => {}
                (opcode, _) => panic!("a frame of type {opcode} [MQTT-6.0.0-3]"),
            }
        }
    }

    /// The next packet, of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: u8) -> Packet {
        let packet = self.receive().expect("the server closed");
        assert_eq!(packet.kind, kind, "{packet:02x?}");
        packet
    }
}
