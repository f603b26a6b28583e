//! Which policies are slow: one whose calls take more than a millisecond again and again leaves the straight path.
//!
//! From then on its `authorize_publish`, `authorize_subscribe` and `publish` are asked as those of a policy that waits: the
//! client is parked, and calls take turns with everything else on the shard ([`fair`](crate::hooks::lua::fair)). When they are
//! quick again for a while, so is the path. (A thread of its own would free the shard entirely, for a hop and a copy of
//! each message; turns bound what others wait for as well, and need no second set of states.)

use crate::hooks::counters::{EntryCounters, set};
use crate::hooks::lua::fair::LONG;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// So many long calls in a row, of those that are timed, make a policy slow. A call that lost the processor looks long, too.
const LONG_CALLS: u32 = 4;
/// So many short ones in a row make it quick again.
const SHORT_CALLS: u32 = 256;

pub(super) struct Pace {
    /// Long calls in a row; while it is slow, short ones.
    row: Cell<u32>,
    slow: Cell<bool>,
    /// How many entries of the chain are.
    of_chain: Rc<Cell<usize>>,
}

impl Pace {
    pub(super) fn new(of_chain: &Rc<Cell<usize>>) -> Self {
        Self {
            row: Cell::new(0),
            slow: Cell::new(false),
            of_chain: of_chain.clone(),
        }
    }

    #[inline]
    pub(super) fn is_slow(&self) -> bool {
        self.slow.get()
    }

    #[inline]
    pub(super) fn took(&self, long: Duration, counters: &EntryCounters, policy: &Arc<str>) {
        // Long while quick, or short while slow: a step towards the other.
        if (long > LONG) == self.slow.get() {
            self.row.set(0);
            return;
        }
        self.row.set(self.row.get() + 1);
        let enough = if self.slow.get() { SHORT_CALLS } else { LONG_CALLS };
        if self.row.get() >= enough {
            self.turn(counters, policy);
        }
    }

    #[cold]
    fn turn(&self, counters: &EntryCounters, policy: &Arc<str>) {
        let slow = !self.slow.get();
        self.slow.set(slow);
        self.row.set(0);
        let others = self.of_chain.get();
        self.of_chain.set(if slow { others + 1 } else { others - 1 });
        set(&counters.slow, slow.into());
        if slow {
            tracing::warn!(
                policy = &**policy,
                "policy takes more than {LONG:?} again and again: its clients wait their turn, so that others need not"
            );
        } else {
            tracing::info!(policy = &**policy, "policy is quick again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_in_a_row_are_slow_and_many_are_quick_again() {
        let chain = Rc::new(Cell::new(0));
        let (pace, counters, name) = (Pace::new(&chain), EntryCounters::default(), "a".into());
        let took = |micros: u64, times: u32| {
            (0..times).for_each(|_| pace.took(Duration::from_micros(micros), &counters, &name));
            (pace.is_slow(), chain.get())
        };
        assert_eq!(took(1500, 3), (false, 0));
        assert_eq!(took(20, 1), (false, 0));
        assert_eq!(took(1500, 3), (false, 0));
        assert_eq!(took(1500, 1), (true, 1));
        assert_eq!(took(20, SHORT_CALLS - 1), (true, 1));
        assert_eq!(took(1500, 1), (true, 1));
        assert_eq!(took(20, SHORT_CALLS), (false, 0));
    }
}
