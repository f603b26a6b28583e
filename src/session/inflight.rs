//! The in-flight window: what was sent with QoS 1 or 2 and is not acknowledged in full.
//!
//! Packet ids are handed out in turn, so the window is a ring: an acknowledgement finds its message by subtraction.

use std::collections::VecDeque;

use crate::codec::QoS;
use crate::message::Delivery;
use crate::store::Unacknowledged;

/// There are this many packet ids: 1 to 65,535 [MQTT-2.2.1-3].
const IDS: u32 = 65_535;

/// How many acknowledged places the ring may hold behind one that is not, beyond as many as are out.
const SLACK: usize = 1024;

/// One place in the ring.
#[derive(Debug)]
enum Place {
    /// Acknowledged; waits for those before it to leave the ring.
    Done,
    /// PUBLISH is out. What it held is kept only if the session can outlive the connection.
    Publish { qos: QoS, kept: Option<Box<Delivery>> },
    /// PUBREL is out. What was delivered is kept for those who are told of the end of it.
    Pubrel { kept: Option<Box<Delivery>> },
}

impl Place {
    /// What is to be done about it on another connection. Nothing, if what it held was not kept.
    fn unacknowledged(&self) -> Option<Unacknowledged> {
        match self {
            Self::Done => None,
            Self::Publish { kept, .. } => kept.as_deref().cloned().map(Unacknowledged::Publish),
            Self::Pubrel { .. } => Some(Unacknowledged::Pubrel),
        }
    }

    fn kept(self) -> Option<Box<Delivery>> {
        match self {
            Self::Publish { kept, .. } | Self::Pubrel { kept } => kept,
            Self::Done => None,
        }
    }
}

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
    pub fn send(&mut self, qos: QoS, kept: Option<Box<Delivery>>) -> u16 {
        if self.ring.len() > self.longest() || !self.carried.is_empty() {
            self.step_over();
        }
        let id = self.id_at(self.ring.len());
        self.ring.push_back(Place::Publish { qos, kept });
        self.out += 1;
        id
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
    pub fn resend(&mut self, receive_maximum: u16) -> Option<(u16, Unacknowledged)> {
        if self.out >= receive_maximum {
            return None;
        }
        let at = self.carried.len().checked_sub(self.unsent)?;
        let carried = self.carried.get_mut(at)?;
        let state = carried.place.unacknowledged()?;
        carried.sent = true;
        self.unsent -= 1;
        self.out += 1;
        Some((carried.id, state))
    }

    /// The message of this id will never be acknowledged: it cannot be sent on this connection.
    pub fn give_up(&mut self, id: u16) {
        if let Ok(place) = self.place(id) {
            *place = Place::Done;
            self.finish(id);
        }
    }

    /// PUBACK: the message is delivered. Answers with it, if it was kept.
    ///
    /// # Errors
    /// Nothing with this id awaits PUBACK.
    #[inline]
    pub fn puback(&mut self, id: u16) -> Result<Option<Box<Delivery>>, AckError> {
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
        Ok(done.kept())
    }

    /// PUBREC: PUBREL is to follow, or, if the client `refused` it (reason code 0x80 and above), nothing [MQTT-4.3.3-4].
    ///
    /// # Errors
    /// Nothing with this id awaits PUBREC.
    pub fn pubrec(&mut self, id: u16, refused: bool) -> Result<(), AckError> {
        let place = self.place(id)?;
        match place {
            Place::Publish {
                qos: QoS::ExactlyOnce,
                ..
            } if refused => *place = Place::Done,
            Place::Publish {
                qos: QoS::ExactlyOnce,
                kept,
            } => {
                *place = Place::Pubrel { kept: kept.take() };
                return Ok(());
            }
            // A PUBREC that was sent again: PUBREL goes again.
            Place::Pubrel { .. } if !refused => return Ok(()),
            _ => return Err(AckError::WrongKind),
        }
        self.finish(id);
        Ok(())
    }

    /// PUBCOMP: the message is delivered, exactly once. Answers with it, if it was kept.
    ///
    /// # Errors
    /// Nothing with this id awaits PUBCOMP.
    pub fn pubcomp(&mut self, id: u16) -> Result<Option<Box<Delivery>>, AckError> {
        let place = self.place(id)?;
        if !matches!(place, Place::Pubrel { .. }) {
            return Err(AckError::WrongKind);
        }
        let done = std::mem::replace(place, Place::Done);
        self.finish(id);
        Ok(done.kept())
    }

    /// What is unacknowledged, in the order of sending [MQTT-4.6.0-1].
    pub fn unacknowledged(&self) -> impl Iterator<Item = (u16, Unacknowledged)> + '_ {
        let carried = self.carried.iter().map(|carried| (carried.id, &carried.place));
        let ring = self
            .ring
            .iter()
            .enumerate()
            .map(|(offset, place)| (self.id_at(offset), place));
        carried
            .chain(ring)
            .filter_map(|(id, place)| Some((id, place.unacknowledged()?)))
    }

    /// The packet id that the next message gets, unless it is still in use.
    #[must_use]
    pub fn next_id(&self) -> u16 {
        self.id_at(self.ring.len())
    }

    /// The window as a record has it: all of it is to be sent again.
    #[must_use]
    pub fn restore(unacknowledged: Vec<(u16, Unacknowledged)>, next_id: u16) -> Self {
        let carried: VecDeque<Carried> = unacknowledged
            .into_iter()
            .map(|(id, state)| {
                let place = match state {
                    Unacknowledged::Pubrel => Place::Pubrel { kept: None },
                    Unacknowledged::Publish(delivery) => Place::Publish {
                        qos: delivery.qos,
                        kept: Some(Box::new(delivery)),
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
        let id = (u32::from(self.first_id) - 1 + u32::try_from(offset).unwrap_or(0)) % IDS + 1;
        u16::try_from(id).unwrap_or(1)
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
                window.puback(expected).unwrap();
            }
        }
        assert!(window.ring.len() < 3 * SLACK, "{}", window.ring.len());
        window.puback(1).unwrap();
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
            window.puback(id).unwrap();
        }
        assert_eq!(window.send(QoS::AtLeastOnce, None), 65_535);
    }

    #[test]
    fn qos_2_takes_both_steps_and_a_refusal_gives_the_slot_back() {
        let mut window = Inflight::default();
        let id = window.send(QoS::ExactlyOnce, None);
        assert_eq!(window.puback(id).err(), Some(AckError::WrongKind));
        assert_eq!(window.pubcomp(id).err(), Some(AckError::WrongKind));
        window.pubrec(id, false).unwrap();
        window.pubrec(id, false).unwrap();
        window.pubcomp(id).unwrap();
        assert_eq!(window.pubcomp(id).err(), Some(AckError::UnknownId));
        let id = window.send(QoS::ExactlyOnce, None);
        window.pubrec(id, true).unwrap();
        assert_eq!(window.out(), 0);
        assert_eq!(window.puback(0).err(), Some(AckError::UnknownId));
    }

    #[test]
    fn a_restored_window_is_sent_again_in_order_and_no_faster_than_the_client_takes_it() {
        let pending = [65_534, 2, 7].map(|id| (id, Unacknowledged::Pubrel));
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
        assert_eq!(
            window.unacknowledged().count(),
            0,
            "what was not kept is not sent again"
        );
        assert_eq!(window.out(), 1);
    }
}
