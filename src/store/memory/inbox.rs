//! The inboxes of one instance, with the exact cap and the age limit of the product.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

use super::super::{InboxLimits, InboxSeq, Page};
use crate::message::Delivery;
use crate::time::Millis;

/// One message of an inbox.
#[derive(Debug)]
struct Entry {
    seq: u64,
    stored_at: Millis,
    delivery: Delivery,
}

impl Entry {
    fn is_too_old(&self, age_ms: u64, now: Millis) -> bool {
        self.stored_at.0.saturating_add(age_ms) <= now.0
    }
}

/// All inboxes of an instance. Sequence numbers run over the instance, so that "the oldest" is one comparison.
#[derive(Debug, Default)]
pub(super) struct Inboxes {
    limits: InboxLimits,
    by_client: HashMap<Arc<str>, usize>,
    inboxes: Slab<VecDeque<Entry>>,
    /// Every message in the order of its coming, as (sequence number, inbox). Those that were acknowledged meanwhile
    /// are skipped: their number is no longer at the front of the inbox.
    order: VecDeque<(u64, usize)>,
    /// The last that was given.
    last_seq: u64,
    len: usize,
}

impl Inboxes {
    /// Other limits from now on; what is too much goes when the next message comes.
    pub(super) fn limit(&mut self, limits: InboxLimits) {
        self.limits = limits;
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a message; answers with how many older ones made room for it.
    pub(super) fn append(&mut self, client: &Arc<str>, delivery: Delivery, now: Millis) -> usize {
        let evicted = self.make_room(now);
        if self.limits.messages_per_instance == 0 {
            return evicted + 1;
        }
        let inbox = match self.by_client.get(client) {
            Some(inbox) => *inbox,
            None => {
                let inbox = self.inboxes.insert(VecDeque::new());
                self.by_client.insert(Arc::clone(client), inbox);
                inbox
            }
        };
        self.last_seq += 1;
        let seq = self.last_seq;
        if let Some(entries) = self.inboxes.get_mut(inbox) {
            entries.push_back(Entry {
                seq,
                stored_at: now,
                delivery,
            });
            self.order.push_back((seq, inbox));
            self.len += 1;
        }
        self.compact();
        evicted
    }

    /// Oldest first, until one more fits and none is too old.
    fn make_room(&mut self, now: Millis) -> usize {
        let mut evicted = 0;
        while let Some(&(seq, inbox)) = self.order.front() {
            let entry = self
                .inboxes
                .get(inbox)
                .and_then(VecDeque::front)
                .filter(|entry| entry.seq == seq);
            if let Some(entry) = entry {
                let too_old = entry.is_too_old(self.limits.age_ms, now);
                if self.len < self.limits.messages_per_instance && !too_old {
                    break;
                }
                if let Some(entries) = self.inboxes.get_mut(inbox) {
                    entries.pop_front();
                }
                self.len -= 1;
                evicted += 1;
            }
            self.order.pop_front();
        }
        evicted
    }

    /// Drops the order's entries of messages that are gone, once they are the greater part of it.
    fn compact(&mut self) {
        if self.order.len() > 2 * self.len + 1024 {
            let inboxes = &self.inboxes;
            self.order.retain(|(seq, inbox)| {
                inboxes
                    .get(*inbox)
                    .and_then(VecDeque::front)
                    .is_some_and(|first| first.seq <= *seq)
            });
        }
    }

    pub(super) fn read(&self, client: &str, after: InboxSeq, max: usize, now: Millis) -> Page {
        let Some(entries) = self
            .by_client
            .get(client)
            .and_then(|inbox| self.inboxes.get(*inbox))
        else {
            return Page::default();
        };
        // Those that are too old stand at the front, and go when the next comes.
        let age = self.limits.age_ms;
        let gone = |entry: &Entry| entry.seq <= after.0 || entry.is_too_old(age, now);
        let start = entries.partition_point(gone);
        let deliveries: Vec<_> = entries
            .range(start..)
            .take(max)
            .map(|entry| (InboxSeq(entry.seq), entry.delivery.clone()))
            .collect();
        Page {
            more: start + deliveries.len() < entries.len(),
            deliveries,
        }
    }

    pub(super) fn acknowledge(&mut self, client: &str, up_to: InboxSeq) {
        let Some(inbox) = self.by_client.get(client).copied() else {
            return;
        };
        let Some(entries) = self.inboxes.get_mut(inbox) else {
            return;
        };
        while entries.front().is_some_and(|entry| entry.seq <= up_to.0) {
            entries.pop_front();
            self.len -= 1;
        }
        if entries.is_empty() {
            self.inboxes.remove(inbox);
            self.by_client.remove(client);
        }
    }

    pub(super) fn discard(&mut self, client: &str) {
        if let Some(inbox) = self.by_client.remove(client)
            && let Some(entries) = self.inboxes.try_remove(inbox)
        {
            self.len -= entries.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::message::{MessageId, Origin, Publication};
    use crate::topic::TopicName;

    fn delivery(number: u128) -> Delivery {
        let topic = TopicName::new("t").unwrap();
        let publication = Publication::new(MessageId(number), &topic, b"x", QoS::AtLeastOnce, Origin::Client);
        Delivery {
            message: publication.share(),
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_ids: Box::default(),
        }
    }

    fn inboxes(messages_per_instance: usize) -> Inboxes {
        let mut inboxes = Inboxes::default();
        inboxes.limit(InboxLimits {
            messages_per_instance,
            age_ms: 1000,
        });
        inboxes
    }

    fn ids(inboxes: &Inboxes, client: &str) -> Vec<u128> {
        inboxes
            .read(client, InboxSeq(0), 100, Millis(0))
            .deliveries
            .iter()
            .map(|(_, d)| d.message.id.0)
            .collect()
    }

    #[test]
    fn the_oldest_of_the_instance_makes_room_exactly_at_the_cap() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut inboxes = inboxes(3);
        for (client, number) in [(&a, 1), (&b, 2), (&a, 3)] {
            assert_eq!(inboxes.append(client, delivery(number), Millis(0)), 0);
        }
        assert_eq!(inboxes.append(&b, delivery(4), Millis(0)), 1);
        assert_eq!((ids(&inboxes, "a"), ids(&inboxes, "b")), (vec![3], vec![2, 4]));
        assert_eq!(inboxes.len(), 3);
    }

    #[test]
    fn acknowledged_messages_do_not_count_and_order_is_kept() {
        let a: Arc<str> = "a".into();
        let mut inboxes = inboxes(2);
        inboxes.append(&a, delivery(1), Millis(0));
        inboxes.append(&a, delivery(2), Millis(0));
        let first = inboxes.read("a", InboxSeq(0), 1, Millis(0));
        assert!(first.more);
        inboxes.acknowledge("a", first.deliveries[0].0);
        assert_eq!(inboxes.append(&a, delivery(3), Millis(0)), 0);
        assert_eq!(ids(&inboxes, "a"), vec![2, 3]);
        inboxes.discard("a");
        assert_eq!(inboxes.len(), 0);
    }

    #[test]
    fn messages_that_are_too_old_go_when_the_next_comes() {
        let a: Arc<str> = "a".into();
        let mut inboxes = inboxes(10);
        inboxes.append(&a, delivery(1), Millis(0));
        assert!(inboxes.read("a", InboxSeq(0), 9, Millis(999)).deliveries.len() == 1);
        assert!(
            inboxes
                .read("a", InboxSeq(0), 9, Millis(1000))
                .deliveries
                .is_empty()
        );
        assert_eq!(inboxes.append(&a, delivery(2), Millis(1000)), 1);
        assert_eq!(ids(&inboxes, "a"), vec![2]);
    }

    #[test]
    fn the_order_does_not_grow_with_messages_that_are_gone() {
        let a: Arc<str> = "a".into();
        let mut inboxes = inboxes(10);
        for number in 0..10_000 {
            inboxes.append(&a, delivery(number), Millis(0));
            let all = inboxes.read("a", InboxSeq(0), 10, Millis(0));
            inboxes.acknowledge("a", all.deliveries.last().unwrap().0);
        }
        assert!(inboxes.order.len() < 2048, "{}", inboxes.order.len());
    }
}
