//! A shard: one core, and everything that lives on it.
//!
//! A shard owns its sessions, their sockets, its timers, its Lua states and its mailbox; one thread runs all of it, so
//! nothing here takes a lock. A turn begins when a socket has bytes (or the mailbox a message, or a timer its time), does
//! everything that follows by plain calls, and ends with what is left for others: batches for the store, a bell for
//! other shards, and one write for each socket that got something.
//!
//! A PUBLISH goes: [`intake`] (bytes to packets) → [`publish`] (may it, change it, route it) → [`deliver`]
//! (into sessions, here or by mailbox) → [`flush`] (one write a socket).
//!
//! *Invariant*: only its shard touches a session. Nothing in here waits: what takes time is a future that the shard
//! spawns, and whose result comes back as a turn of its own.

mod aside;
mod auth;
mod certificates;
mod close;
mod connect;
mod control;
mod deliver;
mod effects;
mod flush;
mod grace;
mod habits;
mod hand;
mod inbox;
mod inspect;
mod intake;
mod link;
mod login;
mod mailbox;
mod over;
mod own_topics;
mod park;
mod permission;
mod policies;
mod publish;
mod quota;
mod records;
mod restore;
mod row;
mod saves;
mod settle;
mod shared;
mod slot;
mod status;
mod subscribe;
mod sys;
mod tenant;
mod tenants;
mod timers;
mod trace;
mod waiting;
mod will;
mod wire_properties;
mod withdraw;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use rustc_hash::FxBuildHasher;
use slab::Slab;
use tokio::sync::{Notify, Semaphore};

use crate::hooks::{Chain, ShardHooks};
use crate::instance::{Purse, SessionKey};
use crate::message::MessageIds;
use crate::metrics::ShardMetrics;
use crate::router::{MatchCache, SubscriberId};
use crate::session::Wires;
use crate::time::Millis;
pub use connect::{Admission, Admitted, Place, admit};
pub use control::{Control, Reply, Whose, run as read_control};
pub use effects::run as run_effects;
pub use flush::run as flush;
pub use hand::{Claim, Told};
pub use inspect::{Action, ClientsQuery, ClientsSlice, Inspect, ListedClient};
pub use link::{Conn, ConnId};
pub use mailbox::{Mail, Mailboxes, Signal, mailboxes, run as read_mail};
pub use restore::restore;
pub use shared::{Endpoints, Limits, Shared};
pub use status::{ChannelId, Status, StatusKind, Statuses};
pub use sys::run_observers;
pub use tenant::{Kind, Refused, Tenant};
pub use tenants::{Hosted, Tenants};
pub use timers::run as watch_timers;
pub use trace::{TraceKind, TraceLine};

use flush::Flusher;
use habits::Habits;
use hand::{Hand, Waits};
use policies::KeptAnswers;
use records::Records;
use row::Row;
use saves::Saves;
use settle::Unsettled;
use slot::{Live, Slot};
use timers::Timers;
use trace::Traces;

/// How the tasks of one shard share it. They all run on its thread, one at a time, and none holds it across an await.
pub type ShardRef = Rc<RefCell<Shard>>;

/// One core's part of the broker.
pub struct Shard {
    /// Which one it is, from 0.
    id: u16,
    /// To hand itself to futures it spawns.
    me: Weak<RefCell<Shard>>,
    /// What all shards share.
    shared: Arc<Shared>,
    /// The time of this turn.
    now: Millis,
    /// Sessions by the slot in their [`SubscriberId`].
    slots: Slab<Slot>,
    /// How often each slot was given away: a subscriber id of an earlier session finds nobody.
    generations: Vec<u16>,
    /// Sessions by client id.
    by_key: HashMap<SessionKey, u32, FxBuildHasher>,
    /// Held by every connection that has no session yet.
    openings: Rc<()>,
    /// Client ids whose CONNECT is between authentication and CONNACK; another for the same id waits.
    claims: HashSet<SessionKey, FxBuildHasher>,
    /// Rings when a claim ends.
    claim_released: Arc<Notify>,
    /// Connections that have lost their session and still have bytes to write.
    lingering: HashMap<u64, Box<Conn>, FxBuildHasher>,
    /// For the next [`ConnId`].
    next_conn: u64,
    /// The upper half of every [`ChannelId`] of this shard.
    channels: u64,
    /// Instances by number, as sessions of this shard know them.
    tenants: HashMap<u32, Rc<Tenant>, FxBuildHasher>,
    /// What each instance may still spend here in this second, by its number.
    purses: Vec<Purse>,
    /// Parent topics that have been asked for and are not there yet.
    asked_parents: HashSet<(u32, Box<str>), FxBuildHasher>,
    /// What clients did about cleanSession when they were here last.
    habits: Habits,
    /// Routing results by topic.
    matches: MatchCache,
    /// The policies, in this shard's own Lua states.
    hooks: ShardHooks,
    /// The next generation's states, built and waiting for all shards to be ready.
    staged: Option<(u64, Rc<Chain>)>,
    /// Answers of policies that hold for the shard.
    kept_answers: KeptAnswers,
    /// Places for questions to policies that no packet rests for.
    asides: Rc<Semaphore>,
    /// Held by every will that waits for a policy.
    wills: Rc<()>,
    /// Connections whose subscriptions are being asked about, and whether they are to be asked about again.
    asking: HashMap<u64, bool, FxBuildHasher>,
    /// Wakes the task that runs observers off the hot path.
    observers: Rc<Notify>,
    /// Encoded forms of the publication in hand.
    wires: Wires,
    /// Names for messages.
    ids: MessageIds,
    /// Who has bytes to write.
    flusher: Flusher,
    /// What this turn has for the store, and who waits for it.
    unsettled: Unsettled,
    /// The publication that is being delivered.
    hand: Hand,
    /// Publications whose publishers wait.
    waits: Waits,
    /// Session records that are being written.
    saves: Saves,
    /// Answers of the store, in their order.
    row: Row,
    /// Sessions that fell behind in this turn and are to be closed at its end.
    overflowed: Vec<SubscriberId>,
    /// The ways to and from other shards.
    mailboxes: Mailboxes,
    /// Messages for shards whose mailbox is full; while there are any, publishers are held back.
    backlog: VecDeque<(u16, Mail)>,
    /// Connections held back by the backlog.
    held: Vec<Waker>,
    /// Deadlines.
    timers: Timers,
    /// Records that logins rest on.
    records: Records,
    /// Who watches which client.
    traces: Traces,
    /// Where sockets are read into.
    scratch: Vec<u8>,
    /// Empty outbox buffers.
    buffers: Vec<Vec<u8>>,
    /// Counters, written by this shard alone.
    metrics: Arc<ShardMetrics>,
    /// No new sessions: the broker is stopping.
    draining: bool,
}

/// What a socket is read into; also the largest packet that is handled without an own buffer. Measured: 64 KiB
/// costs one read in 16 more on 4 KiB payloads, 256 KiB gains nothing.
const SCRATCH: usize = 128 * 1024;

/// How many empty outbox buffers a shard keeps, and how large one may be.
const SPARE_BUFFERS: usize = 256;
const SPARE_BUFFER_BYTES: usize = 64 * 1024;

/// A number that no shard of any broker has had.
fn channels() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Message IDs would have failed before.
        Err(_) => u64::from(std::process::id()),
    }
}

impl Shard {
    /// Builds a shard without sessions.
    pub fn new(
        id: u16,
        shared: Arc<Shared>,
        hooks: ShardHooks,
        ids: MessageIds,
        mailboxes: Mailboxes,
        metrics: Arc<ShardMetrics>,
    ) -> ShardRef {
        let now = shared.clock.now();
        Rc::new_cyclic(|me| {
            RefCell::new(Self {
                id,
                me: me.clone(),
                now,
                slots: Slab::new(),
                generations: Vec::new(),
                by_key: HashMap::default(),
                openings: Rc::default(),
                claims: HashSet::default(),
                claim_released: Arc::new(Notify::new()),
                lingering: HashMap::default(),
                next_conn: 1,
                channels: channels(),
                tenants: HashMap::default(),
                purses: Vec::new(),
                asked_parents: HashSet::default(),
                habits: Habits::default(),
                matches: MatchCache::new(shared.match_cache),
                hooks,
                staged: None,
                kept_answers: KeptAnswers::default(),
                asides: Rc::new(Semaphore::new(aside::AT_ONCE)),
                wills: Rc::default(),
                asking: HashMap::default(),
                observers: Rc::new(Notify::new()),
                wires: Wires::default(),
                ids,
                flusher: Flusher::default(),
                unsettled: Unsettled::default(),
                hand: Hand::default(),
                waits: Waits::default(),
                saves: Saves::default(),
                row: Row::default(),
                overflowed: Vec::new(),
                mailboxes,
                backlog: VecDeque::new(),
                held: Vec::new(),
                timers: Timers::default(),
                records: Records::default(),
                traces: Traces::default(),
                scratch: vec![0; SCRATCH],
                buffers: Vec::new(),
                metrics,
                draining: false,
                shared,
            })
        })
    }

    /// Which shard this is.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// What all shards share.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The counters of this shard.
    #[must_use]
    pub fn metrics(&self) -> &Arc<ShardMetrics> {
        &self.metrics
    }

    /// How many connections are still here, with a session or without.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Live(_)))
            .count()
            + self.lingering.len()
    }

    /// A connection is here, or the store does not have everything yet.
    fn has_something_to_end(&self) -> bool {
        self.connections() > 0 || self.saves_wait() || self.unsettled.is_committing()
    }

    /// Starts a turn: everything in it happens now.
    fn begin_turn(&mut self) {
        self.now = self.shared.clock.now();
    }

    /// Ends a turn: hands out what it left for others.
    fn end_turn(&mut self) {
        // First, since their wills are messages too.
        while let Some(behind) = self.overflowed.pop() {
            self.close_overflowed(behind);
        }
        if self.hooks.has_effects() {
            self.run_effects();
        }
        // What is stored at once may leave more to be stored.
        while self.unsettled.has_changes() {
            self.settle_turn();
        }
        self.tell_shards();
        self.ring_mailboxes();
    }

    /// The id that the subscription index knows the session in `slot` by.
    fn subscriber(&self, slot: u32) -> SubscriberId {
        let generation = self.generations.get(slot as usize).copied().unwrap_or(0);
        SubscriberId {
            shard: self.id,
            generation,
            slot,
        }
    }

    /// The session that `subscriber` names, if it is still the same one.
    #[inline]
    fn slot(&mut self, subscriber: SubscriberId) -> Option<&mut Slot> {
        if self.generations.get(subscriber.slot as usize) != Some(&subscriber.generation) {
            return None;
        }
        self.slots.get_mut(subscriber.slot as usize)
    }

    /// The connected session in `slot`.
    #[inline]
    fn live(&mut self, slot: u32) -> Option<&mut Live> {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Live(live)) => Some(live),
            _ => None,
        }
    }

    /// The session that `subscriber` names, if it still has the connection of this number.
    fn live_on(&mut self, subscriber: SubscriberId, conn: u64) -> Option<&mut Live> {
        match self.slot(subscriber) {
            Some(Slot::Live(live)) if live.conn.number == conn => Some(live),
            _ => None,
        }
    }

    /// Puts a session into a free slot.
    fn occupy(&mut self, key: SessionKey, slot: Slot) -> u32 {
        let at = self.slots.insert(slot);
        if self.generations.len() <= at {
            self.generations.resize(at + 1, 0);
        }
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.by_key.insert(key, at);
        at
    }

    /// Frees a slot; whoever still has its subscriber id finds nobody.
    fn vacate(&mut self, at: u32) -> Option<Slot> {
        let slot = self.slots.try_remove(at as usize)?;
        if let Some(generation) = self.generations.get_mut(at as usize) {
            *generation = generation.wrapping_add(1);
        }
        self.by_key.remove(slot.key());
        Some(slot)
    }
}
