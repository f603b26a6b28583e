//! TLS on a non-blocking byte stream: rustls driven by hand.
//!
//! tokio-rustls ties a session to a stream of one runtime; here the session is plain data, so that it can move.

mod authorities;
pub mod certificate;
mod config;
mod demo;
mod verifier;

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::{ServerConfig, ServerConnection};
use smallvec::SmallVec;

pub use authorities::{Authorities, Authority, Trusted};
pub use config::{TlsError, server_config};

use super::peer::Details;

/// What the sessions of a listener have in common. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// Who vouches for clients, where they may show a certificate.
    authorities: Option<Arc<Authorities>>,
}

/// The server's side of one TLS session.
#[derive(Debug)]
pub struct Tls {
    connection: ServerConnection,
    /// To be asked once more when the handshake is through.
    authorities: Option<Arc<Authorities>>,
    /// Why the session is over, when the peer broke the rules.
    failed: Option<Box<str>>,
    closed: bool,
}

impl Tls {
    /// A session before its handshake, which happens in [`Tls::read`]. At most `write_buffer` bytes of records wait
    /// for the socket.
    ///
    /// # Errors
    /// When rustls finds the configuration unusable.
    pub fn new(tls: &ServerTls, write_buffer: usize) -> io::Result<Self> {
        let mut connection = ServerConnection::new(tls.config.clone()).map_err(io::Error::other)?;
        connection.set_buffer_limit(Some(write_buffer.max(1)));
        Ok(Self {
            connection,
            authorities: tls.authorities.clone(),
            failed: None,
            closed: false,
        })
    }

    /// Reads plaintext; `Ok(0)` is the end.
    ///
    /// # Errors
    /// `WouldBlock`, `InvalidData` when the peer breaks the rules (the alert is sent already), errors of the wire.
    pub fn read<S: Read + Write>(&mut self, wire: &mut S, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            let rest = buf.get_mut(filled..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(filled);
            }
            match self.connection.reader().read(rest) {
                // close_notify, or the end without one: MQTT's packets know their own length, and to MQTT both
                // are the end of a connection without DISCONNECT.
                Ok(0) => return Ok(filled),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(filled),
                Ok(n) => {
                    filled += n;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match self.pull(wire) {
                Ok(()) => {}
                // What was read before the error goes out first; the error comes again.
                Err(_) if filled > 0 => return Ok(filled),
                Err(error) => return Err(error),
            }
        }
    }

    /// One read from the wire, and what follows from it.
    fn pull<S: Read + Write>(&mut self, wire: &mut S) -> io::Result<()> {
        if let Some(reason) = &self.failed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason.as_ref()));
        }
        self.connection.read_tls(wire)?;
        if let Err(error) = self.connection.process_new_packets() {
            let when = if self.connection.is_handshaking() {
                "TLS handshake failed"
            } else {
                "TLS error"
            };
            self.failed = Some(format!("{when}: {error}").into());
        }
        match self.push(wire) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // The peer may have hung up while its last words are still here to be read.
            Err(_) if self.failed.is_some() => Ok(()),
            pushed => pushed,
        }
    }

    /// Takes plaintext, as much as the wire and the buffer have room for.
    ///
    /// # Errors
    /// `WouldBlock` when nothing could be taken; errors of the wire.
    pub fn write<W: Write>(&mut self, wire: &mut W, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bufs: SmallVec<[IoSlice<'_>; 16]> = bufs.iter().copied().collect();
        let mut rest = bufs.as_mut_slice();
        let mut taken = 0;
        loop {
            let n = self.connection.writer().write_vectored(rest)?;
            taken += n;
            IoSlice::advance_slices(&mut rest, n);
            let full = match self.push(wire) {
                Ok(()) => false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
                Err(error) => return Err(error),
            };
            if rest.iter().all(|buf| buf.is_empty()) {
                return Ok(taken);
            }
            if full || n == 0 {
                return if taken > 0 {
                    Ok(taken)
                } else {
                    Err(io::ErrorKind::WouldBlock.into())
                };
            }
        }
    }

    /// Pushes records to the wire until none is left.
    ///
    /// # Errors
    /// `WouldBlock` when some are left; errors of the wire.
    pub fn push<W: Write>(&mut self, wire: &mut W) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(wire)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Whether records wait for the wire.
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Queues close_notify, once.
    pub fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.connection.send_close_notify();
        }
    }

    /// Whether the handshake is through.
    pub(super) fn established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// What the handshake has found out about the client.
    pub(super) fn describe(&mut self, details: &mut Details) {
        details.server_name = self.connection.server_name().map(Into::into);
        details.alpn = self
            .connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into());
        let authorities = self.authorities.take();
        let chain = self.connection.peer_certificates();
        let Some((own, others)) = chain.and_then(<[_]>::split_first) else {
            return;
        };
        let mut facts = certificate::facts(own);
        if let Some(authorities) = authorities {
            // rustls keeps a verdict, not a reason. Asking again costs a fraction of the handshake, and nothing to keep.
            let who = authorities.who_vouches(own, others, UnixTime::now());
            facts.authorities = who.unwrap_or_default();
        }
        details.certificate = Some(facts);
    }

    /// The certificate that the client has shown, as it was sent.
    pub(super) fn certificate(&self) -> Option<&[u8]> {
        let own = self.connection.peer_certificates()?.first()?;
        Some(own)
    }
}

/// The plaintext stream of a TLS session over a wire, for the layer above.
pub(super) struct Over<'a, S> {
    pub tls: &'a mut Tls,
    pub wire: &'a mut S,
}

impl<S: Read + Write> Read for Over<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.tls.read(self.wire, buf)
    }
}

impl<S: Write> Write for Over<'_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.tls.write(self.wire, &[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tls.write(self.wire, bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tls.push(self.wire)
    }
}
