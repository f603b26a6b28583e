//! Any bytes as what a WebSocket peer sends, handshake and frames, in pieces of any size over a wire that takes any
//! part of the answers.
//!
//! First byte: 1 puts a good handshake in front. Next three: bytes a read brings, size of the reader's buffer, bytes
//! the wire takes at a time. All the rest is the peer's.
#![no_main]

use std::io::{self, IoSlice, Read, Write};

use dunlin::transport::websocket::{WebSocket, WebSocketLimits};
use libfuzzer_sys::fuzz_target;

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const LIMITS: WebSocketLimits = WebSocketLimits { max_message: 4096, max_request: 1024 };
const WRITE_BUFFER: usize = 64;

struct Wire<'a> {
    input: &'a [u8],
    step: usize,
    output: Vec<u8>,
    take: usize,
    full: bool,
}

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.step).min(self.input.len());
        let (now, later) = self.input.split_at(n);
        buf[..n].copy_from_slice(now);
        self.input = later;
        Ok(n)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // Full every other time.
        self.full = !self.full;
        if self.full {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = buf.len().min(self.take);
        self.output.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads to the end; returns the payload, and how it ended.
fn run(input: &[u8], step: usize, size: usize, take: usize, write: bool) -> (Vec<u8>, Option<String>) {
    let mut ws = WebSocket::new(LIMITS, WRITE_BUFFER);
    let mut wire = Wire { input, step, output: Vec::new(), take, full: false };
    let mut buf = vec![0; size];
    let mut all = Vec::new();
    let end = loop {
        match ws.read(&mut wire, &mut buf) {
            Ok(0) => break None,
            Ok(n) => all.extend_from_slice(&buf[..n]),
            Err(error) => break Some(error.to_string()),
        }
        if write {
            let _ = ws.write(&mut wire, &[IoSlice::new(b"\xd0\x00"), IoSlice::new(&[0; 100])]);
        }
        // An HTTP answer, or one frame with what the peer may add: a pong and a Close.
        assert!(ws.buffered() <= 512 + WRITE_BUFFER + 16 + 2 * 127);
    };
    assert!(all.len() <= input.len());
    ws.close();
    for _ in 0..4096 {
        if ws.push(&mut wire).is_ok() {
            break;
        }
    }
    assert!(!ws.wants_write());
    (all, end)
}

fuzz_target!(|data: &[u8]| {
    let [handshake, step, size, take, peer @ ..] = data else { return };
    let at_least_one = |byte: u8| usize::from(byte).max(1);
    let input = if *handshake == 1 { [REQUEST, peer].concat() } else { peer.to_vec() };
    let pieces = run(&input, at_least_one(*step), at_least_one(*size), at_least_one(*take), true);
    // The pieces must not matter.
    let whole = run(&input, usize::MAX, 1 << 16, usize::MAX, false);
    assert_eq!(pieces, whole);
});
