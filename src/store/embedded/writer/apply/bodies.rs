//! One body for many receivers: in a batch, and over those that come soon after it, from whatever shard.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::super::super::format::{body, draft::Draft};
use super::super::super::index::{Bodies, Handle};
use crate::message::{Message, MessageId};
use crate::store::durable::Change;

/// How many bodies are remembered.
const REMEMBERED: usize = 1024;

/// A body that was written lately.
#[derive(Clone, Copy, Debug)]
struct Known {
    handle: Handle,
    id: u64,
    /// What it is, told from another message of the same id: its check sum and length.
    sum: [u8; 4],
    len: usize,
}

/// The bodies that were written last.
#[derive(Debug, Default)]
pub(in super::super) struct Recent {
    known: HashMap<MessageId, Known>,
    order: VecDeque<MessageId>,
    /// The last one of this batch, by its place in memory, which is nobody else's while the batch lasts.
    last: Option<(usize, Handle, u64)>,
}

impl Recent {
    pub(super) fn begin_batch(&mut self) {
        self.last = None;
    }

    /// The body of this message, written now if it is not on the disk already.
    pub(super) fn body(
        &mut self,
        message: &Arc<Message>,
        bodies: &mut Bodies,
        next: &mut u64,
        draft: &mut Draft,
    ) -> (Handle, u64) {
        let place = Arc::as_ptr(message).addr();
        if let Some((last, handle, id)) = self.last
            && last == place
            && bodies.is(handle, id)
        {
            return (handle, id);
        }
        let known = self.known.get(&message.id).copied();
        let known = known.filter(|known| bodies.is(known.handle, known.id));
        let id = *next;
        let mut sum = [0; 4];
        let mut len = 0;
        let written = draft.body(id, message, |bytes| {
            sum = bytes.first_chunk().copied().unwrap_or_default();
            len = bytes.len();
            known.filter(|known| known.sum == sum && known.len == len)
        });
        let (handle, id) = match written {
            Err(known) => (known.handle, known.id),
            Ok(location) => {
                *next += 1;
                let handle = bodies.insert(id, location);
                self.remember(message.id, Known { handle, id, sum, len });
                (handle, id)
            }
        };
        self.last = Some((place, handle, id));
        (handle, id)
    }

    fn remember(&mut self, message: MessageId, known: Known) {
        if self.known.insert(message, known).is_some() {
            return;
        }
        self.order.push_back(message);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// About how many bytes the bodies of a batch have.
pub(in super::super::super) fn size(batch: &[Change]) -> usize {
    let mut last = None;
    let mut all = 0;
    for change in batch {
        let message = match change {
            Change::Append { delivery, .. } => Some(&delivery.message),
            Change::Retain { message, .. } => message.as_ref(),
            _ => None,
        };
        if let Some(message) = message
            && last != Some(Arc::as_ptr(message))
        {
            last = Some(Arc::as_ptr(message));
            all += body::size(message);
        }
    }
    all
}
