//! Makes what is written certain, and what to do when the disk says that it cannot.

use super::{GivenUp, Log};
use crate::store::embedded::format::segment;
use crate::store::embedded::trouble::Patience;

impl Log {
    /// Comes back when all that is written is on the disk for certain, however often that takes.
    pub(in super::super) fn sync(&mut self) -> Result<(), GivenUp> {
        if !self.is_unsynced() {
            return Ok(());
        }
        if let Err(error) = self.file.sync() {
            self.wait("synced", &error, &mut Patience::new())?;
            self.write_again()?;
        }
        self.shared.trouble.end();
        self.all_synced();
        Ok(())
    }

    fn all_synced(&mut self) {
        self.unsynced.clear();
        self.unsynced_bytes = 0;
        self.synced = self.frame;
        self.synced_end = self.end;
    }

    /// After a sync that failed, the next one says nothing of what the failed one was about: the system may have let go of
    /// it. So it is written again, to a file of which nothing is known yet; the header says how far this one counts. It is
    /// there whole, and certain, or not at all.
    pub(in super::super) fn write_again(&mut self) -> Result<(), GivenUp> {
        let (old, from) = (self.segment, self.synced_end);
        let frames = std::mem::take(&mut self.unsynced);
        let begun = self.begin_segment(old + 1, from, &frames);
        self.unsynced = frames;
        begun?;
        let start = segment::HEADER as u64;
        self.all_synced();
        let new = self.segment;
        self.publish_with(|state| {
            state.index.relocate(|at| {
                if at.segment == old && u64::from(at.offset) >= from {
                    at.segment = new;
                    let moved = u64::from(at.offset) - from + start;
                    at.offset = u32::try_from(moved).unwrap_or(u32::MAX);
                }
            });
        });
        Ok(())
    }
}
