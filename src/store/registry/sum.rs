//! What all records of the registry's file come to: a number that changes with every one of them.
//!
//! Each record has a [tag](super::seal::Seal::tag); the sum is all of them together, by exclusive or, so that changing one record
//! takes two tags and not a walk over all. It lies in the file, sealed. A record that is taken away, put back in an older
//! version or doubled leaves a sum that is not the sealed one: who has not the key knows no tag, and so can compute no other
//! set of records with the same sum. A whole file of yesterday is whole, and so is one whose last
//! change is taken back by the database's own means; that only somebody outside of it could tell.
//!
//! *Invariant*: the order in which records came does not matter.

use super::seal::KEY;

/// The sum.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum([u8; KEY]);

impl Sum {
    /// Puts a record's tag in, or takes it out again.
    pub(super) fn turn(&mut self, tag: &[u8; KEY]) {
        for (ours, its) in self.0.iter_mut().zip(tag) {
            *ours ^= its;
        }
    }

    pub(super) fn bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}
