//! A session at rest and back, and what goes to the store before.

use std::rc::Rc;

use super::held::{At, Finished, Held, InStore, Receipt};
use super::{Inflight, Negotiated, Session, Settings, Subscriptions};
use crate::codec::{ProtocolVersion, QoS};
use crate::message::Delivery;
use crate::store::{InboxSeq, SessionRecord, Stored};
use crate::topic::TopicFilter;

/// What the store is to be told of a message that a session holds.
#[derive(Debug)]
pub enum Leaving {
    /// It is to keep it, behind all others; it is in flight if there is a packet id.
    Append {
        /// The message.
        delivery: Delivery,
        /// Its packet id.
        sent: Option<u16>,
        /// Who waits for it.
        receipt: Option<Receipt>,
        /// Who else wants to know the place.
        in_store: Option<Rc<InStore>>,
    },
    /// What it has here is in flight under this packet id.
    Sent(InboxSeq, u16),
    /// What it has here is over.
    Over(InboxSeq),
}

impl Session {
    /// In the product a QoS 2 subscription ends with its connection, and nothing of QoS 2 is kept: answers with the filters
    /// that are no longer subscribed to, and with what is over.
    pub fn end_qos2(&mut self) -> (Vec<TopicFilter>, Vec<Finished>) {
        let mut over = self.inflight.retain(|qos| qos < QoS::ExactlyOnce);
        for queue in [&mut self.queue, &mut self.retained] {
            let (kept, gone): (Vec<Held>, Vec<Held>) = std::mem::take(queue)
                .into_iter()
                .partition(|held| held.delivery.qos < QoS::ExactlyOnce);
            *queue = kept.into();
            over.extend(
                gone.into_iter()
                    .map(|held| Finished::of(Some(Box::new(held)), false)),
            );
        }
        let ended = |(_, options): &&(TopicFilter, _)| {
            let options: &crate::message::SubscriptionOptions = options;
            options.qos == QoS::ExactlyOnce
        };
        let ended: Vec<TopicFilter> = self
            .subscriptions
            .iter()
            .filter(ended)
            .map(|(filter, _)| filter.clone())
            .collect();
        for filter in &ended {
            self.subscriptions.remove(filter);
        }
        (ended, over)
    }

    /// The session ends: nobody is to get what it holds.
    pub fn end_all(&mut self) -> Vec<Finished> {
        let mut over = self.inflight.retain(|_| false);
        let waiting = std::mem::take(&mut self.queue)
            .into_iter()
            .chain(std::mem::take(&mut self.retained));
        over.extend(waiting.map(|held| Finished::of(Some(Box::new(held)), false)));
        over
    }

    /// The newest message by now.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Something waits here that neither the client nor the store has, and that is not newer than the message of this
    /// number.
    #[must_use]
    pub fn holds_unstored(&self, up_to: u32) -> bool {
        let unstored = |held: &Held| held.in_store.is_none() && !is_newer(held.number, up_to);
        // Both are in the order of coming, but for what was retained: the first tells.
        self.inflight
            .held()
            .map(|(_, held)| held)
            .chain(&self.queue)
            .find(|held| held.in_store.is_none() && held.receipt.is_some())
            .is_some_and(unstored)
    }

    /// What the store does not have yet of what must not be lost, in the order of coming. It is asked by whoever calls this.
    pub fn take_unstored(&mut self, settings: &Settings) -> Vec<Leaving> {
        let storable = |held: &Held| held.delivery.qos == QoS::AtLeastOnce || settings.qos2_offline;
        let mut leaving = Vec::new();
        let asked = &mut self.asked;
        let mut take = |sent: Option<u16>, held: &mut Held| {
            if held.in_store.is_none() && held.delivery.qos > QoS::AtMostOnce && storable(held) {
                let in_store = InStore::asked();
                *asked += 1;
                held.in_store = Some(Rc::clone(&in_store));
                leaving.push(Leaving::Append {
                    delivery: held.delivery.clone(),
                    sent,
                    receipt: held.receipt.take(),
                    in_store: Some(in_store),
                });
            }
        };
        for (id, held) in self.inflight.held_mut() {
            take(Some(id), held);
        }
        for held in &mut self.queue {
            take(None, held);
        }
        leaving
    }

    /// The connection ends: everything that the session holds goes to the store, in order; QoS 0 that was waiting does not.
    pub fn leave(&mut self, settings: &Settings) -> Vec<Leaving> {
        let storable = |held: &Held| {
            held.delivery.qos == QoS::AtLeastOnce
                || held.delivery.qos == QoS::ExactlyOnce && settings.qos2_offline
        };
        let mut leaving = Vec::new();
        for (id, held) in self.inflight.held_mut() {
            match held.in_store.as_ref().map(|in_store| (in_store.at(), in_store)) {
                Some((At::Here(seq), _)) => leaving.push(Leaving::Sent(seq, id)),
                Some((_, in_store)) => drop(in_store.set(At::AskedSent(id))),
                None if storable(held) => leaving.push(append(held, Some(id))),
                None => {}
            }
        }
        // Retained messages stand before the queue, and so have to get there in the inbox.
        let mut moved = false;
        for mut held in std::mem::take(&mut self.retained) {
            if storable(&held) && held.in_store.is_none() {
                // Unless there is more behind the queue already: then they come last.
                moved = !self.spilled;
                leaving.push(append(&mut held, None));
            }
        }
        for mut held in std::mem::take(&mut self.queue) {
            match held.in_store.as_ref().map(|in_store| (in_store.at(), in_store)) {
                Some((At::Here(seq), _)) if moved => {
                    leaving.push(Leaving::Over(seq));
                    leaving.push(append(&mut held, None));
                }
                Some((_, in_store)) if moved => {
                    in_store.set(At::Gone);
                    leaving.push(append(&mut held, None));
                }
                Some(_) => {}
                None if storable(&held) => leaving.push(append(&mut held, None)),
                None => {}
            }
        }
        leaving
    }

    /// What is kept of the session besides its messages.
    #[must_use]
    pub fn to_record(&self) -> SessionRecord {
        SessionRecord {
            expiry_seconds: self.expiry,
            subscriptions: self.subscriptions.iter().cloned().collect(),
            next_packet_id: self.inflight.next_id(),
            ..SessionRecord::default()
        }
    }

    /// The session as the store has it, on a new connection. So many messages are on their way to its inbox with others'.
    #[must_use]
    pub fn resume(
        stored: Stored,
        on_its_way: u32,
        version: ProtocolVersion,
        link: Negotiated,
        expiry: Option<u32>,
    ) -> Self {
        let mut session = Self::new(version, link, expiry);
        let record = stored.record;
        session.subscriptions = record.subscriptions.into_iter().collect::<Subscriptions>();
        session.inflight = Inflight::restore(stored.unacknowledged, record.next_packet_id);
        session.received = stored.received.into_iter().collect();
        // Whether or not something was waiting: more may have come since the store was asked.
        session.spilled = true;
        session.on_its_way = on_its_way;
        session
    }
}

fn append(held: &mut Held, sent: Option<u16>) -> Leaving {
    Leaving::Append {
        delivery: held.delivery.clone(),
        sent,
        receipt: held.receipt.take(),
        in_store: None,
    }
}

/// Numbers go round; a session never holds half of them.
fn is_newer(number: u32, than: u32) -> bool {
    number != than && number.wrapping_sub(than) < u32::MAX / 2
}
