//! One task a socket, from the first byte to the last.
//!
//! The task reads CONNECT, takes the socket to the shard that is the client's home, has it authenticated there, and then
//! drives it: each time the socket is readable (or writable again) the shard gets a turn.
//!
//! *Invariant*: nothing of a client is believed, and little kept, before it is authenticated: one packet of bounded
//! size within a bounded time.

mod authenticate;
mod instance;
mod opening;

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use crate::codec::{self, ConnackProperties, ProtocolVersion, ReasonCode};
use crate::instance::InstanceId;
use crate::metrics::RefuseReason;
use crate::shard::{Admission, Admitted, Control, Place, ShardRef, admit};
use crate::transport::{Detached, Io};
use opening::{Opening, read_connect};

/// Why a client does not come in: what CONNACK says, and what the log says.
#[derive(Debug)]
pub(crate) struct Refusal {
    version: ProtocolVersion,
    reason: ReasonCode,
    what: String,
    /// Where to go instead (5.0).
    server: Option<Arc<str>>,
}

impl Refusal {
    pub(crate) fn new(version: ProtocolVersion, reason: ReasonCode, what: String) -> Self {
        Self {
            version,
            reason,
            what,
            server: None,
        }
    }

    fn counted_as(&self) -> RefuseReason {
        match self.reason {
            ReasonCode::SERVER_UNAVAILABLE => RefuseReason::Draining,
            ReasonCode::QUOTA_EXCEEDED => RefuseReason::Limit,
            ReasonCode::BAD_USER_NAME_OR_PASSWORD | ReasonCode::NOT_AUTHORIZED => RefuseReason::Auth,
            _ => RefuseReason::Protocol,
        }
    }
}

/// Serves a socket that was just accepted on this shard's listener.
///
/// `place` holds the connection's place among those that the listener lets in, until it is dropped. `of` is the instance
/// that the listener belongs to, if it does.
pub async fn serve(shard: ShardRef, mut io: Io, place: Place, of: Option<InstanceId>) {
    let limits = shard.borrow().shared().limits.clone();
    let Some(_opening) = shard.borrow_mut().begin_opening() else {
        return close_silently(&shard, io, "too many connections have no session yet").await;
    };
    let opening = tokio::time::timeout(limits.connect_timeout, read_connect(&shard, &mut io)).await;
    let opening = match opening {
        // [MQTT-3.1.4-1]: nobody knows which version the client would understand an answer in.
        Err(_late) => return close_silently(&shard, io, "no CONNECT within the time for it").await,
        Ok(Opening::Whole(admission)) => admission,
        Ok(Opening::Refused(refusal)) => return refuse(&shard, io, &refusal).await,
        Ok(Opening::Gone(what)) => return close_silently(&shard, io, what).await,
    };
    let shared = std::sync::Arc::clone(shard.borrow().shared());
    let pinned = match instance::of_the_way_in(&shared, of.as_ref(), io.peer()) {
        Ok(pinned) => pinned,
        Err(what) => {
            let refusal = Refusal::new(opening.version(), ReasonCode::NOT_AUTHORIZED, what);
            return refuse(&shard, io, &refusal).await;
        }
    };
    let first = pinned.as_ref().unwrap_or(shared.tenants.default_id());
    let Some(tenant) = shared.tenants.get(first) else {
        return close_silently(&shard, io, "the listener's instance does not exist").await;
    };
    let mut admission = opening.with_io(io, place, tenant);
    admission.key.instance = first.clone();
    let introduced = tokio::time::timeout(
        limits.connect_timeout,
        authenticate::introduce(&shard, &mut admission),
    );
    match introduced.await {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => return refuse(&shard, admission.io, &refusal).await,
        Err(_late) => return close_silently(&shard, admission.io, "the connect hook took too long").await,
    }
    if let Err(refusal) = instance::settle(&shared, pinned.as_ref(), &mut admission) {
        let (key, what) = (admission.key.clone(), refusal.what.as_str().into());
        shared.control(shared.home(&key), Control::Refused(key, refusal.reason, what));
        return refuse(&shard, admission.io, &refusal).await;
    }
    let home = shared.home(&admission.key);
    if home == shard.borrow().id() {
        return settle_in(shard, admission).await;
    }
    match admission.move_socket(Io::detach) {
        Ok(admission) => shared.control(home, Control::Handoff(Box::new(admission))),
        Err(error) => tracing::debug!(%error, "a socket could not be handed to its home shard"),
    }
}

/// Serves a socket whose CONNECT was read on another shard.
pub fn arrive(shard: ShardRef, admission: Box<Admission<Detached>>) {
    match admission.move_socket(Detached::attach) {
        Ok(admission) => drop(tokio::task::spawn_local(settle_in(shard, admission))),
        Err(error) => tracing::debug!(%error, "a socket could not be taken over from another shard"),
    }
}

/// On the home shard: authentication, session, and then the rest of the connection's life.
async fn settle_in(shard: ShardRef, mut admission: Admission<Io>) {
    let timeout = shard.borrow().shared().limits.connect_timeout;
    let authenticated = tokio::time::timeout(timeout, authenticate::run(&shard, &mut admission)).await;
    let admitted: Admitted = match authenticated {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(Some(refusal))) => {
            let (reason, what) = (refusal.reason, &refusal.what);
            shard.borrow_mut().trace_refused(&admission.key, reason, what);
            return refuse(&shard, admission.io, &refusal).await;
        }
        Ok(Err(None)) => return close_silently(&shard, admission.io, "gone while authenticating").await,
        Err(_late) => return close_silently(&shard, admission.io, "authentication took too long").await,
    };
    let version = admission.connect.version;
    shard.borrow_mut().trace_admitted(&admission.key);
    let exempt = admission.assigned || admitted.grant.any_client_id;
    let named = match admission.tenant.admit_client_id(&admission.key.client_id) {
        Err(refused) if !exempt => {
            admission.tenant.usage.hit(refused.hit);
            Err((refused.code, refused.what))
        }
        _ => Ok(()),
    };
    let allowed = named.and_then(|()| shard.borrow_mut().may_begin(&admission.key, &admission.tenant));
    if let Err((reason, what)) = allowed {
        let what = what.to_owned();
        shard.borrow_mut().trace_refused(&admission.key, reason, &what);
        return refuse(&shard, admission.io, &Refusal::new(version, reason, what)).await;
    }
    match admit(&shard, admission, admitted).await {
        Ok(id) => {
            // A task of its own: this one's future has room for everything that comes before, some kilobytes of it, and
            // an idle connection is to cost no more than it needs.
            let shard = Rc::clone(&shard);
            tokio::task::spawn_local(poll_fn(move |cx| shard.borrow_mut().poll_connection(id, cx)));
        }
        Err((io, error)) => {
            let reason = ReasonCode::SERVER_UNAVAILABLE;
            let refusal = Refusal::new(version, reason, error.to_string());
            refuse(&shard, io, &refusal).await;
        }
    }
}

/// CONNACK with the reason, in the form that the client understands, and then the end.
async fn refuse(shard: &ShardRef, mut io: Io, refusal: &Refusal) {
    shard
        .borrow()
        .metrics()
        .connects_refused_total
        .inc(refusal.counted_as());
    tracing::info!(peer = %io.peer().address(), reason = %refusal.reason, what = refusal.what, "a client was refused");
    let mut answer = Vec::new();
    let told = ConnackProperties {
        reason_string: Some(&refusal.what),
        server_reference: refusal.server.as_deref(),
        ..ConnackProperties::default()
    };
    // Its Maximum Packet Size is honoured by leaving out what is not needed: the sentence is short.
    codec::connack(&mut answer, refusal.version, false, refusal.reason, &told);
    opening::write_all(&mut io, &answer).await;
    opening::shut_down(io).await;
}

async fn close_silently(shard: &ShardRef, io: Io, what: &str) {
    shard
        .borrow()
        .metrics()
        .connects_refused_total
        .inc(RefuseReason::Protocol);
    tracing::debug!(peer = %io.peer().address(), what, "a connection was closed before it had a session");
    opening::shut_down(io).await;
}
