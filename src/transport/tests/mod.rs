//! Real sockets on loopback: the server's side is an [`Io`] on a current-thread runtime, the client's side a blocking
//! client of another make (std, rustls's own stream, tungstenite) on a thread of its own.

mod backpressure;
mod moving;
mod plain;
mod shutdown;
mod tls;
mod web_socket;

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream as StdTcpStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::net::TcpListener;
use tungstenite::{WebSocket, client::IntoClientRequest};

use super::tls::server_config;
use super::{Acceptor, Io, Limits, ListenerKind};
use crate::config::tls::TlsSettings;

pub const KINDS: [ListenerKind; 4] = [
    ListenerKind::Tcp,
    ListenerKind::Tls,
    ListenerKind::WebSocket,
    ListenerKind::SecureWebSocket,
];

pub trait Duplex: Read + Write + Send {
    fn tcp(&self) -> &StdTcpStream;
}
impl Duplex for StdTcpStream {
    fn tcp(&self) -> &StdTcpStream {
        self
    }
}
impl Duplex for StreamOwned<ClientConnection, StdTcpStream> {
    fn tcp(&self) -> &StdTcpStream {
        &self.sock
    }
}
impl Duplex for Box<dyn Duplex> {
    fn tcp(&self) -> &StdTcpStream {
        (**self).tcp()
    }
}

/// A byte stream over a tungstenite client, each `write` one binary message.
pub struct WsStream {
    pub ws: WebSocket<Box<dyn Duplex>>,
    rest: Vec<u8>,
}
impl Read for WsStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.ws.read() {
                Ok(tungstenite::Message::Binary(data)) => self.rest = data.to_vec(),
                Ok(tungstenite::Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => {
                    return Ok(0);
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let n = buf.len().min(self.rest.len());
        buf[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}
impl Write for WsStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.ws
            .send(tungstenite::Message::binary(buf.to_vec()))
            .map_err(io::Error::other)?;
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
impl Duplex for WsStream {
    fn tcp(&self) -> &StdTcpStream {
        self.ws.get_ref().tcp()
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), future)
            .await
            .expect("test hangs")
    })
}

/// A server for `kind` with the demo certificate in `data`.
pub fn acceptor(kind: ListenerKind, data: &Path, limits: Limits) -> Acceptor {
    let tls = |alpn: &[&str]| server_config(&TlsSettings::default(), data, alpn, &Arc::default()).unwrap();
    match kind {
        ListenerKind::Tcp => Acceptor::tcp(),
        ListenerKind::Unix => Acceptor::unix(),
        ListenerKind::Tls => Acceptor::tls(tls(&["mqtt"]), limits),
        ListenerKind::WebSocket => Acceptor::web_socket(limits),
        ListenerKind::SecureWebSocket => Acceptor::secure_web_socket(tls(&["http/1.1"]), limits),
    }
}

/// Connects a TCP client to `acceptor` and runs `client` on it in a thread.
pub async fn serve<T: Send + 'static>(
    acceptor: &Acceptor,
    client: impl FnOnce(StdTcpStream) -> T + Send + 'static,
) -> (Io, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let stream = StdTcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        client(stream)
    });
    let (stream, from) = listener.accept().await.unwrap();
    (acceptor.accept_tcp(stream, from).unwrap(), client)
}

/// The client's half of `kind`: a byte stream.
pub fn dial(kind: ListenerKind, data: &Path, stream: StdTcpStream) -> Box<dyn Duplex> {
    match kind {
        ListenerKind::Tcp | ListenerKind::Unix => Box::new(stream),
        ListenerKind::Tls => Box::new(tls_client(data, stream, None, &["mqtt"])),
        ListenerKind::WebSocket => Box::new(ws_client(Box::new(stream))),
        ListenerKind::SecureWebSocket => {
            Box::new(ws_client(Box::new(tls_client(data, stream, None, &["http/1.1"]))))
        }
    }
}

/// A rustls client that trusts the demo certificate under `data`.
pub fn tls_client(
    data: &Path,
    stream: StdTcpStream,
    certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    alpn: &[&str],
) -> StreamOwned<ClientConnection, StdTcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(data.join("tls/demo-cert.pem")).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        Some((cert, key)) => builder.with_client_auth_cert(vec![cert], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, stream)
}

pub fn ws_client(stream: Box<dyn Duplex>) -> WsStream {
    let mut request = "ws://localhost:8083/mqtt?x=1".into_client_request().unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
    let (ws, response) = tungstenite::client(request, stream)
        .map_err(|error| error.to_string())
        .unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
    WsStream { ws, rest: Vec::new() }
}

pub async fn read(io: &mut Io, buf: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| io.poll_read(cx, buf)).await
}

/// Reads exactly `length` bytes, through a buffer of `step`.
pub async fn read_exactly(io: &mut Io, length: usize, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = vec![0; step];
    while all.len() < length {
        let want = step.min(length - all.len());
        let n = read(io, &mut buf[..want]).await.unwrap();
        assert!(n > 0, "ended after {} of {length}", all.len());
        all.extend_from_slice(&buf[..n]);
    }
    all
}

pub async fn write_all(io: &mut Io, mut data: &[u8]) {
    while !data.is_empty() {
        match io.try_write(&[IoSlice::new(data)]) {
            Ok(n) => data = &data[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|cx| io.poll_write_ready(cx)).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    poll_fn(|cx| io.poll_flush_buffered(cx)).await.unwrap();
}

/// Bytes that tell their place, so that a lost or doubled one shows.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
