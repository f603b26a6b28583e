//! Who comes and goes: `connect`, `disconnect` and `tcpclean`, told from here and nowhere else.
//!
//! `connect` is a client that is in. `disconnect` is one that said goodbye; it may be missing. `tcpclean` is a connection that
//! has ended, and always comes, after `disconnect` if there is one. Each carries its channel, the connection that it is about:
//! whoever applies them must not let the end of an older channel undo the beginning of a newer one.

use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::Shard;
use super::slot::Live;
use crate::hooks::credentials::chain_serial;
use crate::instance::InstanceId;
use crate::time::Millis;

/// How many events a watcher may be behind before it misses some, and is told so.
const BEHIND: usize = 16_384;

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKind {
    /// It is in.
    Connect,
    /// It said goodbye.
    Disconnect,
    /// Its connection has ended.
    TcpClean,
}

impl StatusKind {
    /// The product's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::TcpClean => "tcpclean",
        }
    }
}

/// One connection of all that ever were: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u128);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A client came or went.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it did.
    pub kind: StatusKind,
    /// In which instance.
    pub instance: InstanceId,
    /// Its client id.
    pub client_id: Arc<str>,
    /// The connection.
    pub channel: ChannelId,
    /// Where it connects from.
    pub peer: Arc<str>,
    /// When.
    pub time: Millis,
    /// The serial number of its certificate, if it showed one: `CaSn/DeviceSn`, or without a registered authority its own alone.
    pub certificate: Option<Arc<str>>,
    /// What ended the connection, in words.
    pub reason: Option<Arc<str>>,
}

/// Where they are told.
#[derive(Debug)]
pub struct Statuses(broadcast::Sender<Arc<Status>>);

impl Default for Statuses {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND).0)
    }
}

impl Statuses {
    /// All of them from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Arc<Status>> {
        self.0.subscribe()
    }
}

impl Shard {
    /// Tells what a client did, if anybody wants to know.
    pub(super) fn tell_status(&self, live: &Live, kind: StatusKind, reason: Option<&str>) {
        if self.shared.statuses.0.receiver_count() == 0 {
            return;
        }
        let client = &live.client;
        let status = Status {
            kind,
            instance: live.key.instance.clone(),
            client_id: Arc::clone(&live.key.client_id),
            channel: self.channel(live.conn.number),
            peer: Arc::clone(&client.peer),
            time: self.now,
            certificate: client.tls.as_deref().and_then(chain_serial).map(Arc::from),
            reason: reason.map(Arc::from),
        };
        let _nobody = self.shared.statuses.0.send(Arc::new(status));
    }

    /// The channel of a connection of this shard.
    pub(super) fn channel(&self, number: u64) -> ChannelId {
        // The upper half is this shard's, in this process; the number is never given twice.
        ChannelId(u128::from(self.channels) << 64 | u128::from(number))
    }
}
