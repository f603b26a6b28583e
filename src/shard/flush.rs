//! One write a socket: after all who were ready have had their turn, whoever has bytes gets them written.

use std::task::{Context, Poll, Waker};

use super::slot::Slot;
use super::{SPARE_BUFFER_BYTES, SPARE_BUFFERS, Shard, ShardRef};
use crate::session::DropReason;

/// Who has bytes to write, and the task that writes them.
#[derive(Default)]
pub(super) struct Flusher {
    dirty: Vec<u32>,
    /// The list of the last flush, kept for its memory.
    spare: Vec<u32>,
    waker: Option<Waker>,
}

/// Writes, for as long as the shard lives. It is woken by the first session of a turn that has something and runs behind
/// every task that was ready before, so one write carries what all of them left: no timer, and no write a message.
pub async fn run(shard: ShardRef) {
    std::future::poll_fn(|cx| shard.borrow_mut().poll_flush(cx)).await
}

impl Shard {
    /// The session in `slot` has bytes to write.
    #[inline]
    pub(super) fn mark_dirty(&mut self, slot: u32) {
        if let Some(Slot::Live(live)) = self.slots.get_mut(slot as usize) {
            self.flusher.mark(slot, &mut live.conn.dirty);
        }
    }

    fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &mut self.flusher.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
        self.begin_turn();
        let mut dirty = std::mem::replace(&mut self.flusher.dirty, std::mem::take(&mut self.flusher.spare));
        for slot in dirty.drain(..) {
            self.flush(slot);
        }
        self.flusher.spare = dirty;
        self.end_turn();
        Poll::Pending
    }

    /// Writes what one session has. What does not fit waits for its task, which waits for the socket.
    pub(super) fn flush(&mut self, slot: u32) {
        let Some(Slot::Live(live)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        live.conn.dirty = false;
        if live.conn.blocked || live.conn.muted {
            return;
        }
        let (io, session) = (&mut live.conn.io, &mut live.session);
        let (written, result) = if live.conn.traced {
            let version = session.version;
            self.traces
                .write(self.now, &live.key, version, &mut session.outbox, io)
        } else {
            session.outbox.write_to(|slices| io.try_write(slices))
        };
        for (qos, sent) in (0u8..).zip(session.take_sent()) {
            self.metrics.publish_sent.add(qos, sent);
            live.conn.publishes_sent += sent;
        }
        self.metrics.bytes_sent.add(written as u64);
        match result {
            Ok(()) => {
                if let Some(buffer) = session.outbox.reclaim()
                    && self.buffers.len() < SPARE_BUFFERS
                    && buffer.capacity() <= SPARE_BUFFER_BYTES
                {
                    self.buffers.push(buffer);
                }
                if io.wants_write() {
                    live.conn.wake();
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                live.conn.blocked = true;
                live.conn.wake();
            }
            Err(_) => return self.connection_lost(slot),
        }
        if live.session.has_queued() || live.session.spilled {
            self.pump(slot);
        }
    }

    /// Moves waiting messages into the outbox, now that there may be room in it or in the window.
    pub(super) fn pump(&mut self, slot: u32) {
        let Some(Slot::Live(live)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if live.session.has_queued() && live.session.outbox.len() < live.tenant.settings.outbox_bytes {
            let buffers = &mut self.buffers;
            live.session.outbox.lend(|| buffers.pop().unwrap_or_default());
            let mut pumped = Vec::new();
            live.session
                .pump(&mut self.wires, self.now, &live.tenant.settings, |what| {
                    pumped.push(what);
                });
            if !live.session.outbox.is_empty() {
                self.flusher.mark(slot, &mut live.conn.dirty);
            }
            for what in pumped {
                self.pumped(slot, what);
            }
        }
        if self.live(slot).is_some_and(|live| live.session.wants_inbox()) {
            self.read_inbox(slot);
        }
    }
}

impl Flusher {
    #[inline]
    pub(super) fn mark(&mut self, slot: u32, dirty: &mut bool) {
        if *dirty {
            return;
        }
        *dirty = true;
        if self.dirty.is_empty()
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
        self.dirty.push(slot);
    }
}

/// The metrics' name of a reason.
pub(super) fn reason_label(reason: DropReason) -> crate::metrics::DropReason {
    match reason {
        DropReason::Expired => crate::metrics::DropReason::Expired,
        DropReason::TooLarge => crate::metrics::DropReason::TooLarge,
        DropReason::QueueFull => crate::metrics::DropReason::QueueFull,
    }
}
