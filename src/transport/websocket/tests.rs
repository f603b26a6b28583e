//! In memory: the peer's bytes come in pieces of any size, and the wire takes as much as it likes.

use std::io::{self, IoSlice, Read, Write};

use super::*;

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: foo, mqttv3.1, mqtt\r\n\r\n";

/// What the peer sends, `step` bytes a read; and `room` for what it reads.
struct Wire {
    input: Vec<u8>,
    step: usize,
    output: Vec<u8>,
    room: usize,
}

impl Wire {
    fn new(input: Vec<u8>, step: usize) -> Self {
        Self {
            input,
            step,
            output: Vec::new(),
            room: usize::MAX,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.step).min(self.input.len());
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buf[..n].copy_from_slice(&self.input[..n]);
        self.input.drain(..n);
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(self.room);
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= n;
        self.output.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// Everything read up to the end of the input, and how it ended.
fn drain(ws: &mut WebSocket, wire: &mut Wire, size: usize) -> (Vec<u8>, io::Result<usize>) {
    let mut all = Vec::new();
    let mut buf = vec![0; size];
    loop {
        match ws.read(wire, &mut buf) {
            Ok(n @ 1..) => all.extend_from_slice(&buf[..n]),
            end => return (all, end),
        }
    }
}

fn open() -> (WebSocket, Wire) {
    let mut ws = WebSocket::new(WebSocketLimits::default(), 1000);
    let mut wire = Wire::new(REQUEST.into(), usize::MAX);
    let (_, end) = drain(&mut ws, &mut wire, 4096);
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    wire.output.clear();
    (ws, wire)
}

/// The code of the Close frame that bytes after the handshake are answered with.
fn close_code(input: &[u8]) -> u16 {
    let (mut ws, mut wire) = open();
    wire.input = input.to_vec();
    let (_, end) = drain(&mut ws, &mut wire, 100);
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(wire.output[..2], [0x88, 2]);
    u16::from_be_bytes([wire.output[2], wire.output[3]])
}

fn answer_to(request: &str) -> String {
    let mut ws = WebSocket::new(WebSocketLimits::default(), 1000);
    let mut wire = Wire::new(request.into(), usize::MAX);
    let _ = drain(&mut ws, &mut wire, 20_000);
    String::from_utf8(wire.output).unwrap()
}

#[test]
fn the_handshake_answers_as_the_rfc_shows() {
    let answer = answer_to(REQUEST);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{answer}"
    );
    assert!(answer.contains("Sec-WebSocket-Protocol: mqtt\r\n"), "{answer}");
    let old = answer_to(&REQUEST.replace("foo, mqttv3.1, mqtt", "mqttv3.1"));
    assert!(old.contains("Sec-WebSocket-Protocol: mqttv3.1\r\n"), "{old}");
    let none = answer_to(&REQUEST.replace("Sec-WebSocket-Protocol: foo, mqttv3.1, mqtt\r\n", ""));
    assert!(
        none.starts_with("HTTP/1.1 101 ") && !none.contains("Protocol:"),
        "{none}"
    );
}

#[test]
fn bad_handshakes_get_http_answers() {
    let status = |request: &str| answer_to(request).lines().next().unwrap_or("").to_owned();
    let without = |from: &str, to: &str| status(&REQUEST.replace(from, to));
    assert_eq!(without("foo, mqttv3.1, mqtt", "foo"), "HTTP/1.1 400 Bad Request");
    assert_eq!(
        without("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        "HTTP/1.1 400 Bad Request"
    );
    assert_eq!(
        without("Version: 13", "Version: 8"),
        "HTTP/1.1 426 Upgrade Required"
    );
    assert_eq!(
        without("Upgrade: websocket\r\n", ""),
        "HTTP/1.1 426 Upgrade Required"
    );
    assert_eq!(without("GET", "POST"), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(without("Host: h", "Host h"), "HTTP/1.1 400 Bad Request");
    assert_eq!(status("\x10\x0c\0\x04MQTT"), "HTTP/1.1 400 Bad Request");
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9000));
    assert_eq!(status(&long), "HTTP/1.1 431 Request Header Fields Too Large");
    let many = REQUEST.replace("Host: h\r\n", &"X: y\r\n".repeat(100));
    assert_eq!(status(&many), "HTTP/1.1 431 Request Header Fields Too Large");
}

#[test]
fn pieces_of_any_size_give_the_same_bytes() {
    let long: Vec<u8> = (0..700u32).map(|i| i as u8).collect();
    let mut input = REQUEST.as_bytes().to_vec();
    for part in [
        frame(0x02, b"CON"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, b"NECT"),
        frame(0x8A, b"unasked"),
        frame(0x82, b""),
        frame(0x82, &long),
        frame(0x88, &1001u16.to_be_bytes()),
        frame(0x82, b"void"),
    ] {
        input.extend(part);
    }
    let expected = [b"CONNECT".as_slice(), &long].concat();
    for step in [1, 2, 3, 7, 64, 1000, usize::MAX] {
        for size in [1, 5, 17, 4096] {
            let mut ws = WebSocket::new(WebSocketLimits::default(), 1000);
            let mut wire = Wire::new(input.clone(), step);
            let (all, end) = drain(&mut ws, &mut wire, size);
            assert_eq!(all, expected, "step {step}, size {size}");
            assert_eq!(end.unwrap(), 0);
            let tail = [b"\x8a\x04ping".as_slice(), &[0x88, 2, 0x03, 0xE9]].concat();
            // When all comes at once the Close overtakes the pong, which the RFC allows.
            assert!(
                wire.output.ends_with(&tail) || wire.output.ends_with(&tail[6..]),
                "step {step}, size {size}"
            );
            assert_eq!(ws.request.as_ref().unwrap().path.as_ref(), "/mqtt");
        }
    }
}

#[test]
fn broken_rules_have_their_close_codes() {
    let length = |bytes: &[u8]| [&[0x82, 0xFF], bytes, &[1, 2, 3, 4]].concat();
    assert_eq!(close_code(&frame(0x81, b"text")), 1003);
    assert_eq!(close_code(&[0x82, 0x01, b'x']), 1002, "unmasked");
    assert_eq!(close_code(&frame(0xC2, b"x")), 1002, "reserved bit");
    assert_eq!(close_code(&frame(0x83, b"x")), 1002, "reserved opcode");
    assert_eq!(close_code(&frame(0x8B, b"x")), 1002, "reserved opcode");
    assert_eq!(close_code(&frame(0x80, b"x")), 1002, "nothing to continue");
    assert_eq!(
        close_code(&[frame(0x02, b"x"), frame(0x82, b"x")].concat()),
        1002,
        "start inside a message"
    );
    assert_eq!(close_code(&frame(0x09, b"x")), 1002, "ping in fragments");
    assert_eq!(close_code(&frame(0x89, &[0; 126])), 1002, "long ping");
    assert_eq!(
        close_code(&length(&[0x80, 0, 0, 0, 0, 0, 0, 0])),
        1002,
        "length with its top bit set"
    );
    assert_eq!(
        close_code(&length(&[0x7F, 255, 255, 255, 255, 255, 255, 255])),
        1009
    );
    assert_eq!(close_code(&frame(0x88, &[3])), 1002);
    assert_eq!(close_code(&frame(0x88, &1005u16.to_be_bytes())), 1002);
    assert_eq!(
        close_code(&frame(0x88, &[0x03, 0xE8, 0xFF])),
        1002,
        "reason is not UTF-8"
    );
}

#[test]
fn the_limit_counts_all_fragments_of_a_message_and_no_more() {
    let limits = WebSocketLimits {
        max_message: 10,
        ..WebSocketLimits::default()
    };
    let mut ws = WebSocket::new(limits, 1000);
    let ten = [frame(0x02, b"12345"), frame(0x80, b"67890")].concat();
    let input = [
        REQUEST.as_bytes(),
        &ten,
        &ten,
        &frame(0x02, b"12345"),
        &frame(0x80, b"678901"),
    ]
    .concat();
    let mut wire = Wire::new(input, usize::MAX);
    let (all, end) = drain(&mut ws, &mut wire, 4096);
    assert_eq!(all, b"1234567890123456789012345");
    assert_eq!(
        end.unwrap_err().to_string(),
        "WebSocket message is longer than allowed here"
    );
}

#[test]
fn pings_of_a_peer_that_does_not_read_make_nothing_grow() {
    let (mut ws, mut wire) = open();
    wire.room = 0;
    wire.input = frame(0x89, b"ping").repeat(10_000);
    wire.input.extend(frame(0x89, b"last"));
    let _ = drain(&mut ws, &mut wire, 50);
    assert!(ws.buffered() < 20, "{}", ws.buffered());
    assert!(ws.wants_write());
    wire.room = usize::MAX;
    ws.push(&mut wire).unwrap();
    assert!(wire.output.ends_with(b"\x8a\x04last"));
    assert!(!ws.wants_write());
}

#[test]
fn a_frame_that_the_wire_cuts_is_finished_first() {
    let (mut ws, mut wire) = open();
    wire.room = 3;
    let bufs = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
    assert_eq!(
        ws.write(&mut wire, &bufs).unwrap(),
        11,
        "the header has promised it"
    );
    assert_eq!(
        ws.write(&mut wire, &bufs).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    assert_eq!(ws.buffered(), 10);
    wire.room = usize::MAX;
    assert_eq!(ws.write(&mut wire, &bufs[..1]).unwrap(), 6);
    ws.push(&mut wire).unwrap();
    assert_eq!(wire.output, b"\x82\x0bhello world\x82\x06hello ");
    assert_eq!(
        ws.write(&mut wire, &[IoSlice::new(&[0; 5000])]).unwrap(),
        1000,
        "as much as may have to wait"
    );
    assert_eq!(ws.write(&mut wire, &[]).unwrap(), 0);
}

#[test]
fn nothing_is_written_before_the_handshake_or_after_the_end() {
    let mut ws = WebSocket::new(WebSocketLimits::default(), 1000);
    let mut wire = Wire::new(Vec::new(), 1);
    let bufs = [IoSlice::new(b"x")];
    assert_eq!(
        ws.write(&mut wire, &bufs).unwrap_err().kind(),
        io::ErrorKind::NotConnected
    );
    ws.close();
    ws.push(&mut wire).unwrap();
    assert!(
        wire.output.is_empty(),
        "no frames to a peer that does not speak WebSocket yet"
    );
    let (mut ws, mut wire) = open();
    ws.close();
    assert_eq!(
        ws.write(&mut wire, &bufs).unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
    ws.push(&mut wire).unwrap();
    assert_eq!(wire.output, [0x88, 2, 0x03, 0xE8]);
}
