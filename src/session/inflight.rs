//! The in-flight window: what was sent with QoS 1 or 2 and is not acknowledged in full.
//!
//! Packet ids are handed out in turn, so the window is a ring: an acknowledgement finds its message by subtraction.

use std::collections::VecDeque;

use super::held::{At, Finished, Held, InStore};
use super::place::{Again, Place, Pubrec};
use crate::codec::QoS;
use crate::message::Delivery;
use crate::store::{InboxSeq, Unacknowledged};

/// There are this many packet ids: 1 to 65,535 [MQTT-2.2.1-3].
const IDS: u32 = 65_535;

/// How many acknowledged places the ring may hold behind one that is not, beyond as many as are out.
const SLACK: usize = 1024;

/// A message that is not in the ring: it came from an earlier connection, or held up the ring for too long.
#[derive(Debug)]
struct Carried {
    id: u16,
    place: Place,
    /// It has been sent on this connection.
    sent: bool,
}

/// The window of one session.
#[derive(Debug)]
pub struct Inflight {
    /// Older than everything in the ring, in the order of sending.
    carried: VecDeque<Carried>,
    /// How many of `carried` have not been sent on this connection yet; they stand at its end.
    unsent: usize,
    /// The packet id of the ring's first place.
    first_id: u16,
    ring: VecDeque<Place>,
    /// Ids that were reserved and have not gone out, in the order of reserving, with whether the store knows them.
    #[allow(
        clippy::box_collection,
        reason = "hardly a session has any, and each has the place for it"
    )]
    reserved: Option<Box<VecDeque<(u16, bool)>>>,
    /// Messages that are out on this connection: what counts against the client's Receive Maximum.
    out: u16,
}

/// An acknowledgement that does not belong to what is in flight.
#[derive(Debug, PartialEq, Eq)]
pub enum AckError {
    /// Nothing is in flight with this id.
    UnknownId,
    /// It acknowledges another Quality of Service than the message has.
    WrongKind,
}

impl Default for Inflight {
    fn default() -> Self {
        Self {
            carried: VecDeque::new(),
            unsent: 0,
            first_id: 1,
            ring: VecDeque::new(),
            reserved: None,
            out: 0,
        }
    }
}

impl Inflight {
    /// How many messages are out.
    #[must_use]
    pub fn out(&self) -> u16 {
        self.out
    }

    /// May one more go out, to a client that takes `receive_maximum` at a time [MQTT-3.3.4-9]?
    #[inline]
    #[must_use]
    pub fn has_room(&self, receive_maximum: u16) -> bool {
        self.unsent == 0 && u32::from(self.out) < u32::from(receive_maximum).min(IDS - 1)
    }

    /// Something of an earlier connection is still to be sent again.
    #[inline]
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// Takes a packet id for a message that goes out now. Ask [`Self::has_room`] first.
    #[inline]
    pub fn send(&mut self, qos: QoS, kept: Option<Box<Held>>) -> u16 {
        self.take_id(Place::Publish { qos, kept })
    }

    /// Takes a packet id for a QoS 2 message that goes out as soon as the store knows that the id is its.
    pub fn reserve(&mut self, kept: Box<Held>) -> u16 {
        let id = self.take_id(Place::Reserved { kept });
        self.reserved.get_or_insert_default().push_back((id, false));
        id
    }

    /// The store knows this id.
    pub fn known(&mut self, id: u16) {
        let mut reserved = self.reserved.iter_mut().flat_map(|all| all.iter_mut());
        if let Some(reserved) = reserved.find(|(of, _)| *of == id) {
            reserved.1 = true;
        }
    }

    #[inline]
    fn take_id(&mut self, place: Place) -> u16 {
        if self.ring.len() > self.longest() || !self.carried.is_empty() {
            self.step_over();
        }
        let id = self.id_at(self.ring.len());
        self.ring.push_back(place);
        self.out += 1;
        id
    }

    /// The next reserved message that may go out: what the store knows late holds up what is behind it, so that they go in
    /// their order [MQTT-4.6.0-5].
    pub fn send_reserved(&mut self) -> Option<(u16, &Delivery)> {
        let (id, _) = self.reserved.as_mut()?.pop_front_if(|(_, known)| *known)?;
        let place = self.place(id).ok()?;
        if let Place::Reserved { kept } = std::mem::replace(place, Place::Done) {
            *place = Place::Publish {
                qos: QoS::ExactlyOnce,
                kept: Some(kept),
            };
        }
        place.held().map(|held| (id, &held.delivery))
    }

    /// The store knows that PUBREC has come for this id: whether PUBREL is to go out.
    pub fn release(&mut self, id: u16) -> bool {
        let Ok(place) = self.place(id) else { return false };
        match std::mem::replace(place, Place::Done) {
            Place::Releasing { kept } => {
                *place = Place::Pubrel { kept: Some(kept) };
                true
            }
            other => {
                *place = other;
                false
            }
        }
    }

    /// All messages that are held, in the order of sending, with their packet ids.
    pub fn held(&self) -> impl Iterator<Item = (u16, &Held)> {
        let carried = self.carried.iter().map(|carried| (carried.id, &carried.place));
        let ring = self
            .ring
            .iter()
            .enumerate()
            .map(|(offset, place)| (self.id_at(offset), place));
        carried
            .chain(ring)
            .filter_map(|(id, place)| Some((id, place.held()?)))
    }

    /// The same, to be changed.
    pub fn held_mut(&mut self) -> impl Iterator<Item = (u16, &mut Held)> {
        let first = self.first_id;
        let carried = self
            .carried
            .iter_mut()
            .map(|carried| (carried.id, &mut carried.place));
        let ring = self
            .ring
            .iter_mut()
            .enumerate()
            .map(move |(offset, place)| (id_from(first, offset), place));
        carried
            .chain(ring)
            .filter_map(|(id, place)| Some((id, place.held_mut()?)))
    }

    /// The packet id that was taken last.
    #[must_use]
    pub fn last_id(&self) -> u16 {
        self.id_at(self.ring.len().saturating_sub(1))
    }

    /// What is held of the message that was sent last.
    pub fn last_held(&mut self) -> Option<&mut Held> {
        self.ring.back_mut()?.held_mut()
    }

    /// Nothing is out that is not acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out == 0 && self.unsent == 0
    }

    /// Lets go what `keep` does not want; answers with what it was.
    pub fn retain(&mut self, keep: impl Fn(QoS) -> bool) -> Vec<Finished> {
        let places = std::mem::take(&mut self.carried).into_iter();
        let next_id = self.next_id();
        let places = places.map(|carried| (carried.id, carried.place));
        let first = self.first_id;
        let ring = std::mem::take(&mut self.ring).into_iter().enumerate();
        let ring = ring.map(|(offset, place)| (id_from(first, offset), place));
        let mut over = Vec::new();
        let mut kept = VecDeque::new();
        for (id, place) in places.chain(ring) {
            let qos = match &place {
                Place::Done => continue,
                Place::Publish { qos, .. } => *qos,
                _ => QoS::ExactlyOnce,
            };
            if keep(qos) {
                kept.push_back(Carried {
                    id,
                    place,
                    sent: false,
                });
            } else {
                over.push(place.finished(false));
            }
        }
        *self = Self {
            unsent: kept.len(),
            carried: kept,
            first_id: next_id,
            ..Self::default()
        };
        over
    }

    /// Keeps one message that is never acknowledged from holding up all ids behind it: it is carried apart, and its id is
    /// passed over until it is free.
    #[cold]
    fn step_over(&mut self) {
        loop {
            if self.ring.len() > self.longest() {
                let Some(place) = self.ring.pop_front() else {
                    return;
                };
                let id = self.first_id;
                self.first_id = self.id_at(1);
                if !matches!(place, Place::Done) {
                    self.carried.push_back(Carried {
                        id,
                        place,
                        sent: true,
                    });
                }
            } else if self.carried.iter().any(|carried| carried.id == self.next_id()) {
                self.ring.push_back(Place::Done);
            } else {
                return;
            }
        }
    }

    /// How long the ring may be: in proportion to what is out, and never so long that an id stands in it twice.
    #[inline]
    fn longest(&self) -> usize {
        (2 * usize::from(self.out) + SLACK).min((IDS - 1) as usize)
    }

    /// The next message of an earlier connection that may go out again: same id, same order [MQTT-4.4.0-1].
    pub fn resend(&mut self, receive_maximum: u16) -> Option<(u16, Again<'_>)> {
        loop {
            if self.out >= receive_maximum || self.unsent == 0 {
                return None;
            }
            let at = self.carried.len().checked_sub(self.unsent)?;
            let carried = self.carried.get_mut(at)?;
            carried.sent = true;
            self.unsent -= 1;
            self.out += 1;
            // PUBREL of one that is being released goes when the store knows it.
            if !matches!(carried.place, Place::Releasing { .. }) {
                break;
            }
        }
        let at = self.carried.len().checked_sub(self.unsent + 1)?;
        let carried = self.carried.get(at)?;
        Some((carried.id, carried.place.again()?))
    }

    /// The message of this id will never be acknowledged: it cannot be sent on this connection.
    pub fn give_up(&mut self, id: u16) -> Finished {
        let Ok(place) = self.place(id) else {
            return Finished::default();
        };
        let over = std::mem::replace(place, Place::Done);
        self.finish(id);
        over.finished(false)
    }

    /// PUBACK: the message is over; it `arrived`, or the client refused it. Answers with it, if it was kept.
    ///
    /// # Errors
    /// Nothing with this id awaits PUBACK.
    #[inline]
    pub fn puback(&mut self, id: u16, arrived: bool) -> Result<Finished, AckError> {
        let place = self.place(id)?;
        if !matches!(
            place,
            Place::Publish {
                qos: QoS::AtLeastOnce,
                ..
            }
        ) {
            return Err(AckError::WrongKind);
        }
        let done = std::mem::replace(place, Place::Done);
        self.finish(id);
        Ok(done.finished(arrived))
    }

    /// PUBREC: PUBREL is to follow, or, if the client `refused` it (reason code 0x80 and above), nothing [MQTT-4.3.3-4].
    ///
    /// # Errors
    /// Nothing with this id awaits PUBREC.
    pub fn pubrec(&mut self, id: u16, refused: bool) -> Result<Pubrec, AckError> {
        let place = self.place(id)?;
        let qos2 = matches!(
            place,
            Place::Publish {
                qos: QoS::ExactlyOnce,
                ..
            }
        );
        if qos2 && refused {
            let over = std::mem::replace(place, Place::Done);
            self.finish(id);
            return Ok(Pubrec::Over(over.finished(false)));
        }
        if refused {
            return Err(AckError::WrongKind);
        }
        match std::mem::replace(place, Place::Done) {
            Place::Publish {
                qos: QoS::ExactlyOnce,
                kept,
            } => {
                let in_store = kept.as_ref().and_then(|held| held.in_store.as_ref());
                let at = in_store.map(|in_store| in_store.at());
                match (kept, at) {
                    (Some(kept), Some(At::Here(seq))) => {
                        *place = Place::Releasing { kept };
                        Ok(Pubrec::Release(seq))
                    }
                    (kept, _) => {
                        *place = Place::Pubrel { kept };
                        Ok(Pubrec::Pubrel)
                    }
                }
            }
            // A PUBREC that was sent again: PUBREL goes again, or is about to go.
            other @ (Place::Pubrel { .. } | Place::Owed { .. }) => {
                *place = other;
                Ok(Pubrec::Pubrel)
            }
            other @ Place::Releasing { .. } => {
                *place = other;
                Ok(Pubrec::Waits)
            }
            other => {
                *place = other;
                Err(AckError::WrongKind)
            }
        }
    }

    /// PUBCOMP: the message is delivered, exactly once. Answers with it, if it was kept.
    ///
    /// # Errors
    /// Nothing with this id awaits PUBCOMP.
    pub fn pubcomp(&mut self, id: u16) -> Result<Finished, AckError> {
        let place = self.place(id)?;
        if !matches!(place, Place::Pubrel { .. } | Place::Owed { .. }) {
            return Err(AckError::WrongKind);
        }
        let done = std::mem::replace(place, Place::Done);
        self.finish(id);
        Ok(done.finished(true))
    }

    /// The packet id that the next message gets, unless it is still in use.
    #[must_use]
    pub fn next_id(&self) -> u16 {
        self.id_at(self.ring.len())
    }

    /// The window as the store has it: all of it is to be sent again.
    #[must_use]
    pub fn restore(unacknowledged: Vec<(u16, InboxSeq, Unacknowledged)>, next_id: u16) -> Self {
        let carried: VecDeque<Carried> = unacknowledged
            .into_iter()
            .map(|(id, seq, state)| {
                let place = match state {
                    Unacknowledged::Pubrel => Place::Owed {
                        in_store: InStore::here(seq),
                    },
                    Unacknowledged::Publish(delivery) => Place::Publish {
                        qos: delivery.qos,
                        kept: Some(Box::new(Held::of_inbox(seq, delivery))),
                    },
                };
                Carried {
                    id,
                    place,
                    sent: false,
                }
            })
            .collect();
        Self {
            unsent: carried.len(),
            carried,
            first_id: next_id.max(1),
            ..Self::default()
        }
    }

    fn id_at(&self, offset: usize) -> u16 {
        id_from(self.first_id, offset)
    }

    fn place(&mut self, id: u16) -> Result<&mut Place, AckError> {
        if !self.carried.is_empty()
            && let Some(carried) = self.carried.iter_mut().find(|carried| carried.id == id)
        {
            return Ok(&mut carried.place);
        }
        let offset = ((u32::from(id) + IDS - u32::from(self.first_id)) % IDS) as usize;
        self.ring
            .get_mut(offset)
            .filter(|place| !matches!(place, Place::Done))
            .ok_or(AckError::UnknownId)
    }

    /// The place of `id` has become done: gives its slot back, and lets what is done leave.
    #[inline]
    fn finish(&mut self, id: u16) {
        if !self.carried.is_empty() && self.finish_carried(id) {
            return;
        }
        self.out -= 1;
        while matches!(self.ring.front(), Some(Place::Done)) {
            self.ring.pop_front();
            self.first_id = self.id_at(1);
        }
        if self.ring.is_empty() && self.ring.capacity() > 256 {
            self.ring = VecDeque::new();
        }
    }

    fn finish_carried(&mut self, id: u16) -> bool {
        let Some(at) = self.carried.iter().position(|carried| carried.id == id) else {
            return false;
        };
        match self.carried.remove(at) {
            Some(Carried { sent: true, .. }) => self.out -= 1,
            // Acknowledged late, for the connection before: then it need not be sent again.
            _ => self.unsent -= 1,
        }
        true
    }
}

/// The packet id that stands `offset` places behind `first`.
fn id_from(first: u16, offset: usize) -> u16 {
    let id = (u32::from(first) - 1 + u32::try_from(offset).unwrap_or(0)) % IDS + 1;
    u16::try_from(id).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_run_from_1_to_65535_and_one_that_is_in_use_is_passed_over() {
        let mut window = Inflight::default();
        assert_eq!(window.send(QoS::AtLeastOnce, None), 1);
        for round in 0..3 {
            for expected in 2..=65_535 {
                assert!(window.has_room(2));
                assert_eq!(window.send(QoS::AtLeastOnce, None), expected, "round {round}");
                assert!(!window.has_room(2));
                window.puback(expected, true).unwrap();
            }
        }
        assert!(window.ring.len() < 3 * SLACK, "{}", window.ring.len());
        window.puback(1, true).unwrap();
        assert_eq!(window.out(), 0);
        assert_eq!(window.send(QoS::AtLeastOnce, None), 1);
    }

    #[test]
    fn every_id_can_be_out_at_a_time_but_one() {
        let mut window = Inflight::default();
        for _ in 0..65_534 {
            assert!(window.has_room(u16::MAX));
            window.send(QoS::AtLeastOnce, None);
        }
        assert!(!window.has_room(u16::MAX));
        for id in 1..=65_534 {
            window.puback(id, true).unwrap();
        }
        assert_eq!(window.send(QoS::AtLeastOnce, None), 65_535);
    }

    #[test]
    fn qos_2_takes_both_steps_and_a_refusal_gives_the_slot_back() {
        let mut window = Inflight::default();
        let id = window.send(QoS::ExactlyOnce, None);
        assert_eq!(window.puback(id, true).err(), Some(AckError::WrongKind));
        assert_eq!(window.pubcomp(id).err(), Some(AckError::WrongKind));
        window.pubrec(id, false).unwrap();
        window.pubrec(id, false).unwrap();
        window.pubcomp(id).unwrap();
        assert_eq!(window.pubcomp(id).err(), Some(AckError::UnknownId));
        let id = window.send(QoS::ExactlyOnce, None);
        window.pubrec(id, true).unwrap();
        assert_eq!(window.out(), 0);
        assert_eq!(window.puback(0, true).err(), Some(AckError::UnknownId));
    }

    #[test]
    fn a_restored_window_is_sent_again_in_order_and_no_faster_than_the_client_takes_it() {
        let pending = [65_534, 2, 7].map(|id| (id, InboxSeq(u64::from(id)), Unacknowledged::Pubrel));
        let mut window = Inflight::restore(pending.to_vec(), 7);
        assert!(!window.has_room(10) && window.has_unsent());
        assert_eq!(window.resend(1).map(|(id, _)| id), Some(65_534));
        assert!(window.resend(1).is_none());
        window.pubcomp(65_534).unwrap();
        // An acknowledgement of the connection before, for one that was not sent again yet.
        window.pubcomp(2).unwrap();
        assert_eq!(window.resend(1).map(|(id, _)| id), Some(7));
        assert!(!window.has_unsent() && !window.has_room(1) && window.has_room(2));
        // 7 is in use still.
        assert_eq!(window.send(QoS::AtLeastOnce, None), 8);
        window.pubcomp(7).unwrap();
        assert_eq!(window.held().count(), 0, "what was not kept is not sent again");
        assert_eq!(window.out(), 1);
    }
}
