//! Grace: a message for a client that is there is not written to the disk if the client acknowledges it soon.
//!
//! One deadline a session, set when its first message begins to wait. When it comes and a message of that time is still not
//! acknowledged, everything that the session holds goes to the store, and so does, at once, what comes from then on,
//! until the client has caught up.

use super::Shard;
use super::timers::Due;
use crate::router::SubscriberId;

impl Shard {
    /// The session holds a message that its publisher waits for: not for long.
    pub(super) fn give_grace(&mut self, to: SubscriberId) {
        let now = self.now;
        let Some(live) = self.live(to.slot) else { return };
        let (grace, conn) = (live.tenant.settings.grace, live.conn.number);
        let up_to = live.session.begin_grace();
        self.timers.set(now.plus(grace), Due::Grace(to, conn, up_to));
    }

    /// The grace for the session's messages up to this number is over.
    pub(super) fn grace_due(&mut self, to: SubscriberId, conn: u64, up_to: u32) {
        let Some(live) = self.live_on(to, conn) else {
            return;
        };
        live.session.end_grace();
        if live.session.holds_unstored(up_to) {
            live.session.slow = true;
            self.spill(to.slot);
        } else if live.session.holds_unstored(live.session.newest()) {
            self.give_grace(to);
        }
    }

    /// Everything that the session in `at` holds goes to the store.
    pub(super) fn spill(&mut self, at: u32) {
        let Some(live) = self.live(at) else { return };
        let leaving = live.session.take_unstored(&live.tenant.settings);
        let (key, conn) = (live.key.clone(), live.conn.number);
        self.tell_store(at, &key, conn, leaving);
    }
}
