//! A generation: one immutable set of everything loaded. Shards build their states from it, and serve it whole or not
//! at all.

use super::cache::CacheRule;
use super::error::LoadError;
use super::handed_over::State;
use super::lint;
use super::native::{Alive, Candidate, For, Plugin};
use super::policy::{Policy, settings};
use super::reload::PolicyRecord;
use super::services::Services;
use super::source;
use crate::config::hooks::{HookDefaults, PolicyEntry};
use dunlin_plugin_api::{Hook, HookSet};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Compiled and checked policies in the order of the chain, with what decides when none of them does.
#[derive(Debug)]
pub struct Generation {
    number: u64,
    hash: String,
    policies: Vec<Arc<Policy>>,
    defaults: HookDefaults,
    hooks: HookSet,
    waits: HookSet,
    publish_cache: Option<CacheRule>,
    subscribe_cache: Option<CacheRule>,
    /// Instances of its plugins, until the shards have them.
    alive: Mutex<Vec<Alive>>,
}

impl Generation {
    /// Reads, compiles and tries every policy of the chain: each script runs in a state of its own, `on_load` included, under
    /// the limits of its entry; of each plugin an instance is made, which lives as long as anybody holds it: at first the
    /// generation itself, until [`Generation::let_go`]. Relative paths are relative to `base`; `services` is what its policies share with others.
    ///
    /// # Errors
    /// Everything that is wrong; then nothing of it is used.
    pub fn load(
        number: u64,
        entries: &[PolicyEntry],
        defaults: &HookDefaults,
        base: &Path,
        services: &Arc<Services>,
    ) -> Result<Self, Vec<LoadError>> {
        Self::after(None, number, entries, defaults, base, services)
    }

    /// The same, for a generation that follows `before`: its policies are given what those of the same names hand over.
    ///
    /// # Errors
    /// As [`Generation::load`].
    pub fn after(
        before: Option<&Generation>,
        number: u64,
        entries: &[PolicyEntry],
        defaults: &HookDefaults,
        base: &Path,
        services: &Arc<Services>,
    ) -> Result<Self, Vec<LoadError>> {
        let mut names = BTreeSet::new();
        let mut policies = Vec::new();
        let mut alive = Vec::new();
        let mut errors = Vec::new();
        for entry in entries {
            let file = entry.file().display().to_string();
            if !names.insert(&entry.name) {
                let message = format!("two policies are called `{}`", entry.name);
                errors.push(
                    LoadError::new(&file, None, message)
                        .help("give each entry of the chain a name of its own"),
                );
                continue;
            }
            let same = policy_of(before, &entry.name);
            let policy = match &entry.plugin {
                None => script(entry, file, base, services, same),
                Some(path) => {
                    let loaded = plugin(entry, file, base.join(path), number, services, same);
                    loaded.map(|(policy, held)| {
                        alive.push(held);
                        policy
                    })
                }
            };
            match policy {
                Ok(policy) => policies.push(Arc::new(policy)),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            number,
            hash: hash(&policies, defaults),
            hooks: policies
                .iter()
                .map(|policy| policy.declares.hooks)
                .fold(HookSet::EMPTY, HookSet::union),
            waits: policies
                .iter()
                .map(|policy| policy.declares.waits)
                .fold(HookSet::EMPTY, HookSet::union),
            publish_cache: cache(&policies, Hook::AuthorizePublish),
            subscribe_cache: cache(&policies, Hook::AuthorizeSubscribe),
            policies,
            defaults: *defaults,
            alive: Mutex::new(alive),
        })
    }

    /// The shards have its plugins: from now on instances live as long as those do.
    pub fn let_go(&self) {
        self.alive.lock().clear();
    }

    /// Before it serves again: makes instances of its plugins where there are none any more, with what those of `serving`
    /// hand over, and holds them until [`Generation::let_go`].
    ///
    /// # Errors
    /// A plugin does not want to serve any more.
    pub fn revive(&self, serving: &Generation, services: &Arc<Services>) -> Result<(), LoadError> {
        for policy in &self.policies {
            let Some(plugin) = policy.plugin() else { continue };
            let held = match plugin.alive() {
                Some(held) => held,
                None => {
                    let same = policy_of(Some(serving), policy.name());
                    let previous = same.map_or(State::Nothing, |policy| policy.handed_over());
                    plugin.revive(&previous, services)?
                }
            };
            self.alive.lock().push(held);
        }
        Ok(())
    }

    /// A generation without policies: the defaults decide everything.
    pub fn empty(number: u64, defaults: HookDefaults) -> Self {
        Self {
            number,
            hash: hash(&[], &defaults),
            policies: Vec::new(),
            alive: Mutex::default(),
            defaults,
            hooks: HookSet::EMPTY,
            waits: HookSet::EMPTY,
            publish_cache: None,
            subscribe_cache: None,
        }
    }

    /// Counts up with every generation that was put in force.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// SHA-256 over names, files, settings, limits and defaults, in hex: two generations with the same hash decide alike.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The first 12 digits of the hash, for logs.
    pub fn short_hash(&self) -> &str {
        self.hash.get(..12).unwrap_or(&self.hash)
    }

    /// The hooks that any policy has.
    pub fn hooks(&self) -> HookSet {
        self.hooks
    }

    /// The hooks of the hot path whose answers may have to be waited for.
    pub fn waits(&self) -> HookSet {
        self.waits
    }

    /// The names of the policies, in the order of the chain.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|policy| &**policy.name())
    }

    /// Its policies as the log of policies names them.
    pub fn records(&self) -> Vec<PolicyRecord> {
        let record = |policy: &Arc<Policy>| PolicyRecord {
            name: policy.name().to_string(),
            file: policy.file.to_string(),
            hash: hex(&policy.hash),
        };
        self.policies.iter().map(record).collect()
    }

    /// The sources of a generation: what its files are called, and what is in them; of a plugin what it says of itself.
    pub fn sources(&self) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
        self.policies.iter().flat_map(|policy| {
            let scripts = policy.script().into_iter().flat_map(|script| {
                std::iter::once(&script.image)
                    .chain(&script.modules)
                    .map(|image| (&*image.file, Cow::Borrowed(&*image.source)))
            });
            let plugins = policy.plugin().into_iter().map(|plugin| {
                let about = plugin.about(&hex(&policy.hash));
                (&*policy.file, Cow::Owned(about.into_bytes()))
            });
            scripts.chain(plugins)
        })
    }

    /// Every file that went into it: scripts and the modules that they require, and plugins.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.policies.iter().flat_map(|policy| {
            let modules = policy.script().map_or(&[][..], |script| &script.modules);
            std::iter::once(policy.path.as_path()).chain(modules.iter().map(|image| image.path.as_path()))
        })
    }

    /// The user name and password that `client_id` should connect with, as the first policy that has a `credentials`
    /// function says; `None` when no policy has one. Builds a state for this one question.
    ///
    /// # Errors
    /// When the function fails, or does not return two strings.
    pub fn credentials(&self, client_id: &str) -> Option<Result<(String, String), LoadError>> {
        let policy = self.policies.iter().find(|policy| policy.declares.credentials)?;
        Some(policy.credentials(client_id))
    }

    /// How an answer of the whole chain may be cached: only when every entry that is asked says so.
    pub fn cache(&self, hook: Hook) -> Option<CacheRule> {
        match hook {
            Hook::AuthorizePublish => self.publish_cache,
            Hook::AuthorizeSubscribe => self.subscribe_cache,
            _ => None,
        }
    }

    /// What decides when no policy does.
    pub fn defaults(&self) -> &HookDefaults {
        &self.defaults
    }

    pub(crate) fn chain(&self) -> &[Arc<Policy>] {
        &self.policies
    }
}

/// How long plugins that were only tried may take to end.
const PLUGINS_END: Duration = Duration::from_secs(10);

/// What `dunlin check` asks: everything that is wrong with the scripts of these entries.
pub fn check(entries: &[PolicyEntry], base: &Path) -> Vec<LoadError> {
    let services = Arc::default();
    let loaded = Generation::load(0, entries, &HookDefaults::default(), base, &services);
    let wrong = loaded.err().unwrap_or_default();
    // The process may end right after this, which must not happen under a plugin's feet.
    let _those_that_can = services.plugins_have_ended(PLUGINS_END);
    wrong
}

/// The folders whose changes may change a generation made of `entries`: those of the scripts and of what they require,
/// and where one is a symbolic link, the folder of the file that it leads to as well.
pub(crate) fn folders(entries: &[PolicyEntry], base: &Path, loaded: &Generation) -> BTreeSet<PathBuf> {
    let named = entries.iter().map(|entry| base.join(entry.file()));
    let files = named.chain(loaded.files().map(Path::to_path_buf));
    files
        .flat_map(|file| [file.canonicalize().ok(), Some(file)])
        .flatten()
        .filter_map(|file| file.parent().map(Path::to_path_buf))
        .collect()
}

/// One script: read, looked into, and tried. What can be seen in a file is said at once, what happens when it runs comes
/// last, unless it is the same.
fn script(
    entry: &PolicyEntry,
    file: String,
    base: &Path,
    services: &Arc<Services>,
    before: Option<&Arc<Policy>>,
) -> Result<Policy, Vec<LoadError>> {
    let image = source::read(&entry.name, file, base.join(&entry.script)).map_err(|error| vec![error])?;
    let previous = before.map_or(State::Nothing, |policy| policy.handed_over());
    let mut wrong = lint::lint(&image.source, &image.file);
    match Policy::load(entry, image, base, services, previous) {
        Ok(policy) => {
            for module in policy.script().into_iter().flat_map(|script| &script.modules) {
                wrong.extend(lint::lint_module(&module.source, &module.file));
            }
            if wrong.is_empty() { Ok(policy) } else { Err(wrong) }
        }
        Err(error) => {
            let is_known = |found: &LoadError| found.file == error.file && found.line == error.line;
            if !wrong.iter().any(is_known) {
                wrong.push(error);
            }
            Err(wrong)
        }
    }
}

/// One plugin: the one that serves already, when its file and its settings are the same, or a new one.
fn plugin(
    entry: &PolicyEntry,
    file: String,
    path: PathBuf,
    number: u64,
    services: &Arc<Services>,
    before: Option<&Arc<Policy>>,
) -> Result<(Policy, Alive), Vec<LoadError>> {
    let (name, file): (Arc<str>, Arc<str>) = (entry.name.as_str().into(), file.into());
    let asked = For {
        entry,
        policy: &name,
        file: &file,
        path: &path,
        settings: settings(&entry.settings).to_string(),
        generation: number,
        services,
    };
    let loaded = || {
        let candidate = Candidate::read(&asked)?;
        let hash = candidate.hash;
        let serving = before.filter(|policy| policy.hash == hash);
        let serving = serving.and_then(|policy| policy.plugin());
        let serving = serving.filter(|plugin| plugin.serves_for(&asked));
        let (plugin, held) = match serving.and_then(|plugin| Some((plugin.clone(), plugin.alive()?))) {
            Some(same) => same,
            None => {
                let previous = before.map_or(State::Nothing, |policy| policy.handed_over());
                let (plugin, held) = Plugin::load(&asked, candidate, &previous)?;
                (Arc::new(plugin), held)
            }
        };
        let policy = Policy::compiled(
            entry,
            name.clone(),
            file.clone(),
            path.clone(),
            hash,
            plugin,
            services,
        )?;
        Ok((policy, held))
    };
    loaded().map_err(|error| vec![error])
}

fn policy_of<'a>(generation: Option<&'a Generation>, name: &str) -> Option<&'a Arc<Policy>> {
    let mut policies = generation.into_iter().flat_map(|generation| &generation.policies);
    policies.find(|policy| **policy.name() == *name)
}

fn cache(policies: &[Arc<Policy>], hook: Hook) -> Option<CacheRule> {
    let mut asked = policies
        .iter()
        .filter(|policy| policy.declares.hooks.contains(hook));
    let first = asked.next()?.declares.cache(hook)?;
    asked.try_fold(first, |rule, policy| Some(rule.and(policy.declares.cache(hook)?)))
}

fn hash(policies: &[Arc<Policy>], defaults: &HookDefaults) -> String {
    let mut hash = Sha256::new();
    for policy in policies {
        let modules = policy.script().map_or(&[][..], |script| &script.modules);
        let modules = modules.iter().map(|module| (&module.name, &module.hash));
        for (name, file) in std::iter::once((policy.name(), &policy.hash)).chain(modules) {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(file);
        }
        hash.update(policy.settings.to_string());
        let Policy {
            limits,
            on_error,
            on_timeout,
            breaker,
            ..
        } = &**policy;
        hash.update(format!("{limits:?}{on_error:?}{on_timeout:?}{breaker:?}"));
        if let Some(plugin) = policy.plugin() {
            hash.update(plugin.terms());
        }
    }
    hash.update(format!("{defaults:?}"));
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
