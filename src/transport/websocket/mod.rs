//! The server's side of WebSocket (RFC 6455) on a non-blocking byte stream.
//!
//! MQTT over WebSocket is a byte stream cut into binary frames anywhere [MQTT-6.0.0-2], so frames are undone in the
//! caller's own buffer as their bytes come in: no message is ever collected, whatever length its frame claims.
//! That is why no WebSocket library is used: those at hand collect messages, and reserve what a header claims.

mod decoder;
mod failure;
mod frame;
mod handshake;

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, Read, Write};

use smallvec::SmallVec;

use decoder::{Decoder, End};
use frame::{Opcode, OutBuffer};
pub use handshake::Request;
use handshake::{Handshake, Progress};

/// Bounds of what a WebSocket peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketLimits {
    /// Bytes of one message, over all its frames. Nothing is reserved for it; it has to admit the largest MQTT packet.
    pub max_message: u64,
    /// Bytes of the HTTP request that opens the connection.
    pub max_request: usize,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            max_message: 2 * 1024 * 1024,
            max_request: 8 * 1024,
        }
    }
}

/// The server's side of one WebSocket connection.
#[derive(Debug)]
pub struct WebSocket {
    /// None once the connection is open.
    handshake: Option<Box<Handshake>>,
    /// What the client asked for, until somebody takes it.
    request: Option<Box<Request>>,
    decoder: Decoder,
    out: OutBuffer,
    /// Most bytes of a frame that may have to wait in `out`.
    write_buffer: usize,
    /// The latest ping that is not answered, while `out` is not empty. Only the latest needs an answer, so a peer that
    /// pings and does not read makes nothing grow.
    pong: Option<Box<[u8]>>,
    close_sent: bool,
    end: Option<End>,
}

impl WebSocket {
    /// A connection before its handshake, which happens in [`WebSocket::read`]. At most `write_buffer` bytes of a
    /// frame wait for the wire.
    pub fn new(limits: WebSocketLimits, write_buffer: usize) -> Self {
        Self {
            handshake: Some(Box::new(Handshake::new(limits.max_request))),
            request: None,
            decoder: Decoder::new(limits.max_message),
            out: OutBuffer::default(),
            write_buffer: write_buffer.max(1),
            pong: None,
            close_sent: false,
            end: None,
        }
    }

    /// Reads the payloads of binary frames; `Ok(0)` is the end. `buf` must not be empty.
    ///
    /// # Errors
    /// `WouldBlock`, `InvalidData` when the peer breaks the rules (the answer is on its way already), errors of the
    /// wire.
    pub fn read<S: Read + Write>(&mut self, wire: &mut S, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match &self.end {
                Some(End::Closed(_)) => return Ok(0),
                Some(End::Failed(failure)) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, *failure));
                }
                None => {}
            }
            let n = wire.read(buf)?;
            let raw = buf.get_mut(..n).unwrap_or_default();
            if raw.is_empty() {
                return Ok(0);
            }
            let data = self.take_in(raw);
            match self.push(wire) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The peer may have hung up while its last words are still here to be read.
                Err(_) if data > 0 || self.end.is_some() => {}
                pushed => pushed?,
            }
            if data > 0 {
                return Ok(data);
            }
        }
    }

    /// Undoes what came from the wire, in place: returns how many bytes of payload are now at the start of `raw`.
    fn take_in(&mut self, raw: &mut [u8]) -> usize {
        let mut length = raw.len();
        if let Some(handshake) = &mut self.handshake {
            match handshake.take_in(raw) {
                Progress::More => return 0,
                Progress::Accepted {
                    request,
                    answer,
                    used,
                } => {
                    self.out.extend(answer.as_bytes());
                    self.request = Some(request);
                    self.handshake = None;
                    raw.copy_within(used.., 0);
                    length -= used;
                }
                Progress::Refused(failure) => {
                    self.out.extend(failure.http_answer().as_bytes());
                    // No Close frame follows: this peer does not speak WebSocket.
                    self.close_sent = true;
                    self.end = Some(End::Failed(failure));
                    return 0;
                }
            }
        }
        let (data, end) = self.decoder.decode(raw.get_mut(..length).unwrap_or_default());
        if let Some(ping) = self.decoder.take_ping() {
            self.pong = Some(ping);
        }
        if let Some(end) = end {
            self.send_close(end.close_code());
            self.end = Some(end);
        }
        data
    }

    /// Makes one binary frame of as much of `bufs` as may wait here, and writes it.
    ///
    /// # Errors
    /// `WouldBlock` when nothing could be taken; `NotConnected` before the handshake is through; `BrokenPipe` after a
    /// Close frame; errors of the wire.
    pub fn write<W: Write>(&mut self, wire: &mut W, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.close_sent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.handshake.is_some() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // `WouldBlock` here: the rest of the frame before comes first.
        self.push(wire)?;

        let offered = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        let length = offered.min(self.write_buffer);
        if length == 0 {
            return Ok(0);
        }
        let header = frame::header(Opcode::Binary, length);
        let mut pieces: SmallVec<[&[u8]; 16]> = SmallVec::with_capacity(bufs.len() + 1);
        pieces.push(&header);
        let mut room = length;
        for buf in bufs {
            let piece = buf.get(..room).unwrap_or(buf);
            room -= piece.len();
            pieces.push(piece);
        }
        let slices: SmallVec<[IoSlice<'_>; 16]> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut written = wire.write_vectored(&slices)?;
        // The header has promised all of `length`, so what the wire did not take has to stay here.
        for piece in pieces {
            match piece.get(written..) {
                Some(rest) => {
                    self.out.extend(rest);
                    written = 0;
                }
                None => written -= piece.len(),
            }
        }
        Ok(length)
    }

    /// Pushes what waits to the wire until nothing is left.
    ///
    /// # Errors
    /// `WouldBlock` when something is left; errors of the wire.
    pub fn push<W: Write>(&mut self, wire: &mut W) -> io::Result<()> {
        self.out.push(wire)?;
        if let Some(ping) = self.pong.take()
            && !self.close_sent
        {
            self.out.frame(Opcode::Pong, &ping);
            self.out.push(wire)?;
        }
        Ok(())
    }

    /// Whether something waits for the wire.
    pub fn wants_write(&self) -> bool {
        !self.out.is_empty() || (self.pong.is_some() && !self.close_sent)
    }

    /// Queues a Close frame, once: the server is done.
    pub fn close(&mut self) {
        if self.handshake.is_some() {
            self.close_sent = true;
        }
        self.send_close(Some(1000));
    }

    /// What the client asked for in the handshake, once.
    pub fn take_request(&mut self) -> Option<Box<Request>> {
        self.request.take()
    }

    /// Bytes that wait for the wire.
    pub fn buffered(&self) -> usize {
        self.out.len()
    }

    fn send_close(&mut self, code: Option<u16>) {
        if !self.close_sent {
            self.close_sent = true;
            match code {
                Some(code) => self.out.frame(Opcode::Close, &code.to_be_bytes()),
                None => self.out.frame(Opcode::Close, &[]),
            }
        }
    }
}
