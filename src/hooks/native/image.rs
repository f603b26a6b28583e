//! An open shared library.
//!
//! It is opened from a copy in memory that has a name of its own, so a file that is overwritten in place pulls no code from
//! under the broker's feet, and the same file loaded twice is two images. All symbols are bound at once: one that is missing is an
//! error here, and not the end of the process at the first call.
//!
//! *Invariant*: an image stays mapped for ever once its code has run. Unmapping is unsound in general: threads, thread-local data
//! and exit handlers of the library may still refer to it.
#![allow(
    unsafe_code,
    reason = "opening a shared library runs its code; the layers before have checked its bytes"
)]

use super::Refusal;
use dunlin_plugin_api::abi::{Declaration, ENTRY_SYMBOL, Entry};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::path::Path;

/// A library that stays open.
pub(super) struct Image {
    hash: String,
    declaration: *const Declaration,
    _library: ManuallyDrop<Library>,
}

// SAFETY: the declaration lives, unchanged, as long as the image, which is never unmapped (abi::Declaration).
unsafe impl Send for Image {}

impl Image {
    /// Opens a copy of `bytes`, which come from `file`, and asks its entry symbol.
    ///
    /// # Errors
    /// The system's reason, or that its entry answers nothing.
    pub(super) fn open(file: &Path, bytes: &[u8]) -> Result<Self, Refusal> {
        let hash = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let copy = copy(file, bytes)
            .map_err(|error| Refusal::new(format!("cannot be copied into memory: {error}")))?;
        // The name of a file of this process that nobody else can open by accident.
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        // On a thread of its own, which ends: thread-local data that the library touches while it is opened binds it to that thread.
        let opened = std::thread::scope(|scope| {
            let opening = std::thread::Builder::new()
                .name("plugin-open".into())
                .spawn_scoped(scope, || open(&path));
            match opening {
                Ok(opening) => opening
                    .join()
                    .unwrap_or_else(|_| Err(Refusal::new("panicked while it was opened"))),
                Err(error) => Err(Refusal::new(format!("cannot be opened: no thread ({error})"))),
            }
        });
        let (library, Pointer(declaration)) = opened.map_err(|refusal| Refusal {
            what: refusal.what.replace(&path, &file.display().to_string()),
            ..refusal
        })?;
        Ok(Self {
            hash,
            declaration,
            _library: ManuallyDrop::new(library),
        })
    }

    /// SHA-256 of the file, in hex.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// What its entry symbol answered; not null.
    pub(super) fn declaration(&self) -> *const Declaration {
        self.declaration
    }
}

/// A pointer that crosses to the thread that asked for it.
struct Pointer(*const Declaration);

// SAFETY: as for `Image`.
unsafe impl Send for Pointer {}

/// A file without a place, which is gone when nobody has it open. The image keeps its pages.
fn copy(file: &Path, bytes: &[u8]) -> std::io::Result<std::fs::File> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let fd = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut copy = std::fs::File::from(fd);
    copy.write_all(bytes)?;
    Ok(copy)
}

fn open(path: &str) -> Result<(Library, Pointer), Refusal> {
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
    // SAFETY: the ABI has it take nothing, answer a pointer, and never unwind.
    let declaration = unsafe { entry() };
    if declaration.is_null() {
        return Err(Refusal::new("declares nothing: its entry symbol answers null"));
    }
    Ok((ManuallyDrop::into_inner(library), Pointer(declaration)))
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
        None => Refusal::new(format!("cannot be opened: {said}"))
            .help("ldd shows which libraries it needs and which are missing"),
    }
}
