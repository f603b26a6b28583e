//! A client comes in: its old connection goes, its session comes back or begins, CONNACK says which.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::auth::Reauthentication;
use super::slot::{Live, Slot};
use super::timers::{Due, patience};
use super::{Conn, ConnId, Shard, ShardRef, StatusKind, Tenant};
use crate::codec::{self, Connect, ProtocolVersion, ReasonCode};
use crate::config::Duplicate;
use crate::hooks::{Client, Connack, ConnackPatch, Event, Grant, Hook};
use crate::instance::{Hit, SessionKey};
use crate::router::{Presence, SubscriberId};
use crate::session::{Close, Offer, Session, negotiate};
use crate::store::{Revision, StoreError, Stored};
use crate::transport::Io;

/// A CONNECT on its way to a session. `S` is the socket: attached to a shard's runtime, or between two.
pub struct Admission<S> {
    /// The socket.
    pub io: S,
    /// Its place among the connections that are let in.
    pub place: Place,
    /// What the client asked for. Its client id is the one of `key`.
    pub connect: Connect,
    /// Whose session it is to be.
    pub key: SessionKey,
    /// Its instance.
    pub tenant: Arc<Tenant>,
    /// The broker chose the client id, and has to say so [MQTT-3.1.3-7].
    pub assigned: bool,
    /// Bytes that came behind CONNECT (3.1.4).
    pub behind: Vec<u8>,
}

impl<S> Admission<S> {
    /// The same with its socket taken off a runtime, or put on one.
    ///
    /// # Errors
    /// What the socket says; the connection is gone then.
    pub fn move_socket<T>(
        self,
        change: impl FnOnce(S) -> std::io::Result<T>,
    ) -> std::io::Result<Admission<T>> {
        Ok(Admission {
            io: change(self.io)?,
            place: self.place,
            connect: self.connect,
            key: self.key,
            tenant: self.tenant,
            assigned: self.assigned,
            behind: self.behind,
        })
    }
}

/// What holds a connection's place among those that the listener lets in, until it is dropped.
pub type Place = Box<dyn Send>;

/// What authentication made of it.
pub struct Admitted {
    /// Who it is, to every later hook.
    pub client: Arc<Client>,
    /// What the policy grants.
    pub grant: Grant,
    /// How many changes of records there were before the policies were asked.
    pub records_seen: u64,
}

/// Takes a client in that has been authenticated: the old connection with its client id goes, its session is found or
/// made. Answers with the connection to drive.
///
/// # Errors
/// The store could not say whether there is a session; the client is to come again.
pub async fn admit(
    shard: &ShardRef,
    admission: Admission<Io>,
    admitted: Admitted,
) -> Result<ConnId, (Io, StoreError)> {
    let key = admission.key.clone();
    claim(shard, &key).await;
    let mut admission = admission;
    if !admission.tenant.settings.persistent_sessions {
        // Ignored rather than refused: the edition has none.
        admission.connect.clean_start = true;
    }
    let result = find_record(shard, &key, admission.connect.clean_start).await;
    let mut shard = shard.borrow_mut();
    shard.begin_turn();
    let now = shard.shared.tenants.get(&key.instance);
    let gone = now.is_none();
    if let Some(now) = now {
        // It may have changed meanwhile.
        admission.tenant = now;
    }
    let result = match result {
        Ok(_) if shard.draining => {
            let stopping = StoreError::Refused("the broker is stopping".to_owned());
            Err((admission.io, stopping))
        }
        Ok(found) => {
            let id = shard.start(admission, admitted, found);
            if gone {
                // It was deleted meanwhile, when this client was not yet one of those to be told.
                shard.end_with_instance(id.slot);
            }
            Ok(id)
        }
        Err(error) => Err((admission.io, error)),
    };
    shard.claims.remove(&key);
    shard.claim_released.notify_waiters();
    shard.end_turn();
    result
}

/// Waits until no other CONNECT for this client id is under way.
async fn claim(shard: &ShardRef, key: &SessionKey) {
    loop {
        let released = {
            let mut shard = shard.borrow_mut();
            if shard.claims.insert(key.clone()) {
                return;
            }
            Arc::clone(&shard.claim_released)
        };
        released.notified().await;
    }
}

/// Ends what the client id has now, and reads what is left of its session.
async fn find_record(
    shard: &ShardRef,
    key: &SessionKey,
    clean_start: bool,
) -> Result<Option<Stored>, StoreError> {
    let mut known = shard.borrow_mut().take_over(key, clean_start);
    loop {
        let busy = {
            let shard = shard.borrow();
            let busy = shard.is_saving(key) || shard.waits.has_open(key);
            // Made before anybody else has a turn, so nothing is missed.
            busy.then(|| Arc::clone(&shard.claim_released).notified_owned())
        };
        match busy {
            Some(busy) => busy.await,
            None => break,
        }
        known = true;
    }
    let (store, now) = {
        let shard = shard.borrow();
        (Arc::clone(&shard.shared.store), shard.shared.clock.now())
    };
    if !clean_start && let Some(stored) = store.load(key, now).await? {
        return Ok(Some(stored));
    }
    if known {
        // What was under way may have come behind the end of the session before.
        store.discard(key).await?;
    }
    Ok(None)
}

impl Shard {
    /// A connection begins to introduce itself; `None` if too many are doing that already. It counts until what this
    /// answers with is dropped.
    pub fn begin_opening(&mut self) -> Option<Rc<()>> {
        // The shard itself holds one of them.
        (Rc::strong_count(&self.openings) <= self.shared.limits.connecting).then(|| Rc::clone(&self.openings))
    }

    /// May a session with this key begin, or go on, here?
    ///
    /// # Errors
    /// Why not: what CONNACK says, and a sentence.
    pub fn may_begin(&mut self, key: &SessionKey, tenant: &Tenant) -> Result<(), (ReasonCode, &'static str)> {
        if self.draining {
            return Err((ReasonCode::SERVER_UNAVAILABLE, "the broker is stopping"));
        }
        if self.shared.tenants.get(&key.instance).is_none() {
            return Err((ReasonCode::NOT_AUTHORIZED, "there is no such instance any more"));
        }
        let connected = self
            .by_key
            .get(key)
            .is_some_and(|at| matches!(self.slots.get(*at as usize), Some(Slot::Live(_))));
        if connected && tenant.product.duplicate_client_id == Duplicate::Reject {
            tenant.usage.hit(Hit::ClientIdConflict);
            let what = "clientId conflict: another connection uses this client id";
            return Err((ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, what));
        }
        let most = self.limit(tenant, "connections", tenant.limits.instance_connections);
        if !connected && tenant.usage.connections.get() >= most as u64 {
            tenant.usage.hit(Hit::Connections);
            let what = "limits.instance_connections is reached";
            return Err((ReasonCode::QUOTA_EXCEEDED, what));
        }
        let most = self.limit(tenant, "sessions", self.shared.limits.sessions);
        if self.by_key.len() >= most && !self.by_key.contains_key(key) {
            return Err((ReasonCode::QUOTA_EXCEEDED, "limits.sessions is reached"));
        }
        Ok(())
    }

    /// The old connection is closed [MQTT-3.1.4-3]; nobody waits for its socket. With a clean start its session ends as
    /// well. Answers with whether there was anything.
    fn take_over(&mut self, key: &SessionKey, clean_start: bool) -> bool {
        self.begin_turn();
        let Some(at) = self.by_key.get(key).copied() else {
            return false;
        };
        if self.live(at).is_some() {
            self.metrics.takeovers_total.add(1);
            if let Some(live) = self.live(at) {
                live.tenant.usage.hit(Hit::ClientIdConflict);
            }
            let what = "clientId conflict: another connection uses this client id";
            self.close(at, &Close::new(ReasonCode::SESSION_TAKEN_OVER, what));
        }
        if clean_start && self.by_key.get(key) == Some(&at) {
            self.end_absent(at, "clean start");
        }
        self.end_turn();
        true
    }

    /// Begins the connection's life: session, CONNACK, what is owed, and what came behind CONNECT.
    fn start(&mut self, admission: Admission<Io>, admitted: Admitted, found: Option<Stored>) -> ConnId {
        let Admission {
            io,
            place,
            connect,
            key,
            tenant,
            assigned,
            behind,
        } = admission;
        let Admitted {
            client,
            grant,
            records_seen,
        } = admitted;
        let tenant = self.own_tenant(&tenant);
        self.register_certificate(&client, &io);
        self.hooks.is_in(&client);
        let offer = Offer {
            keep_alive: grant.session.keep_alive,
            session_expiry: grant.session.session_expiry,
            receive_maximum: grant.session.receive_maximum,
            maximum_packet_size: grant.session.maximum_packet_size,
        };
        let (link, expiry, mut told) = negotiate(&connect, &tenant.settings, offer);
        let session_present = found.is_some();
        let revision = found.as_ref().map_or(Revision(0), |stored| stored.revision);
        let as_it_was = found.as_ref().is_some_and(|stored| {
            // For ever, and without a will: then it does not matter when it was here last.
            let record = &stored.record;
            record.expiry_seconds.is_none() && expiry.is_none() && record.will.is_none()
        }) && connect.will.is_none();
        let mut session = match found {
            Some(stored) => {
                let on_its_way = self.waits.open_of(&key);
                Session::resume(stored, on_its_way, connect.version, link, expiry)
            }
            None => Session::new(connect.version, link, expiry),
        };

        let connack = Connack {
            code: ReasonCode::SUCCESS,
            session_present,
            assigned_client_id: assigned.then_some(&*key.client_id),
        };
        let besides = if self.hooks.wants(Hook::Connack) {
            self.hooks.connack(&client, &connack)
        } else {
            ConnackPatch::default()
        };
        told.user_properties = &besides.user;
        told.reason_string = besides.reason_string.as_deref();
        told.response_information = besides.response_information.as_deref();
        told.server_reference = besides.server_reference.as_deref();
        told.assigned_client_id = assigned.then_some(&*key.client_id);
        told.authentication_method = connect.properties.authentication_method.as_deref();
        told.authentication_data = grant.data.as_deref();
        let buffers = &mut self.buffers;
        session.outbox.lend(|| buffers.pop().unwrap_or_default());
        let limits = link.limits(connect.version);
        codec::connack(
            session.outbox.buffer(),
            limits,
            session_present,
            ReasonCode::SUCCESS,
            &told,
        );
        let mut pumped = Vec::new();
        session.resend(&mut self.wires, self.now, &mut |what| pumped.push(what));

        session.keep_sent = self.hooks.wants(Hook::Acked);
        let number = self.next_conn;
        self.next_conn += 1;
        let persistent = session.is_persistent();
        let live = Live {
            conn: Conn::new(number, io, place, self.now),
            presence: self.presence_of(&key, persistent),
            client: Arc::clone(&client),
            will: connect.will.map(Box::new),
            memo: None,
            kept: HashMap::default(),
            revision,
            reauthentication: Reauthentication::agreed(connect.properties.authentication_method),
            login_ends: None,
            rests: None,
            key: key.clone(),
            tenant: Rc::clone(&tenant),
            session,
        };
        let record = (!as_it_was && (persistent || session_present)).then(|| live.to_record());
        tenant.usage.connections.enter(usize::MAX);
        self.tell_status(&live, StatusKind::Connect, None);
        let at = self.place(key.clone(), live, persistent);
        if let Some(record) = record {
            // What CONNACK says of the session holds whatever becomes of the broker.
            if let Some(live) = self.live(at) {
                live.conn.muted = true;
            }
            let subscriber = self.subscriber(at);
            let then = move |shard: &mut Self, saved: bool| shard.connect_saved(subscriber, number, saved);
            self.save(&key, revision, record, Some(Box::new(then)));
        }
        for what in pumped {
            self.pumped(at, what);
        }
        self.trace_start(at);
        if connect.version != ProtocolVersion::V5 {
            self.note_habit(at, connect.clean_start);
        }
        self.metrics.connects_total.add(1);
        self.metrics.connections.add(1);
        self.observe(Event::SessionStart {
            client,
            resumed: session_present,
        });
        if link.keep_alive > 0 {
            let due = Due::KeepAlive(self.subscriber(at), number);
            self.timers.set(self.now.plus(patience(link.keep_alive)), due);
        }
        if grant.expires_at.is_some() {
            self.login_expires(at, grant.expires_at);
        }
        self.rests_on(at, grant.depends, records_seen);
        if session_present {
            // It has what it was allowed when it was here last.
            self.withdraw_unless_watched(at);
        }
        self.mark_dirty(at);
        self.pump(at);
        let id = ConnId { slot: at, number };
        if !behind.is_empty()
            && let Err(end) = self.take_bytes(at, &behind)
        {
            self.end_connection(id, end);
        }
        id
    }

    /// The store has the session of this connection: the client may be told so.
    fn connect_saved(&mut self, subscriber: SubscriberId, conn: u64, saved: bool) {
        let Some(live) = self.live_on(subscriber, conn) else {
            return;
        };
        if !saved {
            // Without a CONNACK: what it says of the session would not hold.
            return self.connection_lost(subscriber.slot);
        }
        live.conn.muted = false;
        self.mark_dirty(subscriber.slot);
    }

    /// The presence that shared subscriptions know this session by: the resting session's own if there is one.
    fn presence_of(&self, key: &SessionKey, persistent: bool) -> Arc<Presence> {
        let at = self.by_key.get(key).and_then(|at| self.slots.get(*at as usize));
        let presence = match at {
            Some(Slot::Absent(absent)) => Arc::clone(&absent.presence),
            Some(Slot::Live(live)) => Arc::clone(&live.presence),
            None => Arc::default(),
        };
        presence.set_online(true);
        presence.set_persistent(persistent);
        presence
    }

    /// Into the resting session's slot, so that the subscription index still finds it, or into a new one.
    fn place(&mut self, key: SessionKey, live: Live, persistent: bool) -> u32 {
        let slot = Slot::Live(Box::new(live));
        let Some(at) = self.by_key.get(&key).copied() else {
            self.metrics.sessions.add(1);
            self.shared.count_persistent(self.id, i64::from(persistent));
            return self.occupy(key, slot);
        };
        if let Some(place) = self.slots.get_mut(at as usize) {
            *place = slot;
            self.metrics.sessions_offline.sub(1);
            self.shared.count_persistent(self.id, i64::from(persistent) - 1);
        }
        at
    }
}
