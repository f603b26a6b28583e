//! What a WebSocket peer can do wrong, and what it is told.

/// Why a connection is refused or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("not HTTP: a WebSocket connection starts with an HTTP GET request")]
    NotHttp,
    #[error("the HTTP request is malformed")]
    BadHttp,
    #[error("the HTTP request is too large")]
    RequestTooLarge,
    #[error("only GET is served here")]
    Method,
    #[error("not a WebSocket handshake: `Upgrade: websocket` is missing")]
    NoUpgrade,
    #[error("only version 13 of WebSocket is spoken here")]
    Version,
    #[error("Sec-WebSocket-Key is missing or malformed")]
    Key,
    #[error("none of the subprotocols offered is spoken here: offer `mqtt`")]
    Subprotocol,
    #[error("WebSocket text frame: MQTT needs binary frames")]
    TextFrame,
    #[error("WebSocket frame of a client is not masked")]
    Unmasked,
    #[error("WebSocket frame with reserved bits set")]
    ReservedBits,
    #[error("WebSocket frame with an unknown opcode")]
    Opcode,
    #[error("WebSocket control frame is fragmented or too long")]
    Control,
    #[error("WebSocket continuation frame without a start, or a start inside a fragmented message")]
    Continuation,
    #[error("WebSocket frame with an impossible length")]
    Length,
    #[error("WebSocket message is longer than allowed here")]
    TooLong,
    #[error("WebSocket Close frame is malformed")]
    Close,
}

impl Failure {
    /// The status code of the Close frame that names it.
    pub fn close_code(self) -> u16 {
        match self {
            // [MQTT-6.0.0-1] wants the connection closed; RFC 6455 7.4.1 has 1003 for data of the wrong type.
            Failure::TextFrame => 1003,
            Failure::TooLong => 1009,
            _ => 1002,
        }
    }

    /// The HTTP answer that names it, when the handshake fails. Somebody who opens the port in a browser reads it.
    pub fn http_answer(self) -> String {
        let (status, header) = match self {
            Failure::RequestTooLarge => ("431 Request Header Fields Too Large", ""),
            Failure::Method => ("405 Method Not Allowed", "Allow: GET\r\n"),
            Failure::NoUpgrade | Failure::Version => (
                "426 Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            _ => ("400 Bad Request", ""),
        };
        let connection = if header.starts_with("Upgrade") {
            "Upgrade, close"
        } else {
            "close"
        };
        let body = format!("{self}.\nThis port speaks MQTT over WebSocket, subprotocol `mqtt`.\n");
        format!(
            "HTTP/1.1 {status}\r\n{header}Connection: {connection}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}
