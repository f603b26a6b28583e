//! Compiled plugins: from a file to answers in the chain.
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
//! Then it lives: a [`plugin`] belongs to a generation and makes an [`instance`], which the shards ask through a [`desk`] each.
//!
//! ```text
//! generation ─> Plugin ─> Image (mapped)
//!                 │ weakly
//!                 v
//! shard 0: Desk ─> Instance ─> World (host table, tickets, errands) <─ plugin's threads
//! shard 1: Desk ──────┘  the last desk that goes ends it, on a thread of its own
//! ```
//!
//! A call: [`calls`] make the event, the desk opens a ticket ([`tickets`]) and calls the function; the plugin answers by what it
//! returns, or completes the ticket ([`table`]), now or later; [`answer`] and [`read`] check every number of it.
//!
//! *Invariants*: a file that is refused by the first two layers has run no code here. No Rust type crosses the boundary. Nobody is
//! in a call of an instance, or will be, when it is told to end.

mod answer;
mod calls;
mod control;
mod declared;
mod desk;
mod elf;
mod errands;
mod image;
mod instance;
mod lines;
mod lives;
mod observed;
mod place;
mod plugin;
mod pool;
mod read;
mod records;
mod shown;
mod sync;
mod table;
mod tickets;
mod world;

use super::error::LoadError;
pub(crate) use answer::{Answered, Said};
pub(crate) use desk::{Desk, Reply};
use dunlin_plugin_api::Hook;
pub(crate) use plugin::{Alive, Candidate, For, Plugin};
pub(crate) use pool::Plugins;
use std::path::Path;
use std::time::Duration;

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

/// How long one is given that is only looked at.
const LOOK: Duration = Duration::from_secs(10);

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
    look(file).map_err(|refusal| refusal.of(&file.display().to_string()))
}

fn look(file: &Path) -> Result<PluginInfo, Refusal> {
    use sha2::{Digest, Sha256};
    let bytes = place::read(file)?;
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    let same = pool::Refused {
        hash,
        settings: "".into(),
    };
    let plugins = Plugins::default();
    let image = plugins.open(file, &bytes, elf::check(&bytes)?, &same, LOOK)?;
    let declared = declared::read(&image)?;
    Ok(PluginInfo {
        hooks: declared.declares.hooks.iter().collect(),
        name: declared.name,
        version: declared.version,
        abi: declared.abi,
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        thread_locals: image.facts().thread_locals || declared.thread_locals,
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

    /// As an error of this file.
    fn of(self, file: &str) -> LoadError {
        let error = LoadError::new(file, None, self.what);
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}
