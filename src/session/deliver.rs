//! Messages to the client: into the window, into a queue, or back to the shard for the store.

use std::rc::Rc;

use bytes::Bytes;

use super::held::{At, Finished, Held, InStore, Receipt};
use super::place::Again;
use super::wire::{Head, Wires};
use super::{SHARE_FROM, Session, Settings};
use crate::codec::{self, ProtocolVersion, QoS};
use crate::message::{Delivery, Publication};
use crate::store::{InboxSeq, Page};
use crate::time::Millis;

/// How a message is to reach one receiver: what its subscriptions asked for, merged.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    /// The lower of the publication's and the subscription's Quality of Service.
    pub qos: QoS,
    /// The RETAIN flag to go out with.
    pub retain: bool,
    /// Identifiers of all subscriptions that matched [MQTT-3.3.4-3].
    pub subscription_ids: &'a [u32],
}

impl<'a> Receiver<'a> {
    /// How a message that was kept goes out.
    #[must_use]
    pub fn of(delivery: &'a Delivery) -> Self {
        Self {
            qos: delivery.qos,
            retain: delivery.retain,
            subscription_ids: &delivery.subscription_ids,
        }
    }
}

/// What became of a message for one receiver.
#[derive(Debug)]
pub enum Outcome {
    /// It is in the outbox.
    Sent,
    /// It waits in the session's memory.
    Queued,
    /// It is in the session's memory, and the store is to have it now as well. It is in flight if there is a packet id.
    Keep(Rc<InStore>, Option<u16>),
    /// The store's inbox is to keep it, and nobody else does.
    Store,
    /// The same, and this is the first of them: what the session holds is older and has to be in the store before it.
    Spill,
    /// It is gone, and this is why.
    Dropped(DropReason),
    /// The client does not keep up and its session cannot wait: end the connection with 0x97.
    Overflow,
}

/// What [`Session::pump`] has to tell.
#[derive(Debug)]
pub enum Pumped {
    /// A message is over without having been sent.
    Dropped(DropReason, Finished),
    /// A QoS 2 message of the inbox is to go out under this packet id, once the store knows it.
    Reserved(InboxSeq, u16),
}

/// Why a message was not delivered, as the metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Its time was over [MQTT-3.3.2-5].
    Expired,
    /// Larger than the client's Maximum Packet Size [MQTT-3.1.2-24].
    TooLarge,
    /// QoS 0, and the client does not keep up.
    QueueFull,
}

impl Session {
    /// Takes one message for this client. `receipt` gives the receipt that whoever waits for the message is settled with, and
    /// is asked only where the session keeps it.
    #[inline]
    pub fn deliver(
        &mut self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        wires: &mut Wires,
        now: Millis,
        settings: &Settings,
        receipt: &mut dyn FnMut() -> Option<Receipt>,
    ) -> Outcome {
        let room = self.outbox.len() < settings.outbox_bytes;
        if receiver.qos == QoS::AtMostOnce {
            // It may overtake what is stored: MQTT orders messages of one QoS alone [MQTT-4.6.0-5].
            if room && self.queue_qos0.is_empty() {
                return self.send_now(publication, receiver, wires, now, false);
            }
            self.queue_qos0.push_back(to_delivery(publication, receiver));
            if self.queue_qos0.len() > settings.queue_messages {
                self.queue_qos0.pop_front();
                return Outcome::Dropped(DropReason::QueueFull);
            }
            return Outcome::Queued;
        }
        if self.spilled && (receiver.qos == QoS::AtLeastOnce || settings.qos2_offline) {
            // Behind what is there, also where the session is to end with this connection.
            self.inbox_grew();
            return Outcome::Store;
        }
        if self.is_storable(receiver.qos, settings) {
            return self.deliver_stored(publication, receiver, wires, now, settings, receipt);
        }
        if room && self.queue.is_empty() && self.inflight.has_room(self.link.receive_maximum) {
            // A session that ends with its connection never sends anything twice: nothing to keep.
            let keep = self.is_persistent() || self.keep_sent;
            return self.send_now(publication, receiver, wires, now, keep);
        }
        if self.queue.len() >= settings.queue_messages {
            return Outcome::Overflow;
        }
        self.queue
            .push_back(Held::alone(to_delivery(publication, receiver)));
        Outcome::Queued
    }

    /// A message that nobody waits for goes out, if it may.
    #[inline]
    fn send_now(
        &mut self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        wires: &mut Wires,
        now: Millis,
        keep: bool,
    ) -> Outcome {
        match self.check(publication, receiver, now) {
            Err(reason) => Outcome::Dropped(reason),
            Ok(checked) => {
                let held = keep.then(|| Box::new(Held::alone(to_delivery(publication, receiver))));
                self.send(publication, receiver, checked, wires, held);
                Outcome::Sent
            }
        }
    }

    /// Whether messages of this QoS outlive the connection: in the product nothing of QoS 2 does.
    #[inline]
    #[must_use]
    pub fn is_storable(&self, qos: QoS, settings: &Settings) -> bool {
        self.is_persistent() && (qos == QoS::AtLeastOnce || qos == QoS::ExactlyOnce && settings.qos2_offline)
    }

    /// The same for a message that must not be lost: it waits for its acknowledgement here, or in the store.
    #[inline(never)]
    fn deliver_stored(
        &mut self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        wires: &mut Wires,
        now: Millis,
        settings: &Settings,
        receipt: &mut dyn FnMut() -> Option<Receipt>,
    ) -> Outcome {
        if self.queue.len() >= settings.queue_messages {
            self.spilled = true;
            self.inbox_grew();
            return Outcome::Spill;
        }
        self.newest = self.newest.wrapping_add(1);
        // The client must never be sent a QoS 2 packet id that is forgotten in a crash: another message could get it, and the
        // client would take that for the first one.
        let at_once = self.slow || settings.grace.is_zero() || receiver.qos == QoS::ExactlyOnce;
        let mut held = Held {
            delivery: to_delivery(publication, receiver),
            receipt: None,
            in_store: at_once.then(InStore::asked),
            number: self.newest,
        };
        self.asked += u32::from(at_once);
        let keep = |sent: Option<u16>| move |in_store| Outcome::Keep(in_store, sent);
        let in_store = held.in_store.clone();
        let room = self.outbox.len() < settings.outbox_bytes;
        if !(room && self.queue.is_empty() && self.inflight.has_room(self.link.receive_maximum)) {
            if !at_once {
                held.receipt = receipt();
                self.wants_grace = !self.graced && held.receipt.is_some();
            }
            self.queue.push_back(held);
            return in_store.map_or(Outcome::Queued, keep(None));
        }
        if receiver.qos == QoS::ExactlyOnce {
            let id = self.inflight.reserve(Box::new(held));
            return in_store.map_or(Outcome::Queued, keep(Some(id)));
        }
        match self.check(publication, receiver, now) {
            Ok(checked) => self.send(publication, receiver, checked, wires, Some(Box::new(held))),
            Err(reason) => {
                self.asked -= u32::from(at_once);
                return Outcome::Dropped(reason);
            }
        }
        if let Some(in_store) = in_store {
            return Outcome::Keep(in_store, Some(self.inflight.last_id()));
        }
        if let Some(held) = self.inflight.last_held() {
            held.receipt = receipt();
            self.wants_grace = !self.graced && held.receipt.is_some();
        }
        Outcome::Sent
    }

    /// Takes a retained message that a new subscription brings. Answers with where the store is to have it, if it must
    /// before it is sent.
    pub fn deliver_retained(&mut self, delivery: Delivery, settings: &Settings) -> Option<Rc<InStore>> {
        let in_store = (delivery.qos == QoS::ExactlyOnce && self.is_storable(delivery.qos, settings))
            .then(InStore::asked);
        self.asked += u32::from(in_store.is_some());
        self.newest = self.newest.wrapping_add(1);
        self.retained.push_back(Held {
            delivery,
            receipt: None,
            in_store: in_store.clone(),
            number: self.newest,
        });
        in_store
    }

    /// A message has begun to wait for its acknowledgement, and nobody looks after it.
    #[inline]
    #[must_use]
    pub fn wants_grace(&self) -> bool {
        self.wants_grace
    }

    /// Somebody does from now on; answers with the number of the newest message.
    pub fn begin_grace(&mut self) -> u32 {
        self.wants_grace = false;
        self.graced = true;
        self.newest
    }

    /// Nobody does any more.
    pub fn end_grace(&mut self) {
        self.graced = false;
    }

    /// From where on the inbox is to be read: after this.
    pub fn begin_reading(&mut self) -> InboxSeq {
        self.reading = true;
        self.more_came = false;
        self.cursor
    }

    /// Something that the page on its way does not show has gone into the inbox.
    pub fn inbox_grew(&mut self) {
        self.more_came = true;
        self.dry = false;
    }

    /// Something will go into the inbox with another session's message.
    pub fn awaits_inbox(&mut self) {
        self.on_its_way += 1;
    }

    /// It has, or it never will.
    pub fn inbox_came(&mut self) {
        self.on_its_way = self.on_its_way.saturating_sub(1);
        self.spilled = true;
        self.inbox_grew();
    }

    /// Puts a page of the inbox behind what waits. `ask` says what becomes of each message; nothing, if it is not to be sent.
    /// Answers with the places of those.
    pub fn take_page(
        &mut self,
        page: Page,
        mut ask: impl FnMut(Delivery) -> Option<Delivery>,
    ) -> Vec<InboxSeq> {
        let mut refused = Vec::new();
        for (seq, delivery) in page.deliveries {
            let asked = ask(delivery);
            if self.ahead.as_mut().is_some_and(|ahead| ahead.remove(&seq)) {
                continue;
            }
            match asked {
                Some(delivery) => self.queue.push_back(Held::of_inbox(seq, delivery)),
                None => refused.push(seq),
            }
        }
        self.reading = false;
        self.cursor = self.cursor.max(page.upto);
        let cursor = self.cursor;
        if let Some(ahead) = &mut self.ahead {
            ahead.retain(|seq| *seq > cursor);
        }
        self.dry = !page.more && !self.more_came;
        self.spilled = !self.dry || self.on_its_way > 0;
        refused
    }

    /// The store has put a message that is held here, or was, at this place. Answers with whether it was the last that was
    /// waited for.
    pub fn stored_at(&mut self, seq: InboxSeq) -> bool {
        self.asked = self.asked.saturating_sub(1);
        if self.spilled {
            if seq > self.cursor {
                self.ahead.get_or_insert_default().insert(seq);
            }
        } else {
            self.cursor = self.cursor.max(seq);
        }
        self.asked == 0
    }

    /// Nothing older than the inbox waits in memory any more, and the window could take something.
    #[must_use]
    pub fn wants_inbox(&self) -> bool {
        self.spilled
            && !self.reading
            && !self.dry
            && self.asked == 0
            && self.queue.is_empty()
            && self.inflight.has_room(self.link.receive_maximum)
    }

    /// Does anything wait that [`Self::pump`] might move?
    #[inline]
    #[must_use]
    pub fn has_queued(&self) -> bool {
        !(self.queue.is_empty() && self.queue_qos0.is_empty() && self.retained.is_empty())
            || self.inflight.has_unsent()
    }

    /// Moves what waits into the outbox, as far as window and outbox let; tells what else is to be done.
    pub fn pump(
        &mut self,
        wires: &mut Wires,
        now: Millis,
        settings: &Settings,
        mut tell: impl FnMut(Pumped),
    ) {
        if self.inflight.has_unsent() {
            self.resend(wires, now, &mut tell);
        }
        while self.outbox.len() < settings.outbox_bytes {
            let window = self.inflight.has_room(self.link.receive_maximum);
            let may_go =
                |held: &&Held| held.delivery.qos == QoS::AtMostOnce || window && !held.waits_for_store();
            // Retained messages first: a subscriber wants the last known state before the next change of it.
            let held = if self.retained.front().is_some_and(|held| may_go(&held)) {
                self.retained.pop_front()
            } else if self.queue.front().is_some_and(|held| may_go(&held)) {
                self.queue.pop_front()
            } else {
                self.queue_qos0.pop_front().map(Held::alone)
            };
            let Some(held) = held else { return };
            self.pump_one(held, wires, now, &mut tell);
        }
    }

    fn pump_one(&mut self, held: Held, wires: &mut Wires, now: Millis, tell: &mut impl FnMut(Pumped)) {
        let known = held.in_store.as_ref().map(|in_store| in_store.at());
        if held.delivery.qos == QoS::ExactlyOnce
            && let Some(At::Here(seq)) = known
        {
            let id = self.inflight.reserve(Box::new(held));
            return tell(Pumped::Reserved(seq, id));
        }
        let delivery = held.delivery.clone();
        let (publication, receiver) = (Publication::of(&delivery.message), Receiver::of(&delivery));
        wires.reset();
        match self.check(&publication, receiver, now) {
            Err(reason) => tell(Pumped::Dropped(reason, Finished::of(Some(Box::new(held)), false))),
            Ok(checked) => {
                let keep = delivery.qos > QoS::AtMostOnce && (self.is_persistent() || self.keep_sent);
                let held = keep.then(|| Box::new(held));
                self.send(&publication, receiver, checked, wires, held);
            }
        }
    }

    /// The store knows the packet id of this QoS 2 message: it goes out, and those that waited behind it. Answers with those
    /// that are over without having been sent.
    pub fn send_reserved(
        &mut self,
        packet_id: u16,
        wires: &mut Wires,
        now: Millis,
    ) -> Vec<(DropReason, Finished)> {
        self.inflight.known(packet_id);
        let mut over = Vec::new();
        while let Some((packet_id, delivery)) = self.inflight.send_reserved() {
            let delivery = delivery.clone();
            // What expired before it ever went out goes no further.
            let Ok(expiry) = delivery.message.remaining_expiry(now) else {
                over.push((DropReason::Expired, self.inflight.give_up(packet_id)));
                continue;
            };
            over.extend(self.send_under(packet_id, false, &delivery, expiry, wires));
        }
        over
    }

    /// Sends a message under a packet id that it has already. Answers with it if it is over by that: it does not fit.
    fn send_under(
        &mut self,
        packet_id: u16,
        dup: bool,
        delivery: &Delivery,
        message_expiry: Option<u32>,
        wires: &mut Wires,
    ) -> Option<(DropReason, Finished)> {
        let (publication, receiver) = (Publication::of(&delivery.message), Receiver::of(delivery));
        let head = Head {
            qos: delivery.qos,
            dup,
            retain: delivery.retain,
            packet_id,
        };
        if !self.fits(&publication, receiver, head, message_expiry) {
            // [MQTT-3.1.2-25]: as if it had been delivered.
            return Some((DropReason::TooLarge, self.inflight.give_up(packet_id)));
        }
        wires.reset();
        self.encode(
            &publication,
            receiver.subscription_ids,
            head,
            message_expiry,
            wires,
        );
        None
    }

    /// May this go to the client: what its packet says besides, and what is left of its life.
    #[inline]
    fn check(
        &self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        now: Millis,
    ) -> Result<(Head, Option<u32>), DropReason> {
        // [MQTT-3.3.2-6]: what is left of its life, not what it began with.
        let message_expiry = publication
            .remaining_expiry(now)
            .map_err(|_| DropReason::Expired)?;
        let head = Head {
            qos: receiver.qos,
            dup: false,
            retain: receiver.retain,
            packet_id: 0,
        };
        // A policy can make a message that no packet holds; what came in a packet may not fit with an identifier more.
        let huge = publication.payload.len() + publication.forward.len() > codec::SURELY_FITS;
        if (huge || self.link.maximum_packet_size < u32::MAX)
            && !self.fits(publication, receiver, head, message_expiry)
        {
            return Err(DropReason::TooLarge);
        }
        Ok((head, message_expiry))
    }

    /// Encodes into the outbox; QoS 1 and 2 enter the window, with what is to be kept of them.
    #[inline]
    fn send(
        &mut self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        (mut head, message_expiry): (Head, Option<u32>),
        wires: &mut Wires,
        held: Option<Box<Held>>,
    ) {
        if receiver.qos > QoS::AtMostOnce {
            head.packet_id = self.inflight.send(receiver.qos, held);
        }
        self.encode(
            publication,
            receiver.subscription_ids,
            head,
            message_expiry,
            wires,
        );
    }

    /// Sends again what was unacknowledged when the last connection ended, as much of it as the client takes at a time:
    /// same ids, same order, DUP [MQTT-4.4.0-1].
    pub fn resend(&mut self, wires: &mut Wires, now: Millis, tell: &mut impl FnMut(Pumped)) {
        while let Some((packet_id, again)) = self.inflight.resend(self.link.receive_maximum) {
            let Again::Publish(delivery) = again else {
                self.send_pubrel(packet_id);
                continue;
            };
            let delivery = delivery.clone();
            // A message whose delivery has begun is delivered, however old it is by now.
            let expiry = delivery.message.remaining_expiry(now).unwrap_or(Some(1));
            if let Some((reason, over)) = self.send_under(packet_id, true, &delivery, expiry, wires) {
                tell(Pumped::Dropped(reason, over));
            }
        }
    }

    fn fits(
        &self,
        publication: &Publication<'_>,
        receiver: Receiver<'_>,
        head: Head,
        message_expiry: Option<u32>,
    ) -> bool {
        // Counted with an alias if the client takes them: three bytes too many at most, never one too few.
        let alias = (self.link.topic_alias_maximum > 0).then_some((1, true));
        let parts = head.parts(publication, message_expiry, receiver.subscription_ids, alias);
        let most = codec::MAX_PACKET_LEN.min(self.link.maximum_packet_size as usize);
        codec::publish_len(self.version, &parts) <= most
    }

    #[inline]
    fn encode(
        &mut self,
        publication: &Publication<'_>,
        subscription_ids: &[u32],
        head: Head,
        message_expiry: Option<u32>,
        wires: &mut Wires,
    ) {
        if let Some(sent) = self.sent.get_mut(head.qos as usize) {
            *sent += 1;
        }
        let own_properties = self.version == ProtocolVersion::V5
            && (!subscription_ids.is_empty() || self.link.topic_alias_maximum > 0);
        if publication.payload.len() >= SHARE_FROM {
            let alias = self.alias(publication);
            let parts = head.parts(publication, message_expiry, subscription_ids, alias);
            codec::publish_head(self.outbox.buffer(), self.version, &parts);
            let payload: Bytes = publication.share().payload.clone();
            self.outbox.push_shared(payload);
        } else if own_properties {
            let alias = self.alias(publication);
            let parts = head.parts(publication, message_expiry, subscription_ids, alias);
            codec::publish(self.outbox.buffer(), self.version, &parts);
        } else {
            wires.append(
                self.outbox.buffer(),
                self.version,
                publication,
                head,
                message_expiry,
            );
        }
    }

    /// The alias to send for this topic, and whether the client must be told the topic with it. The first topics get one,
    /// until the client's maximum [MQTT-3.1.2-26].
    fn alias(&mut self, publication: &Publication<'_>) -> Option<(u16, bool)> {
        if self.version != ProtocolVersion::V5 || self.link.topic_alias_maximum == 0 {
            return None;
        }
        if let Some(alias) = self.outbound_aliases.get(publication.topic) {
            return Some((*alias, false));
        }
        let next = u16::try_from(self.outbound_aliases.len() + 1).ok()?;
        if next > self.link.topic_alias_maximum {
            return None;
        }
        self.outbound_aliases.insert(publication.topic.clone(), next);
        Some((next, true))
    }
}

/// The owned form of a message for one receiver.
#[must_use]
pub fn to_delivery(publication: &Publication<'_>, receiver: Receiver<'_>) -> Delivery {
    Delivery {
        message: publication.share(),
        qos: receiver.qos,
        retain: receiver.retain,
        subscription_ids: receiver.subscription_ids.into(),
    }
}
