//! The end of a connection, and what becomes of its session.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::slot::{Absent, Live, Slot};
use super::timers::Due;
use super::will::PendingWill;
use super::{Conn, Shard, StatusKind, Tenant};
use crate::codec::{self, Disconnect, DisconnectProperties, ProtocolVersion, ReasonCode};
use crate::hooks::Event;
use crate::router::SubscriberId;
use crate::session::{Close, Outbox};
use crate::store::SessionRecord;

/// How long a connection that is over may take for its last bytes.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Who ended a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Client,
    Broker,
    Network,
}

impl Shard {
    /// The broker ends the connection in `at`: a 5.0 client is told why, then it is closed [MQTT-4.13.1-1].
    pub(super) fn close(&mut self, at: u32, close: &Close) {
        let Some(live) = self.live(at) else { return };
        tracing::debug!(session = %live.key, reason = %close.reason, what = %close.what, "closing a connection");
        if live.session.version == ProtocolVersion::V5 {
            let limits = live.session.link.limits(live.session.version);
            let properties = DisconnectProperties {
                reason_string: Some(&close.what),
                ..DisconnectProperties::default()
            };
            codec::disconnect(live.session.outbox.buffer(), limits, close.reason, &properties);
        }
        self.leave(at, close.reason, close.what.clone(), By::Broker);
    }

    /// The session's queue is full and it cannot wait in the store.
    pub(super) fn close_overflowed(&mut self, behind: SubscriberId) {
        if self.slot(behind).is_some() {
            let what = "the client does not read as fast as it is sent messages, and its queue is full";
            self.close(behind.slot, &Close::new(ReasonCode::QUOTA_EXCEEDED, what));
        }
    }

    /// The socket is gone.
    pub(super) fn connection_lost(&mut self, at: u32) {
        if let Some(live) = self.live(at) {
            live.session.outbox.clear();
        }
        self.leave(
            at,
            ReasonCode::UNSPECIFIED_ERROR,
            "connection lost".into(),
            By::Network,
        );
    }

    /// The client says goodbye. 0x00 takes its will back, 0x04 asks for it [MQTT-3.14.4-3].
    pub(super) fn leave_politely(&mut self, at: u32, goodbye: &Disconnect) {
        let Some(live) = self.live(at) else { return };
        if let Some(seconds) = goodbye.session_expiry {
            // A session that was to end with its connection cannot be prolonged now (3.14.2.2.2).
            if live.session.expiry == Some(0) && seconds != 0 {
                let what = "DISCONNECT sets a Session Expiry Interval where CONNECT had set none";
                return self.close(at, &Close::new(ReasonCode::PROTOCOL_ERROR, what));
            }
            let wanted = Some(seconds).filter(|seconds| *seconds != u32::MAX);
            let settings = &live.tenant.settings;
            if settings.persistent_sessions {
                live.session.expiry = settings.session_expiry(wanted);
            }
        }
        self.leave(at, goodbye.reason, "goodbye".into(), By::Client);
    }

    /// Parts session and connection: the connection says its last words by itself, the session rests or ends.
    fn leave(&mut self, at: u32, code: ReasonCode, reason: Cow<'static, str>, by: By) {
        let subscriber = self.subscriber(at);
        let Some(Slot::Live(_)) = self.slots.get(at as usize) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(at as usize) else {
            return;
        };
        // The place stays taken while the pieces are sorted; nobody looks at it within this turn.
        let placeholder = Slot::Absent(Box::new(Absent::placeholder(slot)));
        let Slot::Live(live) = std::mem::replace(slot, placeholder) else {
            return;
        };
        let mut live = *live;
        let rests = live.rests.as_deref();
        self.records.remove(live.key.instance.as_str(), rests, at);
        if live.conn.traced {
            self.trace_end(&mut live, code, &reason);
        }
        live.tenant.usage.connections.leave(1);
        if by == By::Client {
            self.tell_status(&live, StatusKind::Disconnect, None);
        }
        self.tell_status(&live, StatusKind::TcpClean, Some(&reason));
        self.metrics.connections.sub(1);
        self.metrics.disconnects_total.add(1);
        let politely = by == By::Client && code == ReasonCode::SUCCESS;
        self.observe(Event::Disconnect {
            client: Arc::clone(&live.client),
            code,
            reason,
            by_client: by == By::Client,
            received: live.conn.publishes_received,
            sent: live.conn.publishes_sent,
        });

        let outbox = std::mem::take(&mut live.session.outbox);
        if live.session.is_persistent() && !live.tenant.settings.qos2_offline {
            self.end_qos2(at, subscriber, &mut live);
        }
        self.say_last_words(live.conn, outbox);
        let will = live.will.take().filter(|_| !politely);
        if live.session.is_persistent() {
            let rest = Resting {
                subscriber,
                session: live.session,
                key: live.key,
                presence: live.presence,
                tenant: live.tenant,
            };
            self.rest(at, rest, will, live.client, live.revision);
        } else {
            // Ended before its will is published: nobody of this session is to get or keep it any more.
            live.presence.set_online(false);
            if live.presence.is_persistent() {
                self.shared.count_persistent(self.id, -1);
                // Who waits for it to have something waits in vain.
                for over in live.session.end_all() {
                    self.finished(at, over);
                }
            }
            self.end_session(at, &live.tenant, &live.session.subscriptions, live.revision.0 > 0);
            if let Some(will) = will {
                self.publish_will(will, &live.client);
            }
            let (client, reason) = (live.client, "the connection ended".into());
            self.observe(Event::SessionEnd { client, reason });
        }
    }

    /// What ends with the connection of a session that stays.
    fn end_qos2(&mut self, at: u32, subscriber: SubscriberId, live: &mut Live) {
        let (ended, over) = live.session.end_qos2();
        for over in over {
            self.finished(at, over);
        }
        for filter in &ended {
            live.tenant.index.unsubscribe(subscriber, filter);
        }
        live.tenant.usage.subscriptions.leave(ended.len() as u64);
        self.metrics.subscriptions.sub(ended.len() as u64);
    }

    fn say_last_words(&mut self, mut conn: Conn, outbox: Outbox) {
        conn.last_words = outbox;
        conn.give_up_at = Some(self.now.plus(LAST_WORDS));
        conn.wake();
        let deadline = self.now.plus(LAST_WORDS + Duration::from_millis(1));
        self.timers.set(deadline, Due::LastWords(conn.number));
        self.lingering.insert(conn.number, Box::new(conn));
    }

    /// The session outlives its connection.
    fn rest(
        &mut self,
        at: u32,
        resting: Resting,
        will: Option<Box<codec::Will>>,
        client: Arc<crate::hooks::Client>,
        revision: crate::store::Revision,
    ) {
        let Resting {
            subscriber,
            mut session,
            key,
            presence,
            tenant,
        } = resting;
        presence.set_online(false);
        // All that it holds goes to its inbox before anything that comes from now on.
        let leaving = session.leave(&tenant.settings);
        self.tell_store(at, &key, 0, leaving);
        let expires_at = session
            .expiry
            .map(|seconds| self.now.plus_seconds(u64::from(seconds)));
        let mut at_once = None;
        let will = match will {
            Some(will) if will.delay == 0 => {
                at_once = Some(will);
                None
            }
            Some(will) => {
                let due = self.now.plus_seconds(u64::from(will.delay));
                // The earlier of delay and session end (3.1.3.2.2).
                self.timers
                    .set(due.min(expires_at.unwrap_or(due)), Due::Absent(subscriber));
                Some(PendingWill { will, due })
            }
            None => None,
        };
        if let Some(expires_at) = expires_at {
            self.timers.set(expires_at, Due::Absent(subscriber));
        }
        let record = SessionRecord {
            left_at: Some(self.now),
            will: will.as_ref().map(PendingWill::to_store),
            client: client.to_stored(),
            ..session.to_record()
        };
        let absent = Absent {
            key: key.clone(),
            tenant,
            presence,
            client: Arc::clone(&client),
            will,
            expires_at,
            revision,
            subscriptions: session.subscriptions.len(),
        };
        if let Some(slot) = self.slots.get_mut(at as usize) {
            *slot = Slot::Absent(Box::new(absent));
        }
        self.metrics.sessions_offline.add(1);
        if let Some(will) = at_once {
            // Before the record that does not have it any more.
            self.publish_will(will, &client);
        }
        self.save(&key, revision, record, None);
    }

    /// A will's delay or a session's life may be over.
    pub(super) fn absent_due(&mut self, subscriber: SubscriberId) {
        let now = self.now;
        let Some(Slot::Absent(absent)) = self.slot(subscriber) else {
            return;
        };
        let ended = absent.expires_at.is_some_and(|at| at <= now);
        if !ended
            && absent.will.as_ref().is_some_and(|will| will.due <= now)
            && let Some(PendingWill { will, .. }) = absent.will.take()
        {
            let client = Arc::clone(&absent.client);
            self.publish_will(will, &client);
            if !ended {
                self.forget_will(subscriber);
            }
        }
        if ended {
            self.end_absent(subscriber.slot, "expired");
        }
    }

    /// The will of a session at rest was published: its record is not to bring it back.
    fn forget_will(&mut self, subscriber: SubscriberId) {
        // What it was published to stands before that.
        self.settle_turn();
        let Some(key) = self.slot(subscriber).map(|slot| slot.key().clone()) else {
            return;
        };
        let (store, now, of) = (Arc::clone(&self.shared.store), self.now, key.clone());
        let work = async move { store.load(&of, now).await };
        self.when_done(work, move |shard, stored| {
            let Some(Slot::Absent(_)) = shard.slot(subscriber) else {
                return;
            };
            match stored {
                Ok(Some(stored)) => {
                    let mut record = stored.record;
                    record.will = None;
                    shard.save(&key, stored.revision, record, None);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(session = %key, %error, "a will may be published again after a restart")
                }
            }
        });
    }

    /// A session without a connection ends: it expired, or the client wants a new one.
    pub(super) fn end_absent(&mut self, at: u32, reason: &'static str) {
        let Some(Slot::Absent(absent)) = self.slots.get_mut(at as usize) else {
            return;
        };
        let (key, will, client) = (absent.key.clone(), absent.will.take(), Arc::clone(&absent.client));
        self.metrics.sessions_offline.sub(1);
        self.shared.count_persistent(self.id, -1);
        let subscriber = self.subscriber(at);
        let Some(Slot::Absent(absent)) = self.vacate(at) else {
            return;
        };
        self.metrics.subscriptions.sub(absent.subscriptions as u64);
        absent
            .tenant
            .usage
            .subscriptions
            .leave(absent.subscriptions as u64);
        self.metrics.sessions.sub(1);
        // Its filters are in the record; the index forgets a subscriber by them.
        self.discard(&key, subscriber, &absent.tenant);
        // The earlier of delay and session end (3.1.3.2.2).
        if let Some(PendingWill { will, .. }) = will {
            self.publish_will(will, &client);
        }
        let reason = reason.into();
        self.observe(Event::SessionEnd { client, reason });
    }

    /// The session in `at` ends with its connection.
    fn end_session(
        &mut self,
        at: u32,
        tenant: &Tenant,
        subscriptions: &crate::session::Subscriptions,
        stored: bool,
    ) {
        let subscriber = self.subscriber(at);
        for (filter, _) in subscriptions.iter() {
            tenant.index.unsubscribe(subscriber, filter);
        }
        tenant.usage.subscriptions.leave(subscriptions.len() as u64);
        self.metrics.subscriptions.sub(subscriptions.len() as u64);
        self.metrics.sessions.sub(1);
        let Some(slot) = self.vacate(at) else { return };
        if stored || self.is_saving(slot.key()) {
            let key = slot.key().clone();
            self.discard(&key, subscriber, tenant);
        }
    }
}

/// A session on its way to rest.
struct Resting {
    subscriber: SubscriberId,
    session: crate::session::Session,
    key: crate::instance::SessionKey,
    presence: Arc<crate::router::Presence>,
    tenant: Rc<Tenant>,
}

impl Absent {
    /// Stands in for a slot while its session is being parted from its connection.
    fn placeholder(slot: &Slot) -> Self {
        let (key, presence, client) = match slot {
            Slot::Live(live) => (&live.key, &live.presence, &live.client),
            Slot::Absent(absent) => (&absent.key, &absent.presence, &absent.client),
        };
        Self {
            tenant: Rc::clone(slot.tenant()),
            key: key.clone(),
            presence: Arc::clone(presence),
            client: Arc::clone(client),
            will: None,
            expires_at: None,
            revision: crate::store::Revision(0),
            subscriptions: 0,
        }
    }
}
