//! A client waits for a policy that waits: its packets rest until the answer is there, everybody else goes on.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use super::link::End;
use super::{ConnId, Shard};
use crate::session::Close;

/// What a parked connection still has to handle.
#[derive(Default)]
pub(super) struct Parked {
    /// The bytes behind the packet that waits.
    pub(super) rest: Vec<u8>,
}

impl Shard {
    /// Does `then` with what `work` comes to, and handles no packet of this client before. When `work` is done at once,
    /// so is everything.
    ///
    /// # Errors
    /// What `then` says, if it was done at once; later it ends the connection.
    pub(super) fn park<T: 'static>(
        &mut self,
        at: u32,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, u32, T) -> Result<(), Close> + 'static,
    ) -> Result<(), Close> {
        let mut work = Box::pin(work);
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return then(self, at, done);
        }
        let Some(live) = self.live(at) else { return Ok(()) };
        let id = ConnId {
            slot: at,
            number: live.conn.number,
        };
        live.conn.parked = Some(Box::default());
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            let done = work.await;
            let Some(shard) = me.upgrade() else { return };
            let mut shard = shard.borrow_mut();
            shard.begin_turn();
            shard.unpark(id, |shard| then(shard, at, done));
            shard.end_turn();
        });
        Ok(())
    }

    /// The answer is there: what waited for it is done, and then the packets behind it.
    fn unpark(&mut self, id: ConnId, then: impl FnOnce(&mut Self) -> Result<(), Close>) {
        let Some(live) = self.live(id.slot).filter(|live| live.conn.number == id.number) else {
            return;
        };
        let parked = live.conn.parked.take().unwrap_or_default();
        let now = self.now;
        if let Some(live) = self.live(id.slot) {
            // It was the policy that took its time.
            live.conn.last_packet = now;
            let buffers = &mut self.buffers;
            if let Some(super::slot::Slot::Live(live)) = self.slots.get_mut(id.slot as usize) {
                live.session.outbox.lend(|| buffers.pop().unwrap_or_default());
            }
        }
        let result = then(self).map_err(End::from);
        let result = result.and_then(|()| match parked.rest.is_empty() {
            true => Ok(()),
            false => self.take_bytes(id.slot, &parked.rest),
        });
        match result {
            Ok(()) => {
                if let Some(live) = self.live(id.slot) {
                    live.conn.wake();
                }
            }
            Err(end) => self.end_connection(id, end),
        }
    }
}
