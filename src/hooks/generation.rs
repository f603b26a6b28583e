//! A generation: one immutable set of everything loaded. Shards build their states from it, and serve it whole or not
//! at all.

use super::cache::CacheRule;
use super::error::LoadError;
use super::lint;
use super::policy::Policy;
use super::reload::PolicyRecord;
use super::services::Services;
use super::source;
use crate::config::hooks::{HookDefaults, PolicyEntry};
use dunlin_plugin_api::{Hook, HookSet};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
}

impl Generation {
    /// Reads, compiles and tries every script of the chain: each runs in a state of its own, `on_load` included, under
    /// the limits of its entry. Relative paths are relative to `base`; `services` is what its policies share with others.
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
        let mut errors = Vec::new();
        for entry in entries {
            let file = entry.script.display().to_string();
            if !names.insert(&entry.name) {
                let message = format!("two policies are called `{}`", entry.name);
                errors.push(
                    LoadError::new(&file, None, message)
                        .help("give each entry of the chain a name of its own"),
                );
                continue;
            }
            let previous = handed_over(before, &entry.name);
            match policy(entry, file, base, services, previous) {
                Ok(policy) => policies.push(Arc::new(policy)),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            number,
            hash: hash(&policies),
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
        })
    }

    /// A generation without policies: the defaults decide everything.
    pub fn empty(number: u64, defaults: HookDefaults) -> Self {
        Self {
            number,
            hash: hash(&[]),
            policies: Vec::new(),
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

    /// SHA-256 over names, sources and settings, in hex: two generations with the same hash decide alike.
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
            file: policy.image.file.to_string(),
            hash: hex(&policy.image.hash),
        };
        self.policies.iter().map(record).collect()
    }

    /// The sources of a generation: what its files are called, and what is in them.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.policies
            .iter()
            .flat_map(|policy| std::iter::once(&policy.image).chain(&policy.modules))
            .map(|image| (&*image.file, &*image.source))
    }

    /// Every file that went into it: scripts and the modules that they require.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.policies.iter().flat_map(|policy| {
            std::iter::once(&policy.image)
                .chain(&policy.modules)
                .map(|image| image.path.as_path())
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

/// What `dunlin check` asks: everything that is wrong with the scripts of these entries.
pub fn check(entries: &[PolicyEntry], base: &Path) -> Vec<LoadError> {
    Generation::load(0, entries, &HookDefaults::default(), base, &Arc::default())
        .err()
        .unwrap_or_default()
}

/// The folders whose changes may change a generation made of `entries`: those of the scripts and of what they require,
/// and where one is a symbolic link, the folder of the file that it leads to as well.
pub(crate) fn folders(entries: &[PolicyEntry], base: &Path, loaded: &Generation) -> BTreeSet<PathBuf> {
    let scripts = entries.iter().map(|entry| base.join(&entry.script));
    let files = scripts.chain(loaded.files().map(Path::to_path_buf));
    files
        .flat_map(|file| [file.canonicalize().ok(), Some(file)])
        .flatten()
        .filter_map(|file| file.parent().map(Path::to_path_buf))
        .collect()
}

/// One policy: read, looked into, and tried. What can be seen in a file is said at once, what happens when it runs comes
/// last, unless it is the same.
fn policy(
    entry: &PolicyEntry,
    file: String,
    base: &Path,
    services: &Arc<Services>,
    previous: serde_json::Value,
) -> Result<Policy, Vec<LoadError>> {
    let image = source::read(&entry.name, file, base.join(&entry.script)).map_err(|error| vec![error])?;
    let mut wrong = lint::lint(&image.source, &image.file);
    match Policy::load(entry, image, base, services, previous) {
        Ok(policy) => {
            for module in &policy.modules {
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

fn handed_over(before: Option<&Generation>, name: &str) -> serde_json::Value {
    let policies = before.into_iter().flat_map(|before| &before.policies);
    let same = policies.into_iter().find(|policy| **policy.name() == *name);
    same.map_or(serde_json::Value::Null, |policy| policy.handed_over.clone())
}

fn cache(policies: &[Arc<Policy>], hook: Hook) -> Option<CacheRule> {
    let mut asked = policies
        .iter()
        .filter(|policy| policy.declares.hooks.contains(hook));
    let first = asked.next()?.declares.cache(hook)?;
    asked.try_fold(first, |rule, policy| Some(rule.and(policy.declares.cache(hook)?)))
}

fn hash(policies: &[Arc<Policy>]) -> String {
    let mut hash = Sha256::new();
    for policy in policies {
        for image in std::iter::once(&policy.image).chain(&policy.modules) {
            hash.update((image.name.len() as u64).to_le_bytes());
            hash.update(image.name.as_bytes());
            hash.update(image.hash);
        }
        hash.update(policy.settings.to_string());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
