//! The HTTP request that opens a WebSocket, and its answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use super::failure::Failure;

/// RFC 6455 section 1.3: proves that the server understood the request as WebSocket.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Headers of one request; browsers behind a few proxies send about twenty.
const MAX_HEADERS: usize = 64;

/// The subprotocols of MQTT, best first: of MQTT 3.1.1 and 5.0 [MQTT-6.0.0-4], and what 3.1 clients send.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// What a client asked for in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The `Host` header.
    pub host: Option<Box<str>>,
    /// Path and query, as sent.
    pub path: Box<str>,
    /// The subprotocol agreed on, if the client offered any.
    pub subprotocol: Option<&'static str>,
}

/// A request on its way in.
#[derive(Debug)]
pub(super) struct Handshake {
    head: Vec<u8>,
    limit: usize,
}

/// What a piece of the request leads to.
#[derive(Debug)]
pub(super) enum Progress {
    More,
    /// The connection is open; the first `used` bytes of the piece belonged to the request.
    Accepted {
        request: Box<Request>,
        answer: String,
        used: usize,
    },
    Refused(Failure),
}

impl Handshake {
    pub fn new(limit: usize) -> Self {
        Self {
            head: Vec::new(),
            limit,
        }
    }

    /// Takes the next piece of the request.
    pub fn take_in(&mut self, piece: &[u8]) -> Progress {
        // The end of the headers may lie across pieces: look three bytes back, and only there, or a request that
        // comes byte by byte would be searched thousands of times.
        let before = self.head.len();
        let seen = before.saturating_sub(3);
        let fits = piece.get(..self.limit.saturating_sub(before)).unwrap_or(piece);
        self.head.extend_from_slice(fits);

        // Anything but HTTP (MQTT or TLS on the wrong port) is told so at once, not at a timeout.
        if !self.head.first().is_some_and(u8::is_ascii_alphabetic) {
            return Progress::Refused(Failure::NotHttp);
        }
        let end = self
            .head
            .get(seen..)
            .and_then(|new| new.windows(4).position(|four| four == b"\r\n\r\n"));
        match end {
            Some(end) => {
                let end = seen + end + 4;
                match answer(self.head.get(..end).unwrap_or_default()) {
                    Ok((request, answer)) => Progress::Accepted {
                        request: Box::new(request),
                        answer,
                        used: end - before,
                    },
                    Err(failure) => Progress::Refused(failure),
                }
            }
            None if self.head.len() >= self.limit => Progress::Refused(Failure::RequestTooLarge),
            None => Progress::More,
        }
    }
}

/// Judges a whole request and words the answer.
fn answer(head: &[u8]) -> Result<(Request, String), Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut http = httparse::Request::new(&mut headers);
    match http.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Failure::RequestTooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Failure::BadHttp),
    }
    if http.method != Some("GET") {
        return Err(Failure::Method);
    }
    let headers = Headers(http.headers);
    if http.version != Some(1)
        || !headers.has("upgrade", "websocket")
        || !headers.has("connection", "upgrade")
    {
        return Err(Failure::NoUpgrade);
    }
    if !headers.has("sec-websocket-version", "13") {
        return Err(Failure::Version);
    }
    let key = headers
        .first("sec-websocket-key")
        .filter(|key| is_key(key))
        .ok_or(Failure::Key)?;

    let offered = || headers.list("sec-websocket-protocol");
    let subprotocol = SUBPROTOCOLS
        .into_iter()
        .find(|ours| offered().any(|theirs| theirs == *ours));
    // A client that offers none is let in without: it is lax, not mistaken. One that offers only others would
    // not understand what we speak [MQTT-6.0.0-3].
    if subprotocol.is_none() && offered().next().is_some() {
        return Err(Failure::Subprotocol);
    }
    let accept = BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(name) = subprotocol {
        answer.push_str("Sec-WebSocket-Protocol: ");
        answer.push_str(name);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n");
    let request = Request {
        host: headers.first("host").map(Into::into),
        path: http.path.unwrap_or("/").into(),
        subprotocol,
    };
    Ok((request, answer))
}

/// Sixteen bytes in base64.
fn is_key(key: &str) -> bool {
    BASE64.decode(key).is_ok_and(|key| key.len() == 16)
}

struct Headers<'a, 'b>(&'a [httparse::Header<'b>]);

impl<'b> Headers<'_, 'b> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'b str> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .filter_map(|header| std::str::from_utf8(header.value).ok().map(str::trim))
    }

    fn first(&self, name: &str) -> Option<&'b str> {
        self.all(name).next()
    }

    /// The items of a list that may be spread over several headers of the name.
    fn list(&self, name: &str) -> impl Iterator<Item = &'b str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
    }

    fn has(&self, name: &str, item: &str) -> bool {
        self.list(name).any(|one| one.eq_ignore_ascii_case(item))
    }
}
