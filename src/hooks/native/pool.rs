//! What the process holds of compiled plugins, over all generations: images, and lives that have not ended.

use super::Refusal;
use super::elf::Facts;
use super::image::{Image, Mapped};
use parking_lot::{Condvar, Mutex};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// From so many images on, and each time there are twice as many, an operator is told.
const MANY: usize = 8;
/// So many images are kept for who loads the same file again after it was refused.
const REFUSED: usize = 16;

/// All plugins of the process.
#[derive(Default)]
pub(crate) struct Plugins {
    mapped: Arc<Mapped>,
    lives: Arc<Lives>,
    /// Where copies lie for the moment that it takes to map them.
    copies: OnceLock<PathBuf>,
    /// Images whose plugin did not want to serve. No instance lives in them, and who tries the same again, with the same
    /// settings, need not map it again: it may be tried every time that a file beside it changes.
    refused: Mutex<Vec<(Refused, Arc<Image>)>>,
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

#[derive(Default)]
struct Lives {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    living: usize,
    stuck: usize,
}

/// Counts one life until its last clone is gone.
#[derive(Clone)]
pub(super) struct Ending {
    _counted: Arc<Counted>,
    lives: Arc<Lives>,
}

struct Counted(Arc<Lives>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counts.lock().living -= 1;
        self.0.changed.notify_all();
    }
}

impl Ending {
    /// It will never end.
    pub(super) fn stuck(&self) {
        self.lives.counts.lock().stuck += 1;
    }
}

/// Where copies lie for those who have no data folder, such as `dunlin check`.
fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("dunlin-plugins-{}", std::process::id()))
}

impl Drop for Plugins {
    fn drop(&mut self) {
        if self.copies.get().is_none() {
            let _was_never_used = std::fs::remove_dir(temporary());
        }
    }
}

impl Plugins {
    /// From now on copies lie in this folder. What a process that crashed has left there is taken away.
    pub(crate) fn keep_copies_in(&self, folder: &Path) {
        for left in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let _tried_at_the_next_start = std::fs::remove_file(left.path());
        }
        let _only_once = self.copies.set(folder.to_owned());
    }

    fn copies(&self) -> PathBuf {
        self.copies.get().cloned().unwrap_or_else(temporary)
    }

    /// A life begins.
    pub(super) fn begins(&self) -> Ending {
        self.lives.counts.lock().living += 1;
        Ending {
            _counted: Arc::new(Counted(self.lives.clone())),
            lives: self.lives.clone(),
        }
    }

    /// An image of these bytes: one that was refused before, or a new one.
    pub(super) fn open(
        &self,
        file: &Path,
        bytes: &[u8],
        facts: Facts,
        same: &Refused,
        patience: Duration,
    ) -> Result<Arc<Image>, Refusal> {
        let kept = {
            let mut refused = self.refused.lock();
            let at = refused.iter().position(|(of, _)| of == same);
            at.map(|at| refused.swap_remove(at).1)
        };
        if let Some(image) = kept.filter(|image| *image.living.lock() == 0) {
            return Ok(image);
        }
        let image = Image::open(file, bytes, facts, &self.copies(), patience, &self.mapped)?;
        self.tell();
        Ok(Arc::new(image))
    }

    /// The plugin did not want to serve: whoever tries the same again gets the same image.
    pub(super) fn refused(&self, what: Refused, image: Arc<Image>) {
        image.rest();
        let mut refused = self.refused.lock();
        if refused.len() >= REFUSED {
            refused.remove(0);
        }
        refused.push((what, image));
    }

    fn tell(&self) {
        let (images, bytes) = (self.mapped.images.load(Relaxed), self.mapped.bytes.load(Relaxed));
        let next = self.told.load(Relaxed).max(MANY);
        if images >= next {
            self.told.store(next * 2, Relaxed);
            tracing::warn!(
                images,
                mib = bytes >> 20,
                "many images of plugins are mapped: each swap of one adds an image, and a restart takes them away"
            );
        }
    }

    /// How much there is.
    pub(crate) fn totals(&self) -> PluginTotals {
        let counts = self.lives.counts.lock();
        PluginTotals {
            images: self.mapped.images.load(Relaxed),
            bytes: self.mapped.bytes.load(Relaxed),
            living: counts.living,
            stuck: counts.stuck,
        }
    }

    /// Waits until every instance has ended that can; `false` when that takes longer than `patience`.
    pub(crate) fn have_ended(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut counts = self.lives.counts.lock();
        while counts.living > 0 {
            if self.lives.changed.wait_until(&mut counts, until).timed_out() {
                return counts.living == 0;
            }
        }
        true
    }
}
