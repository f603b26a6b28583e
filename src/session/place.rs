//! How far a message in the window has come.

use std::rc::Rc;

use super::held::{Finished, Held, InStore};
use crate::codec::QoS;
use crate::message::Delivery;
use crate::store::InboxSeq;

/// One place in the ring.
#[derive(Debug)]
pub(super) enum Place {
    /// Acknowledged; waits for those before it to leave the ring.
    Done,
    /// PUBLISH is out. What it held is kept only if the session can outlive the connection.
    Publish { qos: QoS, kept: Option<Box<Held>> },
    /// PUBLISH of QoS 2 goes out when the store knows that this packet id is its.
    Reserved { kept: Box<Held> },
    /// PUBREC has come, and PUBREL goes out when the store knows it.
    Releasing { kept: Box<Held> },
    /// PUBREL is out. What was delivered is kept for those who are told of the end of it.
    Pubrel { kept: Option<Box<Held>> },
    /// The same for a message of an earlier connection, of which only the store's place is left.
    Owed { in_store: Rc<InStore> },
}

/// What is to be sent again of an earlier connection.
pub enum Again<'a> {
    /// PUBLISH, with DUP.
    Publish(&'a Delivery),
    /// PUBREL.
    Pubrel,
}

/// What a PUBREC asks for.
#[derive(Debug)]
pub enum Pubrec {
    /// PUBREL is to be sent.
    Pubrel,
    /// The store is to know first.
    Release(InboxSeq),
    /// Nothing: it is known already, and PUBREL is about to go.
    Waits,
    /// The client refused the message: it is over.
    Over(Finished),
}

impl Place {
    /// What is to be done about it on another connection. Nothing, if what it held was not kept.
    pub(super) fn again(&self) -> Option<Again<'_>> {
        match self {
            Self::Done => None,
            Self::Publish { kept, .. } => kept.as_ref().map(|held| Again::Publish(&held.delivery)),
            Self::Reserved { kept } => Some(Again::Publish(&kept.delivery)),
            Self::Releasing { .. } | Self::Pubrel { .. } | Self::Owed { .. } => Some(Again::Pubrel),
        }
    }

    pub(super) fn held(&self) -> Option<&Held> {
        match self {
            Self::Publish { kept, .. } => kept.as_deref(),
            Self::Reserved { kept } => Some(kept),
            Self::Done | Self::Releasing { .. } | Self::Pubrel { .. } | Self::Owed { .. } => None,
        }
    }

    pub(super) fn held_mut(&mut self) -> Option<&mut Held> {
        match self {
            Self::Publish { kept, .. } => kept.as_deref_mut(),
            Self::Reserved { kept } => Some(kept),
            Self::Done | Self::Releasing { .. } | Self::Pubrel { .. } | Self::Owed { .. } => None,
        }
    }

    /// It is over.
    pub(super) fn finished(self, arrived: bool) -> Finished {
        match self {
            Self::Done => Finished::of(None, arrived),
            Self::Publish { kept, .. } | Self::Pubrel { kept } => Finished::of(kept, arrived),
            Self::Reserved { kept } | Self::Releasing { kept } => Finished::of(Some(kept), arrived),
            Self::Owed { in_store } => Finished {
                held: None,
                arrived,
                in_store: Some(in_store),
            },
        }
    }
}
