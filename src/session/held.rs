//! What a session holds for its client, and who waits for it to be safe.
//!
//! The publisher of a message is answered when everybody who is to have it has acknowledged it, or the store has it. Each
//! message that a persistent session holds so carries a [`Receipt`], which is handed back to the shard when the client
//! acknowledges the message, or goes with it to the store; and, from when the store is asked to keep it, its place there.

use std::cell::Cell;
use std::rc::Rc;

use crate::codec::QoS;
use crate::message::Delivery;
use crate::store::InboxSeq;

/// Whose message a receipt is for: a publication that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Of {
    /// The publisher's shard.
    pub shard: u16,
    /// The number that it knows the wait by, never given twice.
    pub wait: u64,
    /// The number that the receivers' shard knows its part by; each mail is one. Zero on the publisher's own shard.
    pub part: u64,
}

/// One receiver's part in a publication that waits. All receipts of one publication on one shard count down together. One
/// that is dropped without [`Receipt::settle`] leaves its publisher without an answer, which loses nothing.
#[derive(Debug)]
#[must_use = "its publisher waits until it is settled"]
pub struct Receipt(Rc<Open>);

#[derive(Debug)]
struct Open {
    of: Of,
    count: Cell<u32>,
}

impl Receipt {
    /// The first for this publication.
    pub fn new(of: Of) -> Self {
        Self(Rc::new(Open {
            of,
            count: Cell::new(1),
        }))
    }

    /// One more for the same publication.
    pub fn another(&self) -> Self {
        self.0.count.set(self.0.count.get() + 1);
        Self(Rc::clone(&self.0))
    }

    /// This receiver has it safely. Answers with the publication if it was the last on this shard.
    #[must_use]
    pub fn settle(self) -> Option<Of> {
        let left = self.0.count.get() - 1;
        self.0.count.set(left);
        (left == 0).then_some(self.0.of)
    }

    /// Whose it is.
    #[must_use]
    pub fn of(&self) -> Of {
        self.0.of
    }
}

/// What the store has of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// It has been asked to keep it and has not answered.
    Asked,
    /// The same, and the message was in flight under this packet id when its connection ended.
    AskedSent(u16),
    /// It has it here.
    Here(InboxSeq),
    /// It has been asked, and the message has been acknowledged meanwhile: it is to be let go again.
    Gone,
}

/// Where the store has a message; who holds the message and who waits for the store share it.
#[derive(Debug)]
pub struct InStore(Cell<At>);

impl InStore {
    /// The store has just been asked.
    #[must_use]
    pub fn asked() -> Rc<Self> {
        Rc::new(Self(Cell::new(At::Asked)))
    }

    /// It is there already.
    #[must_use]
    pub fn here(seq: InboxSeq) -> Rc<Self> {
        Rc::new(Self(Cell::new(At::Here(seq))))
    }

    /// What is known.
    #[must_use]
    pub fn at(&self) -> At {
        self.0.get()
    }

    /// Notes something else; answers with what was known before.
    pub fn set(&self, at: At) -> At {
        self.0.replace(at)
    }
}

/// A message that waits for its client, or for its client's acknowledgement.
#[derive(Debug)]
pub struct Held {
    /// The message, and how it goes out.
    pub delivery: Delivery,
    /// Who waits for it, as long as neither client nor store has it.
    pub receipt: Option<Receipt>,
    /// The store's place, if it is asked to keep it.
    pub in_store: Option<Rc<InStore>>,
    /// Which of the session's messages it is, counted from its connection's beginning.
    pub number: u32,
}

impl Held {
    /// A message that nobody waits for.
    #[must_use]
    pub fn alone(delivery: Delivery) -> Self {
        Self {
            delivery,
            receipt: None,
            in_store: None,
            number: 0,
        }
    }

    /// It is of QoS 2, and the store has not said yet that it has it.
    #[must_use]
    pub fn waits_for_store(&self) -> bool {
        let asked = |in_store: &Rc<InStore>| !matches!(in_store.at(), At::Here(_));
        self.delivery.qos == QoS::ExactlyOnce && self.in_store.as_ref().is_some_and(asked)
    }

    /// A message of the inbox.
    #[must_use]
    pub fn of_inbox(seq: InboxSeq, delivery: Delivery) -> Self {
        Self {
            in_store: Some(InStore::here(seq)),
            ..Self::alone(delivery)
        }
    }
}

/// A message that its client has, or that goes no further: whoever waited for it can be told, and the store may let it go.
#[derive(Debug, Default)]
pub struct Finished {
    /// The message, if it was kept.
    pub held: Option<Box<Held>>,
    /// The client has it; it did not refuse it.
    pub arrived: bool,
    /// The store's place of a message that is not kept any more.
    pub in_store: Option<Rc<InStore>>,
}

impl Finished {
    /// This message is over.
    #[must_use]
    pub fn of(held: Option<Box<Held>>, arrived: bool) -> Self {
        Self {
            held,
            arrived,
            in_store: None,
        }
    }
}
