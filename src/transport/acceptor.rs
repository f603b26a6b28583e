//! Turns accepted sockets into [`Io`]s: what a listener knows and its connections need.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, UnixStream};

use super::io::{Io, Layers};
use super::peer::{ListenerKind, Peer, PeerAddress};
use super::socket::Socket;
use super::tls::{ServerTls, Tls};
use super::websocket::{WebSocket, WebSocketLimits};

/// What one connection may make the transport hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of TLS records, and of WebSocket frames, that may wait for the socket. Plain sockets buffer nothing.
    pub write_buffer: usize,
    /// Bounds of WebSocket.
    pub web_socket: WebSocketLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            write_buffer: 64 * 1024,
            web_socket: WebSocketLimits::default(),
        }
    }
}

/// Makes the connections of one listener. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Acceptor {
    kind: ListenerKind,
    tls: Option<ServerTls>,
    limits: Limits,
}

impl Acceptor {
    /// For MQTT straight over TCP.
    pub fn tcp() -> Self {
        Self {
            kind: ListenerKind::Tcp,
            tls: None,
            limits: Limits::default(),
        }
    }

    /// For MQTT straight over a Unix socket.
    pub fn unix() -> Self {
        Self {
            kind: ListenerKind::Unix,
            tls: None,
            limits: Limits::default(),
        }
    }

    /// For MQTT over TLS.
    pub fn tls(tls: ServerTls, limits: Limits) -> Self {
        Self {
            kind: ListenerKind::Tls,
            tls: Some(tls),
            limits,
        }
    }

    /// For MQTT over WebSocket.
    pub fn web_socket(limits: Limits) -> Self {
        Self {
            kind: ListenerKind::WebSocket,
            tls: None,
            limits,
        }
    }

    /// For MQTT over WebSocket over TLS.
    pub fn secure_web_socket(tls: ServerTls, limits: Limits) -> Self {
        Self {
            kind: ListenerKind::SecureWebSocket,
            tls: Some(tls),
            limits,
        }
    }

    /// The kind of listener this is for.
    pub fn kind(&self) -> ListenerKind {
        self.kind
    }

    /// Wraps an accepted TCP connection. Handshakes follow in [`Io::poll_read`].
    pub fn accept_tcp(&self, stream: TcpStream, address: SocketAddr) -> io::Result<Io> {
        // Writes are coalesced by their callers, so Nagle could only add a delay.
        stream.set_nodelay(true)?;
        self.accept(Socket::tcp(stream), address.into())
    }

    /// Wraps an accepted connection of a Unix socket.
    pub fn accept_unix(&self, stream: UnixStream) -> io::Result<Io> {
        self.accept(Socket::unix(stream), PeerAddress::Unix)
    }

    fn accept(&self, socket: Socket, address: PeerAddress) -> io::Result<Io> {
        let tls = match &self.tls {
            Some(tls) => Some(Tls::new(tls, self.limits.write_buffer)?),
            None => None,
        };
        let web_socket = match self.kind {
            ListenerKind::WebSocket | ListenerKind::SecureWebSocket => {
                Some(WebSocket::new(self.limits.web_socket, self.limits.write_buffer))
            }
            ListenerKind::Tcp | ListenerKind::Tls | ListenerKind::Unix => None,
        };
        Ok(Io::new(
            socket,
            Layers::boxed(tls, web_socket),
            Peer::new(address, self.kind),
        ))
    }
}
