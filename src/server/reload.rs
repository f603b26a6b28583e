//! Policies: loading them at the start, and swapping them on all shards.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;

use super::chain::ConfigFile;
use crate::config::{Config, PolicyEntry, Source};
use crate::hooks::{ChainSource, Generation, LoadError, ReloadSettings, Reloader, Services, Shards, Watch};
use crate::shard::{Control, Shared};

/// The demo's policies, for a binary that is started where no files are.
const BUILT_IN_SCRIPTS: [(&str, &str); 5] = [
    ("scripts/auth.lua", include_str!("../../scripts/auth.lua")),
    (
        "scripts/auth_token.lua",
        include_str!("../../scripts/auth_token.lua"),
    ),
    (
        "scripts/auth_device.lua",
        include_str!("../../scripts/auth_device.lua"),
    ),
    (
        "scripts/auth_custom.lua",
        include_str!("../../scripts/auth_custom.lua"),
    ),
    ("scripts/acl.lua", include_str!("../../scripts/acl.lua")),
];

/// The chain to load and what its paths are relative to. A built-in configuration brings its scripts along: they are
/// written into the data folder once, where they can be edited like any others.
///
/// # Errors
/// The data folder cannot be written.
pub fn policies(config: &Config) -> anyhow::Result<(Vec<PolicyEntry>, PathBuf)> {
    if config.source != Source::BuiltIn {
        return Ok((config.policy.clone(), PathBuf::from(".")));
    }
    let base = config.server.data.join("demo");
    for (name, text) in BUILT_IN_SCRIPTS {
        let path = base.join(name);
        if path.exists() {
            continue;
        }
        let folder = path.parent().unwrap_or(&base);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| {
                format!(
                    "{} cannot be written; set --data to a folder that can",
                    path.display()
                )
            })?;
        tracing::info!(path = %path.display(), "the demo's policy was put here; edit it and see it change");
    }
    Ok((config.policy.clone(), base))
}

/// All that is wrong with the policies, as one error.
#[must_use]
pub fn refused(errors: Vec<LoadError>) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}", lines.join("\n"))
}

/// Watches the policies of `config` from now on.
pub(super) fn start(
    config: &Config,
    chain: (Vec<PolicyEntry>, PathBuf),
    shared: &Arc<Shared>,
    current: Arc<Generation>,
    services: &Arc<Services>,
) -> anyhow::Result<Arc<Reloader>> {
    let settings = ReloadSettings {
        entries: chain.0,
        defaults: config.policy_defaults,
        base: chain.1,
        watch: config.policy_watch.files,
        watching: config.policy_watch,
        data: Some(config.server.data.clone()),
        services: Arc::clone(services),
        plugins: Some(config.plugins()),
        chain: ConfigFile::of(config).map(|file| Arc::new(file) as Arc<dyn ChainSource>),
    };
    let reloader = Reloader::start(settings, current, AllShards(Arc::clone(shared)))
        .context("the policies' files cannot be watched")?;
    Ok(Arc::new(reloader))
}

/// Reloads because somebody asked, whether or not a file has changed.
pub(super) fn now(reloader: &Reloader) {
    reloader.reload_now();
}

/// The shards' control lanes, to the reloader. Its thread may wait for them; it serves nobody else.
struct AllShards(Arc<Shared>);

impl AllShards {
    fn tell<T>(&self, message: impl Fn(oneshot::Sender<T>) -> Control) -> Vec<Result<T, LoadError>> {
        let lanes = 0..u16::try_from(self.0.controls.len()).unwrap_or(u16::MAX);
        let asked: Vec<_> = lanes
            .map(|shard| {
                let (reply, answer) = oneshot::channel();
                self.0.control(shard, message(reply));
                answer
            })
            .collect();
        let gone = |_| LoadError::new("reload", None, "a shard has stopped");
        asked
            .into_iter()
            .map(|answer| answer.blocking_recv().map_err(gone))
            .collect()
    }
}

impl AllShards {
    fn each(&self, message: impl Fn() -> Control) {
        for shard in 0..u16::try_from(self.0.controls.len()).unwrap_or(u16::MAX) {
            self.0.control(shard, message());
        }
    }
}

impl Shards for AllShards {
    fn prepare(&self, generation: Arc<Generation>) -> Result<(), LoadError> {
        let built = self.tell(|reply| Control::Prepare(Arc::clone(&generation), reply));
        built.into_iter().try_for_each(|answer| answer?)
    }

    fn activate(&self, number: u64, watch: Option<Arc<Watch>>) -> Result<Duration, LoadError> {
        let swaps = self.tell(|reply| Control::Activate(number, watch.clone(), reply));
        let swaps: Result<Vec<Duration>, LoadError> = swaps.into_iter().collect();
        Ok(swaps?.into_iter().max().unwrap_or_default())
    }

    fn settle(&self) {
        self.each(|| Control::Settle);
    }

    fn roll_back(&self) -> Result<(), LoadError> {
        let back: Result<Vec<bool>, LoadError> = self.tell(Control::RollBack).into_iter().collect();
        match back?.iter().all(|done| *done) {
            true => Ok(()),
            false => Err(LoadError::new(
                "rollback",
                None,
                "a shard has nothing to go back to",
            )),
        }
    }

    fn abort(&self, number: u64) {
        self.each(|| Control::Abort(number));
    }
}
