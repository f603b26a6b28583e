//! An open shared library.
//!
//! It is opened from a copy with a name that no other ever has: the loader of the system knows libraries by their paths, so a second
//! one under the same path would be the first again. A file that is overwritten in place pulls no code from under the broker's
//! feet, and the same file loaded twice is two images. All symbols are bound at once: one that is missing is an error here, and not
//! the end of the process at the first call.
//!
//! *Invariant*: an image stays mapped as long as anything may refer to it: for ever, unless the plugin says that nothing does
//! once it is destroyed, and the entry asks for unmapping. Unmapping is unsound in general: threads, thread-local data and exit
//! handlers of the library may still need it.
#![allow(
    unsafe_code,
    reason = "opening a shared library runs its code; the layers before have checked its bytes"
)]

use super::elf::Facts;
use super::{Refusal, control, place};
use dunlin_plugin_api::abi::{Declaration, ENTRY_SYMBOL, Entry};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use parking_lot::Mutex;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How many images there are, and how large they are.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) images: AtomicUsize,
    pub(super) bytes: AtomicU64,
}

/// A library that is open.
pub(super) struct Image {
    declaration: *const Declaration,
    library: ManuallyDrop<Library>,
    /// Where it lies.
    base: usize,
    facts: Facts,
    /// Its copy's path, which nothing else ever has.
    path: PathBuf,
    size: u64,
    mapped: Arc<Mapped>,
    /// Whether it may be unmapped when nobody uses it any more.
    unload: AtomicBool,
    /// How many instances live in it, those that are being made included.
    living: Mutex<usize>,
    served: AtomicBool,
    /// Whether something of it runs for ever.
    haunted: AtomicBool,
}

// SAFETY: the declaration lives, unchanged, as long as the image; nobody writes through these pointers.
unsafe impl Send for Image {}
// SAFETY: the same.
unsafe impl Sync for Image {}

/// What opening comes to.
struct Opened {
    library: ManuallyDrop<Library>,
    declaration: *const Declaration,
    base: usize,
}

impl Image {
    /// Opens a copy of `bytes` in the folder `copies`, and asks its entry symbol. `file` is what the library is called. What is
    /// open only after `patience` is an image all the same, and is given to `late`, on its thread.
    ///
    /// # Errors
    /// The system's reason.
    pub(super) fn open(
        file: &Path,
        bytes: &[u8],
        facts: Facts,
        copies: &Path,
        patience: Duration,
        mapped: &Arc<Mapped>,
        late: impl FnOnce(Self) + Send + 'static,
    ) -> Result<Self, Refusal> {
        let copy = Copy::of(file, bytes, copies)?;
        let path = copy.path.clone();
        let shown = file.display().to_string();
        let (size, mapped) = (bytes.len() as u64, mapped.clone());
        let work = move || {
            let opened = open(&path);
            // It is mapped; its name has done its duty.
            drop(copy);
            let opened = opened.map_err(|refusal| Refusal {
                what: refusal.what.replace(&path.display().to_string(), &shown),
                ..refusal
            })?;
            mapped.images.fetch_add(1, Relaxed);
            mapped.bytes.fetch_add(size, Relaxed);
            Ok(Self {
                declaration: opened.declaration,
                library: opened.library,
                base: opened.base,
                facts,
                path,
                size,
                mapped,
                unload: AtomicBool::new(false),
                living: Mutex::new(0),
                served: AtomicBool::new(false),
                haunted: AtomicBool::new(false),
            })
        };
        control::run("being opened", patience, work, |opened: Result<Self, Refusal>| {
            if let Ok(image) = opened {
                late(image);
            }
        })?
    }

    /// What its entry symbol answered; it may be null.
    pub(super) fn declaration(&self) -> *const Declaration {
        self.declaration
    }

    /// What its file says.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// It may be unmapped when nobody uses it any more; or no longer.
    pub(super) fn may_unload(&self, may: bool) {
        self.unload.store(may, Relaxed);
    }

    /// An instance is about to be made in it.
    pub(super) fn enter(&self) {
        *self.living.lock() += 1;
    }

    /// One has ended, or was not made.
    pub(super) fn leave(&self) {
        let mut living = self.living.lock();
        *living -= 1;
        if *living == 0 {
            self.rest();
        }
    }

    /// Whether anything lives in it.
    pub(super) fn is_empty(&self) -> bool {
        *self.living.lock() == 0
    }

    /// An instance in it serves.
    pub(super) fn serves(&self) {
        self.served.store(true, Relaxed);
    }

    /// Whether one ever did.
    pub(super) fn has_served(&self) -> bool {
        self.served.load(Relaxed)
    }

    /// Something of it runs for ever, and may refer to all of it.
    pub(super) fn haunt(&self) {
        self.may_unload(false);
        self.haunted.store(true, Relaxed);
    }

    /// Whether that is so.
    pub(super) fn is_haunted(&self) -> bool {
        self.haunted.load(Relaxed)
    }

    /// Gives the memory back that can be read again from the file: what is only read. While no instance lives in it nobody
    /// needs it, and if somebody does all the same it is there again.
    pub(super) fn rest(&self) {
        if self.base == 0 {
            return;
        }
        for range in &self.facts.read_only {
            let (Ok(begin), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else {
                continue;
            };
            let at = (self.base + begin) as *mut std::ffi::c_void;
            // SAFETY: these pages are mapped privately from a file that nobody else can reach, and were never written to: the
            // segment cannot be written to, and no relocation is in it (`elf`). Whoever reads them reads the same again.
            let given = unsafe { rustix::mm::madvise(at, end - begin, rustix::mm::Advice::LinuxDontNeed) };
            if let Err(error) = given {
                tracing::debug!(%error, "memory of a plugin could not be given back");
            }
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if !self.unload.load(Relaxed) {
            return;
        }
        // SAFETY: it is not used again: this is its end.
        let library = unsafe { ManuallyDrop::take(&mut self.library) };
        let (path, size, mapped) = (self.path.clone(), self.size, self.mapped.clone());
        // On a thread that ends: what the library runs at its end may make thread-local data, too.
        let closing = std::thread::Builder::new()
            .name("plugin-close".into())
            .spawn(move || {
                if let Err(error) = library.close() {
                    tracing::warn!("{} cannot be unmapped: {error}", path.display());
                }
                if is_mapped(&path) {
                    tracing::warn!(
                        "{} stays mapped although it was to be unmapped: something in the process holds it",
                        path.file_name().unwrap_or_default().display()
                    );
                    return;
                }
                mapped.images.fetch_sub(1, Relaxed);
                mapped.bytes.fetch_sub(size, Relaxed);
            });
        // Without a thread it stays mapped, which is never wrong.
        drop(closing);
    }
}

/// Whether the process still has the file mapped.
fn is_mapped(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    std::fs::read("/proc/self/maps").is_ok_and(|maps| memchr::memmem::find(&maps, path).is_some())
}

/// A copy of a library, in a folder of its own, until it is dropped.
struct Copy {
    folder: PathBuf,
    path: PathBuf,
}

impl Copy {
    /// A copy under a path that nobody can guess, and that was never used before: nobody can have put another file there, and the
    /// system's loader has never seen it.
    fn of(file: &Path, bytes: &[u8], copies: &Path) -> Result<Self, Refusal> {
        let cannot = |error: std::io::Error| {
            Refusal::new(format!("cannot be copied into {}: {error}", copies.display()))
                .help("let `server.data` be a folder that the broker can write to")
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(copies)
            .map_err(cannot)?;
        let copies = copies.canonicalize().map_err(cannot)?;
        place::is_ours(&copies)?;
        let name = getrandom::u64().map_err(|error| cannot(std::io::Error::other(error)))?;
        let folder = copies.join(format!("dunlin-plugin-{name:016x}"));
        // Not if it is there: then it is somebody else's.
        DirBuilder::new().mode(0o700).create(&folder).map_err(cannot)?;
        let path = folder.join(file.file_name().unwrap_or_default());
        let copy = Self { folder, path };
        let open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(&copy.path);
        open.and_then(|mut file| file.write_all(bytes)).map_err(cannot)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
        let _gone = std::fs::remove_dir(&self.folder);
    }
}

fn open(path: &Path) -> Result<Opened, Refusal> {
    // SAFETY: it runs the library's own code, which is trusted as the broker's own is: `place` has seen to who wrote it, and
    // `elf` to that it is whole.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = ManuallyDrop::new(library.map_err(|error| cannot_open(&error))?);
    // SAFETY: the symbol's name carries the major version of the ABI, which fixes its type.
    let entry = unsafe { library.get::<Entry>(ENTRY_SYMBOL.as_bytes()) };
    let entry = entry.map_err(|_| {
        Refusal::new(format!(
            "is no Dunlin plugin: it has no symbol `{}`",
            ENTRY_SYMBOL.trim_end_matches('\0')
        ))
    })?;
    let base = base_of(*entry as *const std::ffi::c_void);
    // SAFETY: the ABI has it take nothing, answer a pointer, and never unwind.
    let declaration = unsafe { entry() };
    Ok(Opened {
        library,
        declaration,
        base,
    })
}

/// Where the library lies that this address belongs to. A shared library begins at its address 0.
fn base_of(address: *const std::ffi::c_void) -> usize {
    let mut about = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: it writes to `about` alone, which zeros are a valid value of.
    let about = unsafe {
        libc::dladdr(address, about.as_mut_ptr());
        about.assume_init()
    };
    about.dli_fbase as usize
}

fn cannot_open(error: &libloading::Error) -> Refusal {
    let said = match std::error::Error::source(error) {
        Some(system) => system.to_string(),
        None => error.to_string(),
    };
    match said.split_once("undefined symbol: ") {
        Some((_, symbol)) => Refusal::new(format!(
            "needs `{}`, which is not there",
            symbol.split([' ', ',']).next().unwrap_or(symbol)
        ))
        .help("link the library that has it, statically if it can be"),
        None if said.contains("failed to map segment") => Refusal::new(format!("cannot be opened: {said}"))
            .help(
                "its copy lies in `server.data`, which must not be on a file system that is mounted noexec",
            ),
        None => Refusal::new(format!("cannot be opened: {said}"))
            .help("ldd shows which libraries it needs and which are missing"),
    }
}
