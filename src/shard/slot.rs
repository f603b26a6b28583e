//! The place of a session on its shard: with a connection or without.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::auth::Reauthentication;
use super::permission::{Kept, KeptKey};
use super::records::Rests;
use super::will::PendingWill;
use super::{Conn, Tenant};
use crate::codec::Will;
use crate::hooks::Client;
use crate::instance::SessionKey;
use crate::router::{Matches, Presence};
use crate::session::Session;
use crate::store::{Revision, SessionRecord};
use crate::time::Millis;

/// A session of this shard.
pub(super) enum Slot {
    /// Connected.
    Live(Box<Live>),
    /// At rest: its state is in the store, its subscriptions are in the index.
    Absent(Box<Absent>),
}

impl Slot {
    /// What it is found by.
    pub(super) fn key(&self) -> &SessionKey {
        match self {
            Self::Live(live) => &live.key,
            Self::Absent(absent) => &absent.key,
        }
    }

    /// Its instance.
    pub(super) fn tenant(&self) -> &Rc<Tenant> {
        match self {
            Self::Live(live) => &live.tenant,
            Self::Absent(absent) => &absent.tenant,
        }
    }
}

/// A session with a connection.
pub(super) struct Live {
    pub(super) key: SessionKey,
    /// Its instance.
    pub(super) tenant: Rc<Tenant>,
    /// The protocol state machine.
    pub(super) session: Session,
    /// The socket and what belongs to it.
    pub(super) conn: Conn,
    /// Tells shared subscriptions on any shard whether this member is there.
    pub(super) presence: Arc<Presence>,
    /// Who it is, to the hooks.
    pub(super) client: Arc<Client>,
    /// To be published unless the client says goodbye.
    pub(super) will: Option<Box<Will>>,
    /// The topic it published to last, with everything that was found out about it.
    pub(super) memo: Option<Memo>,
    /// Answers of policies that may be kept.
    pub(super) kept: HashMap<KeptKey, Kept, FxBuildHasher>,
    /// The store's version of the record that this session came from.
    pub(super) revision: Revision,
    /// The authentication exchange that is going on, or the method that was agreed.
    pub(super) reauthentication: Option<Box<Reauthentication>>,
    /// When its login ends; `None` is never.
    pub(super) login_ends: Option<Millis>,
    /// The records that its login rests on, if there are any.
    pub(super) rests: Option<Box<Rests>>,
}

impl Live {
    /// What is kept of it besides its messages, while its connection lasts.
    pub(super) fn to_record(&self) -> SessionRecord {
        SessionRecord {
            will: self.will.as_ref().map(|will| super::will::stored(will, None)),
            client: self.client.to_stored(),
            ..self.session.to_record()
        }
    }
}

/// One cache entry answers everything about (connection, topic).
pub(super) struct Memo {
    /// Who gets what is published there.
    pub(super) matches: Arc<Matches>,
    /// The policy's yes, if it may be kept: for which generation, QoS and RETAIN, and until when.
    pub(super) allowed: Option<(u64, Allowed, Millis)>,
}

/// What of a PUBLISH besides its topic an answer may depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) qos: u8,
    pub(super) retain: bool,
}

/// A session without a connection.
pub(super) struct Absent {
    pub(super) key: SessionKey,
    /// Its instance.
    pub(super) tenant: Rc<Tenant>,
    pub(super) presence: Arc<Presence>,
    /// Who it was, to the hooks.
    pub(super) client: Arc<Client>,
    /// Waits for its delay, or for the session's end if that comes first.
    pub(super) will: Option<PendingWill>,
    /// When the session ends; `None` is never.
    pub(super) expires_at: Option<Millis>,
    /// The store's version of its record.
    pub(super) revision: Revision,
    /// How many subscriptions it has, for the metrics.
    pub(super) subscriptions: usize,
}
