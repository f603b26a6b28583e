//! Who is at the other end, and how they came in.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::tls::Authority;

/// What hooks and logs may know about the other end of a connection.
///
/// Kept small, because every idle connection has one: what only TLS and WebSocket know is boxed.
#[derive(Debug, Clone)]
pub struct Peer {
    address: PeerAddress,
    listener: ListenerKind,
    details: Option<Box<Details>>,
}

/// What TLS and WebSocket add.
#[derive(Debug, Clone, Default)]
pub(super) struct Details {
    pub certificate: Option<ClientCertificate>,
    pub server_name: Option<Box<str>>,
    pub alpn: Option<Box<str>>,
    pub host: Option<Box<str>>,
    pub path: Option<Box<str>>,
    pub subprotocol: Option<&'static str>,
}

impl Peer {
    pub(super) fn new(address: PeerAddress, listener: ListenerKind) -> Self {
        Self {
            address,
            listener,
            details: None,
        }
    }

    /// Where the client connects from.
    pub fn address(&self) -> PeerAddress {
        self.address
    }

    /// The kind of listener that accepted the connection.
    pub fn listener(&self) -> ListenerKind {
        self.listener
    }

    /// The certificate that the client has shown, already verified against `client_ca`.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.details.as_ref()?.certificate.as_ref()
    }

    /// The server name that the client asked for in the TLS handshake (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.details.as_ref()?.server_name.as_deref()
    }

    /// The application protocol that TLS agreed on (ALPN).
    pub fn alpn(&self) -> Option<&str> {
        self.details.as_ref()?.alpn.as_deref()
    }

    /// The `Host` header of the WebSocket handshake.
    pub fn host(&self) -> Option<&str> {
        self.details.as_ref()?.host.as_deref()
    }

    /// The path and query of the WebSocket handshake.
    pub fn path(&self) -> Option<&str> {
        self.details.as_ref()?.path.as_deref()
    }

    /// The WebSocket subprotocol agreed on: `mqtt` or `mqttv3.1`; none when the client offered none.
    pub fn subprotocol(&self) -> Option<&str> {
        self.details.as_ref()?.subprotocol
    }

    pub(super) fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}

/// Where a client connects from. Displays as `192.0.2.1:54321`, `[2001:db8::1]:54321` or `unix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// An IP address and a port. (Not a [`SocketAddr`], which is half as large again for fields nobody reads.)
    Ip {
        /// The address; one that is IPv4 mapped into IPv6 is given as IPv4.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// The other end of a Unix socket, which has no address.
    Unix,
}

impl PeerAddress {
    /// The IP address, if the client has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            PeerAddress::Ip { ip, .. } => Some(*ip),
            PeerAddress::Unix => None,
        }
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        // A listener on [::] sees 192.0.2.1 as ::ffff:192.0.2.1; policies should not have to know that.
        PeerAddress::Ip {
            ip: address.ip().to_canonical(),
            port: address.port(),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Ip { ip, port } => SocketAddr::new(*ip, *port).fmt(f),
            PeerAddress::Unix => f.write_str("unix"),
        }
    }
}

/// The kinds of listener there are. Displays as in the settings: `tcp`, `tls`, `ws`, `wss`, `unix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// MQTT straight over TCP.
    Tcp,
    /// MQTT over TLS.
    Tls,
    /// MQTT over WebSocket.
    WebSocket,
    /// MQTT over WebSocket over TLS.
    SecureWebSocket,
    /// MQTT straight over a Unix socket.
    Unix,
}

impl ListenerKind {
    /// The name used in settings, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ListenerKind::Tcp => "tcp",
            ListenerKind::Tls => "tls",
            ListenerKind::WebSocket => "ws",
            ListenerKind::SecureWebSocket => "wss",
            ListenerKind::Unix => "unix",
        }
    }
}

impl fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a policy may want to know of a verified client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Common name of the subject, if it has one.
    pub common_name: Option<String>,
    /// Subject alternative names: DNS names, e-mail addresses, URIs and IP addresses, as text, in order.
    pub alternative_names: Vec<String>,
    /// Serial number, upper-case hex without separators.
    pub serial: String,
    /// SHA-256 of the whole certificate, lower-case hex without separators.
    pub fingerprint: String,
    /// From when until when it is valid, in seconds since 1970.
    pub valid: (i64, i64),
    /// The certificates of the authority that vouches for it: one, unless it has several with one name and one key; none if
    /// it ceased to be one since the handshake.
    pub authorities: Vec<Arc<Authority>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_display_as_people_write_them() {
        let show = |text: &str| PeerAddress::from(text.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(show("192.0.2.1:80"), "192.0.2.1:80");
        assert_eq!(show("[::ffff:192.0.2.1]:80"), "192.0.2.1:80");
        assert_eq!(show("[2001:db8::1]:80"), "[2001:db8::1]:80");
        assert_eq!(PeerAddress::Unix.to_string(), "unix");
    }
}
