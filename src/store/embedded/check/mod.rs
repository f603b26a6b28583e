//! Looks over a store that no broker has open, counts what is in it, and mends it as far as that goes.

mod rewrite;
mod survey;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::folder;
use crate::instance::InstanceId;
use crate::store::durable::StoreError;
use rewrite::Rewritten;
use survey::Survey;

/// What a look at a store came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What there is.
    pub stats: Stats,
    /// What is wrong, in the order of the log. A store without any can be opened.
    pub faults: Vec<Fault>,
    /// What the log ends with, if not with something whole: the machine stopped while it was written, and nobody has been told that
    /// it was done. The next start cuts it off.
    pub torn: Option<Fault>,
    /// What was done about the faults.
    pub repaired: Option<Repaired>,
}

/// Something that is not as it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which file.
    pub file: PathBuf,
    /// From which byte on.
    pub offset: u64,
    /// What: a part of a sentence.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {}: {}",
            self.file.display(),
            self.offset,
            self.what
        )
    }
}

/// What is in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Files of the log.
    pub segments: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// About how many of these bytes are still wanted, at most.
    pub wanted: u64,
    /// Whole frames.
    pub frames: u64,
    /// Each instance, by name.
    pub instances: Vec<InstanceStats>,
}

/// What is there of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStats {
    /// Which.
    pub instance: InstanceId,
    /// Sessions that have a record.
    pub sessions: usize,
    /// Messages in inboxes.
    pub messages: usize,
    /// Retained messages.
    pub retained: usize,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Messages in inboxes that were lost, for all that is known: their content cannot be read.
    pub lost_messages: usize,
    /// Retained messages likewise.
    pub lost_retained: usize,
    /// Session records likewise.
    pub lost_records: usize,
    /// Where the store is as it was before.
    pub before: PathBuf,
}

/// Counts what is in the store of this data folder.
///
/// # Errors
/// A broker has it open, it is of a newer version, or cannot be read.
pub fn stats(data: &Path) -> Result<Stats, StoreError> {
    Ok(check(data, false)?.stats)
}

/// Looks over the store of this data folder. With `repair`, and if something is wrong, makes a new store of all that makes sense by
/// itself, before the damage and behind it; the old one is kept beside it. What was said in a part that is lost is as if it had
/// never been: messages may be missing, and messages that were acknowledged may be there again.
///
/// # Errors
/// A broker has it open, it is of a newer version, or cannot be read or written.
pub fn check(data: &Path, repair: bool) -> Result<Report, StoreError> {
    if !folder::below(data).is_dir() {
        folder::check_unfinished_repair(data)?;
        return Err(StoreError::Refused(format!(
            "{} is not there: nothing was ever stored in this data folder",
            folder::below(data).display()
        )));
    }
    let taken = folder::take(data)?;
    let disk = folder::disk(&taken.path);
    folder::check_version(&disk)?;
    let mut survey = Survey::of(&disk)?;
    let mut report = Report {
        stats: survey.stats(),
        faults: std::mem::take(&mut survey.faults),
        torn: survey.torn.take(),
        repaired: None,
    };
    if repair && !report.faults.is_empty() {
        report.repaired = Some(mend(data, survey)?);
    }
    Ok(report)
}

/// Writes a new store beside the old one, and lets them change places.
fn mend(data: &Path, survey: Survey) -> Result<Repaired, StoreError> {
    let new = folder::repaired(data);
    let failed = |error: std::io::Error| {
        StoreError::Failed(format!(
            "the store in {} cannot be repaired: {error}",
            data.display()
        ))
    };
    if new.exists() {
        fs::remove_dir_all(&new).map_err(failed)?;
    }
    fs::create_dir(&new).map_err(failed)?;
    let disk = folder::disk(&new);
    folder::check_version(&disk)?;
    let Rewritten {
        lost_messages,
        lost_retained,
        lost_records,
    } = rewrite::all(survey.replayed.index, &survey.files, &disk).map_err(failed)?;
    let old = folder::below(data);
    let before = folder::free_name(data);
    fs::rename(&old, &before)
        .and_then(|()| fs::rename(&new, &old))
        .and_then(|()| fs::File::open(data)?.sync_all())
        .map_err(failed)?;
    Ok(Repaired {
        lost_messages: lost_messages + survey.replayed.without_body,
        lost_retained,
        lost_records,
        before,
    })
}
