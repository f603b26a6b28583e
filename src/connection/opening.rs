//! The first packet: it has to be CONNECT, whole, in time and of bounded size.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use super::Refusal;
use crate::codec::{self, Connect, PacketType, ProtocolVersion, ReasonCode};
use crate::instance::SessionKey;
use crate::shard::{Admission, Place, ShardRef, Shared, Tenant};
use crate::transport::Io;

/// How much is read at a time while nobody knows who it is.
const CHUNK: usize = 2048;

/// What the first bytes come to.
pub(super) enum Opening {
    /// A CONNECT that can be looked into further.
    Whole(Box<Introduced>),
    /// One that is answered with a reason.
    Refused(Refusal),
    /// Nothing that can be answered.
    Gone(&'static str),
}

/// A CONNECT and the session it is for.
pub(super) struct Introduced {
    connect: Connect,
    pub(super) key: SessionKey,
    assigned: bool,
    behind: Vec<u8>,
}

impl Introduced {
    /// What the client understands.
    pub(super) fn version(&self) -> ProtocolVersion {
        self.connect.version
    }

    pub(super) fn with_io(self, io: Io, place: Place, tenant: Arc<Tenant>) -> Admission<Io> {
        let Self {
            connect,
            key,
            assigned,
            behind,
        } = self;
        Admission {
            io,
            place,
            connect,
            key,
            tenant,
            assigned,
            behind,
        }
    }
}

/// Reads until CONNECT is whole. The caller bounds the time.
pub(super) async fn read_connect(shard: &ShardRef, io: &mut Io) -> Opening {
    let shared = Arc::clone(shard.borrow().shared());
    let mut bytes = Vec::new();
    loop {
        match codec::peek(&bytes) {
            Err(_) => return Opening::Gone("the first bytes are not MQTT"),
            // [MQTT-3.1.0-1]
            Ok(Some(header)) if header.packet_type != PacketType::Connect => {
                return Opening::Gone("the first packet is not CONNECT");
            }
            Ok(Some(header)) if header.packet_len() > shared.limits.connect_packet_size => {
                return Opening::Gone("CONNECT is larger than limits.connect_packet_size");
            }
            Ok(Some(header)) if header.packet_len() <= bytes.len() => {
                let behind = bytes.split_off(header.packet_len());
                let body = bytes.get(usize::from(header.header_len)..).unwrap_or_default();
                return match codec::decode_connect(header, body) {
                    Ok(connect) => introduce(&shared, connect, behind),
                    Err(error) => match error.answer() {
                        Some((version, reason)) => {
                            Opening::Refused(Refusal::new(version, reason, error.to_string()))
                        }
                        None => Opening::Gone("CONNECT is malformed"),
                    },
                };
            }
            Ok(_) => {}
        }
        if !read_some(io, &mut bytes).await {
            return Opening::Gone("the client left before CONNECT was whole");
        }
    }
}

/// Appends what has come; `false` if nothing will come any more.
pub(super) async fn read_some(io: &mut Io, bytes: &mut Vec<u8>) -> bool {
    let mut chunk = [0; CHUNK];
    match poll_fn(|cx| io.poll_read(cx, &mut chunk)).await {
        Ok(read) if read > 0 => {
            bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
            true
        }
        _ => false,
    }
}

/// The longest client id of MQTT 3.1, in characters.
const V31_CLIENT_ID: usize = 23;

/// The client id that CONNECT leaves to the broker, or that MQTT does not allow.
fn introduce(shared: &Shared, mut connect: Connect, behind: Vec<u8>) -> Opening {
    let version = connect.version;
    let refused =
        |reason: ReasonCode, what: &str| Opening::Refused(Refusal::new(version, reason, what.to_owned()));
    let mut assigned = false;
    if connect.client_id.is_empty() {
        if version == ProtocolVersion::V31 || (version == ProtocolVersion::V311 && !connect.clean_start) {
            // 3.1: 1 to 23 characters; 3.1.1 [MQTT-3.1.3-8].
            return refused(
                ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
                "an empty client id is not allowed here; give one, or ask for a clean session with 3.1.1 or 5.0",
            );
        }
        connect.client_id = match assigned_client_id() {
            Ok(id) => id,
            Err(_) => return refused(ReasonCode::SERVER_UNAVAILABLE, "no randomness for a client id"),
        };
        assigned = true;
    }
    if version == ProtocolVersion::V31 && connect.client_id.chars().count() > V31_CLIENT_ID {
        return refused(
            ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            "a client id of MQTT 3.1 has 1 to 23 characters",
        );
    }
    let key = SessionKey {
        instance: shared.tenants.default_id().clone(),
        client_id: connect.client_id.as_str().into(),
    };
    Opening::Whole(Box::new(Introduced {
        connect,
        key,
        assigned,
        behind,
    }))
}

/// A client id that nobody else has [MQTT-3.1.3-6].
fn assigned_client_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .fold(String::from("auto-"), |id, byte| format!("{id}{byte:02x}")))
}

/// How long a client may take for the last bytes it is sent.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Writes a few bytes to a client that has no session; gives up silently.
pub(super) async fn write_all(io: &mut Io, bytes: &[u8]) {
    let writing = async {
        let mut rest = bytes;
        while !rest.is_empty() {
            match io.try_write(&[IoSlice::new(rest)]) {
                Ok(0) => return,
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if poll_fn(|cx| io.poll_write_ready(cx)).await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
        let _gone = poll_fn(|cx| io.poll_flush_buffered(cx)).await;
    };
    let _late = tokio::time::timeout(LAST_BYTES, writing).await;
}

/// Ends the stream in order, so that the peer reads what it was sent before it sees the end.
pub(super) async fn shut_down(mut io: Io) {
    io.start_shutdown();
    let _late = tokio::time::timeout(LAST_BYTES, poll_fn(|cx| io.poll_shutdown(cx))).await;
}
