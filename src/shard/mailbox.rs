//! Messages between shards: one bounded ring for each ordered pair, and one bell a shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rtrb::{Consumer, Producer, PushError, RingBuffer};
use tokio::sync::Notify;

use super::deliver::may_be_dropped;
use super::hand::Claim;
use super::{Shard, ShardRef};
use crate::codec::ReasonCode;
use crate::message::{Delivery, Message, Publication};
use crate::metrics::DropReason;
use crate::router::{Matches, P2pTarget, SubscriberId};

/// What one shard sends another: one entry a publication and shard, however many receivers it has there.
pub enum Mail {
    /// For every receiver that `matches` names on the shard that gets this.
    Deliver {
        /// The message.
        message: Arc<Message>,
        /// Who gets it.
        matches: Arc<Matches>,
        /// Who published it, for No Local.
        publisher: Option<SubscriberId>,
        /// Who waits for it.
        claim: Option<Claim>,
    },
    /// For the one client that the topic names.
    ToClient {
        /// Who gets it.
        to: Arc<P2pTarget>,
        /// The message.
        message: Arc<Message>,
        /// Who waits for it.
        claim: Option<Claim>,
    },
    /// For one receiver: the member of a shared subscription that was picked.
    One {
        /// Who gets it.
        to: SubscriberId,
        /// The message, and how it goes out.
        delivery: Delivery,
        /// Who waits for it.
        claim: Option<Claim>,
    },
}

impl Mail {
    fn may_be_dropped(&self) -> bool {
        match self {
            Self::Deliver { message, .. } | Self::ToClient { message, .. } => may_be_dropped(message.qos),
            Self::One { delivery, .. } => may_be_dropped(delivery.qos),
        }
    }
}

/// Wakes a shard that sleeps, once for any number of messages.
#[derive(Debug, Default)]
pub struct Signal {
    /// It has been rung and has not looked yet.
    rung: AtomicBool,
    bell: Notify,
}

impl Signal {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.bell.notify_one();
        }
    }

    async fn rung(&self) {
        self.bell.notified().await;
        // Before looking: what comes after this rings again.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

/// One shard's ends of all rings.
pub struct Mailboxes {
    /// By receiving shard; `None` for the shard itself.
    outgoing: Vec<Option<Outgoing>>,
    incoming: Vec<Incoming>,
    /// Rung by the others.
    bell: Arc<Signal>,
}

struct Outgoing {
    ring: Producer<Mail>,
    bell: Arc<Signal>,
    /// The ring was found full: the receiver rings back when it has made room.
    starved: Arc<AtomicBool>,
    /// Something was put in during this turn.
    touched: bool,
}

struct Incoming {
    ring: Consumer<Mail>,
    /// The sender's bell, for ringing back.
    bell: Arc<Signal>,
    starved: Arc<AtomicBool>,
}

/// The mailboxes of `shards` shards, with room for `capacity` messages from each to each.
#[must_use]
pub fn mailboxes(shards: usize, capacity: usize) -> Vec<Mailboxes> {
    let bells: Vec<Arc<Signal>> = (0..shards).map(|_| Arc::default()).collect();
    let mut all: Vec<Mailboxes> = bells
        .iter()
        .map(|bell| Mailboxes {
            outgoing: Vec::new(),
            incoming: Vec::new(),
            bell: Arc::clone(bell),
        })
        .collect();
    for (from, from_bell) in bells.iter().enumerate() {
        for (to, to_bell) in bells.iter().enumerate() {
            if from == to {
                if let Some(own) = all.get_mut(from) {
                    own.outgoing.push(None);
                }
                continue;
            }
            let (sender, receiver) = RingBuffer::new(capacity.max(1));
            let starved = Arc::new(AtomicBool::new(false));
            if let Some(own) = all.get_mut(from) {
                own.outgoing.push(Some(Outgoing {
                    ring: sender,
                    bell: Arc::clone(to_bell),
                    starved: Arc::clone(&starved),
                    touched: false,
                }));
            }
            if let Some(other) = all.get_mut(to) {
                other.incoming.push(Incoming {
                    ring: receiver,
                    bell: Arc::clone(from_bell),
                    starved,
                });
            }
        }
    }
    all
}

/// Messages taken from each ring before others have their turn.
const BATCH: usize = 1024;

/// Reads the mailbox for as long as the shard lives.
pub async fn run(shard: ShardRef) {
    let bell = Arc::clone(&shard.borrow().mailboxes.bell);
    loop {
        bell.rung().await;
        while shard.borrow_mut().mail_turn() {
            tokio::task::yield_now().await;
        }
    }
}

impl Shard {
    /// Handles what has come, and sends on what had found no room; tells whether there is more.
    fn mail_turn(&mut self) -> bool {
        self.begin_turn();
        self.send_backlog();
        let mut more = false;
        for sender in 0..self.mailboxes.incoming.len() {
            for taken in 0.. {
                let Some(incoming) = self.mailboxes.incoming.get_mut(sender) else {
                    break;
                };
                let Ok(mail) = incoming.ring.pop() else { break };
                self.take_mail(&mail);
                if taken == BATCH {
                    more = true;
                    break;
                }
            }
            if let Some(incoming) = self.mailboxes.incoming.get(sender) {
                fence(Ordering::SeqCst);
                if incoming.starved.swap(false, Ordering::Relaxed) {
                    incoming.bell.ring();
                }
            }
        }
        self.end_turn();
        more
    }

    fn take_mail(&mut self, mail: &Mail) {
        let (Mail::Deliver { claim, .. } | Mail::One { claim, .. } | Mail::ToClient { claim, .. }) = mail;
        self.take_mail_in_hand(*claim);
        match mail {
            Mail::Deliver {
                message,
                matches,
                publisher,
                ..
            } => {
                self.deliver_here(&Publication::of(message), matches, *publisher);
            }
            Mail::One { to, delivery, .. } => self.deliver_one(*to, delivery),
            Mail::ToClient { to, message, .. } => {
                self.deliver_to_target(&Publication::of(message), &to.key);
            }
        }
        self.put_down(ReasonCode::SUCCESS);
    }

    /// Sends to another shard. If its mailbox is full, QoS 0 is dropped and counted; the rest waits here, and publishers
    /// are held back until it is gone.
    pub(super) fn post(&mut self, to: u16, mail: Mail) {
        if !self.backlog.is_empty() && !mail.may_be_dropped() {
            return self.backlog.push_back((to, mail));
        }
        if let Err(mail) = self.try_post(to, mail) {
            self.metrics.mailbox_full.add(1);
            if mail.may_be_dropped() {
                self.metrics.messages_dropped.add(DropReason::MailboxFull, 1);
            } else {
                self.backlog.push_back((to, mail));
            }
        }
    }

    fn try_post(&mut self, to: u16, mail: Mail) -> Result<(), Mail> {
        let Some(Some(outgoing)) = self.mailboxes.outgoing.get_mut(usize::from(to)) else {
            return Ok(());
        };
        outgoing.touched = true;
        let Err(PushError::Full(mail)) = outgoing.ring.push(mail) else {
            return Ok(());
        };
        outgoing.starved.store(true, Ordering::Relaxed);
        // The receiver may have made room before it could see that, and then rings nobody: look once more. The fences
        // here and there see to it that one of the two sees the other.
        fence(Ordering::SeqCst);
        outgoing.ring.push(mail).map_err(|PushError::Full(mail)| mail)
    }

    fn send_backlog(&mut self) {
        while let Some((to, mail)) = self.backlog.pop_front() {
            if let Err(mail) = self.try_post(to, mail) {
                self.backlog.push_front((to, mail));
                return;
            }
        }
        self.wake_held();
    }

    /// Connections that were held back may be read again.
    pub(super) fn wake_held(&mut self) {
        for held in self.held.drain(..) {
            held.wake();
        }
    }

    /// Rings the bell of every shard that this turn has sent something.
    pub(super) fn ring_mailboxes(&mut self) {
        for outgoing in self.mailboxes.outgoing.iter_mut().flatten() {
            if std::mem::take(&mut outgoing.touched) {
                outgoing.bell.ring();
            }
        }
    }
}
