//! Makes what is written certain, and what to do when the disk says that it cannot.

use std::io;

use super::{Fsync, GivenUp, Log};
use crate::store::embedded::disk;
use crate::store::embedded::format::segment;
use crate::store::embedded::trouble::Patience;

impl Log {
    /// Comes back when all that is written is on the disk for certain. Where the policy is to rely on nothing it tries once,
    /// and says whether that worked; else until it works.
    pub(in super::super) fn sync(&mut self) -> Result<bool, GivenUp> {
        if !self.is_unsynced() {
            return Ok(true);
        }
        let mut patience = Patience::new();
        let mut tries_left = super::TRIES_AT_THE_END;
        loop {
            match self.sync_once() {
                Ok(()) => {
                    self.shared.trouble.end();
                    self.unsynced.clear();
                    self.synced = self.frame;
                    if !self.in_doubt {
                        self.attested = self.synced;
                    }
                    self.synced_end = self.end;
                    return Ok(true);
                }
                Err(error) if matches!(self.fsync, Fsync::Never) => {
                    self.give_up_on(&error)?;
                    return Ok(false);
                }
                Err(error) => {
                    self.wait("synced", &error, &mut patience, &mut tries_left)?;
                    self.write_again()?;
                }
            }
        }
    }

    fn sync_once(&mut self) -> io::Result<()> {
        while let Some((_, file)) = self.unsynced_files.last() {
            file.sync()?;
            self.unsynced_files.pop();
        }
        self.file.sync()
    }

    /// After a sync that failed, the next one says nothing of what the failed one was about: the system may have let go of
    /// it. So it is written again, to a file of which nothing is known yet.
    fn write_again(&mut self) -> Result<(), GivenUp> {
        let (old, from) = (self.segment, self.synced_end);
        self.begin_segment(old + 1, from)?;
        let start = self.end;
        let frames = std::mem::take(&mut self.unsynced);
        let mut end = start;
        for bytes in &frames {
            self.persist("written to", |log| disk::write_all(&*log.file, bytes, end))?;
            end += bytes.len() as u64;
        }
        self.unsynced = frames;
        self.end = end;
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

    /// Nothing was promised, so nothing is tried again; but what comes now goes to a file of which a sync can tell.
    fn give_up_on(&mut self, error: &io::Error) -> Result<(), GivenUp> {
        tracing::error!(
            file = %self.disk.path(&segment::name(self.segment)).display(),
            %error,
            since_frame = self.synced,
            "the store's log could not be synced: if the machine stops now, what was stored since then may be lost"
        );
        self.unsynced_files.clear();
        self.in_doubt = true;
        self.begin_segment(self.segment + 1, self.end)?;
        self.publish();
        Ok(())
    }
}
