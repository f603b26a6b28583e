//! What the store is asked to change, and what is done when it has, in one order.
//!
//! The store answers in the order in which it is asked, but an answer that is there at once would overtake those before it,
//! whose tasks have still to wake. What follows from an answer (a PUBREL, a QoS 2 message) must not.

use std::collections::BTreeMap;
use std::future::Future;

use super::Shard;

/// What is done with an answer.
type Then = Box<dyn FnOnce(&mut Shard)>;

/// The answers that have come and those that have not.
#[derive(Default)]
pub(super) struct Row {
    /// How often the store was asked.
    asked: u64,
    /// How many answers have been dealt with.
    done: u64,
    /// Answers that came before an earlier one.
    early: BTreeMap<u64, Then>,
    /// One is being dealt with.
    busy: bool,
}

impl Shard {
    /// Does `then` with what `work` comes to, behind everything that was asked for so before. The work begins now.
    pub(super) fn when_done_in_row<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T) + 'static,
    ) {
        let number = self.row.asked;
        self.row.asked += 1;
        self.when_done(work, move |shard, done| {
            let then: Then = Box::new(move |shard| then(shard, done));
            shard.row.early.insert(number, then);
            shard.deal_with_answers();
        });
    }

    fn deal_with_answers(&mut self) {
        if self.row.busy {
            return;
        }
        self.row.busy = true;
        while let Some(then) = self.row.early.remove(&self.row.done) {
            self.row.done += 1;
            then(self);
        }
        self.row.busy = false;
    }
}
