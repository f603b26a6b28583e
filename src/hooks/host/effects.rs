//! What policies ask the broker to do. A script runs in the middle of a shard's turn, so nothing is done at once: it is
//! written down here, and the shard does it when the turn ends. A compiled plugin asks from any thread: [`Broker`].

use crate::codec::ReasonCode;
use crate::hooks::client::Client;
use crate::hooks::verdict::NewMessage;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

/// How much may wait on one shard: a script that asks for more within one turn is told so.
const MOST: usize = 4096;

/// One thing to do, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// In which instance; without one in the configured one, or in all where that can be.
    pub instance: Option<Arc<str>>,
    /// What.
    pub wish: Wish,
}

/// What a policy has the broker do.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Publish a message.
    Publish(NewMessage),
    /// Send a message to one client, whatever it is subscribed to.
    P2p {
        /// To whom.
        client_id: Arc<str>,
        /// What; its topic is what the client sees.
        message: NewMessage,
    },
    /// End a client's connection.
    Kick {
        /// Whose.
        client_id: Arc<str>,
        /// What a 5.0 client is told.
        code: ReasonCode,
        /// And in words.
        reason: Arc<str>,
    },
    /// Ask again whether subscriptions are allowed, and take back those that are not.
    Reauthorize {
        /// Whose; `None` is everybody's.
        client_id: Option<Arc<str>>,
    },
    /// Look who has a session, and tell who asks.
    Sessions(SessionsQuery, SessionsReply),
    /// Look up the session of this client, and tell who asks.
    Session(Arc<str>, SessionReply),
}

/// The broker, for those who are not on a shard's thread. `server` makes it.
pub trait Broker: Send + Sync + fmt::Debug {
    /// Whether there is an instance of that id.
    fn has_instance(&self, id: &str) -> bool;

    /// Has it done soon, on a shard. `place` is given back when it is done.
    fn ask(&self, effect: Effect, place: OwnedSemaphorePermit);
}

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFacts {
    /// Whether a client is connected to it.
    pub connected: bool,
    /// How many subscriptions it has.
    pub subscriptions: u64,
    /// How many messages wait in it.
    pub queued: u64,
}

/// Who is told what is known of a session, once; nothing when there is none.
#[derive(Clone)]
pub struct SessionReply(Arc<Mutex<Option<Tell>>>);

type Tell = Box<dyn FnOnce(Option<SessionFacts>) + Send>;

impl SessionReply {
    pub(crate) fn new(tell: impl FnOnce(Option<SessionFacts>) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(tell)))))
    }

    /// Tells who asked.
    pub fn send(&self, facts: Option<SessionFacts>) {
        let tell = self.0.lock().take();
        if let Some(tell) = tell {
            tell(facts);
        }
    }
}

impl fmt::Debug for SessionReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionReply")
    }
}

impl PartialEq for SessionReply {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Which sessions are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionsQuery {
    /// The beginning of their client ids.
    pub prefix: Arc<str>,
    /// Only those that are connected, or only those that are not.
    pub connected: Option<bool>,
    /// How many at most.
    pub most: usize,
}

/// A session that a script asked for.
#[derive(Debug, Clone)]
pub struct SessionSeen {
    /// Whose it is.
    pub client: Arc<Client>,
    /// Whether the client is connected.
    pub connected: bool,
    /// How many subscriptions it has.
    pub subscriptions: usize,
}

/// Where the answer goes, once.
#[derive(Clone)]
pub struct SessionsReply(Arc<Mutex<Option<oneshot::Sender<Vec<SessionSeen>>>>>);

impl SessionsReply {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Vec<SessionSeen>>) {
        let (reply, answer) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(reply)))), answer)
    }

    /// Tells who asked, if somebody still waits.
    pub fn send(&self, sessions: Vec<SessionSeen>) {
        let reply = self.0.lock().take();
        if let Some(reply) = reply {
            let _nobody_waits = reply.send(sessions);
        }
    }
}

impl fmt::Debug for SessionsReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionsReply")
    }
}

impl PartialEq for SessionsReply {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What is to be done on one shard.
#[derive(Debug, Default)]
pub struct Effects {
    waiting: RefCell<VecDeque<Effect>>,
    bell: Rc<Notify>,
    /// Whether a shard does what is noted here.
    served: Cell<bool>,
}

impl Effects {
    /// Those of a shard, which does them.
    pub(crate) fn of_shard() -> Self {
        Self {
            served: Cell::new(true),
            ..Self::default()
        }
    }

    /// Whether anybody does what is noted here; not in tests of policies.
    pub(crate) fn is_served(&self) -> bool {
        self.served.get()
    }

    /// Notes something; `false` when there is too much already.
    pub(crate) fn push(&self, effect: Effect) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let fits = waiting.len() < MOST;
        if fits {
            waiting.push_back(effect);
            self.bell.notify_one();
        }
        fits
    }

    /// Takes at most so many. What is left rings again: a script that asks for much must not hold up a turn.
    pub(crate) fn take(&self, most: usize) -> Vec<Effect> {
        let mut waiting = self.waiting.borrow_mut();
        let some = waiting.len().min(most);
        let taken = waiting.drain(..some).collect();
        if !waiting.is_empty() {
            self.bell.notify_one();
        }
        taken
    }

    /// Whether there is nothing.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Rings when something was noted: a script may run outside of a turn, as tasks do.
    pub fn bell(&self) -> Rc<Notify> {
        self.bell.clone()
    }
}
