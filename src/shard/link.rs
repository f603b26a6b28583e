//! A connection as its shard has it: the socket, what was half read from it, and who waits for it.

use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

use super::park::Parked;
use super::slot::Slot;
use super::{Control, Place, Shard};
use crate::instance::Hit;
use crate::session::{Close, Outbox};
use crate::time::Millis;
use crate::transport::Io;

/// Which connection of a shard is meant; a slot may see many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnId {
    /// The slot of its session, when it had one.
    pub slot: u32,
    /// Never given twice on a shard.
    pub number: u64,
}

/// One connection.
pub struct Conn {
    pub(super) number: u64,
    pub(super) io: Io,
    /// Given back with the connection.
    _place: Place,
    /// The start of a packet whose end has not come. Empty and without memory while nothing is half read.
    pub(super) partial: Vec<u8>,
    /// The same for a packet too large for the shard's read buffer; grows with the bytes that come, not with the length
    /// that a stranger claims.
    pub(super) large: Option<BytesMut>,
    /// A packet of it waits for a policy, and what came behind that packet waits as well.
    pub(super) parked: Option<Box<Parked>>,
    /// Wakes the task that reads this connection.
    pub(super) waker: Option<Waker>,
    /// The socket took less than it was given: wait until it takes more.
    pub(super) blocked: bool,
    /// It is in the list of those to be flushed.
    pub(super) dirty: bool,
    /// Nothing is written until the store has the session.
    pub(super) muted: bool,
    /// Nothing is read until something that is owed has been given.
    pub(super) full: bool,
    /// Somebody watches this client.
    pub(super) traced: bool,
    /// It asked for its messages to keep their order towards the cloud.
    pub(super) ordered: bool,
    /// Which limits it met have been told in the log, a bit each.
    told: u16,
    /// How fast it publishes.
    pub(super) pace: super::quota::Pace,
    /// When it was let in.
    pub(super) since: Millis,
    /// When the last packet came [MQTT-3.1.2-22].
    pub(super) last_packet: Millis,
    /// For a connection without a session: what is still to be written, and until when that is tried.
    pub(super) last_words: Outbox,
    pub(super) give_up_at: Option<Millis>,
    /// PUBLISH packets in and out, for those who ask when it is over.
    pub(super) publishes_received: u64,
    pub(super) publishes_sent: u64,
}

impl Conn {
    pub(super) fn new(number: u64, io: Io, place: Place, now: Millis) -> Self {
        Self {
            number,
            io,
            _place: place,
            partial: Vec::new(),
            large: None,
            parked: None,
            waker: None,
            blocked: false,
            dirty: false,
            muted: false,
            full: false,
            traced: false,
            ordered: false,
            told: 0,
            pace: super::quota::Pace::default(),
            since: now,
            last_packet: now,
            last_words: Outbox::default(),
            give_up_at: None,
            publishes_received: 0,
            publishes_sent: 0,
        }
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Whether this limit is met for the first time on this connection: what a client does again and again must not fill the
    /// log.
    pub(super) fn is_first(&mut self, hit: Hit) -> bool {
        let (told, bit) = (self.told, 1 << hit as u16);
        self.told |= bit;
        told & bit == 0
    }

    fn remember(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
    }
}

impl Shard {
    /// Drives a connection: one turn each time its task is woken. Ready when the connection is over and its socket may
    /// go.
    pub fn poll_connection(&mut self, id: ConnId, cx: &mut Context<'_>) -> Poll<()> {
        self.begin_turn();
        let result = self.poll_live(id, cx);
        self.end_turn();
        match result {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) | None => self.poll_lingering(id, cx),
        }
    }

    /// `None` if the connection has no session any more.
    fn poll_live(&mut self, id: ConnId, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let live = self.live(id.slot).filter(|live| live.conn.number == id.number)?;
        live.conn.remember(cx);
        if live.conn.blocked || live.conn.io.wants_write() {
            match live.conn.io.poll_flush_buffered(cx) {
                Poll::Ready(Ok(())) if live.conn.blocked => match live.conn.io.poll_write_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        live.conn.blocked = false;
                        self.mark_dirty(id.slot);
                    }
                    Poll::Ready(Err(_)) => return Some(self.lost(id)),
                    Poll::Pending => {}
                },
                Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(_)) => return Some(self.lost(id)),
            }
        }
        if self.live(id.slot).is_some_and(|live| live.conn.parked.is_some()) {
            // A policy is being waited for; `unpark` wakes this task.
            return Some(Poll::Pending);
        }
        if let Some(Slot::Live(live)) = self.slots.get_mut(id.slot as usize)
            && (live.session.is_full() || self.saves.is_crowded(&live.key))
        {
            // Whoever has so much to wait for does not publish more meanwhile. `wait_over`, or `written`, wakes this task.
            live.conn.full = true;
            return Some(Poll::Pending);
        }
        if self.unsettled.is_behind() && self.live(id.slot).is_some_and(|live| live.session.owes()) {
            // The store is slow, or full. Who waits for it publishes nothing more meanwhile; everybody else goes on.
            self.held.push(cx.waker().clone());
            return Some(Poll::Pending);
        }
        if !self.backlog.is_empty() {
            // Another shard is behind: no new messages until it has caught up, so memory stays bounded.
            self.held.push(cx.waker().clone());
            return Some(Poll::Pending);
        }
        match self.read_turn(id.slot, cx) {
            Poll::Pending => Some(Poll::Pending),
            Poll::Ready(Ok(())) => {
                // More may be there: let the others have their turn first.
                cx.waker().wake_by_ref();
                Some(Poll::Pending)
            }
            Poll::Ready(Err(end)) => {
                self.end_connection(id, end);
                // It may still have to wait for what policies have asked for.
                let live = self.live(id.slot).filter(|live| live.conn.number == id.number);
                Some(live.map_or(Poll::Ready(()), |_| Poll::Pending))
            }
        }
    }

    /// The connection is over, if it is still this one that its session has.
    pub(super) fn end_connection(&mut self, id: ConnId, end: End) {
        if self
            .live(id.slot)
            .is_none_or(|live| live.conn.number != id.number)
        {
            return;
        }
        match end {
            End::Lost => self.connection_lost(id.slot),
            End::Goodbye(goodbye) => self.leave_politely(id.slot, &goodbye),
            End::Close(close) if close.by_policy => self.close_behind_wishes(id, close),
            End::Close(close) => self.close(id.slot, &close),
        }
    }

    /// A policy ends the connection. What policies have asked for by now is done first, a last message to the client for instance:
    /// when this turn ends, or by the control lane. Nothing of the client is handled meanwhile.
    fn close_behind_wishes(&mut self, id: ConnId, close: Close) {
        if let Some(live) = self.live(id.slot) {
            live.conn.parked.get_or_insert_default();
        }
        self.shared.control(self.id, Control::Close(id, close));
    }

    fn lost(&mut self, id: ConnId) -> Poll<()> {
        self.connection_lost(id.slot);
        Poll::Ready(())
    }

    /// Last words: whatever the socket still takes, for a short while.
    fn poll_lingering(&mut self, id: ConnId, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.now;
        let Some(conn) = self.lingering.get_mut(&id.number) else {
            return Poll::Ready(());
        };
        conn.remember(cx);
        let late = conn.give_up_at.is_some_and(|at| at <= now);
        let Conn { last_words, io, .. } = conn.as_mut();
        let over = match last_words.write_to(|slices| io.try_write(slices)).1 {
            // A socket that is dropped with input unread is reset, and the peer never reads what it was told: so wait
            // until the peer has ended the stream as well, and throw away what it still sends.
            Ok(()) => io.poll_shutdown(cx).is_ready(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match io.poll_write_ready(cx) {
                Poll::Pending => false,
                Poll::Ready(Ok(())) => {
                    cx.waker().wake_by_ref();
                    false
                }
                Poll::Ready(Err(_)) => true,
            },
            Err(_) => true,
        };
        if !over && !late {
            return Poll::Pending;
        }
        self.lingering.remove(&id.number);
        Poll::Ready(())
    }
}

/// How a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The socket is gone.
    Lost,
    /// The client sent DISCONNECT.
    Goodbye(crate::codec::Disconnect),
    /// The client broke a rule.
    Close(Close),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}
