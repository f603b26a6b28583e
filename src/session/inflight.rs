//! The in-flight window: what was sent with QoS 1 or 2 and is not acknowledged in full.
//!
//! Packet ids are handed out in turn, so the window is a ring: an acknowledgement finds its message by subtraction.

use std::collections::VecDeque;

use crate::codec::QoS;
use crate::message::Delivery;
use crate::store::Unacknowledged;

/// There are this many packet ids: 1 to 65,535 [MQTT-2.2.1-3].
const IDS: u32 = 65_535;

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
    fn kept(self) -> Option<Box<Delivery>> {
        match self {
            Self::Publish { kept, .. } | Self::Pubrel { kept } => kept,
            Self::Done => None,
        }
    }
}

/// The window of one session.
#[derive(Debug)]
pub struct Inflight {
    /// The packet id of the ring's first place.
    first_id: u16,
    ring: VecDeque<Place>,
    /// Places that are not done: what counts against the client's Receive Maximum.
    unacknowledged: u16,
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
        Self { first_id: 1, ring: VecDeque::new(), unacknowledged: 0 }
    }
}

impl Inflight {
    /// How many messages are unacknowledged.
    #[must_use]
    pub fn len(&self) -> u16 {
        self.unacknowledged
    }

    /// Everything is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unacknowledged == 0
    }

    /// May one more go out, to a client that takes `receive_maximum` at a time [MQTT-3.3.4-9]?
    #[inline]
    #[must_use]
    pub fn has_room(&self, receive_maximum: u16) -> bool {
        // The ring also holds places that are done behind one that is not; ids must not meet their own tail.
        self.unacknowledged < receive_maximum && self.ring.len() < (IDS - 1) as usize
    }

    /// Takes a packet id for a message that goes out now. Ask [`Self::has_room`] first.
    #[inline]
    pub fn send(&mut self, qos: QoS, kept: Option<Box<Delivery>>) -> u16 {
        let id = self.id_at(self.ring.len());
        self.ring.push_back(Place::Publish { qos, kept });
        self.unacknowledged += 1;
        id
    }

    /// PUBACK: the message is delivered. Answers with it, if it was kept.
    ///
    /// # Errors
    /// Nothing with this id awaits PUBACK.
    #[inline]
    pub fn puback(&mut self, id: u16) -> Result<Option<Box<Delivery>>, AckError> {
        let place = self.place(id)?;
        if !matches!(place, Place::Publish { qos: QoS::AtLeastOnce, .. }) {
            return Err(AckError::WrongKind);
        }
        let done = std::mem::replace(place, Place::Done);
        self.finish();
        Ok(done.kept())
    }

    /// PUBREC: PUBREL is to follow, or, if the client `refused` it (reason code 0x80 and above), nothing [MQTT-4.3.3-4].
    ///
    /// # Errors
    /// Nothing with this id awaits PUBREC.
    pub fn pubrec(&mut self, id: u16, refused: bool) -> Result<(), AckError> {
        let place = self.place(id)?;
        match place {
            Place::Publish { qos: QoS::ExactlyOnce, .. } if refused => *place = Place::Done,
            Place::Publish { qos: QoS::ExactlyOnce, kept } => {
                *place = Place::Pubrel { kept: kept.take() };
                return Ok(());
            }
            // A PUBREC that was sent again: PUBREL goes again.
            Place::Pubrel { .. } if !refused => return Ok(()),
            _ => return Err(AckError::WrongKind),
        }
        self.finish();
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
        self.finish();
        Ok(done.kept())
    }

    /// What is unacknowledged, in the order of sending [MQTT-4.6.0-1].
    pub fn unacknowledged(&self) -> impl Iterator<Item = (u16, Unacknowledged)> + '_ {
        self.ring.iter().enumerate().filter_map(|(offset, place)| {
            let state = match place {
                Place::Done => return None,
                Place::Publish { kept, .. } => Unacknowledged::Publish(kept.as_deref()?.clone()),
                Place::Pubrel { .. } => Unacknowledged::Pubrel,
            };
            Some((self.id_at(offset), state))
        })
    }

    /// The packet id that the next message gets.
    #[must_use]
    pub fn next_id(&self) -> u16 {
        self.id_at(self.ring.len())
    }

    /// The window as a record has it.
    #[must_use]
    pub fn restore(unacknowledged: Vec<(u16, Unacknowledged)>, next_id: u16) -> Self {
        let first_id = unacknowledged.first().map_or(next_id.max(1), |(id, _)| *id);
        let mut window = Self { first_id, ring: VecDeque::new(), unacknowledged: 0 };
        for (id, state) in unacknowledged {
            let offset = window.offset(id);
            while window.ring.len() < offset {
                window.ring.push_back(Place::Done);
            }
            window.ring.push_back(match state {
                Unacknowledged::Pubrel => Place::Pubrel { kept: None },
                Unacknowledged::Publish(delivery) => {
                    Place::Publish { qos: delivery.qos, kept: Some(Box::new(delivery)) }
                }
            });
            window.unacknowledged += 1;
        }
        window
    }

    fn id_at(&self, offset: usize) -> u16 {
        let id = (u32::from(self.first_id) - 1 + u32::try_from(offset).unwrap_or(0)) % IDS + 1;
        u16::try_from(id).unwrap_or(1)
    }

    fn offset(&self, id: u16) -> usize {
        ((u32::from(id) + IDS - u32::from(self.first_id)) % IDS) as usize
    }

    fn place(&mut self, id: u16) -> Result<&mut Place, AckError> {
        let offset = self.offset(id);
        self.ring.get_mut(offset).filter(|place| !matches!(place, Place::Done)).ok_or(AckError::UnknownId)
    }

    /// One place has become done: gives its slot back, and lets the ring's done head go.
    fn finish(&mut self) {
        self.unacknowledged -= 1;
        while matches!(self.ring.front(), Some(Place::Done)) {
            self.ring.pop_front();
            self.first_id = self.id_at(1);
        }
        if self.ring.is_empty() && self.ring.capacity() > 256 {
            self.ring = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_run_from_1_to_65535_and_never_collide() {
        let mut window = Inflight::default();
        for _ in 0..65_534 {
            assert!(window.has_room(u16::MAX));
            window.send(QoS::AtLeastOnce, None);
        }
        assert!(!window.has_room(u16::MAX));
        for id in 2..=65_534 {
            window.puback(id).unwrap();
        }
        // The first is still out: its id is not given again.
        assert!(!window.has_room(u16::MAX));
        window.puback(1).unwrap();
        assert!(window.is_empty());
        assert_eq!(window.send(QoS::AtLeastOnce, None), 65_535);
        assert_eq!(window.send(QoS::AtLeastOnce, None), 1);
    }

    #[test]
    fn qos_2_takes_both_steps_and_a_refusal_gives_the_slot_back() {
        let mut window = Inflight::default();
        let id = window.send(QoS::ExactlyOnce, None);
        assert_eq!(window.puback(id), Err(AckError::WrongKind));
        assert_eq!(window.pubcomp(id), Err(AckError::WrongKind));
        window.pubrec(id, false).unwrap();
        window.pubrec(id, false).unwrap();
        window.pubcomp(id).unwrap();
        assert_eq!(window.pubcomp(id), Err(AckError::UnknownId));
        let id = window.send(QoS::ExactlyOnce, None);
        window.pubrec(id, true).unwrap();
        assert!(window.is_empty());
        assert_eq!(window.puback(0), Err(AckError::UnknownId));
    }

    #[test]
    fn a_restored_window_keeps_ids_and_order() {
        let mut window = Inflight::restore(
            vec![(65_534, Unacknowledged::Pubrel), (2, Unacknowledged::Pubrel)],
            3,
        );
        assert_eq!(window.len(), 2);
        assert_eq!(window.next_id(), 3);
        assert_eq!(window.unacknowledged().map(|(id, _)| id).collect::<Vec<_>>(), [65_534, 2]);
        window.pubcomp(65_534).unwrap();
        window.pubcomp(2).unwrap();
        assert_eq!(window.next_id(), 3);
    }
}
