//! Where the chain is written: dunlin.toml, which is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Changed, Config, HookDefaults, PolicyEntry, Source};
use crate::hooks::{ChainSource, LoadError};

/// So long the file must not have changed before it is believed to be whole.
const SETTLED: Duration = Duration::from_millis(200);
/// So long at most that is waited for.
const AT_MOST: Duration = Duration::from_secs(2);

/// The configuration file of the broker that runs.
pub(super) struct ConfigFile {
    file: PathBuf,
    /// As the broker was started with it.
    started: Config,
    /// What an operator was told last that a restart is needed for.
    told: Mutex<Vec<Changed>>,
}

impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigFile")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl ConfigFile {
    /// That of `config`, if it comes from a file.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let Source::File(file) = &config.source else {
            return None;
        };
        Some(Self {
            file: file.clone(),
            started: config.clone(),
            told: Mutex::default(),
        })
    }

    /// Waits until nobody has written to the file for a moment: half of a chain is a chain, too, and would serve without the policies
    /// of the other half.
    fn rest(&self) {
        let began = Instant::now();
        while began.elapsed() < AT_MOST {
            let changed = std::fs::metadata(&self.file).and_then(|about| about.modified());
            let rested = changed.map(|changed| SystemTime::now().duration_since(changed));
            match rested {
                Ok(Ok(rested)) if rested < SETTLED => std::thread::sleep(SETTLED - rested),
                _ => return,
            }
        }
    }

    /// Says which settings have another value in the file than in the broker: those outside of the chain wait for a restart. (To
    /// refuse the file for them would hold up every policy until then.)
    fn tell(&self, now: &Config) {
        let changes = self.started.changes(now);
        let mut told = self
            .told
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *told == changes {
            return;
        }
        for Changed { name, old, new } in changes.iter().filter(|change| !told.contains(change)) {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
            tracing::warn!(
                "{}: `{name}` was {} when the broker started and is {} now; that takes a restart",
                self.file.display(),
                shown(old),
                shown(new)
            );
        }
        *told = changes;
    }
}

impl ChainSource for ConfigFile {
    fn file(&self) -> &Path {
        &self.file
    }

    fn read(&self) -> Result<(Vec<PolicyEntry>, HookDefaults), Vec<LoadError>> {
        self.rest();
        let Some(read) = self.started.again() else {
            return Ok((self.started.policy.clone(), self.started.policy_defaults));
        };
        let now = read.map_err(|error| {
            let problems = error.problems().iter();
            problems.map(LoadError::from).collect::<Vec<_>>()
        })?;
        self.tell(&now);
        Ok((now.policy, now.policy_defaults))
    }
}
