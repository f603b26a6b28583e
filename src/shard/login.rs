//! The end of a login: some policies let a client in for a time only.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::slot::Slot;
use super::timers::Due;
use super::{ConnId, Shard};
use crate::codec::ReasonCode;
use crate::hooks::{Controlled, Hook};
use crate::router::SubscriberId;
use crate::session::Close;
use crate::time::Millis;

/// So long before the end a policy is told, so that it can tell the client.
const LEAD: Duration = Duration::from_secs(300);

impl Shard {
    /// The login of the client in `at` ends then; in seconds since 1970, `None` for never.
    pub(super) fn login_expires(&mut self, at: u32, expires_at: Option<f64>) {
        let subscriber = self.subscriber(at);
        let tells = self.hooks.wants(Hook::Expiring);
        let now = self.now;
        let Some(live) = self.live(at) else { return };
        let number = live.conn.number;
        live.login_ends = expires_at.map(millis);
        let Some(end) = live.login_ends else { return };
        let notice = Millis(end.0.saturating_sub(u64::try_from(LEAD.as_millis()).unwrap_or(0)));
        let due = if tells && notice > now { notice } else { end };
        self.timers.set(due, Due::Login(subscriber, number));
    }

    /// A login ends soon, or has ended.
    pub(super) fn login_due(&mut self, subscriber: SubscriberId, number: u64) {
        let now = self.now;
        let Some(Slot::Live(live)) = self.slot(subscriber) else {
            return;
        };
        let Some(end) = live.login_ends.filter(|_| live.conn.number == number) else {
            return;
        };
        if end.0 > now.0 + u64::try_from(LEAD.as_millis()).unwrap_or(0) {
            // It was prolonged, and that set a deadline of its own.
            return;
        }
        let ended = end <= now;
        if !ended {
            self.timers.set(end, Due::Login(subscriber, number));
        }
        let id = ConnId {
            slot: subscriber.slot,
            number,
        };
        if !self.hooks.wants(Hook::Expiring) {
            if ended {
                self.login_over(id);
            }
            return;
        }
        let Some(live) = self.live(subscriber.slot) else {
            return;
        };
        let (client, chain) = (Arc::clone(&live.client), Rc::clone(self.hooks.chain()));
        let seen = self.records_seen();
        let work = async move { chain.expiring(&client, end.0 as f64 / 1000.0, ended).await };
        self.when_done(work, move |shard, wanted: Controlled| {
            let same = |shard: &mut Shard| {
                shard
                    .live(id.slot)
                    .is_some_and(|live| live.conn.number == id.number)
            };
            if !same(shard) {
                return;
            }
            let now = shard.now;
            let prolonged = wanted.expires_at.is_some_and(|end| millis(end) > now);
            if let Err(close) = shard.carry_out(id.slot, wanted, seen) {
                return shard.end_connection(id, close.into());
            }
            let over = shard
                .live(id.slot)
                .is_some_and(|live| live.login_ends.is_some_and(|end| end <= now));
            // Otherwise its end comes by itself, and is asked about.
            if ended && !prolonged && over {
                shard.login_over(id);
            }
        });
    }

    fn login_over(&mut self, id: ConnId) {
        let what = "the login has ended";
        self.close(id.slot, &Close::new(ReasonCode::NOT_AUTHORIZED, what));
    }
}

/// A time in seconds since 1970.
fn millis(seconds: f64) -> Millis {
    Millis((seconds.max(0.0) * 1000.0) as u64)
}
