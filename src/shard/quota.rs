//! How much clients publish: an instance's second, which is a limit, and a client's, which is advice.

use super::{Shard, Tenant};
use crate::codec::QoS;
use crate::instance::{Hit, weight};
use crate::time::Millis;

/// How many messages a client has published in the present second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    since: Millis,
    count: u32,
}

impl Pace {
    /// Counts one more; tells whether it is the first over `most` in this second.
    #[inline]
    pub(super) fn is_over(&mut self, most: u32, now: Millis) -> bool {
        if now.0.wrapping_sub(self.since.0) >= 1000 {
            self.since = now;
            self.count = 0;
        }
        self.count += 1;
        most != u32::MAX && self.count == most.saturating_add(1)
    }
}

impl Shard {
    /// Spends what a PUBLISH costs, if the instance has as much left for this second.
    pub(super) fn spend(&mut self, at: u32, tenant: &Tenant, qos: QoS) -> bool {
        let persistent = self.live(at).is_some_and(|live| live.session.is_persistent());
        let now = self.now;
        let Some(purse) = self.purses.get_mut(tenant.number as usize) else {
            return true;
        };
        let cost = weight(qos as u8, persistent);
        purse.spend(&tenant.usage.quota, tenant.limits.tps, cost, now)
    }

    /// A client publishes faster than is advised: counted each second, and told once a connection.
    #[cold]
    pub(super) fn warn_of_pace(&mut self, at: u32) {
        let Some(live) = self.live(at) else { return };
        live.tenant.usage.hit(Hit::ClientTps);
        if !live.conn.is_first(Hit::ClientTps) {
            return;
        }
        let most = live.tenant.limits.client_tps;
        tracing::warn!(
            instance = %live.key.instance,
            client_id = &*live.key.client_id,
            "a client publishes more than {most} messages a second (limits.client_tps); nothing is refused for that"
        );
        self.trace_note(at, Hit::ClientTps.name(), || {
            format!("more than {most} messages a second; advice, nothing is refused")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_too_many_of_each_second_is_told() {
        let mut pace = Pace::default();
        let mut told = Vec::new();
        for (now, count) in [(5_000, 25), (5_900, 10), (6_000, 20), (7_000, 21)] {
            told.push((0..count).filter(|_| pace.is_over(20, Millis(now))).count());
        }
        assert_eq!(told, [1, 0, 0, 1]);
        assert!((0..100).all(|_| !pace.is_over(u32::MAX, Millis(9_000))));
    }
}
