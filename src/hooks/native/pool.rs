//! What the process holds of compiled plugins, over all generations: images, and lives that have not ended.

use super::Refusal;
use super::elf::Facts;
use super::image::{Image, Mapped};
use super::lives::{Ending, Lives};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// From so many images on, and each time there are twice as many, an operator is told.
const MANY: usize = 8;
/// So many images are kept for who loads the same file again after it was refused.
const REFUSED: usize = 16;

/// So often whoever waits for an earlier try looks whether it has come back.
const GLANCE: Duration = Duration::from_millis(10);

/// All plugins of the process.
#[derive(Default)]
pub(crate) struct Plugins {
    mapped: Arc<Mapped>,
    lives: Arc<Lives>,
    /// Where copies lie for the moment that it takes to map them. Whoever has no data folder, such as `dunlin check`, has the
    /// system's for what is temporary.
    copies: OnceLock<PathBuf>,
    /// Images whose plugin does not serve. Who tries the same again, with the same settings, need not map it again: it may be
    /// tried every time that a file beside it changes.
    refused: Arc<Spare>,
    /// At how many images an operator is told next.
    told: AtomicUsize,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").finish_non_exhaustive()
    }
}

/// What was refused: the hash of the file, and the settings.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) hash: [u8; 32],
    pub(super) settings: Arc<str>,
}

/// What was refused, and its image; none while it is still being opened.
type Spare = Mutex<Vec<(Refused, Option<Arc<Image>>)>>;

/// What is known of a file and its settings that are tried.
enum Known {
    /// Nothing that is of use.
    Nothing,
    /// An image that nobody lives in.
    Free(Arc<Image>),
    /// Somebody is still at it, who began at an earlier try.
    Busy,
}

/// It is being opened, until this is dropped.
struct Opening {
    what: Refused,
    among: Arc<Spare>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let is_this = |(of, image): &(Refused, Option<Arc<Image>>)| image.is_none() && *of == self.what;
        let mut among = self.among.lock();
        if let Some(at) = among.iter().position(is_this) {
            among.remove(at);
        }
    }
}

/// The same at one moment, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PluginTotals {
    /// Images that are mapped.
    pub(crate) images: usize,
    /// The size of their files.
    pub(crate) bytes: u64,
    /// Instances that have not ended.
    pub(crate) living: usize,
    /// Of them, those that never will, because something of theirs still runs.
    pub(crate) stuck: usize,
}

impl Plugins {
    /// From now on copies lie in this folder. What a process that crashed has left there is taken away.
    pub(crate) fn keep_copies_in(&self, folder: &Path) {
        for left in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let _tried_at_the_next_start = std::fs::remove_dir_all(left.path());
        }
        let _only_once = self.copies.set(folder.to_owned());
    }

    fn copies(&self) -> PathBuf {
        self.copies.get().cloned().unwrap_or_else(std::env::temp_dir)
    }

    /// A life begins.
    pub(super) fn begins(&self) -> Ending {
        self.lives.begins()
    }

    /// An image of these bytes: one that was refused before, or a new one. Where an earlier try of the same has not come back yet,
    /// that is waited for: whoever never comes back is not given another image and another thread each time.
    pub(super) fn open(
        &self,
        file: &Path,
        bytes: &[u8],
        facts: Facts,
        same: &Refused,
        patience: Duration,
    ) -> Result<Arc<Image>, Refusal> {
        let until = Instant::now() + patience;
        loop {
            match self.known(same) {
                Known::Nothing => break,
                Known::Free(image) => return Ok(image),
                Known::Busy if Instant::now() < until => std::thread::sleep(GLANCE),
                Known::Busy => {
                    return Err(Refusal::new(format!(
                        "was tried before, and has not come back from that within another {}",
                        humantime::format_duration(patience)
                    ))
                    .help("a plugin must not wait where it is opened and made"));
                }
            }
        }
        let opening = self.opening(same);
        let late = move |image| keep(&opening.among, opening.what.clone(), Some(Arc::new(image)));
        let image = Image::open(file, bytes, facts, &self.copies(), patience, &self.mapped, late)?;
        self.tell();
        Ok(Arc::new(image))
    }

    fn known(&self, same: &Refused) -> Known {
        let mut refused = self.refused.lock();
        // Where something runs for ever, nobody begins anew.
        refused.retain(|(_, image)| !image.as_ref().is_some_and(|image| image.is_haunted()));
        let is_free = |image: &Option<Arc<Image>>| image.as_ref().is_some_and(|image| image.is_empty());
        let free = refused
            .iter()
            .position(|(of, image)| of == same && is_free(image));
        match free.map(|at| refused.remove(at)) {
            Some((_, Some(image))) => Known::Free(image),
            _ if refused.iter().any(|(of, _)| of == same) => Known::Busy,
            _ => Known::Nothing,
        }
    }

    fn opening(&self, what: &Refused) -> Opening {
        keep(&self.refused, what.clone(), None);
        Opening {
            what: what.clone(),
            among: self.refused.clone(),
        }
    }

    /// The plugin does not serve: whoever tries the same again gets the same image.
    pub(super) fn refused(&self, what: Refused, image: Arc<Image>) {
        image.rest();
        keep(&self.refused, what, Some(image));
    }

    fn tell(&self) {
        let (images, bytes) = (self.mapped.images.load(Relaxed), self.mapped.bytes.load(Relaxed));
        let next = self.told.load(Relaxed).max(MANY);
        if images >= next {
            self.told.store(next * 2, Relaxed);
            tracing::warn!(
                images,
                mib = bytes >> 20,
                "many images of plugins are mapped: each new file adds one, and a restart takes them away"
            );
        }
    }

    /// How much there is.
    pub(crate) fn totals(&self) -> PluginTotals {
        let counts = self.lives.counts();
        PluginTotals {
            images: self.mapped.images.load(Relaxed),
            bytes: self.mapped.bytes.load(Relaxed),
            living: counts.living,
            stuck: counts.stuck,
        }
    }

    /// Waits until every instance has ended that can; `false` when that takes longer than `patience`.
    pub(crate) fn have_ended(&self, patience: Duration) -> bool {
        self.lives.have_ended(patience)
    }
}

fn keep(among: &Spare, what: Refused, image: Option<Arc<Image>>) {
    let mut among = among.lock();
    if among.len() >= REFUSED {
        among.remove(0);
    }
    among.push((what, image));
}
