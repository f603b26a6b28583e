//! The publication in hand, and the publications that wait to be settled.
//!
//! A publisher is answered when every persistent session that is to have its message has acknowledged it, or the store has
//! it for that session. The parts of that are counted: one for the shard that routes the message, one for each shard that gets
//! it by mail. A shard's part is over when all [`Receipt`]s that it gave out for the message have been settled.
//!
//! What a persistent session publishes with QoS 2 is a *transaction*: its packet id and the message, in the inboxes of all who
//! are to get it with QoS 2, are stored in one batch, so that after a crash all of it is there, or nothing and the client
//! sends it again as new.

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxBuildHasher;

use super::settle::Pending;
use super::slot::Slot;
use super::{Control, Shard};
use crate::codec::ReasonCode;
use crate::instance::SessionKey;
use crate::router::SubscriberId;
use crate::session::{Close, Of, Receipt};
use crate::store::{Change, InboxSeq, StoreError};

/// Who is to be answered: this connection, for this packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publisher {
    pub(super) session: SubscriberId,
    /// The number of its connection: on another one the packet id is another packet's.
    pub(super) conn: u64,
    pub(super) packet_id: u16,
}

/// For a receiver's shard: whose mail this is, if somebody waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The publication.
    of: Of,
    /// It is a transaction: what is to be stored with QoS 2 goes back to the publisher's shard, which stores all of it.
    collects: bool,
}

/// What is known of the publication that is being delivered.
#[derive(Default)]
pub(super) struct Hand {
    /// A publisher of this shard; there is no number yet.
    own: Option<Publisher>,
    claim: Option<Claim>,
    /// This shard's first receipt.
    first: Option<Receipt>,
    /// What the transaction is to store, and who waits for it here.
    collected: Vec<(Change, Pending)>,
}

/// A publication that has not settled.
struct Wait {
    publisher: Publisher,
    reason: ReasonCode,
    /// Parts that are not over.
    parts: u32,
    failed: bool,
    transaction: Option<Box<Transaction>>,
}

/// What is stored together.
struct Transaction {
    /// Who published it.
    session: SessionKey,
    changes: Vec<Change>,
    /// Who waits for the first of them here, in their order.
    own: Vec<Pending>,
    /// And how many belong to which part of which shard, in their order.
    others: Vec<(u16, u64, usize)>,
    /// Everybody has said what is to be stored.
    ready: bool,
}

/// The publications of this shard that wait, and its part in those of others.
#[derive(Default)]
pub(super) struct Waits {
    waits: HashMap<u64, Wait, FxBuildHasher>,
    /// The last number that was given to a wait or a part. What is told of an old one must never be taken for a new one.
    last: u64,
    /// Transactions by their publisher, in the order of their messages; that is the order in which they are stored.
    transactions: HashMap<SessionKey, VecDeque<u64>, FxBuildHasher>,
    /// How many transactions a session has part in, as publisher or receiver, that are not stored yet.
    open: HashMap<SessionKey, u32, FxBuildHasher>,
    /// What was collected here for transactions of other shards, by the number of this shard's part.
    collecting: HashMap<u64, Collected, FxBuildHasher>,
    /// What other shards are to be told at the end of this turn.
    told: HashMap<u16, Vec<Told>, FxBuildHasher>,
}

struct Collected {
    changes: Vec<Change>,
    pending: Vec<Pending>,
}

/// What shards tell each other about publications that wait.
pub enum Told {
    /// A part of the teller in this publication of the receiver is over; this is to be stored with it.
    Part {
        /// Which publication.
        wait: u64,
        /// Which part.
        part: u64,
        /// For the transaction.
        collected: Vec<Change>,
        /// It could not be kept: the publisher is to send it again.
        failed: bool,
    },
    /// What the receiver had collected in this part of it is stored.
    Stored {
        /// Which part.
        part: u64,
        /// Where; nowhere if the store failed.
        seqs: Option<Vec<InboxSeq>>,
    },
}

impl Hand {
    /// A receipt for one more receiver here, if somebody waits.
    pub(super) fn receipt(&mut self, waits: &mut Waits, shard: u16) -> Option<Receipt> {
        let of = self.claim(waits, shard)?.of;
        let first = self.first.get_or_insert_with(|| Receipt::new(of));
        Some(first.another())
    }

    /// What goes with mail to another shard, which has a part in it from now on.
    pub(super) fn mail(&mut self, waits: &mut Waits, shard: u16) -> Option<Claim> {
        let claim = self.claim(waits, shard)?;
        if let Some(wait) = waits.waits.get_mut(&claim.of.wait) {
            wait.parts += 1;
        }
        Some(claim)
    }

    fn claim(&mut self, waits: &mut Waits, shard: u16) -> Option<Claim> {
        if self.claim.is_none() {
            let publisher = self.own?;
            let wait = waits.add(publisher, None);
            self.claim = Some(Claim {
                of: Of { shard, wait, part: 0 },
                collects: false,
            });
        }
        self.claim
    }

    /// What is stored with QoS 2 is collected.
    pub(super) fn collects(&self) -> bool {
        self.claim.is_some_and(|claim| claim.collects)
    }

    pub(super) fn collect(&mut self, change: Change, pending: Pending) {
        self.collected.push((change, pending));
    }

    /// Somebody waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        self.claim.is_some()
    }
}

impl Waits {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, publisher: Publisher, transaction: Option<Box<Transaction>>) -> u64 {
        let wait = Wait {
            publisher,
            reason: ReasonCode::SUCCESS,
            parts: 1,
            failed: false,
            transaction,
        };
        let number = self.next();
        self.waits.insert(number, wait);
        number
    }

    fn tell(&mut self, shard: u16, told: Told) {
        self.told.entry(shard).or_default().push(told);
    }

    /// One transaction more that this session has part in.
    pub(super) fn open(&mut self, key: SessionKey) {
        *self.open.entry(key).or_default() += 1;
    }

    /// How many transactions it has part in that are not stored yet.
    pub(super) fn open_of(&self, key: &SessionKey) -> u32 {
        self.open.get(key).copied().unwrap_or(0)
    }

    /// A message of QoS 2 that this session published, or is to get, is not stored yet.
    pub(super) fn has_open(&self, key: &SessionKey) -> bool {
        self.open.contains_key(key)
    }
}

impl Shard {
    /// A publisher's message is taken in hand. For a `transaction` its packet id is stored with it.
    #[inline]
    pub(super) fn take_in_hand(&mut self, publisher: Publisher) {
        self.hand.own = Some(publisher);
    }

    /// The same for one whose packet id is stored with it.
    pub(super) fn begin_transaction(&mut self, publisher: Publisher, session: SessionKey) {
        self.take_in_hand(publisher);
        let claim = {
            self.waits.open(session.clone());
            let packet_id = publisher.packet_id;
            let transaction = Transaction {
                session: session.clone(),
                changes: vec![Change::Received {
                    session: session.clone(),
                    packet_id,
                }],
                own: Vec::new(),
                others: Vec::new(),
                ready: false,
            };
            let wait = self.waits.add(publisher, Some(Box::new(transaction)));
            self.waits
                .transactions
                .entry(session)
                .or_default()
                .push_back(wait);
            Claim {
                of: Of {
                    shard: self.id,
                    wait,
                    part: 0,
                },
                collects: true,
            }
        };
        self.hand.claim = Some(claim);
    }

    /// A message that came by mail is taken in hand.
    #[inline]
    pub(super) fn take_mail_in_hand(&mut self, claim: Option<Claim>) {
        self.hand.claim = claim.map(|mut claim| {
            claim.of.part = self.waits.next();
            claim
        });
    }

    /// Everybody here has been given it. Its publisher gets `reason` when everybody has it safely.
    #[inline]
    pub(super) fn put_down(&mut self, reason: ReasonCode) {
        self.hand.own = None;
        if let Some(Claim { of, .. }) = self.hand.claim.take() {
            self.put_down_claimed(of, reason);
        }
    }

    fn put_down_claimed(&mut self, of: Of, reason: ReasonCode) {
        let hand = std::mem::take(&mut self.hand);
        let (changes, pending): (Vec<_>, Vec<_>) = hand.collected.into_iter().unzip();
        if of.shard == self.id {
            if let Some(wait) = self.waits.waits.get_mut(&of.wait) {
                wait.reason = reason;
                if let Some(transaction) = &mut wait.transaction {
                    transaction.changes.extend(changes);
                    transaction.own = pending;
                }
            }
        } else if !changes.is_empty() {
            let collected = Collected { changes, pending };
            self.waits.collecting.insert(of.part, collected);
        }
        match hand.first {
            Some(first) => self.settle_receipt(first),
            None => self.part_over(of, false),
        }
    }

    /// One receiver has it safely.
    pub(super) fn settle_receipt(&mut self, receipt: Receipt) {
        if let Some(of) = receipt.settle() {
            self.part_over(of, false);
        }
    }

    /// The store did not take it: whoever waits for it is not answered.
    pub(super) fn fail_receipt(&mut self, receipt: Receipt) {
        let of = receipt.of();
        if of.shard == self.id {
            if let Some(wait) = self.waits.waits.get_mut(&of.wait) {
                wait.failed = true;
            }
            self.settle_receipt(receipt);
        } else if let Some(of) = receipt.settle() {
            self.part_over(of, true);
        }
    }

    /// This shard's part in a publication is over.
    fn part_over(&mut self, of: Of, failed: bool) {
        if of.shard == self.id {
            return self.one_part_less(of.wait, failed);
        }
        let collected = self.waits.collecting.get_mut(&of.part);
        let collected = collected.map(|collected| std::mem::take(&mut collected.changes));
        self.waits.tell(
            of.shard,
            Told::Part {
                wait: of.wait,
                part: of.part,
                collected: collected.unwrap_or_default(),
                failed,
            },
        );
    }

    fn one_part_less(&mut self, number: u64, failed: bool) {
        let Some(wait) = self.waits.waits.get_mut(&number) else {
            return;
        };
        wait.failed |= failed;
        wait.parts -= 1;
        if wait.parts > 0 {
            return;
        }
        if let Some(transaction) = &mut wait.transaction {
            transaction.ready = true;
            let session = transaction.session.clone();
            return self.store_transactions(&session);
        }
        self.wait_over(number);
    }

    /// Nobody is waited for any more.
    fn wait_over(&mut self, number: u64) {
        let Some(wait) = self.waits.waits.remove(&number) else {
            return;
        };
        let Publisher {
            session,
            conn,
            packet_id,
        } = wait.publisher;
        let Some(Slot::Live(live)) = self.slot(session) else {
            return;
        };
        if live.conn.number != conn {
            return;
        }
        if wait.failed {
            // Not stored, so not acknowledged. A client sends again only when it comes again: so it has to go.
            live.session.forget_received(packet_id);
            let what = "the message could not be stored";
            let close = Close::new(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, what);
            return self.close(session.slot, &close);
        }
        live.session.settle(packet_id, wait.reason);
        if std::mem::take(&mut live.conn.full) {
            live.conn.wake();
        }
        self.mark_dirty(session.slot);
    }

    /// Stores the transactions of a session that are ready, in the order in which their messages came.
    fn store_transactions(&mut self, session: &SessionKey) {
        loop {
            let Some(row) = self.waits.transactions.get_mut(session) else {
                return;
            };
            let Some(number) = row.front().copied() else {
                self.waits.transactions.remove(session);
                return;
            };
            let Some(wait) = self.waits.waits.get_mut(&number) else {
                row.pop_front();
                continue;
            };
            let failed = wait.failed;
            let Some(transaction) = wait.transaction.take_if(|it| it.ready) else {
                return;
            };
            row.pop_front();
            let Transaction {
                session,
                changes,
                own,
                others,
                ..
            } = *transaction;
            if failed {
                // Not all can keep it, so nobody does: its publisher sends it again as new.
                let error = StoreError::Failed("a part of it was not stored".to_owned());
                self.transaction_stored(number, own, others, Err(error));
                self.transaction_closed(&session);
                continue;
            }
            self.commit(changes, move |shard, stored| {
                shard.transaction_stored(number, own, others, stored);
                shard.transaction_closed(&session);
            });
        }
    }

    /// A transaction that this session had part in is stored.
    pub(super) fn transaction_closed(&mut self, session: &SessionKey) {
        if let Some(open) = self.waits.open.get_mut(session) {
            *open -= 1;
            if *open == 0 {
                self.waits.open.remove(session);
                self.claim_released.notify_waiters();
            }
        }
    }

    fn transaction_stored(
        &mut self,
        number: u64,
        own: Vec<Pending>,
        others: Vec<(u16, u64, usize)>,
        stored: Result<Vec<InboxSeq>, StoreError>,
    ) {
        let mut seqs = match stored {
            Ok(seqs) => Some(seqs.into_iter()),
            Err(error) => {
                tracing::error!(%error, "the store did not take a QoS 2 message; its publisher is disconnected");
                if let Some(wait) = self.waits.waits.get_mut(&number) {
                    wait.failed = true;
                }
                None
            }
        };
        for pending in own {
            let seq = seqs.as_mut().and_then(Iterator::next);
            self.stored(pending, seq);
        }
        for (shard, part, count) in others {
            let seqs = seqs.as_mut().map(|seqs| seqs.take(count).collect());
            self.waits.tell(shard, Told::Stored { part, seqs });
        }
        self.wait_over(number);
    }

    /// Another shard tells about publications that wait.
    pub(super) fn on_told(&mut self, from: u16, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Part {
                    wait: number,
                    part,
                    collected,
                    failed,
                } => {
                    let wait = self.waits.waits.get_mut(&number);
                    if let Some(transaction) = wait.and_then(|wait| wait.transaction.as_mut())
                        && !collected.is_empty()
                    {
                        transaction.others.push((from, part, collected.len()));
                        transaction.changes.extend(collected);
                    }
                    self.one_part_less(number, failed);
                }
                Told::Stored { part, seqs } => {
                    let Some(collected) = self.waits.collecting.remove(&part) else {
                        continue;
                    };
                    let mut seqs = seqs.map(Vec::into_iter);
                    for pending in collected.pending {
                        let seq = seqs.as_mut().and_then(Iterator::next);
                        self.stored(pending, seq);
                    }
                }
            }
        }
    }

    /// Tells other shards what this turn has to tell them.
    pub(super) fn tell_shards(&mut self) {
        if self.waits.told.is_empty() {
            return;
        }
        for (shard, told) in self.waits.told.drain() {
            self.shared.control(shard, Control::Told(self.id, told));
        }
    }
}
