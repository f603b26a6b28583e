//! Deadlines of a shard: keep alive, will delay, session expiry, last words.
//!
//! A deadline is never moved: when it comes, what it is about is looked at, and if its time has not come yet it is set
//! again. So a packet costs no timer work at all, however often it postpones the keep alive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::slot::Slot;
use super::{Shard, ShardRef};
use crate::codec::ReasonCode;
use crate::router::SubscriberId;
use crate::session::Close;
use crate::time::Millis;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The client of this connection number should have sent something.
    KeepAlive(SubscriberId, u64),
    /// A will's delay is over, or the session without a connection.
    Absent(SubscriberId),
    /// The login of the client of this connection number ends soon, or has ended.
    Login(SubscriberId, u64),
    /// The client of this connection number has had its grace for its messages up to this one.
    Grace(SubscriberId, u64, u32),
    /// A connection without a session has had time enough.
    LastWords(u64),
}

/// The deadlines, soonest first.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Millis, Due)>>,
    /// Rings when a deadline comes in that is sooner than all others.
    sooner: Rc<Notify>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Millis, due: Due) {
        let first = self.heap.peek().is_none_or(|Reverse((first, _))| at < *first);
        self.heap.push(Reverse((at, due)));
        if first {
            self.sooner.notify_one();
        }
    }

    /// Forgets what nobody waits for any more, once that may be the greater part: a deadline can be days away, and a client
    /// that comes and goes leaves one behind each time.
    fn compact(&mut self, wanted: usize, is_wanted: impl Fn(&Due) -> bool) {
        if self.heap.len() > 4 * wanted + 1024 {
            self.heap.retain(|Reverse((_, due))| is_wanted(due));
        }
    }

    fn pop(&mut self, now: Millis) -> Option<Due> {
        let Reverse((at, due)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        let due = *due;
        self.heap.pop();
        Some(due)
    }
}

/// Sleeps from deadline to deadline for as long as the shard lives.
pub async fn run(shard: ShardRef) {
    let (sooner, clock) = {
        let shard = shard.borrow();
        (Rc::clone(&shard.timers.sooner), shard.shared.clock)
    };
    loop {
        let next = shard.borrow().timers.heap.peek().map(|Reverse((at, _))| *at);
        let instant = match next {
            Some(at) => clock.instant(at),
            None => std::time::Instant::now() + Duration::from_secs(3600),
        };
        tokio::select! {
            () = tokio::time::sleep_until(instant.into()) => shard.borrow_mut().timer_turn(),
            () = sooner.notified() => {}
        }
    }
}

/// Half as long again as the Keep Alive, in milliseconds [MQTT-3.1.2-22].
pub(super) fn patience(keep_alive: u16) -> Duration {
    Duration::from_millis(u64::from(keep_alive) * 1500)
}

impl Shard {
    fn timer_turn(&mut self) {
        self.begin_turn();
        while let Some(due) = self.timers.pop(self.now) {
            match due {
                Due::KeepAlive(subscriber, conn) => self.keep_alive_due(subscriber, conn),
                Due::Absent(subscriber) => self.absent_due(subscriber),
                Due::Login(subscriber, conn) => self.login_due(subscriber, conn),
                Due::Grace(subscriber, conn, up_to) => self.grace_due(subscriber, conn, up_to),
                Due::LastWords(conn) => {
                    if let Some(conn) = self.lingering.get(&conn) {
                        conn.wake();
                    }
                }
            }
        }
        self.compact_timers();
        self.end_turn();
    }

    fn compact_timers(&mut self) {
        let (slots, generations, lingering) = (&self.slots, &self.generations, &self.lingering);
        let slot = |id: &SubscriberId| {
            let current = generations.get(id.slot as usize) == Some(&id.generation);
            slots.get(id.slot as usize).filter(|_| current)
        };
        // A session that is at rest has one deadline or two; those of earlier rests go with its next connection.
        self.timers
            .compact(slots.len() + lingering.len(), |due| match due {
                Due::KeepAlive(id, conn) | Due::Login(id, conn) | Due::Grace(id, conn, _) => {
                    matches!(slot(id), Some(Slot::Live(live)) if live.conn.number == *conn)
                }
                Due::Absent(id) => matches!(slot(id), Some(Slot::Absent(_))),
                Due::LastWords(conn) => lingering.contains_key(conn),
            });
    }

    fn keep_alive_due(&mut self, subscriber: SubscriberId, conn: u64) {
        let (now, held_back) = (self.now, !self.backlog.is_empty());
        let behind = self.unsettled.is_behind();
        let Some(Slot::Live(live)) = self.slot(subscriber) else {
            return;
        };
        if live.conn.number != conn {
            return;
        }
        let held_back =
            held_back || live.conn.parked.is_some() || live.conn.full || (behind && live.session.owes());
        let patience = patience(live.session.link.keep_alive);
        let deadline = live.conn.last_packet.plus(patience);
        if deadline > now {
            self.timers.set(deadline, Due::KeepAlive(subscriber, conn));
        } else if held_back {
            // It is the broker who does not read: the client's packets may be waiting in the socket.
            self.timers
                .set(now.plus(patience), Due::KeepAlive(subscriber, conn));
        } else {
            let what = "no packet for one and a half times the Keep Alive";
            self.close(subscriber.slot, &Close::new(ReasonCode::KEEP_ALIVE_TIMEOUT, what));
        }
    }
}
