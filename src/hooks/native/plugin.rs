//! A compiled plugin as a generation holds it: its image, what it declares, and the instance that serves.

use super::declared::{self, Declared};
use super::desk::Desk;
use super::image::Image;
use super::instance::{Beginning, Deadlines, Instance};
use super::pool::Refused;
use super::world::World;
use super::{Refusal, elf, place};
use crate::config::hooks::{PolicyEntry, Unload};
use crate::hooks::declare::Declaration;
use crate::hooks::error::LoadError;
use crate::hooks::handed_over::State;
use crate::hooks::services::Services;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Weak};

/// A file that was read and looks like a plugin; none of its code has run.
pub(crate) struct Candidate {
    bytes: Vec<u8>,
    facts: elf::Facts,
    pub(crate) hash: [u8; 32],
}

pub(crate) struct Plugin {
    policy: Arc<str>,
    file: Arc<str>,
    settings: Arc<str>,
    image: Arc<Image>,
    declared: Arc<Declared>,
    deadlines: Deadlines,
    unload: Unload,
    number: u64,
    same: Refused,
    services: Weak<Services>,
    /// The instance that serves, for as long as anybody holds it.
    live: Mutex<Weak<Instance>>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Keeps an instance alive while no shard does.
#[derive(Clone)]
pub(crate) struct Alive {
    _instance: Arc<Instance>,
}

impl std::fmt::Debug for Alive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alive")
    }
}

/// What a plugin is loaded for.
pub(crate) struct For<'a> {
    pub(crate) entry: &'a PolicyEntry,
    pub(crate) policy: &'a Arc<str>,
    /// As errors call it.
    pub(crate) file: &'a Arc<str>,
    pub(crate) path: &'a Path,
    /// As JSON.
    pub(crate) settings: String,
    /// The number of the generation.
    pub(crate) generation: u64,
    pub(crate) services: &'a Arc<Services>,
}

impl Candidate {
    /// Reads the file, and finds out all that can be found out without running its code.
    ///
    /// # Errors
    /// Why it is no plugin for this broker.
    pub(crate) fn read(asked: &For<'_>) -> Result<Self, LoadError> {
        let refused = |refusal: Refusal| refusal.of(asked.file);
        let bytes = place::read(asked.path).map_err(refused)?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let allowed = &asked.entry.sha256;
        if !allowed.is_empty() && !allowed.iter().any(|known| known.eq_ignore_ascii_case(&digits)) {
            return Err(refused(
                Refusal::new(format!(
                    "has the SHA-256 {digits}, which is not in `sha256` of its entry"
                ))
                .help("if this is the file that you mean, add it there"),
            ));
        }
        let facts = elf::check(&bytes).map_err(refused)?;
        Ok(Self { bytes, facts, hash })
    }
}

impl Plugin {
    /// Opens the candidate, makes an instance of it with what the one before handed over, and has it try itself.
    ///
    /// # Errors
    /// Why it does not serve.
    pub(crate) fn load(
        asked: &For<'_>,
        candidate: Candidate,
        previous: &State,
    ) -> Result<(Self, Alive), LoadError> {
        let refused = |refusal: Refusal| refusal.of(asked.file);
        let plugins = asked.services.plugins();
        let settings: Arc<str> = asked.settings.as_str().into();
        let same = Refused {
            hash: candidate.hash,
            settings: settings.clone(),
        };
        let Candidate { bytes, facts, .. } = candidate;
        // Who crashes the broker with what follows has left his name in the log.
        tracing::info!(
            policy = &**asked.policy,
            plugin = facts.about.name,
            version = facts.about.version,
            "opening {}",
            asked.file
        );
        let patience = asked.entry.load_budget();
        let opened = plugins.open(asked.path, &bytes, facts, &same, patience);
        let image = opened.map_err(refused)?;
        drop(bytes);
        let declared = match declared::read(&image) {
            Ok(declared) => Arc::new(declared),
            Err(refusal) => {
                plugins.refused(same, image);
                return Err(refused(refusal));
            }
        };
        image.may_unload(unloads(asked, &declared, &image));
        let plugin = Self {
            policy: asked.policy.clone(),
            file: asked.file.clone(),
            settings,
            image,
            declared,
            deadlines: Deadlines {
                load: patience,
                quiesce: asked.entry.quiesce,
            },
            unload: asked.entry.unload,
            number: asked.generation,
            same,
            services: Arc::downgrade(asked.services),
            live: Mutex::default(),
        };
        let alive = plugin.begin(previous, asked.services).map_err(refused)?;
        Ok((plugin, alive))
    }

    /// How it begins and ends, as a text that two entries can be compared by.
    pub(crate) fn terms(&self) -> String {
        format!("{:?}{:?}", self.deadlines, self.unload)
    }

    /// What it declares.
    pub(crate) fn declares(&self) -> &Declaration {
        &self.declared.declares
    }

    /// What it is, as a text that two versions can be compared by.
    pub(crate) fn about(&self, hash: &str) -> String {
        let Declared {
            name, version, abi, ..
        } = &*self.declared;
        let hooks: Vec<String> = self
            .declares()
            .hooks
            .iter()
            .map(|hook| hook.to_string())
            .collect();
        format!(
            "compiled plugin {name} {version}, plugin ABI {}.{}\nhooks: {}\nsha256: {hash}\n",
            abi.0,
            abi.1,
            hooks.join(", ")
        )
    }

    /// Whether it was made for the same settings under the same limits.
    pub(crate) fn serves_for(&self, asked: &For<'_>) -> bool {
        *self.settings == *asked.settings
            && self.deadlines.load == asked.entry.load_budget()
            && self.deadlines.quiesce == asked.entry.quiesce
            && self.unload == asked.entry.unload
    }

    /// Its instance, if anybody still holds it.
    pub(crate) fn alive(&self) -> Option<Alive> {
        let instance = self.live.lock().upgrade()?;
        Some(Alive { _instance: instance })
    }

    /// What its instance hands over to the next; nothing when there is none.
    pub(crate) fn handed_over(&self) -> State {
        let Some(instance) = self.live.lock().upgrade() else {
            return State::Nothing;
        };
        match instance.export_state() {
            Ok(handed_over) => {
                handed_over.map_or(State::Nothing, |(version, bytes)| State::bytes(version, bytes))
            }
            Err(refusal) => {
                tracing::warn!(policy = &*self.policy, "{}: {}", self.file, refusal.what);
                State::Nothing
            }
        }
    }

    /// Makes an instance anew, where there is none any more.
    ///
    /// # Errors
    /// Why it does not serve.
    pub(crate) fn revive(&self, previous: &State, services: &Arc<Services>) -> Result<Alive, LoadError> {
        if let Some(alive) = self.alive() {
            return Ok(alive);
        }
        self.begin(previous, services)
            .map_err(|refusal| refusal.of(&self.file))
    }

    fn begin(&self, previous: &State, services: &Arc<Services>) -> Result<Alive, Refusal> {
        let (world, host) = World::new(&self.policy, &self.file, &self.settings, self.number, services);
        let instance = Instance::begin(Beginning {
            image: self.image.clone(),
            declared: self.declared.clone(),
            world,
            host,
            settings: self.settings.clone(),
            previous: previous.to_bytes(),
            deadlines: self.deadlines,
            ending: services.plugins().begins(),
        })?;
        *self.live.lock() = Arc::downgrade(&instance);
        Ok(Alive { _instance: instance })
    }

    /// A desk on this shard.
    ///
    /// # Errors
    /// Its instance has ended.
    pub(crate) fn desk(&self) -> Result<Desk, LoadError> {
        let instance = self.live.lock().upgrade();
        let ended = || Refusal::new("has ended, and was not made anew").of(&self.file);
        instance.map(Desk::new).ok_or_else(ended)
    }
}

impl Drop for Plugin {
    /// One that never served, because it was refused or something beside it was, may be tried again, and often.
    fn drop(&mut self) {
        if let Some(services) = self.services.upgrade()
            && !self.image.has_served()
        {
            services.plugins().refused(self.same.clone(), self.image.clone());
        }
    }
}

/// Whether its image may be unmapped at its end.
fn unloads(asked: &For<'_>, declared: &Declared, image: &Image) -> bool {
    if asked.entry.unload == Unload::Keep {
        return false;
    }
    let keeps = [
        (
            !declared.unloadable,
            "it does not declare that it can be unmapped (UNLOADABLE)",
        ),
        (declared.threads, "it has threads of its own"),
        (
            declared.thread_locals || image.facts().thread_locals,
            "it has thread-local data",
        ),
    ];
    match keeps.iter().find(|(keeps, _)| *keeps) {
        None => true,
        Some((_, why)) => {
            tracing::info!(
                policy = &**asked.policy,
                "{} stays mapped when it has ended, although its entry says `unload = \"best-effort\"`: {why}",
                asked.file
            );
            false
        }
    }
}
