//! What everybody in a run shares: where the broker is, how far the run is, the time, the ledger.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::ledger::Ledger;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Who subscribes subscribes; nobody publishes.
    Setup,
    /// Everything at once, and kills.
    Load,
    /// Nothing new: what is under way comes to its end, and everybody is there.
    Drain,
    /// Everybody goes.
    Over,
}

/// Where the broker is, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// `None` while it is dead.
    pub address: Option<SocketAddr>,
    /// Counts its starts.
    pub life: u32,
    pub phase: Phase,
}

pub struct World {
    now: watch::Sender<Now>,
    began: Instant,
    pub ledger: RefCell<Ledger>,
    /// Somebody looks at the retained messages.
    pub looks: Cell<bool>,
    /// Counts whatever shows that something goes on.
    progress: Cell<u64>,
    /// The broker does not die; everybody only loses the connection.
    cuts: bool,
}

impl World {
    pub fn new(cuts: bool) -> Rc<World> {
        let now = Now {
            address: None,
            life: 0,
            phase: Phase::Setup,
        };
        Rc::new(World {
            now: watch::Sender::new(now),
            began: Instant::now(),
            ledger: RefCell::new(Ledger::default()),
            looks: Cell::new(false),
            progress: Cell::new(0),
            cuts,
        })
    }

    pub fn now(&self) -> Now {
        *self.now.borrow()
    }

    pub fn phase(&self) -> Phase {
        self.now().phase
    }

    /// Time since the run began.
    pub fn time(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn set_phase(&self, phase: Phase) {
        self.now.send_modify(|now| now.phase = phase);
    }

    pub fn up(&self, address: SocketAddr) {
        self.ledger.borrow_mut().up(self.time());
        self.now.send_modify(|now| {
            now.address = Some(address);
            now.life += 1;
        });
    }

    /// To be said before the kill, so that nobody takes it for the broker's own doing.
    pub fn down(&self) {
        self.ledger.borrow_mut().down(self.time());
        self.now.send_modify(|now| now.address = None);
    }

    /// Whether the connections of this life of the broker are cut.
    pub fn cut(&self, life: u32) -> bool {
        let now = self.now();
        self.cuts && (now.address.is_none() || now.life != life)
    }

    pub fn progress(&self) -> u64 {
        self.progress.get()
    }

    pub fn goes_on(&self) {
        self.progress.set(self.progress.get() + 1);
    }

    /// Something is wrong.
    pub fn wrong(&self, kind: &'static str, what: String) {
        self.ledger.borrow_mut().wrong(kind, what, self.time());
    }

    /// Waits until this holds; looks again when the world has changed, and now and then.
    pub async fn until(&self, mut holds: impl FnMut(Now) -> bool) -> Now {
        let mut changes = self.now.subscribe();
        loop {
            let now = *changes.borrow_and_update();
            if holds(now) {
                return now;
            }
            let _ = tokio::time::timeout(Duration::from_millis(10), changes.changed()).await;
        }
    }
}
