//! Compiled plugins: from a file to functions that may be called.
//!
//! What a shared library does cannot be contained: its code runs when it is opened, before anything of it can be asked. So all that
//! can be found out from its bytes is found out first, by layers:
//!
//! 1. [`place`]: nobody but the broker's own user and root can have put it there.
//! 2. [`elf`]: it is whole, for this machine, and has the entry symbol. A file that was cut short would end the process with
//!    SIGBUS in `dlopen`, so this is no courtesy.
//! 3. [`image`]: it is opened from a copy of its own, with all symbols bound, on a thread that ends right after.
//! 4. [`declared`]: what it says of itself makes sense and fits this broker.
//!
//! *Invariant*: a file that is refused by the first two layers has run no code here.

mod declared;
mod elf;
mod image;
mod place;

use super::error::LoadError;
use dunlin_plugin_api::Hook;
use std::path::Path;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of the ABI that it was built with.
    pub abi: (u16, u16),
    /// The hooks that it has.
    pub hooks: Vec<Hook>,
    /// SHA-256 of the file, in hex.
    pub hash: String,
    /// Whether threads of the broker keep its image mapped, because it has data of its own for each.
    pub thread_locals: bool,
}

/// Whether the first bytes are those of a shared library, rather than of a script.
#[must_use]
pub fn is_plugin(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "so") || elf::begins(file)
}

/// Opens a plugin as a load does, and says what it is. Its own code runs only as far as the system and its entry symbol do.
///
/// # Errors
/// Why the broker would refuse it.
pub fn inspect(file: &Path) -> Result<PluginInfo, LoadError> {
    let shown = file.display().to_string();
    let refused = |refusal: Refusal| {
        let error = LoadError::new(&shown, None, refusal.what);
        match refusal.help {
            Some(help) => error.help(help),
            None => error,
        }
    };
    place::check(file).map_err(refused)?;
    let bytes = std::fs::read(file).map_err(|error| {
        refused(Refusal::new(format!("cannot be read: {error}")).help("write the path of a plugin"))
    })?;
    let facts = elf::check(&bytes).map_err(refused)?;
    let image = image::Image::open(file, &bytes).map_err(refused)?;
    let declared = declared::read(&image).map_err(refused)?;
    Ok(PluginInfo {
        name: declared.name,
        version: declared.version,
        abi: declared.abi,
        hooks: declared.hooks,
        hash: image.hash().to_owned(),
        thread_locals: facts.thread_locals || declared.thread_locals,
    })
}

/// Why a file is no plugin for this broker, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    what: String,
    help: Option<String>,
}

impl Refusal {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
