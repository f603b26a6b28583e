//! What a turn leaves for the store, and what is done when the store has it.
//!
//! All changes of a turn go to the store in one batch. A message for somebody who is not there is acknowledged to its publisher
//! when the store has it, and not before ([`super::hand`]).

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::slot::Slot;
use super::{Shard, Tenant};
use crate::codec::{QoS, ReasonCode};
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Origin, Publication};
use crate::metrics::DropReason;
use crate::router::{Matches, SubscriberId};
use crate::session::{At, Close, Finished, InStore, Leaving, Pumped, Receipt};
use crate::store::{Change, Committed, InboxSeq, StoreError};

/// So many bytes may wait for the store before publishers who wait for it are not read any more.
const MOST_UNCOMMITTED: usize = 32 * 1024 * 1024;

/// What a change counts for besides its payload.
const CHANGE_BYTES: usize = 128;

/// Who waits for a message to be stored.
pub(super) struct Pending {
    /// Whose inbox.
    to: SubscriberId,
    /// The connection that the session had; 0 for none.
    conn: u64,
    /// Who holds the message and wants to know the place.
    in_store: Option<Rc<InStore>>,
    /// Who waits for the message to be safe.
    receipt: Option<Receipt>,
    /// It goes out under this packet id when it is stored.
    send: Option<u16>,
    /// The session that has part in a transaction by it.
    opened: Option<SessionKey>,
}

/// What is done when a batch is stored, for a packet of a connection.
#[derive(Clone, Copy)]
enum Next {
    /// The QoS 2 message with this packet id goes out.
    Send,
    /// PUBREL goes out.
    Pubrel,
    /// PUBCOMP goes out.
    Pubcomp,
}

/// The work of a turn that has to be durable before somebody is told so.
#[derive(Default)]
pub(super) struct Unsettled {
    changes: Vec<Change>,
    /// One for each `Append` in `changes`, in their order.
    pending: Vec<Pending>,
    /// Who waits for what was retained.
    receipts: Vec<Receipt>,
    next: Vec<(SubscriberId, u64, u16, Next)>,
    /// Bytes that have gone to the store and are not known to be there.
    uncommitted: usize,
}

impl Unsettled {
    fn append(&mut self, change: Change, pending: Pending) {
        self.changes.push(change);
        self.pending.push(pending);
    }

    /// There is something that the store has not been told.
    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Something has gone to the store and is not known to be there.
    pub(super) fn is_committing(&self) -> bool {
        self.uncommitted > 0 || self.has_changes()
    }

    /// The store is behind: who waits for it is not to publish more.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.uncommitted > MOST_UNCOMMITTED
    }
}

impl Shard {
    /// Keeps a publication as its topic's retained message; an empty one takes it away [MQTT-3.3.1-6].
    /// A message for one client has no topic to be kept for.
    pub(super) fn retain(&mut self, tenant: &Tenant, publication: &Publication<'_>, matches: &Matches) {
        if !publication.retain || matches.p2p.is_some() {
            return;
        }
        if publication.origin == Origin::Broker {
            self.shared
                .of_itself
                .write()
                .insert(publication.topic, publication.share());
            return;
        }
        let message = (!publication.payload.is_empty()).then(|| publication.share());
        let most = self.limit(tenant, "retained_messages", tenant.limits.retained_messages);
        if message.is_some() && self.shared.store.retained_in(&tenant.id) >= most {
            // Full: the message is delivered and not kept. Replacing one would need to know whether there is one.
            self.metrics.messages_dropped.add(DropReason::RetainedFull, 1);
            return;
        }
        let receipt = self.hand.receipt(&mut self.waits, self.id);
        self.unsettled.receipts.extend(receipt);
        self.unsettled.changes.push(Change::Retain {
            instance: tenant.id.clone(),
            topic: publication.topic.clone(),
            message,
        });
    }

    /// The store is to have a message for the session in `at`: the publication in hand.
    pub(super) fn store_for(
        &mut self,
        at: u32,
        delivery: Delivery,
        in_store: Option<Rc<InStore>>,
        sent: Option<u16>,
    ) {
        let to = self.subscriber(at);
        let Some(slot) = self.slots.get(at as usize) else {
            return;
        };
        let exactly_once = delivery.qos == QoS::ExactlyOnce;
        let conn = match slot {
            Slot::Live(live) => live.conn.number,
            Slot::Absent(_) => 0,
        };
        let change = Change::Append {
            session: slot.key().clone(),
            delivery,
            sent,
        };
        let mut pending = Pending {
            to,
            conn,
            in_store,
            receipt: None,
            send: sent.filter(|_| exactly_once),
            opened: None,
        };
        if exactly_once && self.hand.collects() {
            // Until it is stored nobody else may have the session: what it has in flight is not known.
            pending.opened = Some(slot.key().clone());
            self.waits.open(slot.key().clone());
            if pending.in_store.is_none()
                && let Some(Slot::Live(live)) = self.slots.get_mut(at as usize)
            {
                live.session.awaits_inbox();
            }
            return self.hand.collect(change, pending);
        }
        pending.receipt = self.hand.receipt(&mut self.waits, self.id);
        self.unsettled.append(change, pending);
    }

    /// The store is to be told of messages that the session of `key`, in `at`, holds.
    pub(super) fn tell_store(&mut self, at: u32, key: &SessionKey, conn: u64, leaving: Vec<Leaving>) {
        let to = self.subscriber(at);
        for leaving in leaving {
            let session = key.clone();
            match leaving {
                Leaving::Append {
                    delivery,
                    sent,
                    receipt,
                    in_store,
                } => {
                    let pending = Pending {
                        to,
                        conn,
                        in_store,
                        receipt,
                        send: None,
                        opened: None,
                    };
                    let change = Change::Append {
                        session,
                        delivery,
                        sent,
                    };
                    self.unsettled.append(change, pending);
                }
                Leaving::Sent(seq, packet_id) => self.unsettled.changes.push(Change::Sent {
                    session,
                    seq,
                    packet_id,
                }),
                Leaving::Over(seq) => self.unsettled.changes.push(over(session, seq)),
            }
        }
    }

    /// A message of the session in `at` is over: whoever waits for it is told, and the store may let it go.
    #[inline]
    pub(super) fn finished(&mut self, at: u32, finished: Finished) {
        if finished.held.is_some() || finished.in_store.is_some() {
            self.finished_held(at, finished);
        }
    }

    fn finished_held(&mut self, at: u32, finished: Finished) {
        let Finished {
            held,
            arrived,
            mut in_store,
        } = finished;
        if let Some(mut held) = held {
            if arrived {
                self.observe_acked(at, &held.delivery);
            }
            if let Some(receipt) = held.receipt.take() {
                self.settle_receipt(receipt);
            }
            in_store = in_store.or(held.in_store.take());
        }
        // What the store has not answered for yet is let go when it does.
        if let Some(in_store) = in_store
            && let At::Here(seq) = in_store.set(At::Gone)
        {
            self.let_go_at(at, seq);
        }
    }

    /// The store may let go what it has here for the session in `at`.
    pub(super) fn let_go_at(&mut self, at: u32, seq: InboxSeq) {
        if let Some(slot) = self.slots.get(at as usize) {
            self.unsettled.changes.push(over(slot.key().clone(), seq));
        }
    }

    /// What pumping the session in `at` has to tell.
    pub(super) fn pumped(&mut self, at: u32, pumped: Pumped) {
        match pumped {
            Pumped::Dropped(reason, finished) => {
                self.metrics
                    .messages_dropped
                    .add(super::flush::reason_label(reason), 1);
                self.finished(at, finished);
            }
            Pumped::Reserved(seq, packet_id) => {
                self.change_then(at, packet_id, Next::Send, |session| Change::Sent {
                    session,
                    seq,
                    packet_id,
                });
            }
        }
    }

    /// PUBREC has come: the store is to know that before PUBREL goes out.
    pub(super) fn release(&mut self, at: u32, seq: InboxSeq, packet_id: u16) {
        self.change_then(at, packet_id, Next::Pubrel, |session| Change::Released {
            session,
            seq,
        });
    }

    /// PUBREL has come for a packet id that the store knows: it is to forget it before PUBCOMP goes out. The client may use
    /// the id for another message then, which must not be taken for this one.
    pub(super) fn forget(&mut self, at: u32, packet_id: u16) {
        self.change_then(at, packet_id, Next::Pubcomp, |session| Change::Forgotten {
            session,
            packet_id,
        });
    }

    fn change_then(
        &mut self,
        at: u32,
        packet_id: u16,
        next: Next,
        change: impl FnOnce(SessionKey) -> Change,
    ) {
        let subscriber = self.subscriber(at);
        let Some(live) = self.live(at) else { return };
        let (key, conn) = (live.key.clone(), live.conn.number);
        self.unsettled.changes.push(change(key));
        self.unsettled.next.push((subscriber, conn, packet_id, next));
    }

    /// Hands the turn's work to the store, and does what comes next when it is done.
    pub(super) fn settle_turn(&mut self) {
        if self.unsettled.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.unsettled.changes);
        let pending = std::mem::take(&mut self.unsettled.pending);
        let receipts = std::mem::take(&mut self.unsettled.receipts);
        let next = std::mem::take(&mut self.unsettled.next);
        self.commit(changes, move |shard, stored| {
            let failed = stored.is_err();
            let mut seqs = match stored {
                Ok(seqs) => seqs.into_iter(),
                Err(error) => {
                    tracing::error!(%error, messages = pending.len(), "the store did not take messages; their publishers are disconnected");
                    Vec::new().into_iter()
                }
            };
            for pending in pending {
                shard.stored(pending, seqs.next());
            }
            for receipt in receipts {
                match failed {
                    true => shard.fail_receipt(receipt),
                    false => shard.settle_receipt(receipt),
                }
            }
            for (session, conn, packet_id, next) in next {
                match failed {
                    true => shard.close_unstored(session, conn),
                    false => shard.go_on(session, conn, packet_id, next),
                }
            }
        });
    }

    /// Makes changes, and does `then` with where the messages among them stand.
    pub(super) fn commit(
        &mut self,
        changes: Vec<Change>,
        then: impl FnOnce(&mut Self, Result<Vec<InboxSeq>, StoreError>) + 'static,
    ) {
        let bytes = changes.iter().map(bytes_of).sum::<usize>();
        self.unsettled.uncommitted += bytes;
        let (store, now) = (Arc::clone(&self.shared.store), self.now);
        let work = async move { store.commit(changes, now).await };
        self.when_done_in_row(work, move |shard, done| {
            shard.unsettled.uncommitted -= bytes;
            if !shard.unsettled.is_behind() && shard.backlog.is_empty() {
                shard.wake_held();
            }
            let stored = done.map(|Committed { seqs, evicted }| {
                for (instance, count) in evicted {
                    shard.evicted(&instance, count);
                }
                seqs
            });
            then(shard, stored);
        });
    }

    /// The store has this message, at this place; or it failed.
    pub(super) fn stored(&mut self, pending: Pending, seq: Option<InboxSeq>) {
        let Pending {
            to,
            conn,
            in_store,
            receipt,
            send,
            opened,
        } = pending;
        let collected = opened.is_some();
        if let Some(session) = &opened {
            self.transaction_closed(session);
        }
        let Some(seq) = seq else {
            if let Some(receipt) = receipt {
                self.fail_receipt(receipt);
            }
            return self.close_unstored(to, conn);
        };
        if let Some(receipt) = receipt {
            self.settle_receipt(receipt);
        }
        let Some(slot) = self.slot(to) else {
            // The session ended meanwhile; what was collected for it came after its inbox was forgotten.
            if let Some(session) = opened {
                self.unsettled.changes.push(over(session, seq));
            }
            return;
        };
        let key = slot.key().clone();
        let mut last = false;
        if let Slot::Live(live) = slot {
            if in_store.is_some() && live.conn.number == conn {
                last = live.session.stored_at(seq) && live.session.spilled;
            } else if in_store.is_none() && collected {
                // Also if it was collected while nobody was there.
                live.session.inbox_came();
                last = true;
            }
        }
        if last {
            self.mark_dirty(to.slot);
        }
        let Some(in_store) = in_store else { return };
        let asked = in_store.set(At::Here(seq));
        match asked {
            At::Gone => {
                in_store.set(At::Gone);
                self.let_go_at(to.slot, seq);
            }
            At::AskedSent(packet_id) => self.unsettled.changes.push(Change::Sent {
                session: key,
                seq,
                packet_id,
            }),
            At::Asked | At::Here(_) => {
                if let Some(packet_id) = send {
                    self.go_on(to, conn, packet_id, Next::Send);
                } else if let Some(Slot::Live(live)) = self.slot(to)
                    && live.session.has_queued()
                {
                    // It may have been the one that the others waited behind.
                    self.mark_dirty(to.slot);
                }
            }
        }
    }

    /// The store failed, and what this connection waits for will never come: it ends, and what it has is looked at anew when
    /// the client comes again.
    fn close_unstored(&mut self, session: SubscriberId, conn: u64) {
        if self.live_on(session, conn).is_some() {
            let what = "what belongs to the session could not be stored";
            let close = Close::new(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, what);
            self.close(session.slot, &close);
        }
    }

    fn go_on(&mut self, session: SubscriberId, conn: u64, packet_id: u16, next: Next) {
        let now = self.now;
        if self.live_on(session, conn).is_none() {
            return;
        }
        let Some(Slot::Live(live)) = self.slots.get_mut(session.slot as usize) else {
            return;
        };
        let buffers = &mut self.buffers;
        live.session.outbox.lend(|| buffers.pop().unwrap_or_default());
        let dropped = match next {
            Next::Send => live.session.send_reserved(packet_id, &mut self.wires, now),
            Next::Pubrel => {
                live.session.released(packet_id);
                Vec::new()
            }
            Next::Pubcomp => {
                live.session.completed(packet_id, true);
                Vec::new()
            }
        };
        self.mark_dirty(session.slot);
        for (reason, finished) in dropped {
            self.pumped(session.slot, Pumped::Dropped(reason, finished));
        }
    }

    /// Messages of an instance had to make room in the store, or were too old.
    fn evicted(&mut self, instance: &InstanceId, count: usize) {
        self.metrics
            .messages_dropped
            .add(DropReason::OfflineFull, count as u64);
        if let Some(tenant) = self.shared.tenants.get(instance) {
            tenant.usage.evicted.add(count as u64);
        }
    }

    /// Does `then` with what `work` comes to: at once if it is done at once, else in a turn of its own. The work begins
    /// now, so that what is asked of the store later finds it done.
    pub(super) fn when_done<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T) + 'static,
    ) {
        let mut work = Box::pin(work);
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return then(self, done);
        }
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            let done = work.await;
            if let Some(shard) = me.upgrade() {
                let mut shard = shard.borrow_mut();
                shard.begin_turn();
                then(&mut shard, done);
                shard.end_turn();
            }
        });
    }
}

/// The store may let go this one message.
fn over(session: SessionKey, seq: InboxSeq) -> Change {
    Change::Acknowledge {
        session,
        from: seq,
        up_to: seq,
    }
}

fn bytes_of(change: &Change) -> usize {
    let message = match change {
        Change::Append { delivery, .. } => Some(&delivery.message),
        Change::Retain { message, .. } => message.as_ref(),
        _ => None,
    };
    CHANGE_BYTES + message.map_or(0, |message| message.payload.len())
}
